package io.warmstep.checkpoint;

import java.util.List;

/**
 * Thrown if a checkpoint is intact but does not match the optimizer being restored. Nothing has
 * changed.
 */
public final class CheckpointMismatchException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /** The most differences that the message names. */
  private static final int SHOWN = 8;

  /** All differences. */
  private final List<String> differences;

  /**
   * Creates the exception.
   *
   * @param source the file, or what else was read
   * @param differences one clause each, at least one
   */
  public CheckpointMismatchException(String source, List<String> differences) {
    super(source + " does not fit: " + abbreviated(differences));
    this.differences = List.copyOf(differences);
  }

  private static String abbreviated(List<String> differences) {
    String shown = String.join("; ", differences.stream().limit(SHOWN).toList());
    return differences.size() <= SHOWN
        ? shown
        : shown + "; and " + (differences.size() - SHOWN) + " more";
  }

  /**
   * All differences; the message names only the first few.
   *
   * @return one clause each
   */
  public List<String> differences() {
    return differences;
  }
}
