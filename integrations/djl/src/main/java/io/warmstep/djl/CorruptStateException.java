package io.warmstep.djl;

import java.io.IOException;
import java.nio.file.Path;

/** A file is not a saved optimizer state, or a damaged one. Nothing has changed. */
public final class CorruptStateException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * Says what is wrong.
   *
   * @param path the file
   * @param reason a clause about it
   */
  public CorruptStateException(Path path, String reason) {
    this(path, reason, null);
  }

  /**
   * Says what is wrong and how that was found.
   *
   * @param path the file
   * @param reason a clause about it
   * @param cause what reading it threw, or null
   */
  public CorruptStateException(Path path, String reason, Throwable cause) {
    super(path + " is not a saved optimizer state: " + reason, cause);
  }
}
