package io.warmstep;

import java.util.List;

/**
 * An optimizer's report on one step. Created by the library and read by listeners: later versions
 * may add components, so read them by name and do not call the constructor.
 *
 * @param step how many steps have happened, this one included; a skipped step does not count
 * @param learningRate the rate of the last step that happened, before the groups' factors; NaN
 *     before the first
 * @param loss the last loss given to {@link Optimizer#reportLoss}, or NaN if none was
 * @param gradientNorm the global norm of this step's gradients, as {@link Optimizer#gradientNorm}
 *     gives it; NaN if the optimizer does not compute it
 * @param clipRate fraction of the completed, reported steps whose gradients were clipped by norm:
 *     with an interval of 1, of all steps. NaN if the optimizer does not clip by norm, or no step
 *     has happened
 * @param skippedSteps how many steps were skipped so far because of a non-finite gradient
 * @param updates the changes per group, in the order in which groups were added to the builder, the
 *     parameters of no group last. Frozen groups are left out. Empty if {@link
 *     OptimizerBuilder#measureUpdates} was set to false
 */
public record StepReport(
    long step,
    double learningRate,
    double loss,
    double gradientNorm,
    double clipRate,
    long skippedSteps,
    List<Update> updates) {
  /**
   * The changes that a step made in one group of parameters.
   *
   * @param group the group's pattern; {@code others} for the parameters of no group, {@code all} if
   *     there are no groups. Later groups of the same name are numbered from {@code others.2} on
   * @param toWeight the Euclidean norm of the change, divided by the norm of the values before it:
   *     both over all elements of the group, in float64. NaN if the step was skipped; NaN or
   *     infinite if all values were 0
   * @param lost fraction of elements with a finite, nonzero gradient whose value did not change
   *     because the update was below half a unit in the last place. NaN if there is no such
   *     element, masters are kept (they accumulate updates that the values do not show), the
   *     group's rate is 0, or the step was skipped
   */
  public record Update(String group, double toWeight, double lost) {}

  /**
   * Creates a report; optimizers do so.
   *
   * @param step the steps so far
   * @param learningRate the last rate
   * @param loss the last loss
   * @param gradientNorm the norm of the gradients
   * @param clipRate the fraction of clipped steps
   * @param skippedSteps the skipped steps so far
   * @param updates by group; copied
   */
  public StepReport {
    updates = List.copyOf(updates);
  }
}
