package io.warmstep.cli.lab;

import java.util.List;
import java.util.SplittableRandom;

/** Planes through the end of a run in the space of its parameters. */
final class Planes {
  private static final int POWER_ITERATIONS = 300;

  private Planes() {}

  /**
   * A plane.
   *
   * @param origin where it is anchored
   * @param first a direction of length 1, or of the origin's scale for a random plane
   * @param second another one
   * @param share of the path's squared movement, what the plane holds; NaN for a random plane
   */
  record Plane(float[] origin, double[] first, double[] second, double share) {
    /** The coordinates of a point's projection. */
    double[] project(float[] point) {
      double x = 0;
      double y = 0;
      double xx = 0;
      double yy = 0;
      for (int i = 0; i < point.length; i++) {
        double d = point[i] - (double) origin[i];
        x += d * first[i];
        y += d * second[i];
        xx += first[i] * first[i];
        yy += second[i] * second[i];
      }
      return new double[] {xx > 0 ? x / xx : 0, yy > 0 ? y / yy : 0};
    }

    float[] point(double x, double y) {
      float[] point = new float[origin.length];
      for (int i = 0; i < point.length; i++) {
        point[i] = (float) (origin[i] + x * first[i] + y * second[i]);
      }
      return point;
    }

    /** What to show: the path with some room, or one unit each way where there is none. */
    double[] box(List<double[]> points) {
      if (points.size() < 2) {
        return new double[] {-1, 1, -1, 1};
      }
      double[] box = {0, 0, 0, 0};
      for (double[] point : points) {
        box[0] = Math.min(box[0], point[0]);
        box[1] = Math.max(box[1], point[0]);
        box[2] = Math.min(box[2], point[1]);
        box[3] = Math.max(box[3], point[1]);
      }
      double room = 0.25 * Math.max(1e-6, Math.max(box[1] - box[0], box[3] - box[2]));
      return new double[] {box[0] - room, box[1] + room, box[2] - room, box[3] + room};
    }
  }

  /** The plane of the first two principal directions of a path, as seen from its end. */
  static Plane ofPath(List<float[]> path) {
    float[] end = path.get(path.size() - 1);
    int points = path.size() - 1;
    double[][] away = new double[points][end.length];
    for (int t = 0; t < points; t++) {
      for (int i = 0; i < end.length; i++) {
        away[t][i] = path.get(t)[i] - (double) end[i];
      }
    }
    // The eigenvectors of the small matrix of scalar products give those of the large one.
    double[][] products = new double[points][points];
    double total = 0;
    for (int s = 0; s < points; s++) {
      for (int t = 0; t <= s; t++) {
        products[s][t] = dot(away[s], away[t]);
        products[t][s] = products[s][t];
      }
      total += products[s][s];
    }
    double[] one = eigenvector(products);
    double first = value(products, one);
    for (int s = 0; s < points; s++) {
      for (int t = 0; t < points; t++) {
        products[s][t] -= first * one[s] * one[t];
      }
    }
    double[] two = eigenvector(products);
    double second = value(products, two);
    return new Plane(
        end,
        direction(away, one),
        direction(away, two),
        total > 0 ? (first + Math.max(0, second)) / total : 1);
  }

  /**
   * A plane of random directions, of which the part of each filter (a column of weights, a bias
   * vector) is as long as the model's.
   */
  static Plane random(float[] origin, List<int[]> shapes, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    return new Plane(
        origin, normalized(origin, shapes, random), normalized(origin, shapes, random), Double.NaN);
  }

  private static double[] normalized(float[] origin, List<int[]> shapes, SplittableRandom random) {
    double[] direction = new double[origin.length];
    for (int i = 0; i < direction.length; i++) {
      direction[i] = random.nextDouble() + random.nextDouble() + random.nextDouble() - 1.5;
    }
    int start = 0;
    for (int[] shape : shapes) {
      int rows = shape.length > 1 ? shape[0] : 1;
      int columns = shape[shape.length - 1];
      int filters = shape.length > 1 ? columns : 1;
      int length = shape.length > 1 ? rows : columns;
      for (int filter = 0; filter < filters; filter++) {
        double own = 0;
        double drawn = 0;
        for (int i = 0; i < length; i++) {
          int at = start + (shape.length > 1 ? i * columns + filter : i);
          own += (double) origin[at] * origin[at];
          drawn += direction[at] * direction[at];
        }
        double scale = drawn > 0 ? Math.sqrt(own / drawn) : 0;
        for (int i = 0; i < length; i++) {
          direction[start + (shape.length > 1 ? i * columns + filter : i)] *= scale;
        }
      }
      start += rows * columns;
    }
    return direction;
  }

  private static double[] direction(double[][] away, double[] weights) {
    int length = away.length == 0 ? 0 : away[0].length;
    double[] direction = new double[length];
    for (int t = 0; t < away.length; t++) {
      for (int i = 0; i < length; i++) {
        direction[i] += weights[t] * away[t][i];
      }
    }
    double norm = Math.sqrt(dot(direction, direction));
    for (int i = 0; i < length && norm > 0; i++) {
      direction[i] /= norm;
    }
    return direction;
  }

  private static double[] eigenvector(double[][] matrix) {
    double[] vector = new double[matrix.length];
    for (int i = 0; i < vector.length; i++) {
      vector[i] = 1.0 / (i + 1);
    }
    for (int n = 0; n < POWER_ITERATIONS; n++) {
      double[] next = times(matrix, vector);
      double norm = Math.sqrt(dot(next, next));
      for (int i = 0; i < next.length && norm > 0; i++) {
        next[i] /= norm;
      }
      vector = next;
    }
    return vector;
  }

  private static double value(double[][] matrix, double[] vector) {
    return dot(vector, times(matrix, vector));
  }

  private static double[] times(double[][] matrix, double[] vector) {
    double[] product = new double[vector.length];
    for (int i = 0; i < product.length; i++) {
      product[i] = dot(matrix[i], vector);
    }
    return product;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
