package io.warmstep.schedule;

/** The shape of a run's curves, relative to the loss of chance. */
final class FitCurves {
  /** If a loss falls steadily, all rises together are at most this fraction of all falls. */
  private static final double STEADY = 0.1;

  /** The part of the way, or of the sum of the rates, over which a loss's fall is measured. */
  private static final double LAST_PART = 0.25;

  /** Fewer evaluations show no trend. */
  private static final int FEW_EVALUATIONS = 4;

  private final double[] training;
  private final double[] validation;
  private final double[] rateSums;
  private final int last;

  /** The loss that is possible without looking at the features. */
  final double chance;

  /** Losses that differ by more than this differ clearly. */
  final double clear;

  /** A validation loss that is too high by more than this is clearly too high. */
  final double gap;

  /** The last training loss. */
  final double train;

  /** The last validation loss. */
  final double valid;

  /** The evaluation with the lowest validation loss. */
  final int best;

  /** The evaluation with the lowest training loss. */
  final int lowest;

  /** The evaluation with the highest training loss. */
  final int highest;

  FitCurves(FitVerdict.Builder run) {
    training = run.training;
    validation = run.validation;
    rateSums = run.rateSums;
    last = training.length - 1;
    chance = chance(run);
    clear = FitVerdict.CLEAR * chance;
    gap = FitVerdict.GAP * chance;
    train = training[last];
    valid = validation[last];
    best = least(validation);
    lowest = least(training);
    highest = greatest(training);
  }

  private static double chance(FitVerdict.Builder run) {
    if (!Double.isNaN(run.chanceLoss)) {
      return run.chanceLoss;
    }
    if (run.training.length == 1) {
      throw new IllegalStateException(
          "one evaluation says nothing without what chance gives: call chance(...), or pass the"
              + " losses of the untrained model too");
    }
    double first = run.validation[0];
    return first > 0 && first < Double.POSITIVE_INFINITY ? first : 1;
  }

  private static int least(double[] losses) {
    int least = 0;
    for (int i = 1; i < losses.length; i++) {
      if (losses[i] < losses[least] || Double.isNaN(losses[least])) {
        least = i;
      }
    }
    return least;
  }

  private static int greatest(double[] losses) {
    int greatest = 0;
    for (int i = 1; i < losses.length; i++) {
      if (!(losses[i] <= losses[greatest])) {
        greatest = i;
      }
    }
    return greatest;
  }

  /** Whether the model has learned something about the training rows. */
  boolean hasLearned() {
    return train < chance - clear;
  }

  /** Whether the validation loss ended above its minimum although the training loss fell. */
  boolean turned(double by) {
    return train < training[best] && valid - validation[best] > by;
  }

  /** Whether the training loss rose above its start, or ended above its minimum. */
  boolean isRateTooHigh() {
    return !(training[highest] - training[0] <= clear) || train - training[lowest] > clear;
  }

  /** Whether the rates are all zero, as far as is known. */
  boolean isRateZero() {
    return rateSums != null && rateSums[last] == 0;
  }

  /** Whether the rates are all zero, or the training loss never changed. */
  boolean isUntrained() {
    return isRateZero() || (last > 0 && training[lowest] == training[highest]);
  }

  /** Whether rises of the training loss, if any, are small compared with its falls. */
  boolean isSteady() {
    double rises = 0;
    double falls = 0;
    for (int i = 1; i <= last; i++) {
      double change = training[i] - training[i - 1];
      rises += Math.max(0, change);
      falls += Math.max(0, -change);
    }
    return rises <= STEADY * falls;
  }

  /** How far the training loss fell over the last part of the way. */
  double trainingFall() {
    return beforeLastPart(training) - train;
  }

  /** How far the validation loss fell over the last part of the way. */
  double validationFall() {
    return beforeLastPart(validation) - valid;
  }

  /**
   * Whether the validation loss was clearly falling, to its minimum, and the training loss
   * steadily.
   */
  boolean isValidationFalling() {
    return isSteady() && validationFall() > clear && valid - validation[best] <= clear / 3;
  }

  /** Whether both losses were falling so fast, and are so high, that more steps would help much. */
  boolean isStillFalling() {
    return last + 1 >= FEW_EVALUATIONS
        && isSteady()
        && Math.min(trainingFall(), validationFall()) > gap
        && Math.min(train, valid) > gap;
  }

  /** A loss at the start of the last part of the way, interpolated between evaluations. */
  private double beforeLastPart(double[] losses) {
    double start = way(last) - LAST_PART * (way(last) - way(0));
    int after = Math.min(1, last);
    while (way(after) < start) {
      after++;
    }
    int before = Math.max(0, after - 1);
    double step = way(after) - way(before);
    double share = step > 0 ? (start - way(before)) / step : 1;
    return losses[before] + share * (losses[after] - losses[before]);
  }

  private double way(int evaluation) {
    return rateSums == null ? evaluation : rateSums[evaluation];
  }
}
