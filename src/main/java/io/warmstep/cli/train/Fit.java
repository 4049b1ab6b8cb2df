package io.warmstep.cli.train;

import java.util.List;

/**
 * Whether a trained model learned too little, enough, or too much of its training data. The rule,
 * in this order:
 *
 * <ol>
 *   <li>under-fitting: the training accuracy is below {@value #MIN_TRAIN_ACCURACY};
 *   <li>over-fitting: the training accuracy is more than {@value #MAX_ACCURACY_GAP} above the test
 *       accuracy, or the test loss is more than {@value #MAX_LOSS_FACTOR} times its least of the
 *       run and more than {@value #MAX_LOSS_RISE} above it;
 *   <li>appropriate: otherwise.
 * </ol>
 *
 * <p>The loss tells what the accuracy does not: how sure the model is of its wrong answers. Of two
 * bounds, the one keeps small rises of a tiny loss out, the other those of a large loss.
 */
public enum Fit {
  /** The training result is too low: train longer, with a higher rate or a larger model. */
  UNDER_FITTING("under-fitting"),
  /** Good on the training rows and about as good on the test rows. */
  APPROPRIATE("appropriate"),
  /** Much better on the training rows than on the test rows: more data, or weight decay. */
  OVER_FITTING("over-fitting");

  /** The training accuracy below which a model is under-fitting. */
  public static final double MIN_TRAIN_ACCURACY = 0.95;

  /** The lead of the training accuracy over the test accuracy that is still appropriate. */
  public static final double MAX_ACCURACY_GAP = 0.05;

  /** The last test loss divided by the least that is still appropriate. */
  public static final double MAX_LOSS_FACTOR = 2;

  /** The last test loss less the least, in nats, that is still appropriate. */
  public static final double MAX_LOSS_RISE = 0.2;

  /** The rule in words for the help text. */
  public static final String RULE =
      "  under-fitting  training accuracy below "
          + MIN_TRAIN_ACCURACY
          + "%n  over-fitting   training accuracy more than "
          + MAX_ACCURACY_GAP
          + " above test accuracy, or%n                 test loss more than "
          + MAX_LOSS_FACTOR
          + " times its least of the run%n                 and more than "
          + MAX_LOSS_RISE
          + " above it%n  appropriate    otherwise";

  private final String text;

  Fit(String text) {
    this.text = text;
  }

  /**
   * Judges a trained model.
   *
   * @param history its run
   * @return the verdict
   */
  public static Fit of(History history) {
    History.Point last = history.last();
    if (!(last.train().accuracy() >= MIN_TRAIN_ACCURACY)) {
      return UNDER_FITTING;
    }
    return last.train().accuracy() - last.test().accuracy() > MAX_ACCURACY_GAP
            || testLossRose(history)
        ? OVER_FITTING
        : APPROPRIATE;
  }

  /** Whether the test loss ended too far above its least. */
  static boolean testLossRose(History history) {
    double least = history.points().get(epochOfLeastTestLoss(history)).test().loss();
    double last = history.last().test().loss();
    return last > MAX_LOSS_FACTOR * least && last - least > MAX_LOSS_RISE;
  }

  /** The epoch after which the test loss was least; 0 before the training. */
  static int epochOfLeastTestLoss(History history) {
    List<History.Point> points = history.points();
    int least = 0;
    for (int epoch = 1; epoch < points.size(); epoch++) {
      if (points.get(epoch).test().loss() < points.get(least).test().loss()) {
        least = epoch;
      }
    }
    return least;
  }

  /** Returns the verdict in words: under-fitting, appropriate or over-fitting. */
  @Override
  public String toString() {
    return text;
  }
}
