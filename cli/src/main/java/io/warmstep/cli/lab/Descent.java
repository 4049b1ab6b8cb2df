package io.warmstep.cli.lab;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.util.SplittableRandom;

/**
 * Descends a surface from many starts at once. Each start is a float64 parameter of its own, x and
 * y, since some rules look at a parameter as a whole.
 */
final class Descent {
  /** Beyond this a point is lost: it is kept there, so that no infinity spreads. */
  private static final double FAR = 1e6;

  private Descent() {}

  /**
   * How to descend.
   *
   * @param rule the update rule
   * @param rate the highest rate
   * @param warmUp steps of a linear warm-up, or 0
   * @param noise the standard deviation of what is added to each gradient
   */
  record Way(UpdateRule rule, double rate, int warmUp, double noise) {
    Way rate(double other) {
      return new Way(rule, other, warmUp, noise);
    }
  }

  /** The surface's own start, then random ones over the picture; the same for the same seed. */
  static double[] starts(Surface surface, int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed + surface.ordinal());
    double[] starts = new double[2 * count];
    starts[0] = surface.startX();
    starts[1] = surface.startY();
    for (int i = 1; i < count; i++) {
      starts[2 * i] = (2 * random.nextDouble() - 1) * 0.95 * surface.halfWidth();
      starts[2 * i + 1] = (2 * random.nextDouble() - 1) * 0.95 * surface.halfHeight();
    }
    return starts;
  }

  /**
   * Descends.
   *
   * @return the points before the first and after every step: [step][2 * start]
   */
  static double[][] run(
      Device device, Surface surface, Way way, double[] starts, int steps, long seed) {
    Schedule schedule = Schedules.constant(way.rate());
    Schedule warmed = way.warmUp() > 0 ? schedule.warmUp(way.warmUp()) : schedule;
    SplittableRandom random = new SplittableRandom(seed);
    double[][] path = new double[steps + 1][];
    path[0] = starts.clone();
    int count = starts.length / 2;
    double[] pair = new double[2];
    try (Parameters parameters = parameters(device, count);
        Optimizer optimizer =
            Optimizer.of(parameters).rule(way.rule()).learningRate(warmed).build()) {
      Parameter[] points = new Parameter[count];
      for (int i = 0; i < count; i++) {
        points[i] = parameters.get(name(i));
        points[i].values().copyFrom(new double[] {starts[2 * i], starts[2 * i + 1]});
      }
      for (int step = 1; step <= steps; step++) {
        double[] at = path[step - 1];
        for (int i = 0; i < count; i++) {
          surface.gradient(at[2 * i], at[2 * i + 1], pair, 0);
          if (way.noise() > 0) {
            pair[0] += way.noise() * gaussian(random);
            pair[1] += way.noise() * gaussian(random);
          }
          points[i].gradients().copyFrom(pair);
        }
        optimizer.step();
        path[step] = new double[starts.length];
        for (int i = 0; i < count; i++) {
          points[i].values().copyTo(pair);
          if (keepNear(pair)) {
            points[i].values().copyFrom(pair);
          }
          path[step][2 * i] = pair[0];
          path[step][2 * i + 1] = pair[1];
        }
      }
    }
    return path;
  }

  private static Parameters parameters(Device device, int count) {
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < count; i++) {
      builder.add(name(i), ElementType.FLOAT64, 2).shape(name(i), 1, 2);
    }
    return builder.build();
  }

  private static String name(int start) {
    return "start" + start;
  }

  private static boolean keepNear(double[] points) {
    boolean isChanged = false;
    for (int i = 0; i < points.length; i++) {
      if (!(Math.abs(points[i]) <= FAR)) {
        points[i] = points[i] < 0 ? -FAR : FAR;
        isChanged = true;
      }
    }
    return isChanged;
  }

  /**
   * How well a way does: the mean of the heights, as logarithms, over all steps and starts. A way
   * that leaps about on its way down does worse than one that goes straight.
   */
  static double cost(Surface surface, double[][] path) {
    double sum = 0;
    for (double[] points : path) {
      for (int i = 0; i < points.length; i += 2) {
        double height = surface.value(points[i], points[i + 1]) - surface.least();
        sum += StrictMath.log10(Math.max(0, height) + 1e-3);
      }
    }
    return sum / path.length;
  }

  /** The middle of the heights above the global minimum. */
  static double height(Surface surface, double[] points) {
    double[] heights = new double[points.length / 2];
    for (int i = 0; i < heights.length; i++) {
      heights[i] = surface.value(points[2 * i], points[2 * i + 1]) - surface.least();
    }
    return Trained.median(heights);
  }

  /** The share of points that lie in the pocket of a global minimum. */
  static double shareInGlobalMinimum(Surface surface, double[] points, double tolerance) {
    int there = 0;
    for (int i = 0; i < points.length; i += 2) {
      there += surface.value(points[i], points[i + 1]) - surface.least() < tolerance ? 1 : 0;
    }
    return there / (points.length / 2.0);
  }

  /** Box and Muller, with functions that have the same bits everywhere. */
  private static double gaussian(SplittableRandom random) {
    double radius = Math.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
    return radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
  }
}
