package io.warmstep.cli;

import io.warmstep.cli.text.Failures;
import java.util.function.Supplier;
import java.util.regex.Matcher;

/** Options and what the library calls the same. */
final class Options {
  private Options() {}

  /**
   * Rewords an IllegalArgumentException to name the command-line option.
   *
   * @param argument how the message begins, a regular expression
   * @param option what stands there instead
   * @param value what may complain
   */
  static <T> T named(String argument, String option, Supplier<T> value) {
    return renamed("^" + argument, option, value);
  }

  /**
   * Rewords an IllegalArgumentException that names an argument anywhere.
   *
   * @param argument its first mention, a regular expression
   * @param option what stands there instead
   * @param value what may complain
   */
  static <T> T renamed(String argument, String option, Supplier<T> value) {
    try {
      return value.get();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          Failures.describe(e).replaceFirst(argument, Matcher.quoteReplacement(option)), e);
    }
  }
}
