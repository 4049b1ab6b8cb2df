package io.warmstep.benchmarks;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Muon;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * The multiply-adds that a step of Muon does per second on one thread, against as many as the
 * processor can do and against a product by three plain loops, in turns within one run:
 *
 * <pre>
 * bin/jmh --build-only
 * java -cp benchmarks/target/jmh/benchmarks.jar io.warmstep.benchmarks.MatrixSpeed 1024 1024
 * </pre>
 *
 * <p>A step's count is that of its products alone, of the symmetric ones half: what else it does,
 * such as the momentum, is in its time and not in its count.
 */
public final class MatrixSpeed {
  private static final int ROUNDS = 9;
  private static final int WARM_UP_ROUNDS = 3;
  private static final int STEPS = 5;

  /** Of the plain loops, which take long. */
  private static final int PLAIN = 384;

  private static final int CHAIN = 512;
  private static final int REPEATS = 20_000;

  private MatrixSpeed() {}

  /**
   * A product that is measured beside ours.
   *
   * @param name what it is called where it is printed
   * @param multiplyAdds how many a run does
   * @param run computes it
   */
  public record Other(String name, double multiplyAdds, Runnable run) {}

  /**
   * Measures.
   *
   * @param arguments rows and columns of the matrix
   */
  public static void main(String[] arguments) {
    measure(arguments, List.of());
  }

  /**
   * Measures, and other products in the same rounds.
   *
   * @param arguments rows and columns of the matrix
   * @param others what else is run in each round
   */
  public static void measure(String[] arguments, List<Other> others) {
    int rows = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 1024;
    int columns = arguments.length > 1 ? Integer.parseInt(arguments[1]) : rows;
    double m = Math.min(rows, columns);
    double n = Math.max(rows, columns);
    double count = STEPS * (m * m * n / 2 + m * m * m / 2 + m * m * n);
    float[] chain = new float[CHAIN];
    float[] left = random(PLAIN * PLAIN);
    float[] right = random(PLAIN * PLAIN);
    float[] product = new float[PLAIN * PLAIN];
    double[] peak = new double[ROUNDS];
    double[] ours = new double[ROUNDS];
    double[] plain = new double[ROUNDS];
    double[][] theirs = new double[others.size()][ROUNDS];
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device)
                .add("p", random(rows * columns))
                .shape("p", rows, columns)
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Muon.muon()).learningRate(1e-3).build()) {
      parameters.get("p").gradients().copyFrom(random(rows * columns));
      for (int round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
        int at = Math.max(round, 0);
        long start = System.nanoTime();
        for (int i = 0; i < REPEATS; i++) {
          chain(chain, 0.999f, 0.001f);
        }
        long afterPeak = System.nanoTime();
        optimizer.step();
        long afterStep = System.nanoTime();
        multiply(left, right, product, PLAIN);
        long end = System.nanoTime();
        peak[at] = 16.0 * CHAIN * REPEATS / (afterPeak - start);
        ours[at] = count / (afterStep - afterPeak);
        plain[at] = (double) PLAIN * PLAIN * PLAIN / (end - afterStep);
        for (int i = 0; i < others.size(); i++) {
          start = System.nanoTime();
          others.get(i).run().run();
          theirs[i][at] = others.get(i).multiplyAdds() / (System.nanoTime() - start);
        }
      }
    }
    // The most that was reached: a compiler may give the chains loops that are not vectors at
    // first.
    double most = Arrays.stream(peak).max().orElseThrow();
    print("peak", most, most);
    print("Muon's step, " + rows + " x " + columns, median(ours), most);
    print("three plain loops", median(plain), most);
    for (int i = 0; i < others.size(); i++) {
      print(others.get(i).name(), median(theirs[i]), most);
    }
  }

  /** 16 multiply-adds for each index; iterations overlap. */
  private static void chain(float[] a, float factor, float add) {
    for (int i = 0; i < CHAIN; i++) {
      a[i] = eight(eight(a[i], factor, add), factor, add);
    }
  }

  private static float eight(float x, float factor, float add) {
    float two = Math.fma(Math.fma(x, factor, add), factor, add);
    float four = Math.fma(Math.fma(two, factor, add), factor, add);
    float six = Math.fma(Math.fma(four, factor, add), factor, add);
    return Math.fma(Math.fma(six, factor, add), factor, add);
  }

  private static void multiply(float[] left, float[] right, float[] product, int n) {
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        float sum = 0;
        for (int k = 0; k < n; k++) {
          sum = Math.fma(left[i * n + k], right[k * n + j], sum);
        }
        product[i * n + j] = sum;
      }
    }
  }

  private static float[] random(int length) {
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }

  private static void print(String what, double perNano, double peak) {
    System.out.printf(
        Locale.ROOT,
        "%s: %.2f 10^9 multiply-adds per second, %.2f of the peak%n",
        what,
        perNano,
        perNano / peak);
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
