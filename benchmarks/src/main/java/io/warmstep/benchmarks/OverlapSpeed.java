package io.warmstep.benchmarks;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.collective.Collective;
import io.warmstep.collective.Collectives;
import io.warmstep.collective.ForwardingCollective;
import io.warmstep.collective.Gathering;
import io.warmstep.collective.LaneShare;
import io.warmstep.collective.LaneTree;
import io.warmstep.collective.Share;
import io.warmstep.collective.TcpEndpoint;
import io.warmstep.rule.Adam;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/**
 * The step of two workers over TCP with parameters sent while others are updated, and with all sent
 * after the update, in turns within one run; and what of the latter is update and what is traffic,
 * which bounds what there is to gain. Loopback has no bandwidth of its own, so that of a network is
 * given to one that no other process sees:
 *
 * <pre>
 * bin/jmh --build-only
 * ip netns add slow
 * ip -n slow link set lo up
 * tc -n slow qdisc add dev lo root tbf rate 10gbit burst 2mb latency 100ms
 * ip netns exec slow java -Xmx4g -cp benchmarks/target/jmh/benchmarks.jar \
 *   io.warmstep.benchmarks.OverlapSpeed
 * ip netns del slow
 * </pre>
 *
 * <p>Adam on 25 million float32 parameters, one thread for each worker.
 */
public final class OverlapSpeed {
  private static final int LENGTH = 25_000_000;
  private static final int SIZE = 2;
  private static final int ROUNDS = 15;
  private static final int WARM_UP = 2;

  private OverlapSpeed() {}

  /** What a worker does in a step, waiting for others included. */
  private enum Part {
    REDUCTION,
    UPDATE,
    GATHERING,
    MESSAGES
  }

  /** A collective that says how long its operations take, and may send all at the end. */
  private static final class Timed extends ForwardingCollective {
    private final boolean overlaps;
    final long[] nanos = new long[Part.values().length];

    Timed(Collective whole, boolean overlaps) {
      super(whole);
      this.overlaps = overlaps;
    }

    private <T> T time(Part part, Supplier<T> operation) {
      long start = System.nanoTime();
      T result = operation.get();
      nanos[part.ordinal()] += System.nanoTime() - start;
      return result;
    }

    private void run(Part part, Runnable operation) {
      time(
          part,
          () -> {
            operation.run();
            return null;
          });
    }

    @Override
    public void reduceScatter(List<Share> shares) {
      run(Part.REDUCTION, () -> super.reduceScatter(shares));
    }

    @Override
    public void reduceScatter(LaneTree tree, List<LaneShare> shares) {
      run(Part.REDUCTION, () -> super.reduceScatter(tree, shares));
    }

    @Override
    public void allGather(List<Share> shares) {
      run(Part.GATHERING, () -> super.allGather(shares));
    }

    @Override
    public boolean movesMeanwhile() {
      return overlaps && super.movesMeanwhile();
    }

    @Override
    public Gathering gather(List<Share> shares) {
      if (!overlaps) {
        return gatherAtEnd(shares);
      }
      Gathering gathering = super.gather(shares);
      return new Gathering() {
        @Override
        public void ready(long elements) {
          run(Part.GATHERING, () -> gathering.ready(elements));
        }

        @Override
        public void finish() {
          run(Part.GATHERING, gathering::finish);
        }
      };
    }

    @Override
    public List<byte[]> exchange(byte[] message) {
      return time(Part.MESSAGES, () -> super.exchange(message));
    }
  }

  private static final class Worker implements AutoCloseable {
    final Timed collective;
    final Device device;
    final Parameters parameters;
    final ShardedOptimizer optimizer;

    Worker(Timed collective) {
      this.collective = collective;
      device = Devices.cpu(1);
      parameters = Parameters.on(device).add("w", new float[LENGTH]).build();
      optimizer =
          Optimizer.of(parameters).rule(Adam.adam()).learningRate(1e-3).sharded(collective).build();
      float[] gradients = new float[LENGTH];
      for (int i = 0; i < LENGTH; i++) {
        gradients[i] = (i % 1000 - 500) * 1e-3f;
      }
      parameters.get("w").gradients().copyFrom(gradients);
    }

    /** Takes a step, of which all that is no operation of the collective counts as the update. */
    void step() {
      Arrays.fill(collective.nanos, 0);
      long start = System.nanoTime();
      optimizer.step();
      long took = System.nanoTime() - start;
      collective.nanos[Part.UPDATE.ordinal()] = took - Arrays.stream(collective.nanos).sum();
    }

    @Override
    public void close() {
      optimizer.close();
      parameters.close();
      device.close();
      collective.close();
    }
  }

  /** Two workers. */
  private static final class Team implements AutoCloseable {
    final List<Worker> workers = new ArrayList<>();
    final ExecutorService threads = Executors.newFixedThreadPool(SIZE);
    final double[] millis = new double[ROUNDS];
    final double[][] parts = new double[Part.values().length][ROUNDS];

    Team(boolean overMemory, boolean overlaps) throws Exception {
      List<Future<Worker>> made = new ArrayList<>();
      for (Collective collective : overMemory ? Collectives.inProcess(SIZE) : overTcp()) {
        made.add(threads.submit(() -> new Worker(new Timed(collective, overlaps))));
      }
      for (Future<Worker> one : made) {
        workers.add(one.get());
      }
    }

    private List<Collective> overTcp() throws Exception {
      List<TcpEndpoint> endpoints = new ArrayList<>();
      for (int rank = 0; rank < SIZE; rank++) {
        endpoints.add(TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0));
      }
      List<String> addresses = endpoints.stream().map(TcpEndpoint::address).toList();
      List<Future<Collective>> joined = new ArrayList<>();
      for (int rank = 0; rank < SIZE; rank++) {
        int own = rank;
        joined.add(threads.submit(() -> endpoints.get(own).join(own, addresses, "token")));
      }
      List<Collective> collectives = new ArrayList<>();
      for (Future<Collective> one : joined) {
        collectives.add(one.get());
      }
      return collectives;
    }

    void step(int round) throws Exception {
      long start = System.nanoTime();
      List<Future<?>> done = new ArrayList<>();
      for (Worker worker : workers) {
        done.add(threads.submit(worker::step));
      }
      for (Future<?> one : done) {
        one.get();
      }
      millis[Math.max(0, round)] = (System.nanoTime() - start) / 1e6;
      for (Part part : Part.values()) {
        double nanos = 0;
        for (Worker worker : workers) {
          nanos += worker.collective.nanos[part.ordinal()];
        }
        parts[part.ordinal()][Math.max(0, round)] = nanos / SIZE / 1e6;
      }
    }

    String report(String name) {
      StringBuilder line = new StringBuilder(name);
      line.append(String.format(Locale.ROOT, ": step %.1f ms", median(millis)));
      for (Part part : Part.values()) {
        String its = part.toString().toLowerCase(Locale.ROOT);
        line.append(String.format(Locale.ROOT, ", %s %.1f", its, median(parts[part.ordinal()])));
      }
      return line.toString();
    }

    float[] values() {
      return workers.get(1).parameters.get("w").values().toFloats();
    }

    @Override
    public void close() {
      workers.forEach(Worker::close);
      threads.shutdown();
    }
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  /**
   * Measures.
   *
   * @param arguments {@code memory} for workers that are connected over memory
   * @throws Exception if a worker fails
   */
  public static void main(String[] arguments) throws Exception {
    boolean overMemory = Arrays.asList(arguments).contains("memory");
    try (Team after = new Team(overMemory, false);
        Team meanwhile = new Team(overMemory, true)) {
      double[] ratios = new double[ROUNDS];
      for (int round = -WARM_UP; round < ROUNDS; round++) {
        after.step(round);
        meanwhile.step(round);
        ratios[Math.max(0, round)] =
            meanwhile.millis[Math.max(0, round)] / after.millis[Math.max(0, round)];
      }
      if (!Arrays.equals(after.values(), meanwhile.values())) {
        throw new IllegalStateException("bits differ");
      }
      System.out.println(after.report("sent after the update"));
      System.out.println(meanwhile.report("sent meanwhile"));
      System.out.printf(Locale.ROOT, "median of the rounds' ratios: %.3f%n", median(ratios));
    }
  }
}
