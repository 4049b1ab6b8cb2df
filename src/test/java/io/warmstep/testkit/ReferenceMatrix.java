package io.warmstep.testkit;

import io.warmstep.rule.NewtonSchulz;

/** A Newton-Schulz iteration by plain loops over whole matrices. */
final class ReferenceMatrix {
  private final Arithmetic a;

  ReferenceMatrix(Arithmetic a) {
    this.a = a;
  }

  /**
   * What comes of a matrix.
   *
   * @param values in row-major order
   * @return the same places
   */
  double[] iterate(NewtonSchulz phase, double[] values, int rows, double divisor) {
    int columns = values.length / rows;
    double[][] x = new double[rows][columns];
    for (int i = 0; i < values.length; i++) {
      x[i / columns][i % columns] = a.over(values[i], divisor);
    }
    x = rows > columns ? transposed(x) : x;
    double first = a.round(phase.a());
    double second = a.round(phase.b());
    double third = a.round(phase.c());
    for (int step = 0; step < phase.steps(); step++) {
      double[][] gram = product(x, transposed(x));
      double[][] squared = product(gram, gram);
      for (int i = 0; i < gram.length; i++) {
        for (int j = 0; j < gram.length; j++) {
          squared[i][j] = a.fma(third, squared[i][j], a.times(second, gram[i][j]));
        }
      }
      double[][] next = product(squared, x);
      for (int i = 0; i < x.length; i++) {
        for (int j = 0; j < x[i].length; j++) {
          next[i][j] = a.fma(first, x[i][j], next[i][j]);
        }
      }
      x = next;
    }
    x = rows > columns ? transposed(x) : x;
    double[] result = new double[values.length];
    for (int i = 0; i < result.length; i++) {
      result[i] = x[i / columns][i % columns];
    }
    return result;
  }

  private static double[][] transposed(double[][] x) {
    double[][] transposed = new double[x[0].length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < x[i].length; j++) {
        transposed[j][i] = x[i][j];
      }
    }
    return transposed;
  }

  private double[][] product(double[][] left, double[][] right) {
    double[][] product = new double[left.length][right[0].length];
    for (int i = 0; i < left.length; i++) {
      double[] sums = product[i];
      // Each sum is one chain over k, from the first on.
      for (int k = 0; k < right.length; k++) {
        double factor = left[i][k];
        double[] row = right[k];
        for (int j = 0; j < sums.length; j++) {
          sums[j] = a.fma(factor, row[j], sums[j]);
        }
      }
    }
    return product;
  }
}
