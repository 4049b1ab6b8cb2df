package io.warmstep.checkpoint;

import java.util.List;

/**
 * What restoring a checkpoint has done where there was a choice.
 *
 * @param stepCount the number of steps from which the optimizer goes on
 * @param parametersRestored whether the parameters' values were in the file and taken
 * @param notes a sentence each: hyperparameters that differed and which were taken, parameters that
 *     start with an empty state, what the file lacks or has beyond what was asked for
 */
public record RestoreReport(long stepCount, boolean parametersRestored, List<String> notes) {
  /**
   * Copies the list.
   *
   * @param stepCount the number of steps from which the optimizer goes on
   * @param parametersRestored whether the parameters' values were in the file and taken
   * @param notes a sentence each
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
