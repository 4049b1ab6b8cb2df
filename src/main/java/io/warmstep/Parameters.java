package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.check.Names;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The named parameters of a model with their gradients, on one device. Owned parameters of one
 * element type are contiguous, in one allocation for values and one for gradients; borrowed ones
 * stay where the caller has them.
 *
 * <p>Borrowed arrays and owned memory:
 *
 * <pre>{@code
 * float[] weight = {1, 2, 3};
 * float[] weightGradient = new float[3];
 * try (Device device = Devices.cpu();
 *     Parameters parameters =
 *         Parameters.on(device)
 *             .borrow("dense.weight", weight, weightGradient) // used in place
 *             .add("dense.bias", new float[] {0.5f}) // copied to the device
 *             .add("norm.scale", ElementType.FLOAT64, 16) // zeros
 *             .build()) {
 *   for (Parameter parameter : parameters) {
 *     System.out.println(parameter.name() + ": " + parameter.length());
 *   }
 * }
 * }</pre>
 */
public final class Parameters implements Iterable<Parameter>, AutoCloseable {
  private final Device device;
  private final Map<String, Parameter> byName;
  private final List<Memory> allocations;
  private final List<Parameters> parts; // of a joined set
  private final Lifetime lifetime;

  Parameters(ParametersBuilder builder) {
    this.parts = List.of();
    this.device = builder.device();
    this.lifetime = Lifetime.begin(this, "parameter set");
    this.allocations = new ArrayList<>();
    Map<String, Parameter> parameters = new LinkedHashMap<>();
    try {
      Map<ParametersBuilder.Allocation, Memory> memories = allocate(builder);
      Map<ParametersBuilder.Allocation, Long> used = new HashMap<>();
      for (ParametersBuilder.Spec spec : builder.specs()) {
        List<Long> shape = builder.shape(spec);
        parameters.put(spec.name(), spec.create(device, lifetime, memories, used, shape));
      }
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
    this.byName = Collections.unmodifiableMap(parameters);
    lifetime.ifLost(device.backend(), releaseOf(allocations));
  }

  /** Two sets as one, which owns neither. */
  private Parameters(Parameters first, Parameters second) {
    device = first.device;
    lifetime = Lifetime.unreported(this, "parameter set");
    allocations = Stream.concat(first.allocations.stream(), second.allocations.stream()).toList();
    parts = List.of(first, second);
    Map<String, Parameter> parameters = new LinkedHashMap<>(first.byName);
    parameters.putAll(second.byName);
    byName = Collections.unmodifiableMap(parameters);
  }

  /**
   * This set and another as one. It need not be closed, and is closed when either is.
   *
   * @throws IllegalArgumentException if the other is on another device, or shares a name or memory
   *     with this set
   */
  Parameters joinedBy(Parameters other) {
    if (other.device != device) {
      throw new IllegalArgumentException(
          "parameters are on another device, " + other.device + ", must be on " + device);
    }
    for (String name : other.byName.keySet()) {
      if (byName.containsKey(name)) {
        throw new IllegalArgumentException(
            "parameter \"" + name + "\" is there already, names must differ");
      }
    }
    Parameters joined = new Parameters(this, other);
    joined.checkDisjoint();
    return joined;
  }

  /**
   * Checks that no two tensors share memory.
   *
   * @throws IllegalArgumentException if two do
   */
  void checkDisjoint() {
    List<MemoryRegion> regions = new ArrayList<>();
    for (Parameter parameter : this) {
      regions.add(MemoryRegion.of("values of \"" + parameter.name() + "\"", parameter.values()));
      regions.add(
          MemoryRegion.of("gradients of \"" + parameter.name() + "\"", parameter.gradients()));
    }
    MemoryRegion.checkDisjoint(regions);
  }

  /** Frees memory, and does not refer to a set of parameters. */
  private static Runnable releaseOf(List<Memory> allocations) {
    return () -> allocations.forEach(Memory::close);
  }

  private Map<ParametersBuilder.Allocation, Memory> allocate(ParametersBuilder builder) {
    Map<ParametersBuilder.Allocation, Memory> memories = new HashMap<>();
    builder
        .ownedLengths()
        .forEach(
            (allocation, length) -> {
              Memory memory = device.allocateMemory(allocation.type(), length);
              allocations.add(memory);
              memories.put(allocation, memory);
            });
    return memories;
  }

  /**
   * Starts a set of parameters.
   *
   * @param device where they live
   * @return a builder
   */
  public static ParametersBuilder on(Device device) {
    return new ParametersBuilder(device);
  }

  /**
   * The device that holds the parameters.
   *
   * @return the device
   */
  public Device device() {
    return device;
  }

  /**
   * Finds a parameter.
   *
   * @param name as it was added
   * @return the parameter
   * @throws IllegalArgumentException if there is no parameter of that name
   */
  public Parameter get(String name) {
    Parameter parameter = byName.get(name);
    if (parameter == null) {
      throw new IllegalArgumentException(
          "there is no parameter \"" + name + "\": there are " + abbreviatedNames());
    }
    return parameter;
  }

  /**
   * All parameters in the order in which they were added.
   *
   * @return an iterator that removes nothing
   */
  @Override
  public Iterator<Parameter> iterator() {
    return byName.values().iterator();
  }

  /**
   * Number of parameters, each a tensor.
   *
   * @return 0 or more
   */
  public int count() {
    return byName.size();
  }

  /**
   * Number of elements of all parameters together.
   *
   * @return 0 or more
   */
  public long length() {
    long sum = 0;
    for (Parameter parameter : this) {
      sum += parameter.length();
    }
    return sum;
  }

  /** Frees the owned parameters; the borrowed ones belong to the caller. Closing twice is fine. */
  @Override
  public void close() {
    if (lifetime.end() && device.isOpen()) {
      allocations.forEach(Memory::close);
    }
  }

  @Override
  public String toString() {
    return count() + " parameters, " + length() + " elements, on " + device;
  }

  void checkOpen() {
    lifetime.checkOpen();
    device.backend();
    for (int i = 0; i < parts.size(); i++) { // an iterator would allocate on every step
      parts.get(i).checkOpen();
    }
  }

  /** Whether a parameter lies in this set's own allocations. */
  boolean owns(Parameter parameter) {
    return allocations.contains(parameter.values().slice().memory());
  }

  /** The tensors that the caller may close before this set. */
  Tensor[] borrowedTensors() {
    List<Tensor> borrowed = new ArrayList<>();
    for (Parameter parameter : this) {
      if (!owns(parameter)) {
        borrowed.add(parameter.values());
        borrowed.add(parameter.gradients());
      }
    }
    return borrowed.toArray(new Tensor[0]);
  }

  /** The names of the parameters, for messages. */
  Collection<Parameter> all() {
    return byName.values();
  }

  String abbreviatedNames() {
    return Names.abbreviated(byName.keySet());
  }
}
