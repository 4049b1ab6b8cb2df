package io.warmstep.testkit;

import io.warmstep.ElementType;

/** The correctly rounded operations of one precision, on values held as doubles. */
enum Arithmetic {
  FLOAT32 {
    @Override
    double round(double a) {
      return (float) a;
    }

    @Override
    double times(double a, double b) {
      return (float) a * (float) b;
    }

    @Override
    double plus(double a, double b) {
      return (float) a + (float) b;
    }

    @Override
    double over(double a, double b) {
      return (float) a / (float) b;
    }

    @Override
    double root(double a) {
      return (float) Math.sqrt(a);
    }

    @Override
    double fma(double a, double b, double c) {
      return Math.fma((float) a, (float) b, (float) c);
    }
  },
  FLOAT64 {
    @Override
    double round(double a) {
      return a;
    }

    @Override
    double times(double a, double b) {
      return a * b;
    }

    @Override
    double plus(double a, double b) {
      return a + b;
    }

    @Override
    double over(double a, double b) {
      return a / b;
    }

    @Override
    double root(double a) {
      return Math.sqrt(a);
    }

    @Override
    double fma(double a, double b, double c) {
      return Math.fma(a, b, c);
    }
  };

  static Arithmetic of(ElementType type) {
    return type == ElementType.FLOAT64 ? FLOAT64 : FLOAT32;
  }

  abstract double round(double a);

  abstract double times(double a, double b);

  abstract double plus(double a, double b);

  abstract double over(double a, double b);

  abstract double root(double a);

  /** {@code a * b + c}, rounded once. */
  abstract double fma(double a, double b, double c);
}
