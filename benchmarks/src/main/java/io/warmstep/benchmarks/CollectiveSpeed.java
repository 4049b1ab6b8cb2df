package io.warmstep.benchmarks;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Tensor;
import io.warmstep.collective.Collective;
import io.warmstep.collective.LaneShare;
import io.warmstep.collective.LaneTree;
import io.warmstep.collective.Share;
import io.warmstep.collective.TcpEndpoint;
import java.io.File;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;

/**
 * Reduce-scatter and all-gather of 100 MB between two processes over loopback TCP, against a plain
 * socket copy of the same bytes, in turns within one run:
 *
 * <pre>
 * bin/jmh --build-only
 * java -cp benchmarks/target/jmh/benchmarks.jar io.warmstep.benchmarks.CollectiveSpeed
 * </pre>
 *
 * <p>Of 100 MB each worker owns a half: in either operation 50 MB go each way. The plain copy sends
 * as much in both directions at once, with a thread for each at either end, from and to one buffer
 * of 256 KiB. What a worker holds beside its tensors is read at the end, and how much of it is
 * direct memory, of which all buckets on their way are, every millisecond.
 */
public final class CollectiveSpeed {
  private static final int ELEMENTS = 25_000_000;
  private static final long BYTES = 4L * ELEMENTS / 2;
  private static final int CHUNK = 256 << 10;
  private static final ByteBuffer OUT = ByteBuffer.allocateDirect(CHUNK); // the plain copy's
  private static final ByteBuffer IN = ByteBuffer.allocateDirect(CHUNK);
  private static final int ROUNDS = 9;
  private static final int WARM_UP = 2;
  private static final List<BufferPoolMXBean> POOLS =
      ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class);

  private CollectiveSpeed() {}

  /** The most direct memory that was in use at a time, beyond that at the start. */
  private static final class DirectPeak implements AutoCloseable {
    private final long start = direct();
    private volatile long peak = start;
    private volatile boolean isOver;
    private final Thread sampler = new Thread(this::sample, "direct-memory");

    DirectPeak() {
      sampler.setDaemon(true);
      sampler.start();
    }

    private void sample() {
      while (!isOver) {
        peak = Math.max(peak, direct());
        LockSupport.parkNanos(1_000_000);
      }
    }

    long bytes() {
      return peak - start;
    }

    @Override
    public void close() {
      isOver = true;
    }
  }

  /** Something that is timed at both ends. */
  private interface Work {
    void run() throws Exception;
  }

  /**
   * Measures.
   *
   * @param arguments none; those of the second process otherwise
   * @throws Exception if a process or a connection fails
   */
  public static void main(String[] arguments) throws Exception {
    if (arguments.length > 0) {
      try (TcpEndpoint endpoint = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0);
          Collective collective = endpoint.meet(1, 2, arguments[0], "benchmark");
          SocketChannel plain =
              SocketChannel.open(
                  new InetSocketAddress(
                      InetAddress.getLoopbackAddress(), Integer.parseInt(arguments[1])))) {
        measure(collective, plain);
      }
      return;
    }
    try (TcpEndpoint endpoint = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0);
        ServerSocketChannel server = ServerSocketChannel.open()) {
      server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
      Process other =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  absolute(System.getProperty("java.class.path")),
                  CollectiveSpeed.class.getName(),
                  endpoint.address(),
                  Integer.toString(server.socket().getLocalPort()))
              .inheritIO()
              .start();
      try (Collective collective = endpoint.meet(0, 2, endpoint.address(), "benchmark");
          SocketChannel plain = server.accept()) {
        measure(collective, plain);
        other.waitFor();
      } finally {
        other.destroyForcibly();
      }
    }
  }

  private static String absolute(String classPath) {
    return String.join(
        File.pathSeparator,
        Arrays.stream(classPath.split(File.pathSeparator))
            .map(entry -> Path.of(entry).toAbsolutePath().toString())
            .toList());
  }

  private static void measure(Collective collective, SocketChannel plain) throws Exception {
    int rank = collective.rank();
    double[] copies = new double[ROUNDS];
    double[] lanes = new double[ROUNDS];
    double[] gathers = new double[ROUNDS];
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try (Device device = Devices.cpu(1);
        Tensor gradients = device.allocate(ElementType.FLOAT32, ELEMENTS);
        Tensor values = device.allocate(ElementType.FLOAT32, ELEMENTS);
        DirectPeak peak = new DirectPeak()) {
      LaneTree tree = new LaneTree(2, 2);
      int half = ELEMENTS / 2;
      List<LaneShare> sums =
          List.of(share(gradients.slice(0, half), 0), share(gradients.slice(half, half), 1));
      List<Share> shares =
          List.of(new Share(values.slice(0, half), 0), new Share(values.slice(half, half), 1));
      if (rank == 0) {
        System.out.println("round  copy, ms  reduce-scatter, ms  all-gather, ms");
      }
      for (int i = -WARM_UP; i < ROUNDS; i++) {
        int at = Math.max(i, 0);
        copies[at] = millis(collective, () -> copy(plain, thread));
        lanes[at] = millis(collective, () -> collective.reduceScatter(tree, sums));
        gathers[at] = millis(collective, () -> collective.allGather(shares));
        if (rank == 0 && i >= 0) {
          System.out.printf(
              Locale.ROOT, "%5d  %8.1f  %18.1f  %14.1f%n", i + 1, copies[i], lanes[i], gathers[i]);
        }
      }
      if (rank == 0) {
        System.out.printf(
            Locale.ROOT,
            "held beside the tensors at the end: %.1f MB; peak of direct memory: %.1f MB%n",
            held() / 1e6 - 8e-6 * ELEMENTS,
            peak.bytes() / 1e6);
      }
    } finally {
      thread.shutdown();
    }
    if (rank == 0) {
      System.out.printf(
          Locale.ROOT,
          "median of the ratios of the round's copy to: reduce-scatter %.2f, all-gather %.2f, both"
              + " %.2f%n",
          ratio(copies, lanes, null),
          ratio(copies, null, gathers),
          ratio(copies, lanes, gathers));
    }
  }

  /** Bytes of the heap that are reachable, and of direct buffers. */
  private static long held() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() + direct();
  }

  private static long direct() {
    long bytes = 0;
    for (BufferPoolMXBean pool : POOLS) {
      bytes += pool.getMemoryUsed();
    }
    return bytes;
  }

  private static LaneShare share(Tensor tensor, int owner) {
    return new LaneShare(tensor, owner, List.of(tensor));
  }

  /** Until both are done. */
  private static double millis(Collective collective, Work work) throws Exception {
    collective.barrier();
    long start = System.nanoTime();
    work.run();
    collective.barrier();
    return (System.nanoTime() - start) / 1e6;
  }

  private static void copy(SocketChannel channel, ExecutorService thread) throws Exception {
    Callable<Void> sender =
        () -> {
          for (long left = BYTES; left > 0; ) {
            OUT.clear().limit((int) Math.min(CHUNK, left));
            while (OUT.hasRemaining()) {
              left -= channel.write(OUT);
            }
          }
          return null;
        };
    Future<Void> sent = thread.submit(sender);
    for (long left = BYTES; left > 0; ) {
      IN.clear().limit((int) Math.min(CHUNK, left));
      int n = channel.read(IN);
      if (n < 0) {
        throw new IOException("the other process has ended");
      }
      left -= n;
    }
    sent.get();
  }

  private static double ratio(double[] copies, double[] some, double[] others) {
    double[] ratios = new double[copies.length];
    for (int i = 0; i < ratios.length; i++) {
      double took = (some == null ? 0 : some[i]) + (others == null ? 0 : others[i]);
      ratios[i] = copies[i] * (some == null || others == null ? 1 : 2) / took;
    }
    Arrays.sort(ratios);
    return ratios[ratios.length / 2];
  }
}
