package io.warmstep.cli.text;

import java.io.EOFException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.FileSystemException;
import java.util.Locale;

/** Exceptions in words for users: many have no message of their own, or one for programmers. */
public final class Failures {
  private Failures() {}

  /**
   * Says what happened.
   *
   * @param failure an exception, with or without a message
   * @return a phrase, never null or empty
   */
  public static String describe(Throwable failure) {
    if (failure instanceof UncheckedIOException wrapper) {
      return describe(wrapper.getCause());
    }
    if (failure instanceof FileSystemException e && e.getFile() != null) {
      // Its message is often the bare path.
      return e.getFile() + ": " + (e.getReason() == null ? kind(e) : e.getReason());
    }
    if (failure instanceof CharacterCodingException) {
      return "the text is not in UTF-8";
    }
    String message = failure.getMessage();
    if (message != null && !message.isBlank()) {
      return message;
    }
    if (failure instanceof EOFException) {
      return "the data ends too early";
    }
    Throwable cause = failure.getCause();
    return cause == null ? kind(failure) : kind(failure) + " (" + describe(cause) + ")";
  }

  /** NoSuchFileException becomes "no such file". */
  private static String kind(Throwable failure) {
    return failure
        .getClass()
        .getSimpleName()
        .replaceAll("(Exception|Error)$", "")
        .replaceAll("(?<=[a-z])(?=[A-Z])", " ")
        .toLowerCase(Locale.ROOT);
  }
}
