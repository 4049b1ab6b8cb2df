package io.warmstep.checkpoint;

import java.io.IOException;

/** A file is damaged, or no checkpoint at all. Nothing has changed. */
public final class CorruptCheckpointException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * Says what is wrong.
   *
   * @param source the file, or what else was read
   * @param reason a clause about it
   */
  public CorruptCheckpointException(String source, String reason) {
    this(source, reason, null);
  }

  /**
   * Says what is wrong and how that was found.
   *
   * @param source the file, or what else was read
   * @param reason a clause about it
   * @param cause what reading it threw, or null
   */
  public CorruptCheckpointException(String source, String reason, Throwable cause) {
    super(source + " is damaged or no checkpoint: " + reason, cause);
  }
}
