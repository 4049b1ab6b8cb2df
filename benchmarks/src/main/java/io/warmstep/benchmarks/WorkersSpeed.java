package io.warmstep.benchmarks;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.collective.Collective;
import io.warmstep.collective.Collectives;
import io.warmstep.rule.Adam;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * The step of several workers in one process, each with one gradient, against that of one worker
 * that accumulates as many, in turns within one run:
 *
 * <pre>
 * bin/jmh --build-only
 * java -Xmx9g -cp benchmarks/target/jmh/benchmarks.jar io.warmstep.benchmarks.WorkersSpeed
 * </pre>
 *
 * <p>Adam on 25 million float32 parameters. The time of the one worker is that of its calls of
 * {@code accumulate} and of the step. First it is checked that both end in the same bits, and what
 * share of the state each worker has. At the end a model of the cost is compared with all: the
 * workers together have the cost of one update, and for each worker beyond the first that of
 * sending all elements twice, which is fitted.
 */
public final class WorkersSpeed {
  private static final int LENGTH = 25_000_000;
  private static final int ROUNDS = 7;
  private static final int WARM_UP = 1;
  private static final int COMPARED = 4;

  private WorkersSpeed() {}

  /** One worker's part. */
  private static final class Worker implements AutoCloseable {
    final Collective collective;
    final Device device;
    final Parameters parameters;
    final ShardedOptimizer optimizer;

    Worker(Collective collective, int lanes, int threads) {
      this.collective = collective;
      device = Devices.cpu(threads);
      parameters = Parameters.on(device).add("w", new float[LENGTH]).build();
      optimizer =
          Optimizer.of(parameters)
              .rule(Adam.adam())
              .learningRate(1e-3)
              .sharded(collective)
              .lanes(lanes)
              .build();
      float[] gradients = new float[LENGTH];
      for (int i = 0; i < LENGTH; i++) {
        gradients[i] = (i % 1000 - 500) * 1e-3f;
      }
      parameters.get("w").gradients().copyFrom(gradients);
    }

    @Override
    public void close() {
      optimizer.close();
      parameters.close();
      device.close();
      collective.close();
    }
  }

  /** Several workers, or one that has the gradients of several. */
  private static final class Team implements AutoCloseable {
    final int lanes;
    final List<Worker> workers = new ArrayList<>();
    final ExecutorService threads;
    final double[] millis = new double[ROUNDS];

    Team(int size, int lanes) throws Exception {
      this.lanes = lanes;
      threads = Executors.newFixedThreadPool(size);
      int processors = Math.max(1, Runtime.getRuntime().availableProcessors() / size);
      List<Future<Worker>> made = new ArrayList<>();
      for (Collective collective : Collectives.inProcess(size)) {
        made.add(threads.submit(() -> new Worker(collective, lanes, processors)));
      }
      try {
        for (Future<Worker> one : made) {
          workers.add(one.get());
        }
      } catch (ExecutionException e) {
        close(); // or its threads would keep the process
        throw e;
      }
    }

    /** Takes a step. Each overwrites gradients by sums, which its time does not depend on. */
    double step() throws Exception {
      long start = System.nanoTime();
      List<Future<?>> done = new ArrayList<>();
      for (Worker worker : workers) {
        done.add(
            threads.submit(
                () -> {
                  for (int j = 0; lanes > workers.size() && j < lanes; j++) {
                    worker.optimizer.accumulate(j);
                  }
                  worker.optimizer.step();
                }));
      }
      for (Future<?> one : done) {
        one.get();
      }
      return (System.nanoTime() - start) / 1e6;
    }

    double median() {
      double[] sorted = millis.clone();
      Arrays.sort(sorted);
      return sorted[sorted.length / 2];
    }

    float[] values() {
      return workers.get(0).parameters.get("w").values().toFloats();
    }

    /** Of the state, the greatest that a worker has. */
    double share() {
      return workers.stream()
              .mapToLong(worker -> worker.optimizer.state("w", "exp_avg").length())
              .max()
              .orElseThrow()
          / (double) LENGTH;
    }

    @Override
    public void close() {
      workers.forEach(Worker::close);
      threads.shutdown();
    }
  }

  /**
   * Measures.
   *
   * @param arguments none
   * @throws Exception if a worker fails
   */
  public static void main(String[] arguments) throws Exception {
    int[] sizes = {1, 2, 3, 4, 8};
    List<Team> teams = new ArrayList<>();
    try {
      for (int size : sizes) {
        teams.add(new Team(size, size));
      }
      Team accumulating = new Team(1, COMPARED);
      Team compared = teams.get(3);
      teams.add(accumulating);
      compared.step();
      accumulating.step();
      if (!Arrays.equals(compared.values(), accumulating.values())) {
        throw new IllegalStateException("bits differ");
      }
      System.out.printf(Locale.ROOT, "state per worker of %d: %.4f%n", COMPARED, compared.share());
      System.out.println("ms    1 worker   2      3      4      8   1 that accumulates 4");
      for (int round = -WARM_UP; round < ROUNDS; round++) {
        StringBuilder line = new StringBuilder();
        for (Team team : teams) {
          double took = team.step();
          team.millis[Math.max(0, round)] = took;
          line.append(String.format(Locale.ROOT, "%8.1f", took));
        }
        if (round >= 0) {
          System.out.println(line);
        }
      }
      double[] ratios = new double[ROUNDS];
      for (int i = 0; i < ROUNDS; i++) {
        ratios[i] = compared.millis[i] / accumulating.millis[i];
      }
      Arrays.sort(ratios);
      System.out.printf(
          Locale.ROOT,
          "median of the rounds' ratios, 4 workers to 1 that accumulates 4: %.2f%n",
          ratios[ROUNDS / 2]);
      double update = teams.get(0).median();
      double[] slopes = new double[sizes.length - 1];
      for (int i = 1; i < sizes.length; i++) {
        slopes[i - 1] = (teams.get(i).median() - update) / (sizes[i] - 1);
      }
      Arrays.sort(slopes);
      double sending = (slopes[1] + slopes[2]) / 2;
      System.out.printf(
          Locale.ROOT, "model: %.1f ms + %.1f ms for each further worker%n", update, sending);
      for (int i = 0; i < sizes.length; i++) {
        double predicted = update + sending * (sizes[i] - 1);
        System.out.printf(
            Locale.ROOT,
            "%d workers: median %.1f ms, model %.1f ms (%+.0f %%)%n",
            sizes[i],
            teams.get(i).median(),
            predicted,
            100 * (predicted / teams.get(i).median() - 1));
      }
    } finally {
      teams.forEach(Team::close);
    }
  }
}
