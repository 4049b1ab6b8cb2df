package io.warmstep.checkpoint;

import java.util.List;

/**
 * A checkpoint is whole, but of something else than what it is to be restored into. Nothing has
 * changed.
 */
public final class CheckpointMismatchException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /** As many are named in the message. */
  private static final int SHOWN = 8;

  /** All of them. */
  private final List<String> differences;

  /**
   * Lists the differences.
   *
   * @param source the file, or what else was read
   * @param differences a clause each, at least one
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
   * All differences, of which the message has the first few.
   *
   * @return a clause each
   */
  public List<String> differences() {
    return differences;
  }
}
