package io.warmstep.schedule;

import static io.warmstep.schedule.FitAdvice.describe;
import static io.warmstep.schedule.FitAdvice.number;

import io.warmstep.schedule.FitVerdict.Fit;

/** The rules of {@link FitVerdict}, and the reasons that they give. */
final class FitRules {
  private final FitVerdict.Builder run;
  private final FitCurves curves;
  private final FitAdvice advice;
  private final int last;
  private final String name;

  FitRules(FitVerdict.Builder run) {
    this.run = run;
    curves = new FitCurves(run);
    advice = new FitAdvice(run, curves);
    last = run.training.length - 1;
    name = run.validationName;
  }

  FitVerdict judge() {
    String over = curves.isUntrained() ? null : overFitting();
    if (over != null) {
      return new FitVerdict(Fit.OVER_FITTING, over, advice.overFitting(), curves.best);
    }
    String under = underFitting();
    if (under != null) {
      return new FitVerdict(Fit.UNDER_FITTING, under, advice.underFitting(), curves.best);
    }
    return new FitVerdict(Fit.APPROPRIATE, appropriate(), advice.appropriate(), curves.best);
  }

  private String overFitting() {
    boolean isThrownOff = curves.isRateTooHigh() && isAboveBaseline(curves.train);
    if (!curves.hasLearned() || isThrownOff) {
      return null;
    }
    double rise = curves.valid - run.validation[curves.best];
    boolean isWorseThanChance = !(curves.valid <= curves.chance + curves.clear);
    if (curves.turned(curves.gap + (isWorseThanChance ? 0 : luckOf(rise)))) {
      return describe(
          "the %s loss rose from its least, %s %s, to %s, while the training loss fell from %s to"
              + " %s",
          name,
          number(run.validation[curves.best]),
          advice.when(curves.best),
          number(curves.valid),
          number(run.training[curves.best]),
          number(curves.train));
    }
    double lead = curves.valid - curves.train;
    boolean isFalling = curves.isValidationFalling();
    if ((isWorseThanChance && !isFalling && !(lead <= curves.gap))
        || !(lead <= curves.gap + FitVerdict.STANDARD_ERRORS * lossError())) {
      return describe(
          "the %s loss, %s, is far above the training loss, %s%s",
          name,
          number(curves.valid),
          number(curves.train),
          isWorseThanChance ? ", and worse than chance, " + number(curves.chance) : "");
    }
    if (isFalling) {
      return null; // its latest learning still holds for other rows too
    }
    double worse = curves.valid - run.baselineLoss;
    if (lead > curves.gap
        && worse > curves.clear + luckOf(worse)
        && curves.train < run.baselineLoss - curves.clear) {
      return describe(
          "the training loss, %s, is below what %s has on the %s rows, %s, and the %s loss above"
              + " it, %s",
          number(curves.train),
          run.bestBaseline,
          name,
          number(run.baselineLoss),
          name,
          number(curves.valid));
    }
    if (accuraciesDiffer()) {
      return describe(
          "the accuracy is %.4f on the training rows and only %.4f on the %s rows",
          run.trainingAccuracy[last], run.validationAccuracy[last], name);
    }
    return null;
  }

  private boolean isAboveBaseline(double loss) {
    return loss > run.baselineLoss + curves.clear;
  }

  private boolean accuraciesDiffer() {
    if (run.trainingAccuracy == null) {
      return false;
    }
    double errorOfChance =
        Double.isNaN(run.chanceAccuracy) ? Double.POSITIVE_INFINITY : 1 - run.chanceAccuracy;
    double allowed = Math.min(FitVerdict.ACCURACY_GAP, FitVerdict.GAP * errorOfChance);
    // Could a model that is worse by exactly the allowed margin have given this result?
    double error = Math.min(1, 1 - run.trainingAccuracy[last] + allowed);
    double luck =
        run.validationRows == 0
            ? 0
            : FitVerdict.STANDARD_ERRORS * Math.sqrt(error * (1 - error) / run.validationRows);
    return run.trainingAccuracy[last] - run.validationAccuracy[last] > allowed + luck;
  }

  /**
   * How much of a difference between two losses on the same validation rows may be due to chance:
   * their standard error if it comes from rows of its own, as the whole loss does.
   */
  private double luckOf(double difference) {
    double share = Math.min(1, Math.max(0, difference / curves.valid));
    return FitVerdict.STANDARD_ERRORS * lossError() * Math.sqrt(share);
  }

  private double lossError() {
    if (!Double.isNaN(run.lossError)) {
      return run.lossError;
    }
    if (run.validationRows == 0 || !Double.isFinite(curves.valid)) {
      return 0;
    }
    double wrongRows =
        run.validationAccuracy == null
            ? run.validationRows / 2.0
            : run.validationRows * (1 - run.validationAccuracy[last]);
    return curves.valid / Math.sqrt(Math.max(1, wrongRows));
  }

  private String underFitting() {
    if (!Double.isFinite(curves.train)) {
      return describe("the training loss is %s", curves.train);
    }
    if (curves.isUntrained()) {
      return describe("nothing was learned: the training loss stayed at %s", number(curves.train));
    }
    if (isAboveBaseline(curves.valid)
        && (isAboveBaseline(curves.train) || curves.isValidationFalling())) {
      return describe(
          "the %s loss, %s, is above what %s has, %s, and %s",
          name,
          number(curves.valid),
          run.bestBaseline,
          number(run.baselineLoss),
          isAboveBaseline(curves.train)
              ? "so is the training loss, " + number(curves.train)
              : "was still falling");
    }
    if (!curves.hasLearned() && !isNothingToLearn()) {
      return describe(
          "the training loss, %s, is hardly better than chance, %s%s",
          number(curves.train),
          number(curves.chance),
          isChanceBest()
              ? describe("; nor is %s, %s", run.bestBaseline, number(run.baselineLoss))
              : "");
    }
    if (curves.hasLearned() && curves.valid > curves.chance + curves.clear) {
      return describe(
          "the %s loss, %s, is still worse than chance, %s",
          name, number(curves.valid), number(curves.chance));
    }
    if (curves.train - run.training[curves.lowest] > curves.gap) {
      return describe(
          "the training loss ended at %s, above its least, %s %s",
          number(curves.train), number(run.training[curves.lowest]), advice.when(curves.lowest));
    }
    if (curves.isStillFalling()) {
      return describe(
          "the losses were still falling: over the last quarter of the way the %s loss fell by %s to"
              + " %s",
          name, number(curves.validationFall()), number(curves.valid));
    }
    return null;
  }

  /** Whether the model has reached chance and stays there, and no baseline does better. */
  private boolean isNothingToLearn() {
    return Math.max(curves.train, curves.valid) <= curves.chance + curves.clear
        && isChanceBest()
        && !(curves.isSteady() && curves.trainingFall() > curves.clear);
  }

  private boolean isChanceBest() {
    return run.bestBaseline != null && run.baselineLoss >= curves.chance - curves.clear;
  }

  private String appropriate() {
    String valid = number(curves.valid);
    if (!curves.hasLearned()) {
      return describe(
          "the %s loss, %s, is that of chance, %s, and %s does no better, %s: the features seem to"
              + " say nothing",
          name, valid, number(curves.chance), run.bestBaseline, number(run.baselineLoss));
    }
    if (curves.valid <= curves.gap) {
      return describe(
          "the %s loss is low, %s, and the training loss is %s", name, valid, number(curves.train));
    }
    if (isAboveBaseline(curves.valid)) {
      return describe(
          "the %s loss, %s ± %s, is not clearly above the training loss, %s, and what %s has, %s",
          name,
          valid,
          number(lossError()),
          number(curves.train),
          run.bestBaseline,
          number(run.baselineLoss));
    }
    return describe(
        "the %s loss %s %s%s, about as good as this data seems to allow",
        name,
        curves.validationFall() <= curves.clear ? "has flattened at" : "has come to",
        valid,
        run.bestBaseline == null
            ? ""
            : describe(" (%s: %s)", run.bestBaseline, number(run.baselineLoss)));
  }
}
