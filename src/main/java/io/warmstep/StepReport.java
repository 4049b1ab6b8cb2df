package io.warmstep;

import java.util.List;

/**
 * An optimizer's report on one step. Created by the library and read by listeners: later versions
 * may add components, so read them by name and do not call the constructor.
 *
 * @param step how many steps have happened, this one included; a skipped step does not count
 * @param learningRate the rate of the last step that happened, before the groups' factors; NaN
 *     before the first
 * @param loss the last loss given to {@link Optimizer#reportLoss}, or NaN if none was; of a sharded
 *     optimizer, the mean over its workers, see {@link ShardedOptimizer#reportLoss}
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
   * The changes that a step made in one group of parameters. Where a parameter has a {@linkplain
   * OptimizerBuilder#masterWeights master}, its values are those of the master, of float32 or of 24
   * bits: what steps update, and what they can lose.
   *
   * @param group the group's pattern; {@code others} for the parameters of no group, {@code all} if
   *     there are no groups. Later groups of the same name are numbered from {@code others.2} on
   * @param toWeight the Euclidean norm of the change, divided by the norm of the values before it:
   *     both over all elements of the group, squared and added up in the parameters' arithmetic
   *     within tiles of 2048 elements, and in float64 over these. In float32, changes and values of
   *     at most 2^-75 count as 0, and squares whose sum in a tile reaches 2^128 as infinite. NaN if
   *     the step was skipped; NaN or infinite if all values were 0
   * @param lost fraction of elements with a finite, nonzero gradient whose value did not change
   *     because the update was below half a unit in the last place; with stochastic rounding, of
   *     those that stayed this time. NaN if there is no such element, the group's rate is 0, or the
   *     step was skipped
   * @param largest the largest ratio of {@code toWeight}'s kind that a single parameter of the
   *     group has, leaving out parameters whose values were all 0, such as new biases. A NaN, which
   *     comes of values that are not finite, counts as the largest. NaN too if there is no such
   *     parameter or the step was skipped
   * @param largestParameter the name of that parameter; empty if there is none
   * @param codes how well codes hold the group's state, for each slot of which a parameter is
   *     stored as {@link StateType#INT8}; empty if there is none
   */
  public record Update(
      String group,
      double toWeight,
      double lost,
      double largest,
      String largestParameter,
      List<Codes> codes) {
    /**
     * Creates a measurement; optimizers do so.
     *
     * @param group the group's name
     * @param toWeight the ratio
     * @param lost the fraction of lost updates
     * @param largest the largest ratio of a parameter
     * @param largestParameter its name
     * @param codes by slot; copied
     */
    public Update {
      codes = List.copyOf(codes);
    }
  }

  /**
   * How well 8-bit codes hold one slot of a group's state after a step. Each block of 32 codes has
   * a scale that its largest number needs, so the largest code of a block says nothing; what codes
   * cannot hold is what is beyond the largest scale, and what is small beside the rest of its
   * block.
   *
   * @param slot PyTorch's name of the state, such as {@code exp_avg}
   * @param saturated fraction of codes that stand for NaN, for an infinity, or for the largest
   *     number that there is, as which all larger ones are stored: 2^126 for moments, just below
   *     2^128 for averages of squares. Anything but 0 means that gradients are out of range. NaN if
   *     the step was skipped
   * @param vanished fraction of elements with a finite, nonzero gradient whose state is stored as
   *     0, although such a gradient moves it: its block has numbers that are more than 500 times as
   *     large, or for averages of squares more than 10^19 times. NaN if there is no such element or
   *     the step was skipped
   */
  public record Codes(String slot, double saturated, double vanished) {}

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
