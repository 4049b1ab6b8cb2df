package io.warmstep.cli.train;

import io.warmstep.schedule.FitVerdict;
import java.util.function.ToDoubleFunction;

/** The {@link FitVerdict} on a run of a {@link Trainer}. */
public final class RunVerdict {
  /** The rules in words for the help text. */
  public static final String RULES =
      "Losses are measured by that of the class frequencies, called chance. The first%n"
          + "verdict that holds is given:%n"
          + "  over-fitting   the training loss is below chance, and the test loss is more%n"
          + "                 than "
          + FitVerdict.GAP
          + " of chance above it or above its own least; or the test%n"
          + "                 accuracy is more than "
          + FitVerdict.ACCURACY_GAP
          + " below the training accuracy%n"
          + "                 (less with unbalanced classes); what few test rows leave to%n"
          + "                 luck does not count%n"
          + "  under-fitting  the training loss is no better than chance; or training and%n"
          + "                 test loss are above the test loss of a simple method, softmax%n"
          + "                 regression or nearest neighbours; or the training loss ended%n"
          + "                 above its least; or both losses were still falling%n"
          + "  appropriate    otherwise: about as good as this data seems to allow";

  private RunVerdict() {}

  /**
   * Judges a run.
   *
   * @param history what was measured
   * @param baselines what simple methods give on the same rows
   * @param testLosses the losses of the trained model on the test rows
   * @return the verdict
   */
  public static FitVerdict of(History history, Baselines baselines, double[] testLosses) {
    return of(history, baselines, testLosses, "test", "epoch");
  }

  /**
   * Judges a run in other words than those of a {@link Trainer}.
   *
   * @param history what was measured
   * @param baselines what simple methods give on the same rows
   * @param testLosses the losses of the trained model on the test rows
   * @param test what the test rows are called, such as {@code validation}
   * @param evaluation what comes before each evaluation but the first, such as {@code epoch}
   * @return the verdict
   */
  public static FitVerdict of(
      History history, Baselines baselines, double[] testLosses, String test, String evaluation) {
    Mlp.Evaluation chance = baselines.classFrequencies();
    Mlp.Evaluation linear = baselines.softmaxRegression();
    Mlp.Evaluation neighbours = baselines.nearestNeighbours();
    return FitVerdict.of(
            curve(history, point -> point.train().loss()),
            curve(history, point -> point.test().loss()))
        .accuracies(
            curve(history, point -> point.train().accuracy()),
            curve(history, point -> point.test().accuracy()))
        .rateSums(rateSums(history))
        .chance(chance.loss(), chance.accuracy())
        .baseline("softmax regression", linear.loss(), linear.accuracy())
        .baseline("nearest neighbours", neighbours.loss(), neighbours.accuracy())
        .validationRows(testLosses.length)
        .validationLossError(standardError(testLosses))
        .wording(test, evaluation)
        .judge();
  }

  private static double[] curve(History history, ToDoubleFunction<History.Point> value) {
    return history.points().stream().mapToDouble(value).toArray();
  }

  private static double[] rateSums(History history) {
    double[] sums = new double[history.points().size()];
    double sum = 0;
    int step = 0;
    for (int i = 0; i < sums.length; i++) {
      while (step < history.points().get(i).step()) {
        sum += history.rate(++step);
      }
      sums[i] = sum;
    }
    return sums;
  }

  /** Of the mean; 0 where a loss is not finite, since luck does not make it so. */
  private static double standardError(double[] losses) {
    double mean = 0;
    for (double loss : losses) {
      mean += loss / losses.length;
    }
    double squares = 0;
    for (double loss : losses) {
      squares += (loss - mean) * (loss - mean);
    }
    double error = Math.sqrt(squares) / losses.length;
    return Double.isFinite(error) ? error : 0;
  }
}
