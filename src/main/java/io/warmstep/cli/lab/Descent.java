package io.warmstep.cli.lab;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.util.SplittableRandom;

/**
 * Descends a surface from many starts at once. The rules work element by element, so the starts are
 * the elements of one float64 parameter: x and y of the first, x and y of the second, and so on.
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

  /** Random starts over the picture; the same for the same seed. */
  static double[] starts(Surface surface, int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed + surface.ordinal());
    double[] starts = new double[2 * count];
    for (int i = 0; i < count; i++) {
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
    double[] gradient = new double[starts.length];
    try (Parameters parameters =
            Parameters.on(device).add("xy", ElementType.FLOAT64, starts.length).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(way.rule()).learningRate(warmed).build()) {
      Parameter points = parameters.get("xy");
      points.values().copyFrom(starts);
      for (int step = 1; step <= steps; step++) {
        double[] at = path[step - 1];
        for (int i = 0; i < at.length; i += 2) {
          surface.gradient(at[i], at[i + 1], gradient, i);
        }
        if (way.noise() > 0) {
          for (int i = 0; i < gradient.length; i++) {
            gradient[i] += way.noise() * gaussian(random);
          }
        }
        points.gradients().copyFrom(gradient);
        optimizer.step();
        double[] next = points.values().toDoubles();
        if (keepNear(next)) {
          points.values().copyFrom(next);
        }
        path[step] = next;
      }
    }
    return path;
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

  /** The middle of the final heights above the global minimum; what a rate is chosen by. */
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
