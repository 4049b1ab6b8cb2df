package io.warmstep.testkit;

import io.warmstep.ElementType;
import io.warmstep.StepReport;
import java.util.List;

/** What reports say of an update, from what callers read before and after it, in plain loops. */
public final class ReferenceTiles {
  private static final int TILE = 2048;

  private final String name;
  private double change;
  private double size;
  private long moving;
  private long still;

  /**
   * A parameter.
   *
   * @param arithmetic float32 or float64
   */
  public ReferenceTiles(
      String name, ElementType arithmetic, double[] before, double[] after, double[] gradients) {
    this.name = name;
    boolean isDouble = arithmetic == ElementType.FLOAT64;
    for (int from = 0; from < before.length; from += TILE) {
      double[] changes = new double[TILE];
      double[] values = new double[TILE];
      for (int i = 0; i < Math.min(TILE, before.length - from); i++) {
        double difference = after[from + i] - before[from + i];
        changes[i] = isDouble ? difference : (float) after[from + i] - (float) before[from + i];
        values[i] = before[from + i];
        double gradient = gradients[from + i];
        if (gradient != 0 && Double.isFinite(gradient)) {
          moving++;
          still += difference == 0 ? 1 : 0;
        }
      }
      change += isDouble ? sum(changes) : sum(Numbers.floats(changes));
      size += isDouble ? sum(values) : sum(Numbers.floats(values));
    }
  }

  private static double sum(double[] x) {
    double[] sums = new double[TILE / 2];
    for (int i = 0; i < sums.length; i++) {
      sums[i] = Math.fma(x[i + TILE / 2], x[i + TILE / 2], x[i] * x[i]);
    }
    for (int width = TILE / 4; width > 0; width /= 2) {
      for (int i = 0; i < width; i++) {
        sums[i] += sums[i + width];
      }
    }
    return sums[0];
  }

  private static float sum(float[] x) {
    float[] sums = new float[TILE / 2];
    for (int i = 0; i < sums.length; i++) {
      sums[i] = Math.fma(x[i + TILE / 2], x[i + TILE / 2], x[i] * x[i]);
    }
    for (int width = TILE / 4; width > 0; width /= 2) {
      for (int i = 0; i < width; i++) {
        sums[i] += sums[i + width];
      }
    }
    return sums[0];
  }

  /** What is reported of a group of such parameters, without state in codes. */
  public static StepReport.Update update(String group, List<ReferenceTiles> members) {
    double change = 0;
    double size = 0;
    long moving = 0;
    long still = 0;
    ReferenceTiles largest = null;
    for (ReferenceTiles member : members) {
      change += member.change;
      size += member.size;
      moving += member.moving;
      still += member.still;
      boolean isLarger = largest == null || Double.compare(member.ratio(), largest.ratio()) > 0;
      largest = member.size != 0 && isLarger ? member : largest; // NaN is above all
    }
    return new StepReport.Update(
        group,
        Math.sqrt(change) / Math.sqrt(size),
        (double) still / moving,
        largest == null ? Double.NaN : largest.ratio(),
        largest == null ? "" : largest.name,
        List.of());
  }

  private double ratio() {
    return Math.sqrt(change) / Math.sqrt(size);
  }
}
