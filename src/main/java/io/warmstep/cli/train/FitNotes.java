package io.warmstep.cli.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What the losses of a run say beside its {@link Fit}: what to try next. */
public final class FitNotes {
  /** A loss that falls in this share of the epochs falls steadily. */
  static final double STEADY_SHARE = 0.9;

  private FitNotes() {}

  /**
   * Describes what stands out, in this order:
   *
   * <ol>
   *   <li>the test loss ended far above its least, by the bounds of {@link Fit};
   *   <li>the training loss ended above where it began, or, in a run that is under-fitting, did not
   *       fall steadily: the learning rate may be too high;
   *   <li>a run that is under-fitting although its loss fell in {@value #STEADY_SHARE} of the
   *       epochs: the learning rate may be too low, or the epochs too few.
   * </ol>
   *
   * @param history the run
   * @return a sentence each; mostly none
   */
  public static List<String> of(History history) {
    List<String> notes = new ArrayList<>();
    if (Fit.testLossRose(history)) {
      notes.add(testLoss(history));
    }
    double first = history.points().get(0).train().loss();
    double last = history.last().train().loss();
    boolean isUnderFitting = Fit.of(history) == Fit.UNDER_FITTING;
    if (last > first) {
      notes.add(
          String.format(
              Locale.ROOT,
              "the training loss rose from %.4f to %.4f: the learning rate may be too high",
              first,
              last));
    } else if (isUnderFitting && last < first) {
      notes.add(
          fellSteadily(history)
              ? "the training loss fell steadily and is still high: the learning rate may be too"
                  + " low, the epochs too few, or the model too small"
              : "the training loss did not fall steadily: the learning rate may be too high");
    }
    return notes;
  }

  private static String testLoss(History history) {
    int epoch = Fit.epochOfLeastTestLoss(history);
    return String.format(
        Locale.ROOT,
        "the test loss rose from its least, %.4f %s, to %.4f: fewer epochs or a lower learning rate"
            + " may do better",
        history.points().get(epoch).test().loss(),
        epoch == 0 ? "before the training" : "after epoch " + epoch,
        history.last().test().loss());
  }

  private static boolean fellSteadily(History history) {
    List<History.Point> points = history.points();
    int falls = 0;
    for (int epoch = 1; epoch < points.size(); epoch++) {
      if (points.get(epoch).train().loss() < points.get(epoch - 1).train().loss()) {
        falls++;
      }
    }
    return falls >= STEADY_SHARE * (points.size() - 1);
  }
}
