package io.warmstep.cli;

import io.warmstep.cli.text.Failures;
import java.io.IOException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Values that are made of what the user wrote. */
final class UserInput {
  private UserInput() {}

  /** Makes a value. */
  interface Maker<T> {
    T make() throws IOException;
  }

  /**
   * Makes a value; one that is out of range is the user's, not the program's mistake.
   *
   * @param spec the command that it is an argument of
   * @param value throws {@link IllegalArgumentException} for what is out of range
   */
  static <T> T checked(CommandSpec spec, Maker<T> value) throws IOException {
    try {
      return value.make();
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), Failures.describe(e), e);
    }
  }
}
