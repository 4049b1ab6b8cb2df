package io.warmstep.checkpoint;

import java.io.IOException;

/** Thrown if a file is damaged or not a checkpoint. Nothing has changed. */
public final class CorruptCheckpointException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param source the file, or what else was read
   * @param reason a clause about it
   */
  public CorruptCheckpointException(String source, String reason) {
    this(source, reason, null);
  }

  /**
   * Creates the exception with a cause.
   *
   * @param source the file, or what else was read
   * @param reason a clause about it
   * @param cause the exception thrown while reading, or null
   */
  public CorruptCheckpointException(String source, String reason, Throwable cause) {
    super(source + " is damaged or no checkpoint: " + reason, cause);
  }
}
