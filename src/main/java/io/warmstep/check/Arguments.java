package io.warmstep.check;

/**
 * Checks of arguments at the public API. Every refusal has one form, which says what was given,
 * what is allowed and what to do: {@code X is V, must be RANGE: do Z}.
 */
public final class Arguments {
  private Arguments() {}

  /**
   * Requires a finite number of at least 0.
   *
   * @param name what the user calls the argument
   * @param value the argument
   * @param advice what to do, as the end of a sentence
   * @throws IllegalArgumentException if it is negative, infinite or NaN
   */
  public static void requireNonNegative(String name, double value, String advice) {
    if (!(value >= 0 && value <= Double.MAX_VALUE)) {
      throw refusal(name, value, "finite and at least 0", advice);
    }
  }

  /**
   * Requires a finite number above 0.
   *
   * @param name what the user calls the argument
   * @param value the argument
   * @param advice what to do, as the end of a sentence
   * @throws IllegalArgumentException if it is 0, negative, infinite or NaN
   */
  public static void requirePositive(String name, double value, String advice) {
    if (!(value > 0 && value <= Double.MAX_VALUE)) {
      throw refusal(name, value, "finite and above 0", advice);
    }
  }

  /**
   * Requires a number above 0 that float32 holds without loss of range: neither it nor its inverse
   * overflows or vanishes there.
   *
   * @param name what the user calls the argument
   * @param value the argument
   * @param advice what to do, as the end of a sentence
   * @throws IllegalArgumentException if it is below float32's smallest normal number, above its
   *     largest, or NaN
   */
  public static void requireNormalFloat32(String name, double value, String advice) {
    if (!(value >= Float.MIN_NORMAL && value <= Float.MAX_VALUE)) {
      throw refusal(name, value, "above 0 and a normal float32 number", advice);
    }
  }

  /**
   * Requires a whole number of at least a bound.
   *
   * @param name what the user calls the argument
   * @param value the argument
   * @param least the least that is allowed
   * @param advice what to do, as the end of a sentence
   * @throws IllegalArgumentException if it is less
   */
  public static void requireAtLeast(String name, long value, long least, String advice) {
    if (value < least) {
      throw refusal(name, value, "at least " + least, advice);
    }
  }

  /**
   * Requires that a number is in a range.
   *
   * @param isAllowed whether it is; false for NaN
   * @param name what the user calls the argument
   * @param value the argument
   * @param range what is allowed, such as {@code in [0, 1)}
   * @param advice what to do, as the end of a sentence
   * @throws IllegalArgumentException if it is not
   */
  public static void require(
      boolean isAllowed, String name, double value, String range, String advice) {
    if (!isAllowed) {
      throw refusal(name, value, range, advice);
    }
  }

  /**
   * Requires that an object was given.
   *
   * @param name what the user calls the argument
   * @param value the argument
   * @param advice what to do, as the end of a sentence
   * @throws NullPointerException if it is null
   */
  public static void requirePresent(String name, Object value, String advice) {
    if (value == null) {
      throw new NullPointerException(message(name, null, "given", advice));
    }
  }

  /**
   * Says what is wrong with an argument.
   *
   * @param name what the user calls the argument
   * @param value the argument
   * @param range what is allowed
   * @param advice what to do, as the end of a sentence
   * @return an exception to be thrown
   */
  public static IllegalArgumentException refusal(
      String name, Object value, String range, String advice) {
    return new IllegalArgumentException(message(name, value, range, advice));
  }

  private static String message(String name, Object value, String range, String advice) {
    return name + " is " + value + ", must be " + range + ": " + advice;
  }
}
