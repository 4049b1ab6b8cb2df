package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.check.Arguments;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * The named parameters of a model with their gradients, on one device. Owned parameters of one
 * element type lie one after the other in one allocation for values and one for gradients; borrowed
 * ones stay where the caller has them.
 *
 * <p>Arrays of the caller's, and memory of the library's own:
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

  private Parameters(Builder builder) {
    this.parts = List.of();
    this.device = builder.device;
    this.lifetime = Lifetime.begin(this, "parameter set");
    this.allocations = new ArrayList<>();
    Map<String, Parameter> parameters = new LinkedHashMap<>();
    try {
      Map<ElementType, Memory> values = allocate(builder);
      Map<ElementType, Memory> gradients = allocate(builder);
      Map<ElementType, Long> used = new EnumMap<>(ElementType.class);
      for (Spec spec : builder.specs.values()) {
        List<Long> shape = builder.shapes.getOrDefault(spec.name, List.of(spec.length));
        parameters.put(spec.name, spec.create(device, lifetime, values, gradients, used, shape));
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
   * @throws IllegalArgumentException if the other is of another device, or has a name or memory
   *     that this set has
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

  /** What frees memory and does not refer to a set of parameters. */
  private static Runnable releaseOf(List<Memory> allocations) {
    return () -> allocations.forEach(Memory::close);
  }

  private Map<ElementType, Memory> allocate(Builder builder) {
    Map<ElementType, Memory> memories = new EnumMap<>(ElementType.class);
    for (Map.Entry<ElementType, Long> owned : builder.ownedLengths().entrySet()) {
      Memory memory = device.allocateMemory(owned.getKey(), owned.getValue());
      allocations.add(memory);
      memories.put(owned.getKey(), memory);
    }
    return memories;
  }

  /**
   * Starts a set of parameters.
   *
   * @param device where they live
   * @return a builder
   */
  public static Builder on(Device device) {
    return new Builder(device);
  }

  /**
   * Where the parameters live.
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
   * @throws IllegalArgumentException if there is none of that name
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
   * Count of parameters, each a tensor.
   *
   * @return 0 or more
   */
  public int count() {
    return byName.size();
  }

  /**
   * Count of elements of all parameters together.
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

  /** Frees the owned parameters; the borrowed ones are the caller's. Closing twice is fine. */
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
    return abbreviated(byName.keySet());
  }

  static String abbreviated(Collection<String> names) {
    if (names.isEmpty()) {
      return "none";
    }
    int shown = 8;
    String list = String.join(", ", names.stream().limit(shown).toList());
    return names.size() <= shown ? list : list + " and " + (names.size() - shown) + " more";
  }

  /** What one parameter is to be. */
  private record Spec(
      String name, ElementType type, long length, Object initial, Tensor values, Tensor gradients) {
    boolean isOwned() {
      return values == null;
    }

    Parameter create(
        Device device,
        Lifetime owner,
        Map<ElementType, Memory> valueMemory,
        Map<ElementType, Memory> gradientMemory,
        Map<ElementType, Long> used,
        List<Long> shape) {
      if (!isOwned()) {
        return new Parameter(name, values, gradients, shape);
      }
      long offset = used.merge(type, length, Long::sum) - length;
      Tensor ownedValues = new Tensor(device, valueMemory.get(type), offset, length, owner);
      Tensor ownedGradients = new Tensor(device, gradientMemory.get(type), offset, length, owner);
      if (initial instanceof float[] floats) {
        ownedValues.copyFrom(floats);
      } else if (initial instanceof double[] doubles) {
        ownedValues.copyFrom(doubles);
      }
      return new Parameter(name, ownedValues, ownedGradients, shape);
    }
  }

  /** Collects parameters; {@link #build} allocates. */
  public static final class Builder {
    private final Device device;
    private final Map<String, Spec> specs = new LinkedHashMap<>();
    private final Map<String, List<Long>> shapes = new HashMap<>();

    private Builder(Device device) {
      device.backend(); // fails early on a closed device
      this.device = device;
    }

    /**
     * Adds an owned float32 parameter; its gradient starts at zero.
     *
     * @param name unique in this set
     * @param values copied by {@link #build}
     * @return this builder
     * @throws IllegalArgumentException if the name is empty or taken
     */
    public Builder add(String name, float[] values) {
      require(name, "values are", values);
      return put(new Spec(name, ElementType.FLOAT32, values.length, values, null, null));
    }

    /**
     * Adds an owned float64 parameter; its gradient starts at zero.
     *
     * @param name unique in this set
     * @param values copied by {@link #build}
     * @return this builder
     * @throws IllegalArgumentException if the name is empty or taken
     */
    public Builder add(String name, double[] values) {
      require(name, "values are", values);
      return put(new Spec(name, ElementType.FLOAT64, values.length, values, null, null));
    }

    /**
     * Adds an owned parameter stored in a chosen type; its gradient starts at zero.
     *
     * @param name unique in this set
     * @param type how values and gradients are stored
     * @param values rounded to the type and copied by {@link #build}
     * @return this builder
     * @throws IllegalArgumentException if the name is empty or taken
     */
    public Builder add(String name, ElementType type, float[] values) {
      require(name, "type is", type);
      require(name, "values are", values);
      return put(new Spec(name, type, values.length, values, null, null));
    }

    /**
     * Adds an owned parameter of zeros.
     *
     * @param name unique in this set
     * @param type how values and gradients are stored
     * @param length count of elements, 0 or more; above 2^31 is fine
     * @return this builder
     * @throws IllegalArgumentException if the name is empty or taken or the length negative
     */
    public Builder add(String name, ElementType type, long length) {
      require(name, "type is", type);
      if (length < 0) {
        throw new IllegalArgumentException(
            "parameter \"" + name + "\": length is " + length + ", must be 0 or more");
      }
      return put(new Spec(name, type, length, null, null, null));
    }

    /**
     * Adds a parameter whose memory the caller keeps: tensors from {@link Device#borrow} or {@link
     * Device#allocate}, which must stay open as long as this set.
     *
     * @param name unique in this set
     * @param values the parameter
     * @param gradients of the same type and length, on the same device, not overlapping
     * @return this builder
     * @throws IllegalArgumentException if the name is empty or taken, or the tensors do not fit
     *     each other or this device
     * @throws ClosedException if a tensor is closed
     */
    public Builder borrow(String name, Tensor values, Tensor gradients) {
      checkDevice(name, "values", values);
      checkDevice(name, "gradients", gradients);
      if (values.type() != gradients.type()) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "parameter \"%s\": gradients are %s, must be %s like the values",
                name,
                gradients.type(),
                values.type()));
      }
      if (values.length() != gradients.length()) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "parameter \"%s\": gradients have %d elements, must have %d like the values",
                name,
                gradients.length(),
                values.length()));
      }
      return put(new Spec(name, values.type(), values.length(), null, values, gradients));
    }

    /**
     * Adds float32 arrays as a parameter, used in place without a copy. CPU device only.
     *
     * @param name unique in this set
     * @param values updated by steps
     * @param gradients as many as the values
     * @return this builder
     * @throws IllegalArgumentException if the name is empty or taken, the lengths differ, the
     *     arrays are the same, or this device cannot use arrays in place
     */
    public Builder borrow(String name, float[] values, float[] gradients) {
      require(name, "values are", values);
      require(name, "gradients are", gradients);
      return borrow(name, device.borrow(values), device.borrow(gradients));
    }

    /**
     * Adds float64 arrays as a parameter, used in place without a copy. CPU device only.
     *
     * @param name unique in this set
     * @param values updated by steps
     * @param gradients as many as the values
     * @return this builder
     * @throws IllegalArgumentException if the name is empty or taken, the lengths differ, the
     *     arrays are the same, or this device cannot use arrays in place
     */
    public Builder borrow(String name, double[] values, double[] gradients) {
      require(name, "values are", values);
      require(name, "gradients are", gradients);
      return borrow(name, device.borrow(values), device.borrow(gradients));
    }

    /**
     * Says what shape a parameter has. Checkpoints have it, and restoring compares it.
     *
     * @param name of a parameter that was added
     * @param shape the lengths of its dimensions, outermost first, whose product is the count of
     *     its elements
     * @return this builder
     * @throws IllegalArgumentException if there is no such parameter or the shape does not fit
     */
    public Builder shape(String name, long... shape) {
      require(name, "shape is", shape);
      Spec spec = specs.get(name);
      if (spec == null) {
        throw new IllegalArgumentException(
            "there is no parameter \"" + name + "\" to give a shape: add it first");
      }
      List<Long> dimensions = Arrays.stream(shape).boxed().toList();
      if (shape.length == 0 || product(shape) != spec.length) {
        throw Arguments.refusal(
            "shape of \"" + name + "\"",
            dimensions,
            "lengths of at least 0 whose product is " + spec.length,
            "pass those of its dimensions, outermost first");
      }
      shapes.put(name, dimensions);
      return this;
    }

    /** The product, or -1 if a length is negative or the product is beyond the range. */
    private static long product(long[] shape) {
      long product = 1;
      for (long length : shape) {
        if (length < 0) {
          return -1;
        }
        long high = Math.multiplyHigh(product, length);
        product *= length;
        if (high != 0 || product < 0) {
          return -1;
        }
      }
      return product;
    }

    /**
     * Allocates the owned parameters and copies their values to the device.
     *
     * @return the parameters, to be closed by the caller after the optimizers that use them
     * @throws IllegalArgumentException if two borrowed tensors overlap
     * @throws OutOfDeviceMemoryException if there is not enough memory; nothing stays allocated
     */
    public Parameters build() {
      device.backend();
      checkNoOverlap();
      return new Parameters(this);
    }

    private Map<ElementType, Long> ownedLengths() {
      Map<ElementType, Long> lengths = new EnumMap<>(ElementType.class);
      for (Spec spec : specs.values()) {
        if (spec.isOwned()) {
          lengths.merge(spec.type, spec.length, Builder::boundedSum);
        }
      }
      return lengths;
    }

    /** A sum beyond the range stays absurdly large, so that the device refuses it. */
    private static long boundedSum(long a, long b) {
      return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
    }

    private Builder put(Spec spec) {
      if (spec.name.isEmpty()) {
        throw new IllegalArgumentException("parameter name is empty, must have a character");
      }
      if (specs.putIfAbsent(spec.name, spec) != null) {
        throw new IllegalArgumentException(
            "parameter \"" + spec.name + "\" was added before, names must differ");
      }
      return this;
    }

    private static void require(String name, String what, Object given) {
      Objects.requireNonNull(name, "parameter name is null, must be a string");
      Objects.requireNonNull(
          given, () -> "parameter \"" + name + "\": " + what + " null, must be given");
    }

    private void checkDevice(String name, String role, Tensor tensor) {
      require(name, role + " are", tensor);
      tensor.checkOpen();
      if (tensor.device() != device) {
        throw new IllegalArgumentException(
            "parameter \""
                + name
                + "\": "
                + role
                + " are on another device, "
                + tensor.device()
                + ", must be on "
                + device);
      }
    }

    private void checkNoOverlap() {
      List<MemoryRegion> regions = new ArrayList<>();
      for (Spec spec : specs.values()) {
        if (!spec.isOwned()) {
          regions.add(MemoryRegion.of("values of \"" + spec.name + "\"", spec.values));
          regions.add(MemoryRegion.of("gradients of \"" + spec.name + "\"", spec.gradients));
        }
      }
      MemoryRegion.checkDisjoint(regions);
    }
  }
}
