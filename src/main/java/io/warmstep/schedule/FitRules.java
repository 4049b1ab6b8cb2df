package io.warmstep.schedule;

import io.warmstep.schedule.FitVerdict.Fit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The rules of {@link FitVerdict}, and the sentences that go with them. */
final class FitRules {
  /**
   * The least share of evaluations after which the training loss has fallen, if it does steadily.
   */
  private static final double STEADY = 0.9;

  /** Fewer evaluations show no course. */
  private static final int FEW_EVALUATIONS = 4;

  /** Fewer rows tell little about others. */
  private static final int FEW_ROWS = 30;

  private final FitVerdict.Builder run;
  private final int last;
  private final int best;
  private final double train;
  private final double validation;
  private final double chance;
  private final double clear;
  private final double gap;

  FitRules(FitVerdict.Builder run) {
    this.run = run;
    last = run.training.length - 1;
    best = least(run.validation);
    train = run.training[last];
    validation = run.validation[last];
    chance = chance(run);
    clear = FitVerdict.CLEAR * chance;
    gap = FitVerdict.GAP * chance;
  }

  private static double chance(FitVerdict.Builder run) {
    double first = run.validation[0];
    if (!Double.isNaN(run.chanceLoss)) {
      return run.chanceLoss;
    }
    if (run.training.length == 1) {
      throw new IllegalStateException(
          "one evaluation says nothing without what chance gives: call chance(...), or pass the"
              + " losses of the untrained model too");
    }
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

  FitVerdict judge() {
    String over = overFitting();
    if (over != null) {
      return new FitVerdict(Fit.OVER_FITTING, over, overFittingAdvice(), best);
    }
    String under = underFitting();
    if (under != null) {
      return new FitVerdict(Fit.UNDER_FITTING, under, underFittingAdvice(), best);
    }
    return new FitVerdict(Fit.APPROPRIATE, appropriate(), appropriateAdvice(), best);
  }

  // The three verdicts.

  private String overFitting() {
    boolean hasLearned = train < chance - clear;
    double luck = FitVerdict.STANDARD_ERRORS * lossError();
    if (turned(gap + luck / 2)) { // the same rows both times, so half the luck
      return describe(
          "the %s loss rose from its least, %s %s, to %s, while the training loss fell from %s to"
              + " %s",
          run.validationName,
          number(run.validation[best]),
          when(best),
          number(validation),
          number(run.training[best]),
          number(train));
    }
    if (hasLearned && !(validation - train <= gap + luck)) {
      return describe(
          "the training loss is %s and the %s loss %s%s",
          number(train),
          run.validationName,
          number(validation),
          validation > chance ? ", worse than chance, " + number(chance) : "");
    }
    if (hasLearned && accuraciesDiffer()) {
      return describe(
          "the accuracy is %.4f on the training rows and %.4f on the %s rows",
          run.trainingAccuracy[last], run.validationAccuracy[last], run.validationName);
    }
    return null;
  }

  /** Whether the validation loss ended above its least though the training loss fell. */
  private boolean turned(double by) {
    return train < run.training[best] && validation - run.validation[best] > by;
  }

  private boolean accuraciesDiffer() {
    if (run.trainingAccuracy == null) {
      return false;
    }
    double errorOfChance =
        Double.isNaN(run.chanceAccuracy) ? Double.POSITIVE_INFINITY : 1 - run.chanceAccuracy;
    double allowed = Math.min(FitVerdict.ACCURACY_GAP, FitVerdict.GAP * errorOfChance);
    // Could a model that is worse by what is allowed, and no more, have come out like this?
    double error = Math.min(1, 1 - run.trainingAccuracy[last] + allowed);
    double luck =
        run.validationRows == 0
            ? 0
            : FitVerdict.STANDARD_ERRORS * Math.sqrt(error * (1 - error) / run.validationRows);
    return run.trainingAccuracy[last] - run.validationAccuracy[last] > allowed + luck;
  }

  private double lossError() {
    if (!Double.isNaN(run.lossError)) {
      return run.lossError;
    }
    if (run.validationRows == 0) {
      return 0;
    }
    double wrongRows =
        run.validationAccuracy == null
            ? run.validationRows / 2.0
            : run.validationRows * (1 - run.validationAccuracy[last]);
    return validation / Math.sqrt(Math.max(1, wrongRows));
  }

  private String underFitting() {
    if (!Double.isFinite(train)) {
      return describe("the training loss is %s", train);
    }
    if (isFrozen()) {
      return describe("nothing was trained: the training loss stayed at %s", number(train));
    }
    if (train > run.baselineLoss + clear) {
      return describe(
          "the training loss is %s, and %s has %s on the %s rows",
          number(train), run.bestBaseline, number(run.baselineLoss), run.validationName);
    }
    if (train >= chance - clear && !isNothingToLearn()) {
      return describe(
          "the training loss, %s, is hardly better than chance, %s", number(train), number(chance));
    }
    if (train - run.training[least(run.training)] > gap) {
      int least = least(run.training);
      return describe(
          "the training loss ended at %s, above its least, %s %s",
          number(train), number(run.training[least]), when(least));
    }
    if (isStillFalling()) {
      return describe(
          "the losses were still falling: over the last half of the way the %s loss fell from %s"
              + " to %s",
          run.validationName, number(halfway(run.validation)), number(validation));
    }
    return null;
  }

  private boolean isFrozen() {
    if (run.rateSums != null) {
      return run.rateSums[last] == 0;
    }
    for (double loss : run.training) {
      if (loss != train) {
        return false;
      }
    }
    return last > 0;
  }

  /** Chance reached, and nothing better in sight. */
  private boolean isNothingToLearn() {
    return Math.abs(train - chance) <= clear
        && run.bestBaseline != null
        && run.baselineLoss >= chance - clear
        && !isStillFalling();
  }

  private boolean isStillFalling() {
    return last + 1 >= FEW_EVALUATIONS
        && isSteady()
        && halfway(run.training) - train > clear
        && halfway(run.validation) - validation > clear;
  }

  private boolean isSteady() {
    int falls = 0;
    for (int i = 1; i <= last; i++) {
      falls += run.training[i] < run.training[i - 1] ? 1 : 0;
    }
    return falls >= STEADY * last;
  }

  /** A loss half the way before the end, between the evaluations around. */
  private double halfway(double[] losses) {
    double middle = (way(0) + way(last)) / 2;
    int after = 1;
    while (way(after) < middle) {
      after++;
    }
    double step = way(after) - way(after - 1);
    double share = step > 0 ? (middle - way(after - 1)) / step : 1;
    return losses[after - 1] + share * (losses[after] - losses[after - 1]);
  }

  private double way(int evaluation) {
    return run.rateSums == null ? evaluation : run.rateSums[evaluation];
  }

  private String appropriate() {
    if (train >= chance - clear) {
      return describe(
          "the %s loss, %s, is that of chance, %s, and %s does no better, %s: the features seem to"
              + " say nothing",
          run.validationName,
          number(validation),
          number(chance),
          run.bestBaseline,
          number(run.baselineLoss));
    }
    boolean isLow = validation < gap;
    if (isLow) {
      return describe(
          "the %s loss is low, %s, and the training loss %s",
          run.validationName, number(validation), number(train));
    }
    String compared =
        run.bestBaseline == null
            ? ""
            : describe(" (%s: %s)", run.bestBaseline, number(run.baselineLoss));
    return describe(
        "the %s loss has flattened at %s%s, about as good as this data seems to allow",
        run.validationName, number(validation), compared);
  }

  // What to try.

  private List<String> overFittingAdvice() {
    List<String> advice = new ArrayList<>();
    if (isRateTooHigh()) {
      advice.add(lowerRate());
    }
    if (turned(clear)) {
      advice.add(stopEarlier());
    }
    advice.add("try weight decay, a smaller model or more training rows");
    addFewRows(advice);
    return advice;
  }

  private List<String> underFittingAdvice() {
    List<String> advice = new ArrayList<>();
    double fallen = run.training[0] - train;
    if (isFrozen()) {
      advice.add("the learning rate is 0: try one above 0");
    } else if (!Double.isFinite(train)) {
      advice.add("the learning rate may be too high: try a lower one, a warm-up, or clipping");
    } else if (isRateTooHigh()) {
      advice.add(lowerRate());
    } else if (last > 0
        && (Math.abs(fallen) <= clear
            || isSteady() && halfway(run.training) - train > 0.2 * fallen)) {
      advice.add(
          "the training loss fell steadily and is still high: the learning rate may be too low, or the epochs too few");
    } else if (train >= chance - clear) {
      advice.add(
          "the training loss stays at chance: the learning rate may be too high, or the model too small");
    } else {
      advice.add(
          "the training loss has flattened: the model may be too small, or the learning rate too high");
    }
    addFewRows(advice);
    return advice;
  }

  private List<String> appropriateAdvice() {
    List<String> advice = new ArrayList<>();
    if (isRateTooHigh()) {
      advice.add(lowerRate());
    }
    if (turned(clear)) {
      advice.add(stopEarlier());
    }
    addFewRows(advice);
    return advice;
  }

  private boolean isRateTooHigh() {
    double highest = run.training[0];
    for (double loss : run.training) {
      highest = Double.isNaN(loss) ? loss : Math.max(highest, loss);
    }
    return !(highest - run.training[0] <= clear)
        || train - run.training[least(run.training)] > clear;
  }

  private String lowerRate() {
    return "the training loss rose: the learning rate may be too high";
  }

  private String stopEarlier() {
    return describe(
        "the %s loss was least %s, %s: fewer epochs or early stopping may do better",
        run.validationName, when(best), number(run.validation[best]));
  }

  private void addFewRows(List<String> advice) {
    if (run.validationRows > 0 && run.validationRows < FEW_ROWS) {
      advice.add(
          describe(
              "there are only %d %s rows: the verdict may be luck",
              run.validationRows, run.validationName));
    }
  }

  private String when(int evaluation) {
    return evaluation == 0
        ? "before the training"
        : "after " + run.evaluationName + " " + evaluation;
  }

  private static String describe(String format, Object... arguments) {
    return String.format(Locale.ROOT, format, arguments);
  }

  private static String number(double value) {
    boolean isPlain = value == 0 || value >= 1e-3 && value < 1e5;
    return describe(isPlain ? "%.4f" : "%.3g", value);
  }
}
