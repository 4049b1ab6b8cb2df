package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Connections that are cut, slow, or lead nowhere from the beginning of an operation on. */
class LinkFaultTest {
  /** Of an operation; far below the five minutes of a collective without one. */
  private static final Duration LIMIT = Duration.ofSeconds(4);

  /** Beside the limit, since the machine may be busy. */
  private static final Duration SLACK = Duration.ofSeconds(40);

  /** What becomes of bytes on their way. */
  enum Fault {
    CUT,
    NOWHERE,
    SLOW
  }

  /** The operation in which that begins. */
  enum During {
    REDUCE_SCATTER {
      @Override
      void run(Collective own, List<Share> shares) {
        own.reduceScatter(shares);
      }
    },
    ALL_GATHER {
      @Override
      void run(Collective own, List<Share> shares) {
        own.allGather(shares);
      }
    };

    abstract void run(Collective own, List<Share> shares);
  }

  /** How a worker's operation ended. */
  private record End(CollectiveException failure, Duration took) {}

  static List<Arguments> faults() {
    return Stream.of(Fault.values())
        .flatMap(fault -> Stream.of(During.values()).map(during -> Arguments.of(fault, during)))
        .toList();
  }

  /** Stands between two workers. */
  private static final class Proxy implements AutoCloseable {
    private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final List<Socket> sockets = new ArrayList<>();
    private final AtomicReference<Fault> fault = new AtomicReference<>();
    private final int target;

    Proxy(int target) throws IOException {
      this.target = target;
      daemon(this::accept);
    }

    String address() {
      return "127.0.0.1:" + server.getLocalPort();
    }

    private static void daemon(Runnable work) {
      Thread thread = new Thread(work);
      thread.setDaemon(true);
      thread.start();
    }

    private void accept() {
      try {
        Socket near = server.accept();
        Socket far = new Socket(InetAddress.getLoopbackAddress(), target);
        synchronized (this) {
          sockets.add(near);
          sockets.add(far);
        }
        daemon(() -> copy(near, far));
        daemon(() -> copy(far, near));
      } catch (IOException e) {
        return; // closed
      }
    }

    private void copy(Socket from, Socket to) {
      byte[] bytes = new byte[10_000];
      try {
        InputStream in = from.getInputStream();
        OutputStream out = to.getOutputStream();
        for (int n = in.read(bytes); n >= 0; n = in.read(bytes)) {
          if (fault.get() == Fault.SLOW) {
            Thread.sleep(200);
          }
          if (fault.get() != Fault.NOWHERE) {
            out.write(bytes, 0, n);
          }
        }
      } catch (IOException | InterruptedException e) {
        return; // cut
      }
    }

    synchronized void fail(Fault next) throws IOException {
      fault.set(next);
      if (next == Fault.CUT) {
        for (Socket socket : sockets) {
          socket.close();
        }
      }
    }

    @Override
    public synchronized void close() throws IOException {
      server.close();
      for (Socket socket : sockets) {
        socket.close();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("faults")
  void endsInTypedErrorsWithinTheLimit(Fault fault, During during) throws Exception {
    try (TcpEndpoint first = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0).limit(LIMIT);
        TcpEndpoint second = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0).limit(LIMIT);
        Proxy proxy = new Proxy(TcpEndpoint.parse(first.address()).getPort())) {
      CyclicBarrier bothCame = new CyclicBarrier(2); // by another way than the one that fails
      List<End> ends =
          Workers.all(
              2,
              rank -> {
                String reached = rank == 0 ? first.address() : proxy.address();
                try (Collective own =
                        (rank == 0 ? first : second)
                            .join(rank, List.of(reached, second.address()), "token");
                    Device device = Devices.cpu(1);
                    Tensor tensor = device.allocate(ElementType.FLOAT32, 2_000_000)) {
                  own.allReduce(tensor.slice(0, 1000));
                  own.barrier();
                  bothCame.await(60, TimeUnit.SECONDS);
                  if (rank == 1) {
                    proxy.fail(fault);
                  }
                  bothCame.await(60, TimeUnit.SECONDS); // so that nothing was sent before
                  List<Share> shares =
                      List.of(
                          new Share(tensor.slice(0, 1_000_000), 0),
                          new Share(tensor.slice(1_000_000, 1_000_000), 1));
                  long start = System.nanoTime();
                  CollectiveException failure =
                      assertThrows(CollectiveException.class, () -> during.run(own, shares));
                  return new End(failure, Duration.ofNanos(System.nanoTime() - start));
                }
              });
      assertEquals(2, ends.size());
      for (End end : ends) {
        assertTrue(end.took().compareTo(LIMIT.plus(SLACK)) < 0, "it took " + end.took());
      }
      List<CollectiveException> failures = ends.stream().map(End::failure).toList();
      if (fault == Fault.CUT) {
        failures.forEach(failure -> assertInstanceOf(WorkerLostException.class, failure));
      } else {
        // At one worker it is the collective's limit that ends it, of which it notifies the other.
        CollectiveException late =
            failures.stream()
                .filter(CollectiveTimeoutException.class::isInstance)
                .findFirst()
                .orElseThrow(() -> new AssertionError(failures.toString()));
        assertTrue(late.getMessage().contains("was not done within 4.0 s"), late.getMessage());
      }
    }
  }
}
