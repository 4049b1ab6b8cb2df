package io.warmstep;

import io.warmstep.step.StepOptions;
import java.util.Collection;
import java.util.Optional;

/**
 * Whether the arithmetic of parameters can hold a number that the host computes in float64: rounded
 * to the arithmetic type it must not become infinite, nor 0 unless it is 0.
 */
final class ArithmeticRange {
  private ArithmeticRange() {}

  /** A parameter of float32 arithmetic if there is one, otherwise any; empty if there is none. */
  static Optional<Parameter> narrowest(Collection<Parameter> parameters) {
    return parameters.stream()
        .filter(parameter -> !isDouble(parameter))
        .findFirst()
        .or(() -> parameters.stream().findFirst());
  }

  private static boolean isDouble(Parameter parameter) {
    return parameter.values().type() == ElementType.FLOAT64;
  }

  static boolean holds(double value, Parameter parameter) {
    if (isDouble(parameter)) {
      return Math.abs(value) <= Double.MAX_VALUE;
    }
    float rounded = (float) value;
    return Math.abs(rounded) <= Float.MAX_VALUE && (rounded != 0 || value == 0);
  }

  /** The message about a number that the arithmetic cannot hold. */
  static String message(String what, double value, Parameter parameter) {
    ElementType type = parameter.values().type();
    boolean isDouble = isDouble(parameter);
    return what
        + " is "
        + value
        + (isDouble ? "" : ", which is " + (float) value + " in float32")
        + ", the arithmetic of the "
        + type
        + " parameter \""
        + parameter.name()
        + "\", must be 0 or of a magnitude from "
        + (isDouble
            ? Double.MIN_VALUE + " to " + Double.MAX_VALUE
            : Float.MIN_VALUE + " to " + Float.MAX_VALUE + ": change it or use float64 parameters");
  }

  static void require(String what, double value, Parameter parameter) {
    if (!holds(value, parameter)) {
      throw new IllegalArgumentException(message(what, value, parameter));
    }
  }

  /** Checks the bounds of clipping. */
  static void requireOptions(StepOptions options, Parameters parameters) {
    Collection<Parameter> all = parameters.all();
    narrowest(all).ifPresent(narrowest -> require("clipValue", options.clipValue(), narrowest));
    // The norm is computed in float64 if any gradient is.
    boolean inDouble = all.stream().anyMatch(p -> p.length() > 0 && isDouble(p));
    if (options.clipsByNorm() && !inDouble) {
      narrowest(all).ifPresent(narrowest -> require("clipNorm", options.clipNorm(), narrowest));
    }
  }
}
