package io.warmstep.cli.lab;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The surfaces' derivatives and minima, and descent of them against the known. */
class SurfaceTest {
  @ParameterizedTest
  @EnumSource(Surface.class)
  void derivativesAreThoseOfTheValue(Surface surface) {
    SplittableRandom random = new SplittableRandom(11);
    double[] g = new double[2];
    double h = 1e-5;
    for (int i = 0; i < 100; i++) {
      double x = (2 * random.nextDouble() - 1) * surface.halfWidth();
      double y = (2 * random.nextDouble() - 1) * surface.halfHeight();
      surface.gradient(x, y, g, 0);
      double dx = (surface.value(x + h, y) - surface.value(x - h, y)) / (2 * h);
      double dy = (surface.value(x, y + h) - surface.value(x, y - h)) / (2 * h);
      assertEquals(dx, g[0], 1e-4 * (1 + Math.abs(dx)), surface + " at " + x + ", " + y);
      assertEquals(dy, g[1], 1e-4 * (1 + Math.abs(dy)), surface + " at " + x + ", " + y);
    }
  }

  @ParameterizedTest
  @EnumSource(Surface.class)
  void nothingLiesBelowTheLeast(Surface surface) {
    double least = Double.POSITIVE_INFINITY;
    for (int i = 0; i <= 800; i++) {
      for (int j = 0; j <= 800; j++) {
        double x = (2.0 * i / 800 - 1) * surface.halfWidth();
        double y = (2.0 * j / 800 - 1) * surface.halfHeight();
        least = Math.min(least, surface.value(x, y));
      }
    }
    assertTrue(least >= surface.least() - 1e-9, surface + ": " + least);
    assertEquals(surface.least(), least, 0.01, surface.toString());
  }

  /** SGD on a quadratic has a closed form, and diverges beyond 2 / L. */
  @Test
  void plainDescentOfTheValleyIsTheKnownOne() {
    double[] starts = {1, 1, -0.5, 2};
    int steps = 30;
    try (Device device = Devices.cpu(1)) {
      double[][] path =
          Descent.run(
              device, Surface.VALLEY, new Descent.Way(Sgd.sgd(), 0.03, 0, 0), starts, steps, 0);
      double[] expected = {
        Math.pow(0.97, steps),
        Math.pow(1 - 50 * 0.03, steps),
        -0.5 * Math.pow(0.97, steps),
        2 * Math.pow(1 - 50 * 0.03, steps)
      };
      assertArrayEquals(expected, path[steps], 1e-12);
      double[] beyond =
          Descent.run(
              device, Surface.VALLEY, new Descent.Way(Sgd.sgd(), 0.041, 0, 0), starts, 200, 0)[200];
      assertTrue(Math.abs(beyond[1]) > 10, "0.041 is beyond 2 / 50");
    }
  }

  @Test
  void noiseAndStartsRepeatForASeed() {
    double[] starts = Descent.starts(Surface.RASTRIGIN, 5, 9);
    assertArrayEquals(starts, Descent.starts(Surface.RASTRIGIN, 5, 9));
    Descent.Way way = new Descent.Way(Momentum.heavyBall(0.9), 0.01, 10, 1);
    try (Device device = Devices.cpu(1)) {
      double[][] one = Descent.run(device, Surface.RASTRIGIN, way, starts, 50, 1);
      double[][] again = Descent.run(device, Surface.RASTRIGIN, way, starts, 50, 1);
      double[][] other = Descent.run(device, Surface.RASTRIGIN, way, starts, 50, 2);
      assertArrayEquals(one[50], again[50]);
      assertTrue(one[50][0] != other[50][0]);
    }
  }

  @Test
  void pointsThatAreLostStayFinite() {
    try (Device device = Devices.cpu(1)) {
      double[] end =
          Descent.run(
              device,
              Surface.ROSENBROCK,
              new Descent.Way(Sgd.sgd(), 10, 0, 0),
              Descent.starts(Surface.ROSENBROCK, 6, 0),
              60,
              0)[60];
      for (double coordinate : end) {
        assertTrue(Math.abs(coordinate) <= 1e6, "coordinate: " + coordinate);
      }
      assertEquals(0, Descent.shareInGlobalMinimum(Surface.ROSENBROCK, end, 0.1));
    }
  }
}
