package io.warmstep.cli.train;

/**
 * Whether a trained model learned too little, enough, or too much of its training data. The rule,
 * in this order:
 *
 * <ol>
 *   <li>under-fitting: the training accuracy is below {@value #MIN_TRAIN_ACCURACY};
 *   <li>over-fitting: the training accuracy is more than {@value #MAX_ACCURACY_GAP} above the test
 *       accuracy;
 *   <li>appropriate: otherwise.
 * </ol>
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

  /** The rule in words, a verdict a line, for the help text. */
  public static final String RULE =
      "  under-fitting  training accuracy below "
          + MIN_TRAIN_ACCURACY
          + "%n  over-fitting   training accuracy more than "
          + MAX_ACCURACY_GAP
          + " above test accuracy%n  appropriate    otherwise";

  private final String text;

  Fit(String text) {
    this.text = text;
  }

  /**
   * Judges a trained model.
   *
   * @param trainAccuracy the accuracy on the training rows, 0 to 1
   * @param testAccuracy the accuracy on the test rows, 0 to 1
   * @return the verdict
   */
  public static Fit of(double trainAccuracy, double testAccuracy) {
    if (!(trainAccuracy >= MIN_TRAIN_ACCURACY)) {
      return UNDER_FITTING;
    }
    return trainAccuracy - testAccuracy > MAX_ACCURACY_GAP ? OVER_FITTING : APPROPRIATE;
  }

  /** Returns the verdict in words: under-fitting, appropriate or over-fitting. */
  @Override
  public String toString() {
    return text;
  }
}
