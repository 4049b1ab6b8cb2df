package io.warmstep.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tiles that products are cut into, also where there are several beside each other. */
class MatrixTilesTest {
  private static final int HEIGHT = MatrixTiles.COLUMNS + 6;
  private static final int DEPTH = 101;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 64})
  void halfOfASymmetricProductIsTheWhole(int threads) {
    float[] x = numbers(HEIGHT * DEPTH);
    float[] transposed = new float[x.length];
    for (int i = 0; i < HEIGHT; i++) {
      for (int k = 0; k < DEPTH; k++) {
        transposed[k * HEIGHT + i] = x[i * DEPTH + k];
      }
    }
    float[] expected = new float[HEIGHT * HEIGHT];
    for (int i = 0; i < HEIGHT; i++) {
      for (int j = 0; j < HEIGHT; j++) {
        float sum = 0f;
        for (int k = 0; k < DEPTH; k++) {
          sum = Math.fma(x[i * DEPTH + k], x[j * DEPTH + k], sum);
        }
        expected[i * HEIGHT + j] = sum;
      }
    }
    MatrixTiles tiles = new MatrixTiles(HEIGHT, HEIGHT, 1, threads);
    assertTrue(tiles.columns(0) < HEIGHT, "several columns of tiles");
    FloatProduct product = new FloatProduct();
    float[] actual = new float[expected.length];
    for (int index = 0; index < tiles.perMatrix(); index++) {
      if (product.tile(tiles, index, true)) {
        product.multiply(x, 0, DEPTH, transposed, 0, HEIGHT);
        product.store(actual, 0, HEIGHT);
      }
    }
    assertArrayEquals(expected, actual);
  }

  private static float[] numbers(int n) {
    SplittableRandom random = new SplittableRandom(5);
    float[] numbers = new float[n];
    for (int i = 0; i < n; i++) {
      numbers[i] = (float) random.nextDouble(-1, 1);
    }
    return numbers;
  }
}
