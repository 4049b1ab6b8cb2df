package io.warmstep.cli.lab;

import io.warmstep.Device;
import io.warmstep.cli.train.Clipping;
import io.warmstep.cli.train.CurvePlot;
import io.warmstep.cli.train.PlotFile;
import io.warmstep.schedule.RangeTest;
import io.warmstep.schedule.RangeTest.Result;
import java.io.IOException;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.function.Supplier;

/** The range test alone, as {@code warmstep lr-find} does it. */
public final class RangeFinding {
  /** A loss is drawn up to so many times the first. */
  static final double HIGHEST = 2;

  private RangeFinding() {}

  /**
   * Runs a test with several seeds of a task's runs.
   *
   * @param task what is looked at
   * @param seeds how many
   * @param test makes one without any reports
   * @param clipping how gradients are clipped
   * @param device where steps run
   * @param progress hears of each step
   * @return what the tests say, in the middle
   */
  public static RangeTest.Result run(
      LabTask task,
      int seeds,
      Supplier<RangeTest> test,
      Clipping clipping,
      Device device,
      Progress progress) {
    try (Workbench work = new Workbench(device, 1, progress)) {
      return middle(
          work.map(
              LabTask.seeds(task.setup(), seeds),
              setup -> RangeSweep.of(work, setup, test.get(), clipping, progress::advance)));
    }
  }

  /**
   * The middle of several tests of the same rates: each figure is that of the middle seed, unknown
   * if half of them do not have it; outcome, reason and curve are of the first test that has what
   * the middle has.
   */
  static Result middle(List<Result> tests) {
    OptionalDouble valley = median(tests, Result::valley);
    OptionalDouble edge = median(tests, Result::edge);
    Result typical =
        tests.stream()
            .filter(test -> test.valley().isPresent() == valley.isPresent())
            .filter(test -> test.edge().isPresent() == edge.isPresent())
            .findFirst()
            .orElse(tests.get(0));
    return new Result(
        typical.outcome(),
        typical.reason(),
        typical.curve(),
        valley,
        median(tests, Result::slide),
        median(tests, Result::steepest),
        median(tests, Result::minimumOverTen),
        edge,
        median(tests, Result::low),
        median(tests, Result::high));
  }

  private static OptionalDouble median(List<Result> tests, Function<Result, OptionalDouble> of) {
    double[] known = tests.stream().map(of).flatMapToDouble(OptionalDouble::stream).toArray();
    return 2 * known.length <= tests.size()
        ? OptionalDouble.empty()
        : OptionalDouble.of(Trained.median(known));
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
    mark(plot, "peak", result.peak());
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
