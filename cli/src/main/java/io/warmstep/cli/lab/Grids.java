package io.warmstep.cli.lab;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.math.BigDecimal;
import java.math.MathContext;

/** Heights over a rectangle, for contours. */
final class Grids {
  private static final MathContext DIGITS = new MathContext(4);

  private Grids() {}

  /** A function of two numbers. */
  interface Height {
    double at(double x, double y);
  }

  /** Row after row from the least y, each from the least x. */
  static JsonObject of(int points, double x1, double x2, double y1, double y2, Height height) {
    double[] values = new double[points * points];
    for (int row = 0; row < points; row++) {
      for (int column = 0; column < points; column++) {
        double x = x1 + (x2 - x1) * column / (points - 1);
        double y = y1 + (y2 - y1) * row / (points - 1);
        values[row * points + column] = height.at(x, y);
      }
    }
    return of(points, x1, x2, y1, y2, values);
  }

  static JsonObject of(int points, double x1, double x2, double y1, double y2, double[] heights) {
    JsonObject grid = new JsonObject();
    grid.addProperty("points", points);
    grid.addProperty("x1", x1);
    grid.addProperty("x2", x2);
    grid.addProperty("y1", y1);
    grid.addProperty("y2", y2);
    JsonArray values = new JsonArray();
    for (double value : heights) {
      values.add(Double.isFinite(value) ? new BigDecimal(value).round(DIGITS).doubleValue() : null);
    }
    grid.add("values", values);
    return grid;
  }
}
