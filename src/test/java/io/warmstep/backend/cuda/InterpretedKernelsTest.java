package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.ElementType;
import io.warmstep.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The interpreter on kernels that are not Warmstep's, as nvcc compiles them. */
@Tag("ptxsim")
class InterpretedKernelsTest {
  private PtxModule module;
  private long violations;

  @BeforeEach
  void load() throws IOException {
    module = new PtxModule(Files.readString(Path.of("native/cudasim/test/kernels.ptx")));
    violations = CudaSim.violations();
  }

  @AfterEach
  void nothingWasWrong() {
    module.close();
    assertEquals(violations, CudaSim.violations(), "violations, printed as cudasim: ...");
  }

  private static int blocks(int n) {
    return (n + 255) / 256;
  }

  @Test
  void sumsInSharedMemory() {
    int n = 1000;
    float[] x = new float[n];
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < n; i++) {
      x[i] = (float) random.nextDouble(-1, 1);
    }
    CUdeviceptr sums = module.allocate(4L * blocks(n));
    module.run("block_sums", blocks(n), 256, module.copyOf(x), sums, n);
    float[] expected = new float[blocks(n)];
    for (int b = 0; b < expected.length; b++) {
      float[] block =
          Arrays.copyOf(Arrays.copyOfRange(x, 256 * b, Math.min(n, 256 * b + 256)), 256);
      for (int width = 128; width > 0; width /= 2) {
        for (int t = 0; t < width; t++) {
          block[t] += block[t + width];
        }
      }
      expected[b] = block[0];
    }
    assertArrayEquals(expected, module.floats(sums, expected.length));
  }

  @Test
  void prefixSumsByShuffles() {
    for (int threads : new int[] {32, 256, 1024}) {
      int n = threads - 5;
      int[] x = new SplittableRandom(threads).ints(n, -100, 100).toArray();
      CUdeviceptr sums = module.allocate(4L * n);
      module.run("prefix_sums", 1, threads, module.copyOf(x), sums, n);
      int[] expected = x.clone();
      Arrays.parallelPrefix(expected, Integer::sum);
      assertArrayEquals(expected, module.ints(sums, n), threads + " threads");
    }
  }

  @Test
  void histogramByAtomics() {
    int n = 5000;
    byte[] x = new byte[n];
    new SplittableRandom(3).nextBytes(x);
    CUdeviceptr counts = module.copyOf(new int[256]);
    CUdeviceptr bytes = module.copyOf(Pointer.to(x), n);
    assertEquals(
        0, module.launch("histogram", new int[] {7}, new int[] {96}, 1024, bytes, counts, n));
    int[] expected = new int[256];
    for (byte b : x) {
      expected[b & 0xff]++;
    }
    assertArrayEquals(expected, module.ints(counts, 256));
  }

  @Test
  void transpositionInTwoDimensions() {
    int rows = 37;
    int columns = 50;
    double[] x = new SplittableRandom(4).doubles((long) rows * columns).toArray();
    CUdeviceptr to = module.allocate(8L * rows * columns);
    int[] grid = {(columns + 15) / 16, (rows + 15) / 16};
    assertEquals(
        0,
        module.launch(
            "transpose", grid, new int[] {16, 16}, 0, module.copyOf(x), to, rows, columns));
    double[] expected = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      expected[i % columns * rows + i / columns] = x[i];
    }
    assertArrayEquals(expected, module.doubles(to, x.length));
  }

  @Test
  void loopsThatEachThreadLeavesAtATimeOfItsOwn() {
    int n = 777;
    long[] x = new long[n];
    for (int i = 0; i < n; i++) {
      x[i] = i % 50 == 49 ? 999_999_999_999_999L + 2L * i : i + 1;
    }
    CUdeviceptr steps = module.allocate(4L * n);
    module.run("collatz", blocks(n), 256, module.copyOf(x), steps, n);
    int[] expected = new int[n];
    for (int i = 0; i < n; i++) {
      long value = x[i];
      for (int count = 0; value != 1 && expected[i] >= 0; expected[i] = count) {
        if (value % 2 == 0) {
          value /= 2;
        } else if (value > 1_000_000_000_000_000L) {
          count = -2;
        } else {
          value = 3 * value + 1;
        }
        count++;
      }
    }
    assertArrayEquals(expected, module.ints(steps, n));
  }

  @Test
  void float64WithATableInConstantMemory() {
    int n = 300;
    double[] x = new SplittableRandom(6).doubles(n, -3, 3).toArray();
    x[7] = Double.NaN;
    x[8] = Double.NEGATIVE_INFINITY;
    x[9] = 1e308;
    CUdeviceptr y = module.allocate(8L * n);
    module.run("polynomial", blocks(n), 256, module.copyOf(x), y, n);
    double[] coefficients = {0.5, -0.25, 0.125, -0.0625, 3.0};
    double[] expected = new double[n];
    for (int i = 0; i < n; i++) {
      double sum = 0;
      for (double coefficient : coefficients) {
        sum = Math.fma(sum, x[i], coefficient);
      }
      double value = sum / (1.0 + Math.sqrt(Math.abs(x[i])));
      expected[i] = Double.isNaN(value) ? -1e300 : Math.max(value, -1e300);
    }
    assertArrayEquals(expected, module.doubles(y, n));
  }

  @Test
  void allFloat16sAndTheirConversions() {
    int n = 1 << 16;
    short[] x = new short[n];
    float[] widened = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (short) i;
    }
    Storage.of(ElementType.FLOAT16).load(x, 0, widened, 0, n);
    float[] scaled = new float[n];
    for (int i = 0; i < n; i++) {
      scaled[i] = widened[i] * 0.3f;
    }
    short[] halves = new short[n];
    short[] brains = new short[n];
    Storage.of(ElementType.FLOAT16).store(scaled, 0, halves, 0, n);
    Storage.of(ElementType.BFLOAT16).store(widened, 0, brains, 0, n);
    CUdeviceptr from = module.copyOf(Pointer.to(x), 2L * n);
    CUdeviceptr h = module.allocate(2L * n);
    CUdeviceptr b = module.allocate(2L * n);
    module.run("halves", blocks(n), 256, from, h, b, n);
    for (int i = 0; i < n; i++) {
      if (Float.isNaN(widened[i])) {
        halves[i] = 0x7fff; // the hardware's NaN of both types
        brains[i] = 0x7fff;
      }
    }
    assertArrayEquals(halves, module.shorts(h, n));
    assertArrayEquals(brains, module.shorts(b, n));
  }

  @Test
  void memoryOfTheThreadsOwnAndSwitch() {
    int n = 500;
    int[] x = new SplittableRandom(8).ints(n).toArray();
    CUdeviceptr y = module.allocate(4L * n);
    module.run("reverse_digits", blocks(n), 256, module.copyOf(x), y, n);
    int[] expected = new int[n];
    for (int i = 0; i < n; i++) {
      StringBuilder digits = new StringBuilder(Integer.toUnsignedString(x[i])).reverse();
      int value = (int) Long.parseLong(digits.toString());
      expected[i] =
          switch (x[i] & 3) {
            case 0 -> value ^ 0x5a5a5a5a;
            case 1 -> Integer.bitCount(value);
            case 2 -> Integer.reverse(value);
            default -> Integer.numberOfLeadingZeros(value);
          };
    }
    assertArrayEquals(expected, module.ints(y, n));
  }

  @Test
  void theLastBlockFindsWhatTheOthersWrote() {
    int n = 10_000;
    int[] x = new SplittableRandom(9).ints(n, -1000, 1000).toArray();
    CUdeviceptr partial = module.allocate(4L * blocks(n));
    CUdeviceptr sum = module.allocate(4);
    for (int i = 0; i < 3; i++) { // the counter wraps around to where it began
      module.run("sum_of_all", blocks(n), 256, module.copyOf(x), partial, sum, n);
      assertEquals(Arrays.stream(x).sum(), module.ints(sum, 1)[0]);
    }
  }

  @Test
  void votesOfAWarp() {
    int n = 1000;
    int[] x = new SplittableRandom(10).ints(n).toArray();
    Arrays.setAll(x, i -> i / 32 == 3 ? 2 : x[i]);
    int warps = 8 * blocks(n);
    CUdeviceptr counts = module.allocate(4L * warps);
    module.run("odd_counts", blocks(n), 256, module.copyOf(x), counts, n);
    int[] expected = new int[warps];
    for (int i = 0; i < n; i++) {
      expected[i / 32] += x[i] & 1;
    }
    Arrays.setAll(expected, i -> expected[i] == 0 ? -1 : expected[i]);
    assertArrayEquals(expected, module.ints(counts, warps));
  }
}
