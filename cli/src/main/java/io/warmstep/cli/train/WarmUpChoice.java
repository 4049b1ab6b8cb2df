package io.warmstep.cli.train;

import io.warmstep.schedule.WarmUp;
import java.util.Locale;
import java.util.OptionalLong;

/**
 * The warm-up that the user asked for.
 *
 * @param shape its shape
 * @param steps its length, if the user said one
 */
public record WarmUpChoice(Shape shape, OptionalLong steps) {
  /** What the user may write. */
  public static final String SYNTAX =
      "none, STEPS, linear[:STEPS], exponential[:STEPS], cosine[:STEPS], untuned-linear or"
          + " untuned-exponential";

  /** The share of the run that a warm-up takes if its length is not given. */
  public static final double DEFAULT_SHARE = 0.05;

  /** The shapes. */
  public enum Shape {
    /** No warm-up. */
    NONE,
    /** A straight line. */
    LINEAR,
    /** Geometric growth from 1 %. */
    EXPONENTIAL,
    /** Half a cosine wave. */
    COSINE,
    /** Ma and Yarats's linear factor, whose length follows from Adam's beta2. */
    UNTUNED_LINEAR,
    /** Ma and Yarats's exponential factor, whose length follows from Adam's beta2. */
    UNTUNED_EXPONENTIAL;

    boolean isUntuned() {
      return this == UNTUNED_LINEAR || this == UNTUNED_EXPONENTIAL;
    }

    WarmUp curve() {
      return switch (this) {
        case LINEAR -> WarmUp.linear();
        case EXPONENTIAL -> WarmUp.exponential(0.01);
        case COSINE -> WarmUp.cosine();
        default -> throw new IllegalStateException(this + " is no curve of a chosen length");
      };
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /**
   * Reads what the user wrote.
   *
   * @param text see {@link #SYNTAX}
   * @return the choice
   * @throws IllegalArgumentException if it is something else
   */
  public static WarmUpChoice parse(String text) {
    int colon = text.indexOf(':');
    if (colon < 0 && !text.isEmpty() && Character.isDigit(text.charAt(0))) {
      long steps = steps(text, text);
      return new WarmUpChoice(steps == 0 ? Shape.NONE : Shape.LINEAR, OptionalLong.of(steps));
    }
    String name = colon < 0 ? text : text.substring(0, colon);
    for (Shape shape : Shape.values()) {
      if (shape.toString().equals(name)) {
        if (colon < 0) {
          return new WarmUpChoice(shape, OptionalLong.empty());
        }
        if (shape == Shape.NONE || shape.isUntuned()) {
          throw new IllegalArgumentException(
              "--warmup is '" + text + "', but " + name + " takes no number of steps");
        }
        long steps = steps(text.substring(colon + 1), text);
        return new WarmUpChoice(steps == 0 ? Shape.NONE : shape, OptionalLong.of(steps));
      }
    }
    throw new IllegalArgumentException("--warmup is '" + text + "', must be " + SYNTAX);
  }

  private static long steps(String number, String text) {
    try {
      long steps = Long.parseLong(number);
      if (steps >= 0) {
        return steps;
      }
    } catch (NumberFormatException e) {
      // Falls through to the same message: not a count either way.
    }
    throw new IllegalArgumentException("--warmup is '" + text + "', must be " + SYNTAX);
  }
}
