package io.warmstep.checkpoint;

import java.util.List;

/**
 * The choices made while restoring a checkpoint.
 *
 * @param stepCount the step count from which the optimizer resumes
 * @param parametersRestored whether the parameters' values were in the file and restored
 * @param notes one sentence each: hyperparameters or a seed that differed and which were used,
 *     parameters that start with an empty state, and things that the file lacks or contains in
 *     excess
 */
public record RestoreReport(long stepCount, boolean parametersRestored, List<String> notes) {
  /**
   * Copies the list.
   *
   * @param stepCount the step count from which the optimizer resumes
   * @param parametersRestored whether the parameters' values were in the file and restored
   * @param notes one sentence each
   */
  public RestoreReport {
    notes = List.copyOf(notes);
  }

  /** Lines for a log: the step count, then the notes. */
  @Override
  public String toString() {
    String first =
        "restored at step "
            + stepCount
            + (parametersRestored ? "" : ", without the parameters' values");
    return notes.isEmpty() ? first : first + "\n" + String.join("\n", notes);
  }
}
