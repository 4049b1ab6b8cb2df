package io.warmstep.schedule;

import io.warmstep.check.Arguments;
import java.util.List;

/**
 * Whether a training run left its model under-fitting, appropriate or over-fitting, judged by the
 * losses on the training rows and on rows that training never sees (the validation rows), both
 * measured several times during the run:
 *
 * <pre>{@code
 * FitVerdict verdict =
 *     FitVerdict.of(trainingLosses, validationLosses)
 *         .accuracies(trainingAccuracies, validationAccuracies)
 *         .chance(0.693, 0.5) // what the frequencies of the classes give without looking at a row
 *         .baseline("a softmax regression", 0.495, 0.75) // what a simple model gives
 *         .judge();
 * }</pre>
 *
 * <p>Losses must have a minimum of 0: cross-entropy, squared or absolute error. Differences between
 * losses are measured against the loss of <i>chance</i>, the best that is possible without looking
 * at the features: a difference is <i>clear</i> if it is more than {@value #CLEAR} of that loss,
 * and a validation loss is <i>far</i> above another if it exceeds it by more than {@value #GAP} of
 * it. So the same rules work for a loss of 4.6 among a hundred classes and one of 0.056 where one
 * row in a hundred is positive. The first verdict that holds is given:
 *
 * <ol>
 *   <li><b>Over-fitting:</b> the model has learned what holds only for the training rows. The
 *       training loss ended clearly below chance (and, if it had risen on the way, not clearly
 *       above a baseline's loss), and
 *       <ul>
 *         <li>the validation loss ended far above its minimum, and the training loss has fallen
 *             since then,
 *         <li>or far above the training loss,
 *         <li>or far above the training loss and clearly above a baseline's loss on the same rows,
 *             while the training loss is clearly below that,
 *         <li>or the training accuracy is above the validation accuracy by more than {@value #GAP}
 *             of the error of chance, or more than {@value #ACCURACY_GAP} if that is less.
 *       </ul>
 *       If the number of validation rows is known, a difference must also exceed what can be due to
 *       chance with few rows: {@value #STANDARD_ERRORS} standard errors. For a difference on the
 *       same rows, these are computed for the part of the loss that differs; a validation loss
 *       worse than the loss of chance is never put down to few rows. The last two do not count
 *       while the validation loss is still falling clearly, to its minimum, since the latest
 *       learning then holds for other rows too.
 *   <li><b>Under-fitting:</b> a lower training loss is possible. One of:
 *       <ul>
 *         <li>the training loss is not finite, or never changed, or the rates are all zero;
 *         <li>the validation loss is clearly above a baseline's loss on the same rows, and the
 *             training loss is above that too, or the validation loss is still falling clearly;
 *         <li>the training loss is not clearly below chance, or the validation loss is clearly
 *             above it;
 *         <li>the training loss ended far above its minimum;
 *         <li>both losses fell far over the last quarter of the way, the training loss steadily,
 *             and are still far above 0.
 *       </ul>
 *   <li><b>Appropriate:</b> otherwise. The losses have flattened and no baseline does better, so
 *       the model is about as good as this data seems to allow, whether its accuracy is 0.76 or 1.
 *       That includes uninformative features: the losses have reached chance and stay there, and no
 *       baseline is clearly below it.
 * </ol>
 *
 * <p>The curves are enough for a verdict; further information improves it. Without {@link
 * Builder#chance} the first validation loss is used instead, so the first evaluation should be of
 * the untrained model. Without a {@link Builder#baseline}, once the curves are flat, nothing
 * distinguishes a model that could have learned more from one that has learned everything. Without
 * {@link Builder#rateSums} evaluations are taken as equally spaced, and a loss that flattened
 * because a schedule reduced the rate to zero looks like one that flattened by itself. All of this
 * is evidence, not proof: a baseline can miss what a better model would find.
 *
 * @param fit the verdict
 * @param reason the reason, in one sentence with the decisive numbers, without a full stop
 * @param advice what to try, one sentence each, the most promising first; empty if nothing needs to
 *     be tried
 * @param best the evaluation with the lowest validation loss, counted from 0: where early stopping
 *     would have stopped
 */
public record FitVerdict(Fit fit, String reason, List<String> advice, int best) {
  /** The fraction of the loss of chance by which losses differ clearly. */
  public static final double CLEAR = 0.03;

  /** The fraction of the loss of chance by which losses are far apart. */
  public static final double GAP = 0.1;

  /** The lead of the training accuracy over the validation accuracy that is always too much. */
  public static final double ACCURACY_GAP = 0.05;

  /** How many standard errors a difference must exceed. */
  public static final double STANDARD_ERRORS = 2;

  /** The three verdicts. */
  public enum Fit {
    /** The model has not learned what it could have. */
    UNDER_FITTING("under-fitting"),
    /** The model has learned about as much as the data allows. */
    APPROPRIATE("appropriate"),
    /** The model has learned what holds only for the training rows. */
    OVER_FITTING("over-fitting");

    private final String text;

    Fit(String text) {
      this.text = text;
    }

    /** Returns the verdict in words: under-fitting, appropriate or over-fitting. */
    @Override
    public String toString() {
      return text;
    }
  }

  /**
   * Creates a verdict; {@link Builder#judge} does so from curves.
   *
   * @param fit the verdict
   * @param reason why
   * @param advice what to try; copied
   * @param best the evaluation with the lowest validation loss, from 0
   * @throws NullPointerException if a part is null
   */
  public FitVerdict {
    Arguments.requirePresent("fit", fit, "pass one of the three verdicts");
    Arguments.requirePresent("reason", reason, "pass a sentence");
    Arguments.requirePresent("advice", advice, "pass a list, if need be an empty one");
    advice = List.copyOf(advice);
  }

  /**
   * Starts building a verdict.
   *
   * @param training the losses on the training rows, one for each evaluation in order, the first
   *     preferably before the first step; at least 0, or infinite or NaN where the run has diverged
   * @param validation the losses on the validation rows at the same times
   * @return a builder, which takes further information
   * @throws NullPointerException if one is null
   * @throws IllegalArgumentException if there are no losses, different numbers of them, or one is
   *     negative
   */
  public static Builder of(double[] training, double[] validation) {
    return new Builder(training, validation);
  }

  /** The data that a run is judged by. All but the losses are optional. */
  public static final class Builder {
    final double[] training;
    final double[] validation;
    double[] trainingAccuracy;
    double[] validationAccuracy;
    double[] rateSums;
    double chanceLoss = Double.NaN;
    double chanceAccuracy = Double.NaN;
    String bestBaseline;
    double baselineLoss = Double.POSITIVE_INFINITY;
    double baselineAccuracy = Double.NaN;
    long validationRows;
    double lossError = Double.NaN;
    String validationName = "validation";
    String evaluationName = "evaluation";

    private Builder(double[] training, double[] validation) {
      Arguments.requirePresent("training", training, "pass the losses on the training rows");
      if (training.length == 0) {
        throw Arguments.refusal(
            "training.length", 0, "at least 1", "pass a loss for each evaluation");
      }
      this.training = losses("training", training, training.length);
      this.validation = losses("validation", validation, training.length);
    }

    /**
     * Sets the accuracies, for classifiers: the fractions of rows classified correctly.
     *
     * @param training the accuracies on the training rows, one for each evaluation
     * @param validation the accuracies on the validation rows
     * @return this builder
     * @throws NullPointerException if one is null
     * @throws IllegalArgumentException if there are not as many as losses, or one is not between 0
     *     and 1
     */
    public Builder accuracies(double[] training, double[] validation) {
      double[] first = accuracies("training", training);
      validationAccuracy = accuracies("validation", validation);
      trainingAccuracy = first;
      return this;
    }

    /**
     * Sets the results on the validation rows of predicting without looking at the features: for
     * classes, with their frequencies among the training rows as probabilities; for numbers, with
     * their mean.
     *
     * @param loss the loss, above 0
     * @param accuracy the accuracy of always naming the most frequent class; NaN if there is none
     * @return this builder
     * @throws IllegalArgumentException if a value is out of its range
     */
    public Builder chance(double loss, double accuracy) {
      Arguments.require(
          loss > 0 && loss < Double.POSITIVE_INFINITY,
          "loss",
          loss,
          "finite and more than 0",
          "pass the loss of predicting the same for every row");
      accuracyOrNone(accuracy);
      chanceLoss = loss;
      chanceAccuracy = accuracy;
      return this;
    }

    /**
     * Adds the results of a simple model, such as softmax regression or nearest neighbours, on the
     * validation rows after learning from the training rows. If there are several, the one with the
     * lowest loss counts.
     *
     * @param name its name in a sentence, such as {@code a softmax regression}
     * @param loss its loss, at least 0
     * @param accuracy its accuracy; NaN if there is none
     * @return this builder
     * @throws NullPointerException if {@code name} is null
     * @throws IllegalArgumentException if a value is out of its range
     */
    public Builder baseline(String name, double loss, double accuracy) {
      Arguments.requirePresent("name", name, "pass what to call the baseline");
      Arguments.require(
          loss >= 0 && loss < Double.POSITIVE_INFINITY,
          "loss",
          loss,
          "finite and at least 0",
          "pass the baseline's loss on the validation rows");
      accuracyOrNone(accuracy);
      if (loss < baselineLoss) {
        bestBaseline = name;
        baselineLoss = loss;
        baselineAccuracy = accuracy;
      }
      return this;
    }

    /**
     * Sets how far the training had come at each evaluation: the sum of the learning rates of all
     * steps before it. It distinguishes a loss that flattened by itself from one whose rate had
     * gone to zero, and detects a rate that was zero throughout.
     *
     * @param sums the sums, non-decreasing, the first 0 if it is of the untrained model
     * @return this builder
     * @throws NullPointerException if {@code sums} is null
     * @throws IllegalArgumentException if there are not as many as losses, or one is negative, not
     *     finite, or less than the one before
     */
    public Builder rateSums(double... sums) {
      double[] copy = values("rateSums", sums, validation.length);
      double before = 0;
      for (double sum : copy) {
        Arguments.require(
            sum >= before && sum < Double.POSITIVE_INFINITY,
            "rateSums",
            sum,
            "finite and at least the one before it, " + before,
            "pass the sum of the rates of all steps before each evaluation");
        before = sum;
      }
      rateSums = copy;
      return this;
    }

    /**
     * Sets the number of validation rows, so that differences that can be due to chance with few
     * rows do not count.
     *
     * @param rows number of rows, at least 1
     * @return this builder
     * @throws IllegalArgumentException if {@code rows} is less than 1
     */
    public Builder validationRows(long rows) {
      if (rows < 1) {
        throw Arguments.refusal("rows", rows, "at least 1", "pass how many rows were evaluated");
      }
      validationRows = rows;
      return this;
    }

    /**
     * Sets the standard error of the last validation loss: the standard deviation of the rows'
     * losses, divided by the root of their number. Without it the loss is assumed to come only from
     * the misclassified rows (without accuracies, from half of the rows), which is a little too
     * cautious.
     *
     * @param standardError at least 0
     * @return this builder
     * @throws IllegalArgumentException if the value is negative or not finite
     */
    public Builder validationLossError(double standardError) {
      Arguments.requireNonNegative(
          "standardError",
          standardError,
          "pass the deviation of the rows' losses, divided by the root of their number");
      lossError = standardError;
      return this;
    }

    /**
     * Sets the terms used in messages.
     *
     * @param validation the name of the validation rows, such as {@code test}
     * @param evaluation the name of what precedes each evaluation but the first, such as {@code
     *     epoch}
     * @return this builder
     * @throws NullPointerException if one is null
     */
    public Builder wording(String validation, String evaluation) {
      Arguments.requirePresent("validation", validation, "pass a word such as test");
      Arguments.requirePresent("evaluation", evaluation, "pass a word such as epoch");
      validationName = validation;
      evaluationName = evaluation;
      return this;
    }

    /**
     * Judges the run by the rules of {@link FitVerdict}. Equal input gives an equal verdict.
     *
     * @return the verdict
     */
    public FitVerdict judge() {
      return new FitRules(this).judge();
    }

    private double[] losses(String name, double[] losses, int count) {
      for (double loss : values(name, losses, count)) {
        Arguments.require(
            !(loss < 0),
            name,
            loss,
            "at least 0",
            "pass losses whose least possible value is 0, such as cross-entropies");
      }
      return losses.clone();
    }

    private double[] accuracies(String name, double[] accuracies) {
      for (double accuracy : values(name, accuracies, validation.length)) {
        Arguments.require(
            accuracy >= 0 && accuracy <= 1,
            name,
            accuracy,
            "within 0 and 1",
            "pass the fraction of rows that were classified correctly");
      }
      return accuracies.clone();
    }

    private static void accuracyOrNone(double accuracy) {
      Arguments.require(
          !(accuracy < 0 || accuracy > 1),
          "accuracy",
          accuracy,
          "within 0 and 1, or NaN",
          "pass the fraction of rows that it classifies correctly, or NaN if there is none");
    }

    private static double[] values(String name, double[] values, int count) {
      Arguments.requirePresent(name, values, "pass a value for each evaluation");
      if (values.length != count) {
        throw Arguments.refusal(
            name + ".length",
            values.length,
            "the number of training losses, " + count,
            "pass a value for each evaluation");
      }
      return values.clone();
    }
  }
}
