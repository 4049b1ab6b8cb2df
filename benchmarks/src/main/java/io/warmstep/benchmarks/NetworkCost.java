package io.warmstep.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.collective.Collective;
import io.warmstep.collective.TcpEndpoint;
import io.warmstep.rule.Adam;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * The step of several processes, each in a network namespace of its own behind a link of limited
 * rate, against the formula of docs/DISTRIBUTED.md, of which nothing is fitted to these steps:
 *
 * <pre>
 * bin/jmh --build-only
 * java -cp benchmarks/target/jmh/benchmarks.jar io.warmstep.benchmarks.NetworkCost
 * </pre>
 *
 * <p>Linux and root only: namespaces hang on a bridge, and {@code tc} limits both directions of
 * each link by a token bucket. A link's bandwidth is its rate less the headers of full Ethernet
 * frames. The time of the update is that of one worker alone, and the latency of an operation that
 * of a barrier of the same processes. They share this machine's processors, which the formula knows
 * nothing of: what part of their time the workers took is printed beside it, and rates are low, so
 * that it is small.
 */
public final class NetworkCost {
  private static final int[] MEGABITS = {25, 50};
  private static final int[] LENGTHS = {500_000, 1_000_000};
  private static final int[] SIZES = {2, 3, 4, 8};
  private static final int ROUNDS = 7;
  private static final int WARM_UP = 2;
  private static final int BARRIERS = 51;
  private static final String NETWORK = "10.213.78.";
  private static final int PORT = 40_123;

  private static final OperatingSystemMXBean PROCESS =
      ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);

  /** Of the 1,514 bytes of a frame, those that are not Ethernet's, IP's and TCP's. */
  private static final double PAYLOAD = 1448.0 / 1514;

  private NetworkCost() {}

  /** What one set of processes took: medians, and the part of the processors' time. */
  private record Measured(
      int megabits, int length, int size, double step, double barrier, double busy) {}

  /** Namespaces on a bridge, which are removed again. */
  private static final class Network implements AutoCloseable {
    private final Deque<String> undo = new ArrayDeque<>();
    private final List<Process> processes = new ArrayList<>();
    private final Thread hook = new Thread(this::remove);
    private final String id = Long.toString(ProcessHandle.current().pid() % 100_000);

    Network(int size, int megabits) throws IOException, InterruptedException {
      Runtime.getRuntime().addShutdownHook(hook);
      try {
        run("ip link add wnb" + id + " type bridge");
        undo.push("ip link del wnb" + id);
        run("ip link set wnb" + id + " up");
        for (int i = 0; i < size; i++) {
          String link = "wnv" + id + i;
          run("ip netns add " + namespace(i));
          undo.push("ip netns del " + namespace(i));
          run("ip link add " + link + " type veth peer name eth0 netns " + namespace(i));
          undo.push("ip link del " + link); // the namespace's end would remove it some time later
          run("ip link set " + link + " master wnb" + id + " up");
          run("ip -n " + namespace(i) + " addr add " + NETWORK + (1 + i) + "/24 dev eth0");
          run("ip -n " + namespace(i) + " link set eth0 up");
          run("ip -n " + namespace(i) + " link set lo up");
          // A queue that drops nothing: what waits in it are the senders' windows.
          String limit = " root tbf rate " + megabits + "mbit burst 128kb limit 64mb";
          run("tc qdisc add dev " + link + limit);
          run("tc -n " + namespace(i) + " qdisc add dev eth0" + limit);
        }
      } catch (IOException | InterruptedException | RuntimeException e) {
        close();
        throw e;
      }
    }

    String namespace(int rank) {
      return "wn" + id + "n" + rank;
    }

    /** Starts a worker in its namespace. */
    synchronized Process start(int rank, String... command) throws IOException {
      List<String> words = new ArrayList<>(List.of("ip", "netns", "exec", namespace(rank)));
      words.addAll(List.of(command));
      Process process =
          new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      processes.add(process);
      return process;
    }

    private static void run(String command) throws IOException, InterruptedException {
      Process process =
          new ProcessBuilder(command.split(" ", -1)).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        throw new IOException(command + ": " + said.strip());
      }
    }

    private synchronized void remove() {
      processes.forEach(Process::destroyForcibly);
      while (!undo.isEmpty()) {
        String command = undo.pop();
        try {
          run(command);
        } catch (IOException e) {
          System.err.println("left behind: " + e.getMessage());
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          System.err.println("interrupted at: " + command);
        }
      }
    }

    @Override
    public void close() {
      remove();
      Runtime.getRuntime().removeShutdownHook(hook);
    }
  }

  /**
   * Measures.
   *
   * @param arguments none; those of a worker otherwise
   * @throws Exception if a process or a connection fails
   */
  public static void main(String[] arguments) throws Exception {
    if (arguments.length > 0) {
      work(
          Integer.parseInt(arguments[0]),
          Integer.parseInt(arguments[1]),
          Integer.parseInt(arguments[2]));
      return;
    }
    try (Network probe = new Network(1, MEGABITS[0])) {
      System.out.println("network namespaces and token buckets work here: " + probe.namespace(0));
    } catch (IOException e) {
      System.err.println(
          "NetworkCost needs Linux, root, ip and tc (iproute2), to give each worker a link of"
              + " limited rate: "
              + e.getMessage());
      System.exit(1);
    }
    Map<Integer, Double> updates = new TreeMap<>();
    for (int length : LENGTHS) {
      updates.put(length, measure(MEGABITS[0], length, 1).step);
    }
    System.out.println("the update of one worker alone, ms: " + updates);
    List<Measured> measured = new ArrayList<>();
    for (int megabits : MEGABITS) {
      for (int length : LENGTHS) {
        for (int size : SIZES) {
          measured.add(measure(megabits, length, size));
          System.out.println(measured.get(measured.size() - 1));
        }
      }
    }
    report(measured, updates);
  }

  private static void report(List<Measured> measured, Map<Integer, Double> updates) {
    System.out.println(
        "| Mbit/s | parameters | workers | measured, ms | formula, ms | | processors used |\n"
            + "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (Measured one : measured) {
      int others = one.size - 1;
      double bandwidth = one.megabits * 125.0 * PAYLOAD; // bytes per millisecond
      double formula =
          2.0 * Float.BYTES * one.length * others / (one.size * bandwidth)
              + updates.get(one.length) / one.size
              + 4 * one.barrier;
      System.out.printf(
          Locale.ROOT,
          "| %d | %,d | %d | %.0f | %.0f | %+.0f %% | %.0f %% |%n",
          one.megabits,
          one.length,
          one.size,
          one.step,
          formula,
          100 * (formula / one.step - 1),
          100 * one.busy);
    }
  }

  private static Measured measure(int megabits, int length, int size) throws Exception {
    List<Process> processes = new ArrayList<>();
    try (Network network = new Network(size, megabits)) {
      for (int rank = 0; rank < size; rank++) {
        processes.add(
            network.start(
                rank,
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-cp",
                absolute(System.getProperty("java.class.path")),
                NetworkCost.class.getName(),
                Integer.toString(rank),
                Integer.toString(size),
                Integer.toString(length)));
      }
      String said =
          new String(processes.get(0).getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      for (Process process : processes) {
        if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
          throw new IllegalStateException("a worker failed: " + said);
        }
      }
      double[] values =
          Arrays.stream(said.strip().split(" ", -1)).mapToDouble(Double::parseDouble).toArray();
      return new Measured(megabits, length, size, values[0], values[1], values[2]);
    }
  }

  private static String absolute(String classPath) {
    return String.join(
        File.pathSeparator,
        Arrays.stream(classPath.split(File.pathSeparator))
            .map(entry -> Path.of(entry).toAbsolutePath().toString())
            .toList());
  }

  /** One worker; the first prints the medians of its steps and barriers, and how busy it was. */
  private static void work(int rank, int size, int length) throws Exception {
    InetAddress own = InetAddress.getByName(NETWORK + (1 + rank));
    try (TcpEndpoint endpoint = TcpEndpoint.bind(own, rank == 0 ? PORT : 0);
        Collective collective = endpoint.meet(rank, size, NETWORK + "1:" + PORT, "benchmark");
        Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).add("w", new float[length]).build();
        ShardedOptimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(1e-3)
                .sharded(collective)
                .build()) {
      float[] gradients = new float[length];
      for (int i = 0; i < length; i++) {
        gradients[i] = ((i + rank) % 1000 - 500) * 1e-3f;
      }
      // The update alone takes little, so that it can be repeated until Java has compiled it well.
      int warmUp = size == 1 ? 20 * WARM_UP : WARM_UP;
      double[] steps = new double[size == 1 ? 20 * ROUNDS : ROUNDS];
      long before = 0;
      long cpuBefore = 0;
      for (int round = -warmUp; round < steps.length; round++) {
        parameters.get("w").gradients().copyFrom(gradients);
        collective.barrier();
        if (round == 0) {
          before = System.nanoTime();
          cpuBefore = PROCESS.getProcessCpuTime();
        }
        long start = System.nanoTime();
        optimizer.step();
        steps[Math.max(0, round)] = (System.nanoTime() - start) / 1e6;
      }
      double busy = busy(collective, cpuBefore, before);
      double[] barriers = new double[BARRIERS];
      for (int i = 0; i < BARRIERS; i++) {
        long start = System.nanoTime();
        collective.barrier();
        barriers[i] = (System.nanoTime() - start) / 1e6;
      }
      requireSame(collective, parameters.get("w").values().toFloats());
      if (rank == 0) {
        System.out.printf(Locale.ROOT, "%.3f %.4f %.3f%n", median(steps), median(barriers), busy);
      }
    }
  }

  private static void requireSame(Collective collective, float[] values) {
    byte[] hash = ByteBuffer.allocate(Integer.BYTES).putInt(Arrays.hashCode(values)).array();
    for (byte[] other : collective.exchange(hash)) {
      if (!Arrays.equals(hash, other)) {
        throw new IllegalStateException("bits differ");
      }
    }
  }

  /** What all workers took of the processors' time since. */
  private static double busy(Collective collective, long cpuBefore, long before) {
    double nanos = System.nanoTime() - before;
    long own = PROCESS.getProcessCpuTime() - cpuBefore;
    long all = 0;
    for (byte[] bytes : collective.exchange(ByteBuffer.allocate(Long.BYTES).putLong(own).array())) {
      all += ByteBuffer.wrap(bytes).getLong();
    }
    return all / nanos / Runtime.getRuntime().availableProcessors();
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
