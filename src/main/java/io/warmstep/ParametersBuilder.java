package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.check.Arguments;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** Collects parameters; {@link #build} allocates. */
public final class ParametersBuilder {
  private final Device device;
  private final Map<String, Spec> specs = new LinkedHashMap<>();
  private final Map<String, List<Long>> shapes = new HashMap<>();
  private Optional<ElementType> gradientType = Optional.empty();

  ParametersBuilder(Device device) {
    device.backend(); // fails early on a closed device
    this.device = device;
  }

  /**
   * Sets how gradients are stored for owned parameters added from now on. Unless this is called,
   * they are stored as the parameters are. A 16-bit parameter may have float32 gradients, and a
   * float32 one 16-bit gradients; float64 parameters have float64 gradients.
   *
   * <pre>{@code
   * Parameters.on(device)
   *     .gradientType(ElementType.FLOAT32) // accumulated without loss
   *     .add("dense.weight", ElementType.BFLOAT16, weight);
   * }</pre>
   *
   * @param type of the gradients
   * @return this builder
   */
  public ParametersBuilder gradientType(ElementType type) {
    gradientType =
        Optional.of(Objects.requireNonNull(type, "gradientType is null, must be an element type"));
    return this;
  }

  /** The type of the gradients of an owned parameter. */
  private ElementType gradientType(String name, ElementType type) {
    ElementType chosen = gradientType.orElse(type);
    requireTogether(name, type, chosen);
    return chosen;
  }

  private static void requireTogether(String name, ElementType values, ElementType gradients) {
    boolean fits =
        values == gradients
            || (values == ElementType.FLOAT32 && gradients.isHalf())
            || (values.isHalf() && gradients == ElementType.FLOAT32);
    if (!fits) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "parameter \"%s\": gradients are %s, must be %s like the values%s",
              name,
              gradients,
              values,
              values.isHalf()
                  ? ", or float32"
                  : values == ElementType.FLOAT32 ? ", or float16 or bfloat16" : ""));
    }
  }

  /**
   * Adds an owned float32 parameter; its gradient starts at zero.
   *
   * @param name unique in this set
   * @param values copied by {@link #build}
   * @return this builder
   * @throws IllegalArgumentException if the name is empty or taken
   */
  public ParametersBuilder add(String name, float[] values) {
    require(name, "values are", values);
    return put(owned(name, ElementType.FLOAT32, values.length, values));
  }

  /**
   * Adds an owned float64 parameter; its gradient starts at zero.
   *
   * @param name unique in this set
   * @param values copied by {@link #build}
   * @return this builder
   * @throws IllegalArgumentException if the name is empty or taken
   */
  public ParametersBuilder add(String name, double[] values) {
    require(name, "values are", values);
    return put(owned(name, ElementType.FLOAT64, values.length, values));
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
  public ParametersBuilder add(String name, ElementType type, float[] values) {
    require(name, "type is", type);
    require(name, "values are", values);
    return put(owned(name, type, values.length, values));
  }

  /**
   * Adds an owned parameter of zeros.
   *
   * @param name unique in this set
   * @param type how values and gradients are stored
   * @param length number of elements, 0 or more; above 2^31 is fine
   * @return this builder
   * @throws IllegalArgumentException if the name is empty or taken or the length negative
   */
  public ParametersBuilder add(String name, ElementType type, long length) {
    require(name, "type is", type);
    if (length < 0) {
      throw new IllegalArgumentException(
          "parameter \"" + name + "\": length is " + length + ", must be 0 or more");
    }
    return put(owned(name, type, length, null));
  }

  /**
   * Adds a parameter whose memory the caller keeps: tensors from {@link Device#borrow} or {@link
   * Device#allocate}, which must stay open as long as this set.
   *
   * @param name unique in this set
   * @param values the parameter
   * @param gradients of the same length, on the same device, not overlapping; of the same type, or
   *     one of float32 and the other of 16 bits
   * @return this builder
   * @throws IllegalArgumentException if the name is empty or taken, or the tensors do not fit each
   *     other or this device
   * @throws ClosedException if a tensor is closed
   */
  public ParametersBuilder borrow(String name, Tensor values, Tensor gradients) {
    checkDevice(name, "values", values);
    checkDevice(name, "gradients", gradients);
    requireTogether(name, values.type(), gradients.type());
    if (values.length() != gradients.length()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "parameter \"%s\": gradients have %d elements, must have %d like the values",
              name,
              gradients.length(),
              values.length()));
    }
    return put(
        new Spec(name, values.type(), gradients.type(), values.length(), null, values, gradients));
  }

  /**
   * Adds float32 arrays as a parameter, used in place without a copy. CPU device only.
   *
   * @param name unique in this set
   * @param values updated by steps
   * @param gradients as many as the values
   * @return this builder
   * @throws IllegalArgumentException if the name is empty or taken, the lengths differ, the arrays
   *     are the same, or this device cannot use arrays in place
   */
  public ParametersBuilder borrow(String name, float[] values, float[] gradients) {
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
   * @throws IllegalArgumentException if the name is empty or taken, the lengths differ, the arrays
   *     are the same, or this device cannot use arrays in place
   */
  public ParametersBuilder borrow(String name, double[] values, double[] gradients) {
    require(name, "values are", values);
    require(name, "gradients are", gradients);
    return borrow(name, device.borrow(values), device.borrow(gradients));
  }

  /**
   * Sets a parameter's shape, which checkpoints store and restoring checks.
   *
   * @param name of a parameter that was added
   * @param shape the lengths of its dimensions, outermost first, whose product is the count of its
   *     elements
   * @return this builder
   * @throws IllegalArgumentException if there is no such parameter or the shape does not fit
   */
  public ParametersBuilder shape(String name, long... shape) {
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

  /** The product, or -1 if a length is negative or the product overflows. */
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

  Device device() {
    return device;
  }

  Collection<Spec> specs() {
    return specs.values();
  }

  List<Long> shape(Spec spec) {
    return shapes.getOrDefault(spec.name, List.of(spec.length));
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

  /** How many elements the owned parameters have in each allocation of values or gradients. */
  Map<Allocation, Long> ownedLengths() {
    Map<Allocation, Long> lengths = new LinkedHashMap<>();
    for (Spec spec : specs.values()) {
      if (spec.isOwned()) {
        lengths.merge(spec.valueAllocation(), spec.length, ParametersBuilder::boundedSum);
        lengths.merge(spec.gradientAllocation(), spec.length, ParametersBuilder::boundedSum);
      }
    }
    return lengths;
  }

  /** The contents of one allocation: values of a type, or gradients of such values in a type. */
  record Allocation(ElementType type, Optional<ElementType> values) {}

  /** A sum beyond the range stays absurdly large, so that the device rejects it. */
  private static long boundedSum(long a, long b) {
    return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
  }

  private Spec owned(String name, ElementType type, long length, Object initial) {
    return new Spec(name, type, gradientType(name, type), length, initial, null, null);
  }

  private ParametersBuilder put(Spec spec) {
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

  /** The specification of one parameter. */
  record Spec(
      String name,
      ElementType type,
      ElementType gradientType,
      long length,
      Object initial,
      Tensor values,
      Tensor gradients) {
    boolean isOwned() {
      return values == null;
    }

    Allocation valueAllocation() {
      return new Allocation(type, Optional.empty());
    }

    Allocation gradientAllocation() {
      return new Allocation(gradientType, Optional.of(type));
    }

    Parameter create(
        Device device,
        Lifetime owner,
        Map<Allocation, Memory> memories,
        Map<Allocation, Long> used,
        List<Long> shape) {
      if (!isOwned()) {
        return new Parameter(name, values, gradients, shape);
      }
      Tensor ownedValues = create(device, owner, memories, used, valueAllocation());
      Tensor ownedGradients = create(device, owner, memories, used, gradientAllocation());
      if (initial instanceof float[] floats) {
        ownedValues.copyFrom(floats);
      } else if (initial instanceof double[] doubles) {
        ownedValues.copyFrom(doubles);
      }
      return new Parameter(name, ownedValues, ownedGradients, shape);
    }

    private Tensor create(
        Device device,
        Lifetime owner,
        Map<Allocation, Memory> memories,
        Map<Allocation, Long> used,
        Allocation allocation) {
      long offset = used.merge(allocation, length, Long::sum) - length;
      return new Tensor(device, memories.get(allocation), offset, length, owner);
    }
  }
}
