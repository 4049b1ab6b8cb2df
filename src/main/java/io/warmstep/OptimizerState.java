package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.rule.StateSlot;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The state tensors of an optimizer. A slot that all owned parameters of a type have lies in one
 * allocation with the same offsets as the parameters, so that one range of it goes with one range
 * of parameters. Any other is allocated for its parameter alone.
 */
final class OptimizerState {
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final Device device;
  private final Lifetime owner;
  private final Map<String, Map<String, Tensor>> tensors = new LinkedHashMap<>();

  /** Those names of a parameter's state that are a single value for all its elements. */
  private final Map<String, Set<String>> ofTensor = new HashMap<>();

  /** Those names of a parameter that are no state, but room for a step to work in. */
  private final Map<String, Set<String>> scratch = new HashMap<>();

  private final List<Memory> memories = new ArrayList<>();

  /** Parameters of a continued run whose state nobody has asked for yet, until the first step. */
  private final Set<String> unrestored = new LinkedHashSet<>();

  OptimizerState(Device device, Lifetime owner) {
    this.device = device;
    this.owner = owner;
  }

  /**
   * Allocates the state of parameters.
   *
   * @param parameters all of a set
   * @param groups those that they are in
   * @throws OutOfDeviceMemoryException if there is not enough memory; nothing stays allocated
   */
  void allocate(Parameters parameters, List<RuleGroup> groups) {
    Map<String, List<StateSlot>> slots = new LinkedHashMap<>();
    for (RuleGroup group : groups) {
      for (Parameter parameter : group.members()) {
        slots.put(parameter.name(), group.rule().stateSlots());
      }
    }
    int before = memories.size();
    try {
      allocateSlots(parameters, slots);
    } catch (RuntimeException | Error e) {
      release(slots.keySet(), before);
      throw e;
    }
  }

  /** Frees the state of the last parameters that were added. */
  private void release(Collection<String> names, int memoriesBefore) {
    List<Memory> last = memories.subList(memoriesBefore, memories.size());
    last.forEach(Memory::close);
    last.clear();
    tensors.keySet().removeAll(names);
  }

  /** Takes back what {@link #allocate} did for a set. */
  void release(Parameters parameters, int memoriesBefore) {
    release(parameters.all().stream().map(Parameter::name).toList(), memoriesBefore);
  }

  private void allocateSlots(Parameters parameters, Map<String, List<StateSlot>> slots) {
    Map<Shared, Memory> shared = new LinkedHashMap<>();
    Map<Shared, Long> coverage = coverage(parameters, slots);
    Map<OfTensors, List<Parameter>> ofTensors = ofTensors(parameters, slots);
    Map<OfTensors, Memory> kept = new HashMap<>();
    for (Parameter parameter : parameters) {
      MemorySlice values = parameter.values().slice();
      Map<String, Tensor> byName = new LinkedHashMap<>();
      for (StateSlot slot : slots.get(parameter.name())) {
        if (slot.extent() == StateSlot.Extent.TENSOR) {
          ElementType type = values.memory().type().arithmetic();
          ofTensor.computeIfAbsent(parameter.name(), name -> new HashSet<>()).add(slot.name());
          List<Parameter> having = ofTensors.get(new OfTensors(type, slot));
          Memory memory =
              kept.computeIfAbsent(
                  new OfTensors(type, slot),
                  key -> allocate(Storage.of(type), having.size(), slot));
          byName.put(slot.name(), tensor(memory, having.indexOf(parameter), 1));
          continue;
        }
        if (!slot.isState()) {
          scratch.computeIfAbsent(parameter.name(), name -> new HashSet<>()).add(slot.name());
        }
        Shared beside = new Shared(values.memory(), slot);
        if (parameters.owns(parameter) && coverage.get(beside) == values.memory().length()) {
          Memory memory =
              shared.computeIfAbsent(
                  beside,
                  key ->
                      allocate(
                          new MemorySlice(values.memory(), 0), values.memory().length(), slot));
          byName.put(slot.name(), tensor(memory, values.offset(), parameter.length()));
        } else {
          Memory memory = allocate(values, parameter.length(), slot);
          byName.put(slot.name(), tensor(memory, 0, parameter.length()));
        }
      }
      tensors.put(parameter.name(), byName);
    }
  }

  /** An allocation of one value for each parameter of an arithmetic that has a slot. */
  private record OfTensors(ElementType arithmetic, StateSlot slot) {}

  /** Those parameters, in the order of their values. */
  private static Map<OfTensors, List<Parameter>> ofTensors(
      Parameters parameters, Map<String, List<StateSlot>> slots) {
    Map<OfTensors, List<Parameter>> found = new HashMap<>();
    for (Parameter parameter : parameters) {
      for (StateSlot slot : slots.get(parameter.name())) {
        if (slot.extent() == StateSlot.Extent.TENSOR) {
          ElementType type = parameter.values().type().arithmetic();
          found.computeIfAbsent(new OfTensors(type, slot), k -> new ArrayList<>()).add(parameter);
        }
      }
    }
    return found;
  }

  /** An allocation beside one of the parameters' own. */
  private record Shared(Memory values, StateSlot slot) {}

  /** How many elements of each of the parameters' allocations have each slot. */
  private static Map<Shared, Long> coverage(
      Parameters parameters, Map<String, List<StateSlot>> slots) {
    Map<Shared, Long> coverage = new HashMap<>();
    for (Parameter parameter : parameters) {
      for (StateSlot slot : slots.get(parameter.name())) {
        Memory values = parameter.values().slice().memory();
        coverage.merge(new Shared(values, slot), parameter.length(), Long::sum);
      }
    }
    return coverage;
  }

  private Memory allocate(MemorySlice values, long length, StateSlot slot) {
    Storage storage = Storage.of(values.memory().type().arithmetic());
    Memory memory = device.backend().allocateBeside(values, storage, length);
    memories.add(memory);
    if (slot.initialValue() != 0) {
      fill(memory, slot.initialValue());
    }
    return memory;
  }

  private Memory allocate(Storage storage, long length, StateSlot slot) {
    Memory memory = device.backend().allocate(storage, length);
    memories.add(memory);
    fill(memory, slot.initialValue());
    return memory;
  }

  private static void fill(Memory memory, double value) {
    int chunk = (int) Math.min(memory.length(), 1 << 16);
    Object array = memory.storage().newArray(chunk);
    memory.storage().fill(array, 0, chunk, value);
    for (long at = 0; at < memory.length(); at += chunk) {
      memory.write(at, array, 0, (int) Math.min(chunk, memory.length() - at));
    }
  }

  private Tensor tensor(Memory memory, long offset, long length) {
    return new Tensor(device, memory, offset, length, owner);
  }

  /**
   * The state of a parameter that there is.
   *
   * @throws IllegalArgumentException if it has no such state
   */
  Tensor tensor(String parameter, String slot) {
    Tensor tensor = tensors.get(parameter).get(slot);
    List<String> names = names(parameter);
    if (!names.contains(slot)) {
      throw new IllegalArgumentException(
          "parameter \""
              + parameter
              + "\" has no state \""
              + slot
              + "\": it has "
              + Parameters.abbreviated(names));
    }
    return tensor;
  }

  /** Whether a state of a parameter is a single value for all its elements. */
  boolean isOfTensor(String parameter, String slot) {
    return ofTensor.getOrDefault(parameter, Set.of()).contains(slot);
  }

  /** Names of the state of a parameter that there is. */
  List<String> names(String parameter) {
    Set<String> others = scratch.getOrDefault(parameter, Set.of());
    return tensors.get(parameter).keySet().stream().filter(slot -> !others.contains(slot)).toList();
  }

  /** The run is continued, so the caller is to write the state. */
  void expectRestored() {
    tensors.forEach(
        (name, slots) -> {
          if (!slots.isEmpty()) {
            unrestored.add(name);
          }
        });
  }

  /** A parameter's state is in the caller's hands. */
  void restored(String parameter) {
    unrestored.remove(parameter);
  }

  /** All state is what it ought to be. */
  void allRestored() {
    unrestored.clear();
  }

  /** Once, before the first step of a run that is continued. */
  void warnIfNotRestored(long stepCount) {
    if (!unrestored.isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "this optimizer starts after step "
              + stepCount
              + ", but the state of "
              + Parameters.abbreviated(unrestored)
              + " is still the initial one: write the saved state into state(parameter, slot)"
              + " before the first step");
      unrestored.clear();
    }
  }

  /** Where the state of a parameter lies, in the order of its rule's slots. */
  List<MemorySlice> slices(String parameter) {
    return tensors.get(parameter).values().stream().map(Tensor::slice).toList();
  }

  List<Memory> memories() {
    return memories;
  }

  void close() {
    memories.forEach(Memory::close);
  }
}
