package io.warmstep;

import io.warmstep.backend.DeviceScale;
import io.warmstep.backend.Encoding;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.check.Names;
import io.warmstep.rule.StateSlot;
import io.warmstep.storage.Remainders;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The state tensors of an optimizer. A slot that all owned parameters of a type have lies in one
 * allocation with the same offsets as the parameters, so that one range of it matches one range of
 * parameters. Any other is allocated for its parameter only.
 */
final class OptimizerState {
  /** The name of the state that is the parameter's float32 master. */
  static final String MASTER = "master";

  private static final StateSlot MASTER_SLOT = new StateSlot(MASTER);

  /** The name of the state that is the parameter's moving average. */
  static final String AVERAGE = "average";

  private static final StateSlot AVERAGE_SLOT = StateSlot.copyOfParameter(AVERAGE);

  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final Device device;
  private final Lifetime owner;
  private final MixedPrecision precision;
  private final Map<String, ParameterState> states = new LinkedHashMap<>();
  private final List<Memory> memories = new ArrayList<>();

  /** Parameters of a continued run whose state nobody has requested yet, until the first step. */
  private final Set<String> unrestored = new LinkedHashSet<>();

  OptimizerState(Device device, Lifetime owner, MixedPrecision precision) {
    this.device = device;
    this.owner = owner;
    this.precision = precision;
  }

  /**
   * Allocates the state of parameters.
   *
   * @param parameters all of a set
   * @param groups the groups that they are in
   * @throws OutOfDeviceMemoryException if there is not enough memory; nothing stays allocated
   */
  void allocate(Parameters parameters, List<RuleGroup> groups) {
    Map<String, RuleGroup> groupOf = new LinkedHashMap<>();
    for (RuleGroup group : groups) {
      group.members().forEach(parameter -> groupOf.put(parameter.name(), group));
    }
    int before = memories.size();
    try {
      allocateSlots(parameters, groupOf);
      groups.forEach(this::begin);
    } catch (RuntimeException | Error e) {
      release(groupOf.keySet(), before);
      throw e;
    }
  }

  /**
   * Allocates the loss scale, which closes with the state.
   *
   * @return null if the device has none
   * @throws OutOfDeviceMemoryException if there is no room for it
   */
  DeviceScale allocateScale() {
    DeviceScale scale = device.backend().allocateScale();
    if (scale != null) {
      memories.add(scale.memory());
    }
    return scale;
  }

  /** Frees the state of the parameters that were added last. */
  private void release(Collection<String> names, int memoriesBefore) {
    List<Memory> last = memories.subList(memoriesBefore, memories.size());
    last.forEach(Memory::close);
    last.clear();
    states.keySet().removeAll(names);
  }

  /** Whether a group has state that follows its parameters until its first step. */
  boolean hasCopies(RuleGroup group) {
    return group.members().stream().anyMatch(member -> states.get(member.name()).hasCopies());
  }

  /** Before a group's first step: sets state that follows its parameters to their values. */
  void begin(RuleGroup group) {
    for (Parameter parameter : group.members()) {
      states.get(parameter.name()).copyParameter();
    }
  }

  /** Gives a slot of a parameter its initial value. */
  void reset(Parameter parameter, StateSlot slot) {
    reset(parameter, slot, tensor(parameter.name(), slot.name()));
  }

  private static void reset(Parameter parameter, StateSlot slot, Tensor tensor) {
    if (slot.copiesParameter()) {
      TensorCopy.widen(parameter.values(), tensor);
    } else {
      TensorCopy.fill(tensor, slot.initialValue());
    }
  }

  /**
   * Allocates memory of the parameters' own types.
   *
   * @param parameters the parameters whose values it will hold
   * @param to receives a tensor for each
   * @throws OutOfDeviceMemoryException if there is not enough memory; nothing stays allocated
   */
  void allocateAside(List<Parameter> parameters, Map<Parameter, Tensor> to) {
    Map<ElementType, Long> lengths = new EnumMap<>(ElementType.class);
    parameters.forEach(p -> lengths.merge(p.values().type(), p.length(), Long::sum));
    Map<ElementType, Memory> allocated = new EnumMap<>(ElementType.class);
    int before = memories.size();
    try {
      lengths.forEach(
          (type, length) -> {
            allocated.put(type, device.backend().allocate(Storage.of(type), length));
            memories.add(allocated.get(type));
          });
    } catch (RuntimeException | Error e) {
      release(List.of(), before);
      throw e;
    }
    Map<ElementType, Long> used = new EnumMap<>(ElementType.class);
    for (Parameter parameter : parameters) {
      ElementType type = parameter.values().type();
      long at = used.merge(type, parameter.length(), Long::sum) - parameter.length();
      to.put(parameter, tensor(new MemorySlice(allocated.get(type), at), parameter.length()));
    }
  }

  /** Undoes {@link #allocate} for a set. */
  void release(Parameters parameters, int memoriesBefore) {
    release(parameters.all().stream().map(Parameter::name).toList(), memoriesBefore);
  }

  private static List<StateSlot> slots(RuleGroup group, Parameter parameter) {
    return group.rule().stateSlots(parameter.shape().size());
  }

  /**
   * Allocates the slots.
   *
   * @param groupOf the group of each parameter
   */
  private void allocateSlots(Parameters parameters, Map<String, RuleGroup> groupOf) {
    SharedState shared = new SharedState(parameters, this::allocate);
    for (Parameter parameter : parameters) {
      RuleGroup group = groupOf.get(parameter.name());
      for (StateSlot slot : slots(group, parameter)) {
        shared.plan(
            parameter, slot, storage(group, parameter, slot), elements(group, parameter, slot));
      }
      long length = parameter.length();
      if (precision.hasMaster(parameter)) {
        shared.plan(parameter, MASTER_SLOT, masterStorage(parameter), masterElements(parameter));
      }
      if (precision.hasAverage()) {
        shared.plan(parameter, AVERAGE_SLOT, Storage.of(ElementType.FLOAT32), length);
      }
    }
    Map<OfTensors, List<Parameter>> ofTensors = ofTensors(parameters, groupOf);
    Map<OfTensors, Memory> kept = new HashMap<>();
    for (Parameter parameter : parameters) {
      ParameterState state = new ParameterState(parameter);
      RuleGroup group = groupOf.get(parameter.name());
      for (StateSlot slot : slots(group, parameter)) {
        if (slot.isOneValue()) {
          ElementType type = parameter.values().type().arithmetic();
          List<Parameter> having = ofTensors.get(new OfTensors(type, slot));
          Memory memory =
              kept.computeIfAbsent(
                  new OfTensors(type, slot),
                  key -> allocate(Storage.of(type), having.size(), slot));
          MemorySlice slice =
              new MemorySlice(memory, having.indexOf(holder(parameter, slot, group)));
          state.add(slot, tensor(slice, 1), new Operand(Operand.Role.STATE, slice));
          continue;
        }
        MemorySlice slice =
            shared.slice(
                parameter, slot, storage(group, parameter, slot), elements(group, parameter, slot));
        Encoding encoding = precision.encoding(group, parameter, slot);
        MemorySlice numbers = encoding.isCoded() ? decoded(parameter, slice, encoding) : slice;
        state.add(
            slot,
            tensor(numbers, slot.length(parameter.shape())),
            new Operand(Operand.Role.STATE, slice, encoding, Optional.empty()));
        if (encoding.isCoded() && slot.initialValue() != 0) {
          reset(parameter, slot, state.tensor(slot.name())); // its words are not numbers
        }
      }
      if (precision.hasMaster(parameter)) {
        MemorySlice rest =
            shared.slice(
                parameter, MASTER_SLOT, masterStorage(parameter), masterElements(parameter));
        state.addMaster(MASTER_SLOT, master(parameter, rest), rest);
      }
      if (precision.hasAverage()) {
        Storage storage = Storage.of(ElementType.FLOAT32);
        MemorySlice slice = shared.slice(parameter, AVERAGE_SLOT, storage, parameter.length());
        state.addAverage(AVERAGE_SLOT, tensor(slice, parameter.length()));
      }
      states.put(parameter.name(), state);
    }
  }

  private Storage storage(RuleGroup group, Parameter parameter, StateSlot slot) {
    return Storage.of(precision.type(group, parameter, slot));
  }

  /** Number of elements of its storage that a slot takes. */
  private long elements(RuleGroup group, Parameter parameter, StateSlot slot) {
    return precision.encoding(group, parameter, slot).isCoded()
        ? StateCodes.words(parameter.length())
        : slot.length(parameter.shape());
  }

  private static MemorySlice decoded(Parameter parameter, MemorySlice words, Encoding encoding) {
    return new MemorySlice(new CodedMemory(words, encoding, parameter.length()), 0);
  }

  /**
   * The storage of the bits that a parameter lacks: 16 bits, 8 bits two per word, or a whole
   * float32.
   */
  private static Storage masterStorage(Parameter parameter) {
    ElementType type = parameter.values().type();
    return Storage.of(type == ElementType.BFLOAT16 ? type : ElementType.FLOAT32);
  }

  /** Number of elements of that storage. */
  private long masterElements(Parameter parameter) {
    return precision.encoding(parameter).isMaster24()
        ? Remainders.words(parameter.length())
        : parameter.length();
  }

  private Tensor master(Parameter parameter, MemorySlice rest) {
    long length = parameter.length();
    Supplier<MemorySlice> values = parameter.values()::slice;
    Memory memory =
        parameter.values().type() == ElementType.FLOAT16
            ? new Float16MasterMemory(values, rest, length)
            : precision.encoding(parameter).isMaster24()
                ? new Master24Memory(values, rest, length)
                : new MasterMemory(values, rest, length);
    return tensor(new MemorySlice(memory, 0), length);
  }

  /**
   * An allocation of one value for each parameter, or group, of one arithmetic type with a slot.
   */
  private record OfTensors(ElementType arithmetic, StateSlot slot) {}

  /** The parameter that holds a single-value slot: for a group its first. */
  private static Parameter holder(Parameter parameter, StateSlot slot, RuleGroup group) {
    return slot.extent() == StateSlot.Extent.GROUP ? group.members().get(0) : parameter;
  }

  /** The parameters of each such allocation, in the order of their values. */
  private static Map<OfTensors, List<Parameter>> ofTensors(
      Parameters parameters, Map<String, RuleGroup> groupOf) {
    Map<OfTensors, List<Parameter>> found = new HashMap<>();
    for (Parameter parameter : parameters) {
      RuleGroup group = groupOf.get(parameter.name());
      for (StateSlot slot : slots(group, parameter)) {
        if (slot.isOneValue()) {
          ElementType type = parameter.values().type().arithmetic();
          List<Parameter> holders =
              found.computeIfAbsent(new OfTensors(type, slot), k -> new ArrayList<>());
          Parameter holder = holder(parameter, slot, group);
          if (slot.extent() == StateSlot.Extent.TENSOR || !holders.contains(holder)) {
            holders.add(holder);
          }
        }
      }
    }
    return found;
  }

  private Memory allocate(MemorySlice values, long length, StateSlot slot, Storage storage) {
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

  private Tensor tensor(MemorySlice slice, long length) {
    return new Tensor(device, slice.memory(), slice.offset(), length, owner);
  }

  /**
   * A state tensor of a parameter.
   *
   * @throws IllegalArgumentException if it has no such state
   */
  Tensor tensor(String parameter, String slot) {
    return states.get(parameter).tensor(slot);
  }

  /** The codes of a parameter's state, if it is stored so. */
  Optional<CodedMemory> codes(String parameter, String slot) {
    return tensor(parameter, slot).slice().memory() instanceof CodedMemory coded
        ? Optional.of(coded)
        : Optional.empty();
  }

  /** Shape of a state of a parameter: empty if it is a single value for all its elements. */
  List<Long> shape(Parameter parameter, String slot) {
    return states.get(parameter.name()).shape(slot);
  }

  /** Names of a parameter's state. */
  List<String> names(String parameter) {
    return states.get(parameter).names();
  }

  /** Notes that the run is continued, so that the caller must write the state. */
  void expectRestored() {
    states.forEach(
        (name, state) -> {
          if (!state.isEmpty()) {
            unrestored.add(name);
          }
        });
  }

  /** Whether state follows its parameter until its first step. */
  boolean isCopy(String parameter, String slot) {
    return states.get(parameter).isCopy(slot);
  }

  /** Notes that a parameter's state may be written: it follows the parameter no more. */
  void requested(String parameter, String slot) {
    states.get(parameter).requested(slot);
    unrestored.remove(parameter);
  }

  /** Notes that the state of a continued run has been restored. */
  void allRestored() {
    unrestored.clear();
  }

  /** Warns once, before the first step of a continued run. */
  void warnIfNotRestored(long stepCount) {
    if (!unrestored.isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "this optimizer starts after step "
              + stepCount
              + ", but the state of "
              + Names.abbreviated(unrestored)
              + " is still the initial one: write the saved state into state(parameter, slot)"
              + " before the first step");
      unrestored.clear();
    }
  }

  /** The location of a parameter's state, in the order of its rule's slots. */
  List<Operand> slots(String parameter) {
    return states.get(parameter).operands();
  }

  /** The current location of a parameter, with the data that its encoding keeps beside it. */
  Operand values(Parameter parameter) {
    return new Operand(
        Operand.Role.VALUES,
        parameter.values().slice(),
        precision.encoding(parameter),
        Optional.ofNullable(states.get(parameter.name()).master()));
  }

  /** A parameter's place in the whole. */
  Place place(Parameter parameter) {
    return precision.place(parameter);
  }

  /** The location of a parameter's average, if one is kept. */
  Optional<MemorySlice> average(Parameter parameter) {
    return Optional.ofNullable(states.get(parameter.name()).average());
  }

  /** Whether state belongs to no rule but follows the values: a master or an average. */
  static boolean followsValues(String slot) {
    return slot.equals(MASTER) || slot.equals(AVERAGE);
  }

  /** Resets a parameter's master or average, if there is one, to its values. */
  void restart(Parameter parameter, String slot) {
    ParameterState state = states.get(parameter.name());
    MemorySlice rest = state.master();
    if (slot.equals(MASTER) && rest != null) {
      rest.memory().zero(rest.offset(), masterElements(parameter));
    }
    if (slot.equals(AVERAGE) && state.average() != null) {
      TensorCopy.widen(parameter.values(), state.tensor(AVERAGE));
    }
  }

  long bytes() {
    return memories.stream().mapToLong(one -> one.storage().bytes(one.length())).sum();
  }

  List<Memory> memories() {
    return memories;
  }

  void close() {
    memories.forEach(Memory::close);
  }
}
