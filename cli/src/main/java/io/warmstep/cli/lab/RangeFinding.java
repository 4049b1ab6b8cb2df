package io.warmstep.cli.lab;

import io.warmstep.Device;
import io.warmstep.cli.train.CurvePlot;
import io.warmstep.cli.train.PlotFile;
import io.warmstep.schedule.RangeTest;
import java.io.IOException;
import java.util.OptionalDouble;

/** The range test alone, as {@code warmstep lr-find} does it. */
public final class RangeFinding {
  /** A loss is drawn up to so many times the first. */
  static final double HIGHEST = 2;

  private RangeFinding() {}

  /**
   * Runs a test on a task.
   *
   * @param task what is looked at
   * @param test without any reports
   * @param clipNorm the largest norm of all gradients together, or 0 not to clip
   * @param device where steps run
   * @param progress hears of each step
   * @return what the test says
   */
  public static RangeTest.Result run(
      LabTask task, RangeTest test, double clipNorm, Device device, Progress progress) {
    try (Workbench work = new Workbench(device, 1, progress)) {
      return RangeSweep.of(work, task.setup(0, 0), test, clipNorm, progress::advance);
    }
  }

  /**
   * Draws the curve with its suggestions.
   *
   * @param result what the test says
   * @param subtitle what was done
   * @param file where to
   * @throws IOException if the file cannot be written
   */
  public static void plot(RangeTest.Result result, String subtitle, PlotFile file)
      throws IOException {
    CurvePlot plot =
        new CurvePlot(
                result.suggested().isPresent()
                    ? "Suggested learning rate: " + Say.number(result.suggested().getAsDouble())
                    : "No suggestion: " + result.reason(),
                subtitle,
                "Learning rate",
                "Training loss, smoothed")
            .logarithmic(true, false);
    double top = HIGHEST * result.curve().get(0).smoothed();
    plot.add(
        "loss",
        result.curve().stream().mapToDouble(RangeTest.Point::rate).toArray(),
        result.curve().stream().mapToDouble(point -> Math.min(point.smoothed(), top)).toArray());
    mark(plot, "valley", result.valley());
    mark(plot, "slide", result.slide());
    mark(plot, "steepest", result.steepest());
    mark(plot, "minimum / 10", result.minimumOverTen());
    mark(plot, "diverges", result.edge());
    plot.write(file);
  }

  private static void mark(CurvePlot plot, String name, OptionalDouble rate) {
    if (rate.isPresent()) {
      plot.mark(name + " " + Say.number(rate.getAsDouble()), rate.getAsDouble());
    }
  }
}
