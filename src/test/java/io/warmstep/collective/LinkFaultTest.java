package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Connections that are cut, slow, or lead nowhere in the middle of an operation. */
class LinkFaultTest {
  private static final Duration LIMIT = Duration.ofSeconds(4);

  /** What becomes of bytes on their way. */
  enum Fault {
    CUT,
    NOWHERE,
    SLOW
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
  @EnumSource(Fault.class)
  void endsInTypedErrorsWithinTheLimit(Fault fault) throws Exception {
    try (TcpEndpoint first = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0).limit(LIMIT);
        TcpEndpoint second = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0).limit(LIMIT);
        Proxy proxy = new Proxy(TcpEndpoint.parse(first.address()).getPort())) {
      CyclicBarrier bothCame = new CyclicBarrier(2); // by another way than the one that fails
      List<Exception> failures =
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
                      try {
                        own.allReduce(tensor);
                        return new AssertionError("nothing was thrown");
                      } catch (CollectiveException e) {
                        return e;
                      }
                    }
                  })
              .stream()
              .map(LinkFaultTest::asException)
              .toList();
      assertEquals(2, failures.size());
      for (Exception failure : failures) {
        assertInstanceOf(CollectiveException.class, failure);
      }
      boolean isLost = failures.stream().allMatch(WorkerLostException.class::isInstance);
      boolean isLate = failures.stream().anyMatch(CollectiveTimeoutException.class::isInstance);
      assertTrue(fault == Fault.CUT ? isLost : isLate, failures.toString());
    }
  }

  private static Exception asException(Throwable thrown) {
    if (thrown instanceof Error error) {
      throw error;
    }
    return (Exception) thrown;
  }
}
