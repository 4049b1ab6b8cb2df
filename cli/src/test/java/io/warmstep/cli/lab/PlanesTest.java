package io.warmstep.cli.lab;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The planes that a run is drawn on, against paths whose principal directions are known. */
class PlanesTest {
  private static final int LENGTH = 50;

  @Test
  void aPathInAPlaneLiesInItsPlane() {
    List<float[]> path = new ArrayList<>();
    for (int t = 20; t >= 0; t--) {
      float[] point = new float[LENGTH];
      point[3] = t; // the longer direction
      point[7] = (float) Math.sin(t / 3.0);
      point[9] = 5; // constant: no movement
      path.add(point);
    }
    Planes.Plane plane = Planes.ofPath(path);
    assertEquals(1, plane.share(), 1e-9);
    assertEquals(0, plane.first()[9], 1e-12);
    assertEquals(1, Math.hypot(plane.first()[3], plane.first()[7]), 1e-9);
    assertEquals(
        0, plane.first()[3] * plane.second()[3] + plane.first()[7] * plane.second()[7], 1e-6);
    for (float[] point : path) {
      double[] at = plane.project(point);
      assertArrayEquals(point, plane.point(at[0], at[1]), 1e-4f);
    }
  }

  @Test
  void theShareIsThatOfTheTwoLargestVariances() {
    // Steps along three axes with lengths 6, 3 and 2 as seen from the end.
    float[][] ends = {{6, 0, 0}, {0, 3, 0}, {0, 0, 2}, {0, 0, 0}};
    Planes.Plane plane = Planes.ofPath(List.of(ends));
    assertEquals((36.0 + 9) / (36 + 9 + 4), plane.share(), 1e-9);
    assertEquals(1, Math.abs(plane.first()[0]), 1e-9);
    assertEquals(1, Math.abs(plane.second()[1]), 1e-9);
  }

  @Test
  void filtersOfARandomPlaneAreAsLongAsTheModels() {
    SplittableRandom random = new SplittableRandom(5);
    float[] origin = new float[4 * 3 + 3];
    for (int i = 0; i < origin.length; i++) {
      origin[i] = (float) random.nextDouble();
    }
    Planes.Plane plane = Planes.random(origin, List.of(new int[] {4, 3}, new int[] {3}), 1);
    for (int filter = 0; filter < 3; filter++) {
      double own = 0;
      double drawn = 0;
      for (int row = 0; row < 4; row++) {
        own += origin[row * 3 + filter] * (double) origin[row * 3 + filter];
        drawn += plane.first()[row * 3 + filter] * plane.first()[row * 3 + filter];
      }
      assertEquals(own, drawn, 1e-9);
    }
  }
}
