package io.warmstep.cli.lab;

/** Functions of two numbers that show what descent does, each with its minima known. */
enum Surface {
  /** (x² + y²) / 2. */
  BOWL("A bowl", "the easy case: every rule gets there", 2, 2, 0, -1.6, 1.2) {
    @Override
    double value(double x, double y) {
      return (x * x + y * y) / 2;
    }

    @Override
    void gradient(double x, double y, double[] g, int at) {
      g[at] = x;
      g[at + 1] = y;
    }
  },

  /** (x² + 50 y²) / 2: curvatures 1 and 50. */
  VALLEY(
      "An ill-conditioned valley",
      "50 times steeper across than along: the rate that is safe across is slow along",
      2,
      2,
      0,
      -1.7,
      1) {
    @Override
    double value(double x, double y) {
      return (x * x + 50 * y * y) / 2;
    }

    @Override
    void gradient(double x, double y, double[] g, int at) {
      g[at] = x;
      g[at + 1] = 50 * y;
    }
  },

  /** (1 - x)² + 20 (y - x²)²; Rosenbrock's with 20 for 100. */
  ROSENBROCK(
      "Rosenbrock's bent valley",
      "down is easy, along the bend to (1, 1) is slow",
      2,
      2,
      0,
      -1.5,
      1.5) {
    @Override
    double value(double x, double y) {
      double bend = y - x * x;
      return (1 - x) * (1 - x) + 20 * bend * bend;
    }

    @Override
    void gradient(double x, double y, double[] g, int at) {
      double bend = y - x * x;
      g[at] = -2 * (1 - x) - 80 * x * bend;
      g[at + 1] = 40 * bend;
    }
  },

  /** 20 + x² - 10 cos 2πx + y² - 10 cos 2πy. */
  RASTRIGIN(
      "Rastrigin's egg box",
      "a local minimum in every pocket; only one is global",
      3,
      3,
      0,
      2.3,
      -1.3) {
    @Override
    double value(double x, double y) {
      return term(x) + term(y);
    }

    private double term(double x) {
      return 10 + x * x - 10 * StrictMath.cos(2 * Math.PI * x);
    }

    @Override
    void gradient(double x, double y, double[] g, int at) {
      g[at] = 2 * x + 20 * Math.PI * StrictMath.sin(2 * Math.PI * x);
      g[at + 1] = 2 * y + 20 * Math.PI * StrictMath.sin(2 * Math.PI * y);
    }
  },

  /** x² - y² + y⁴ / 4 + 1: a saddle at the origin, minima at y = ±√2. */
  SADDLE("A saddle", "the slope vanishes at the middle, which is no minimum", 2, 2.5, 0, 1.6, 0.1) {
    @Override
    double value(double x, double y) {
      return x * x - y * y + y * y * y * y / 4 + 1;
    }

    @Override
    void gradient(double x, double y, double[] g, int at) {
      g[at] = 2 * x;
      g[at + 1] = -2 * y + y * y * y;
    }
  },

  /** (x² - 1)² + 0.3 x + y² / 2: minima near x = -1, which is deeper, and x = 1. */
  TWO_MINIMA(
      "Two minima of different depth",
      "the left one is deeper; which one a run finds depends on its start",
      2,
      2,
      -0.305428483743916,
      1.7,
      1.4) {
    @Override
    double value(double x, double y) {
      double well = x * x - 1;
      return well * well + 0.3 * x + y * y / 2;
    }

    @Override
    void gradient(double x, double y, double[] g, int at) {
      g[at] = 4 * x * (x * x - 1) + 0.3;
      g[at + 1] = y;
    }
  };

  private final String title;
  private final String lesson;
  private final double halfWidth;
  private final double halfHeight;
  private final double least;
  private final double startX;
  private final double startY;

  Surface(
      String title,
      String lesson,
      double halfWidth,
      double halfHeight,
      double least,
      double startX,
      double startY) {
    this.title = title;
    this.lesson = lesson;
    this.halfWidth = halfWidth;
    this.halfHeight = halfHeight;
    this.least = least;
    this.startX = startX;
    this.startY = startY;
  }

  abstract double value(double x, double y);

  /** Writes the two derivatives to {@code g[at]} and {@code g[at + 1]}. */
  abstract void gradient(double x, double y, double[] g, int at);

  String title() {
    return title;
  }

  String lesson() {
    return lesson;
  }

  /** The picture shows x from -halfWidth to halfWidth. */
  double halfWidth() {
    return halfWidth;
  }

  double halfHeight() {
    return halfHeight;
  }

  /** The value of the global minimum. */
  double least() {
    return least;
  }

  /** A start that shows what there is to see; the others are random. */
  double startX() {
    return startX;
  }

  double startY() {
    return startY;
  }

  String id() {
    return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
  }
}
