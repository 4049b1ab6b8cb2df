package io.warmstep.schedule;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Advice on what to try after a run, in sentences that follow from the curves. */
final class FitAdvice {
  /**
   * A loss that fell by this fraction of the remainder over the last part of the way is still
   * falling.
   */
  private static final double GOING_ON = 0.1;

  /** Fewer rows say little about others. */
  private static final int FEW_ROWS = 30;

  private final FitVerdict.Builder run;
  private final FitCurves curves;

  FitAdvice(FitVerdict.Builder run, FitCurves curves) {
    this.run = run;
    this.curves = curves;
  }

  List<String> overFitting() {
    List<String> advice = new ArrayList<>();
    addLowerRate(advice);
    addStopEarlier(advice);
    advice.add("weight decay, a smaller model or more training rows may narrow the gap");
    addFewRows(advice);
    return advice;
  }

  List<String> underFitting() {
    List<String> advice = new ArrayList<>();
    if (curves.isRateZero()) {
      advice.add("the learning rate is 0: nothing can be learned without a rate above 0");
    } else if (!Double.isFinite(curves.train)) {
      advice.add(
          "the learning rate may be too high: a lower one, a longer warm-up or clipping the"
              + " gradients may help");
    } else if (curves.isUntrained()) {
      advice.add("the learning rate may be far too low, or no gradient reaches the parameters");
    } else if (curves.isRateTooHigh()) {
      addLowerRate(advice);
    } else if (isGoingOn()) {
      advice.add(
          "the training loss was still falling: the learning rate may be too low, or the epochs too"
              + " few");
    } else if (Math.abs(curves.train - curves.chance) <= curves.clear / 3) {
      advice.add(
          "the training loss stays at chance: the learning rate may be too high,"
              + " or the model too small");
    } else if (curves.isSteady()) {
      advice.add(
          "the training loss has flattened: the model may be too small, or the learning rate too"
              + " low or the epochs too few to get further");
    } else {
      advice.add(
          "the training loss did not fall steadily: the learning rate may be too high, or the model"
              + " too small");
    }
    addFewRows(advice);
    return advice;
  }

  /** Whether the training loss fell to the end, relative to its fall and the remainder. */
  private boolean isGoingOn() {
    double fallen = run.training[0] - curves.train;
    double left = curves.train > run.baselineLoss ? curves.train - run.baselineLoss : curves.train;
    return curves.isSteady() && curves.trainingFall() > GOING_ON * Math.min(fallen, left);
  }

  List<String> appropriate() {
    List<String> advice = new ArrayList<>();
    addLowerRate(advice);
    addStopEarlier(advice);
    addFewRows(advice);
    return advice;
  }

  private void addLowerRate(List<String> advice) {
    if (!curves.isRateTooHigh()) {
      return;
    }
    boolean isAbove = !(run.training[curves.highest] - run.training[0] <= curves.clear);
    String rise =
        isAbove
            ? describe(
                "%s to %s %s",
                number(run.training[0]), number(run.training[curves.highest]), when(curves.highest))
            : describe(
                "its least, %s %s, to %s",
                number(run.training[curves.lowest]), when(curves.lowest), number(curves.train));
    advice.add(describe("the training loss rose from %s: the learning rate may be too high", rise));
  }

  private void addStopEarlier(List<String> advice) {
    if (curves.best > 0 && curves.turned(curves.clear)) {
      advice.add(
          describe(
              "the %s loss was least %s, %s: fewer epochs or early stopping may do better",
              run.validationName, when(curves.best), number(run.validation[curves.best])));
    }
  }

  private void addFewRows(List<String> advice) {
    if (run.validationRows > 0 && run.validationRows < FEW_ROWS) {
      advice.add(
          describe(
              "%s %s %s %s: the verdict may be luck",
              run.validationRows == 1 ? "there is only" : "there are only",
              run.validationRows,
              run.validationName,
              run.validationRows == 1 ? "row" : "rows"));
    }
  }

  /** The time of an evaluation. */
  String when(int evaluation) {
    return evaluation == 0
        ? "before the training"
        : "after " + run.evaluationName + " " + evaluation;
  }

  static String describe(String format, Object... arguments) {
    return String.format(Locale.ROOT, format, arguments);
  }

  static String number(double value) {
    boolean isPlain = value == 0 || (value >= 1e-3 && value < 1e5);
    return describe(isPlain ? "%.4f" : "%.3g", value);
  }
}
