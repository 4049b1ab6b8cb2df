package io.warmstep.djl;

import io.warmstep.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A copy of what an optimizer remembers of one parameter.
 *
 * @param steps how many steps it has been through
 * @param slots by name: a {@code float[]}, or a {@code double[]} for a float64 parameter
 */
record ParameterState(long steps, Map<String, Object> slots) {
  static Object copy(Tensor tensor) {
    return switch (tensor.type()) {
      case FLOAT64 -> tensor.toDoubles();
      default -> tensor.toFloats();
    };
  }

  static void write(Object values, Tensor tensor) {
    if (values instanceof double[] doubles) {
      tensor.copyFrom(doubles);
    } else {
      tensor.copyFrom((float[]) values);
    }
  }

  static int length(Object values) {
    return values instanceof double[] doubles ? doubles.length : ((float[]) values).length;
  }

  ParameterState withSteps(long steps) {
    return new ParameterState(steps, slots);
  }

  /** A state from its slots in the order of the rule. */
  static ParameterState of(long steps, Iterable<String> names, Slots slots) {
    Map<String, Object> copies = new LinkedHashMap<>();
    for (String name : names) {
      copies.put(name, copy(slots.get(name)));
    }
    return new ParameterState(steps, copies);
  }

  /** The tensor of a slot. */
  interface Slots {
    Tensor get(String name);
  }
}
