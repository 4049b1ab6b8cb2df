package io.warmstep.cli.train;

import java.util.Locale;

/** The loss became infinite or NaN: the model cannot be trained further. */
public final class TrainingDivergedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * Describes where it happened.
   *
   * @param step the step whose loss was not finite, from 1
   * @param loss that loss
   * @param rate the learning rate of the step before it
   */
  public TrainingDivergedException(long step, double loss, double rate) {
    super(
        String.format(
            Locale.ROOT,
            "training diverged: the loss is %s at step %d, after a learning rate of %.3g;"
                + " use a lower rate or a longer warm-up, or clip the gradients",
            loss,
            step,
            rate));
  }
}
