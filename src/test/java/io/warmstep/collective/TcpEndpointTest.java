package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Workers that find each other over TCP, and those who are none. */
class TcpEndpointTest {
  private static final InetAddress LOOPBACK = InetAddress.getLoopbackAddress();

  private static TcpEndpoint bind(Duration limit) throws Exception {
    return TcpEndpoint.bind(LOOPBACK, 0).limit(limit);
  }

  @Test
  void workersMeetAtTheFirst() throws Exception {
    try (TcpEndpoint first = bind(Workers.LIMIT)) {
      List<List<byte[]>> received =
          Workers.all(
              4,
              rank -> {
                try (TcpEndpoint endpoint = rank == 0 ? first : bind(Workers.LIMIT);
                    Collective own = endpoint.meet(rank, 4, first.address(), "secret")) {
                  return own.exchange(new byte[own.rank()]);
                }
              });
      for (List<byte[]> messages : received) {
        for (int rank = 0; rank < 4; rank++) {
          assertEquals(rank, messages.get(rank).length);
        }
      }
    }
  }

  @Test
  void strangersAndGarbageAreRefused() throws Exception {
    try (TcpEndpoint first = bind(Workers.LIMIT);
        TcpEndpoint second = bind(Workers.LIMIT)) {
      TcpEndpoint.parse(first.address());
      int port = TcpEndpoint.parse(first.address()).getPort();
      List<Socket> strangers = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        Socket stranger = new Socket(LOOPBACK, port);
        stranger
            .getOutputStream()
            .write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        strangers.add(stranger);
        strangers.add(new Socket(LOOPBACK, port)); // says nothing
      }
      List<String> addresses = List.of(first.address(), second.address());
      List<Integer> sizes =
          Workers.all(
              2,
              rank -> {
                try (Collective own =
                    (rank == 0 ? first : second).join(rank, addresses, "secret")) {
                  own.barrier();
                  return own.size();
                }
              });
      assertEquals(List.of(2, 2), sizes);
      for (Socket stranger : strangers) {
        stranger.setSoTimeout(10_000);
        while (true) { // its connection is cut
          try {
            if (stranger.getInputStream().read() < 0) {
              break;
            }
          } catch (SocketException e) {
            break;
          }
        }
        stranger.close();
      }
      assertThrows(ConnectException.class, () -> new Socket(LOOPBACK, port));
    }
  }

  private static List<Exception> join(Duration limit, String... tokens) throws Exception {
    List<TcpEndpoint> endpoints = new ArrayList<>();
    for (int rank = 0; rank < tokens.length; rank++) {
      endpoints.add(bind(limit));
    }
    List<String> addresses = endpoints.stream().map(TcpEndpoint::address).toList();
    return Workers.all(
        tokens.length,
        rank -> {
          try (TcpEndpoint own = endpoints.get(rank);
              Collective collective = own.join(rank, addresses, tokens[rank])) {
            throw new AssertionError("joined as " + collective);
          } catch (CollectiveException e) {
            return e;
          }
        });
  }

  @Test
  void anotherTokenIsRefused() throws Exception {
    List<Exception> failures = join(Duration.ofSeconds(1), "secret", "other");
    assertInstanceOf(CollectiveTimeoutException.class, failures.get(0));
    assertTrue(
        failures.get(0).getMessage().contains("it does not know the token"),
        failures.get(0).getMessage());
    assertInstanceOf(WorkersDifferException.class, failures.get(1));
    assertTrue(
        failures.get(1).getMessage().contains("token is not that of the others"),
        failures.get(1).getMessage());
  }

  @Test
  void anotherSizeNamesBoth() throws Exception {
    try (TcpEndpoint first = bind(Workers.LIMIT)) {
      List<String> messages =
          Workers.all(
              2,
              rank -> {
                try (TcpEndpoint own = rank == 0 ? first : bind(Workers.LIMIT)) {
                  return assertThrows(
                          WorkersDifferException.class,
                          () -> own.meet(rank, rank + 2, first.address(), "secret"))
                      .getMessage();
                }
              });
      messages.forEach(
          message ->
              assertTrue(message.contains("worker 0 is of 2 workers, worker 1 of 3"), message));
    }
  }

  /** A worker of another release, which says so itself. */
  @Test
  void anotherVersionNamesBoth() throws Exception {
    try (TcpEndpoint first = bind(Workers.LIMIT)) {
      Thread other =
          new Thread(
              () -> {
                try (Socket socket =
                    new Socket(LOOPBACK, TcpEndpoint.parse(first.address()).getPort())) {
                  NewerWorker.greet(socket, 2, "secret");
                } catch (Exception e) { // the assertion below fails then
                  Thread.currentThread().interrupt();
                }
              });
      other.start();
      String message =
          assertThrows(
                  WorkersDifferException.class, () -> first.meet(0, 2, first.address(), "secret"))
              .getMessage();
      assertTrue(
          message.startsWith("worker 0 has version 1 of the protocol, and worker 1 version 2"),
          message);
      other.join();
    }
  }

  /** The greeting of version 2, as far as version 1 understands it. */
  private static final class NewerWorker {
    static void greet(Socket socket, int size, String token) throws Exception {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      long magic = in.readLong();
      in.readInt();
      byte[] theirs = in.readNBytes(16);
      byte[] mine = new byte[16];
      out.writeLong(magic);
      out.writeInt(2);
      out.writeInt(1);
      out.writeInt(size);
      out.write(mine);
      out.writeInt(1);
      out.write('a');
      java.io.ByteArrayOutputStream text = new java.io.ByteArrayOutputStream();
      DataOutputStream signed = new DataOutputStream(text);
      signed.writeUTF("connecting");
      signed.write(theirs);
      signed.write(mine);
      signed.writeInt(2);
      signed.writeInt(1);
      signed.writeInt(size);
      signed.writeUTF("a");
      javax.crypto.Mac mac = javax.crypto.Mac.getInstance("HmacSHA256");
      mac.init(
          new javax.crypto.spec.SecretKeySpec(
              token.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
      out.write(mac.doFinal(text.toByteArray()));
      out.flush();
      in.readInt();
    }
  }

  /** What is called is of another release, and says so itself. */
  @Test
  void anotherVersionThatIsCalledNamesBoth() throws Exception {
    try (ServerSocket newer = new ServerSocket(0, 50, LOOPBACK);
        TcpEndpoint second = bind(Workers.LIMIT)) {
      Thread answering =
          new Thread(
              () -> {
                try (Socket socket = newer.accept()) {
                  DataOutputStream out = new DataOutputStream(socket.getOutputStream());
                  out.writeLong(0x5741524d53544550L);
                  out.writeInt(2);
                  out.write(new byte[16]);
                  out.flush();
                  socket.getInputStream().readAllBytes(); // until the caller hangs up
                } catch (Exception e) { // the assertion below fails then
                  Thread.currentThread().interrupt();
                }
              });
      answering.start();
      String message =
          assertThrows(
                  WorkersDifferException.class,
                  () -> second.meet(1, 2, "127.0.0.1:" + newer.getLocalPort(), "secret"))
              .getMessage();
      assertTrue(
          message.startsWith("worker 1 has version 1 of the protocol, and worker 0 version 2"),
          message);
      answering.join();
    }
  }

  /** Of three workers two differ; the third one is notified, and does not wait out the time. */
  @Test
  void aThirdWorkerDoesNotWaitForThoseThatDiffer() throws Exception {
    try (TcpEndpoint first = bind(Workers.LIMIT);
        TcpEndpoint third = bind(Workers.LIMIT)) {
      FutureTask<CollectiveException> atFirst =
          failure(() -> first.meet(0, 3, first.address(), "secret"));
      FutureTask<CollectiveException> atThird =
          failure(() -> third.meet(2, 3, first.address(), "secret"));
      new Thread(atFirst).start();
      Thread thread = new Thread(atThird);
      thread.start();
      while (Arrays.stream(thread.getStackTrace()) // once it is known to the first
          .noneMatch(frame -> frame.getMethodName().equals("receiveAddresses"))) {
        assertTrue(thread.isAlive());
        Thread.sleep(5);
      }
      try (Socket socket = new Socket(LOOPBACK, TcpEndpoint.parse(first.address()).getPort())) {
        NewerWorker.greet(socket, 3, "secret");
      }
      long half = Workers.LIMIT.toSeconds() / 2;
      assertInstanceOf(WorkersDifferException.class, atFirst.get(half, TimeUnit.SECONDS));
      CollectiveException notified = atThird.get(half, TimeUnit.SECONDS);
      assertInstanceOf(WorkerLostException.class, notified);
      assertTrue(
          notified.getMessage().startsWith("worker 0 ended before all workers were there"),
          notified.getMessage());
    }
  }

  private static FutureTask<CollectiveException> failure(Callable<Collective> joins) {
    return new FutureTask<>(
        () -> {
          try (Collective collective = joins.call()) {
            throw new AssertionError("joined as " + collective);
          } catch (CollectiveException e) {
            return e;
          }
        });
  }

  /**
   * A bucket's header from a worker that is known to the others, on a connection of long standing.
   */
  @ParameterizedTest
  @ValueSource(ints = {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, (512 << 10) + 1})
  void garbageOnAConnectionEndsAllWorkers(int length) throws Exception {
    try (TcpEndpoint first = bind(Workers.LIMIT);
        ServerSocket second = new ServerSocket(0, 50, LOOPBACK);
        TcpEndpoint third = bind(Workers.LIMIT);
        Socket toFirst = new Socket(LOOPBACK, TcpEndpoint.parse(first.address()).getPort())) {
      String own = "127.0.0.1:" + second.getLocalPort();
      List<String> addresses = List.of(first.address(), own, third.address());
      List<CollectiveException> failures =
          Workers.all(
              3,
              rank -> {
                if (rank == 1) {
                  Handshake handshake = new Handshake("secret");
                  handshake.connect(toFirst, 1, 3, own, 0);
                  try (Socket toThird = second.accept()) {
                    handshake.accept(toThird, hello -> null);
                    ByteBuffer header =
                        ByteBuffer.allocate(Bucket.HEADER).order(ByteOrder.LITTLE_ENDIAN);
                    header.putInt(0, Bucket.FIRST_OPERATION).putInt(4, length);
                    toFirst.getOutputStream().write(header.array());
                    readToItsEnd(toThird);
                  }
                  return null;
                }
                try (Collective collective =
                    (rank == 0 ? first : third).join(rank, addresses, "secret")) {
                  return assertThrows(CollectiveException.class, collective::barrier);
                }
              });
      assertInstanceOf(WorkerLostException.class, failures.get(0));
      for (int rank : new int[] {0, 2}) { // the third learns of it from the first
        String message = failures.get(rank).getMessage();
        assertTrue(message.contains("connection to worker 1 broke"), message);
        assertTrue(message.contains("a bucket of " + length + " bytes"), message);
      }
    }
  }

  private static void readToItsEnd(Socket socket) throws IOException {
    try {
      socket.getInputStream().readAllBytes();
    } catch (SocketException e) {
      return; // cut
    }
  }

  /** On a machine with several addresses, also for those connections that a worker opens itself. */
  @Test
  void aWorkerCallsFromTheAddressThatItWasGiven() throws Exception {
    InetAddress other = InetAddress.getByName("127.0.0.2");
    TcpEndpoint bound = null;
    try {
      bound = TcpEndpoint.bind(other, 0).limit(Duration.ofMillis(500));
    } catch (BindException e) {
      assumeTrue(false, "this machine's loopback has one address alone: " + e.getMessage());
    }
    try (TcpEndpoint second = bound;
        ServerSocket first = new ServerSocket(0, 50, LOOPBACK)) {
      FutureTask<InetAddress> caller =
          new FutureTask<>(
              () -> {
                try (Socket socket = first.accept()) {
                  return socket.getInetAddress();
                }
              });
      new Thread(caller).start();
      assertThrows(
          CollectiveTimeoutException.class,
          () -> second.meet(1, 2, "127.0.0.1:" + first.getLocalPort(), "secret"));
      assertEquals(other, caller.get(60, TimeUnit.SECONDS));
    }
  }

  @Test
  void aWorkerThatNeverComesIsNamed() throws Exception {
    try (TcpEndpoint first = bind(Duration.ofMillis(300))) {
      String message =
          assertThrows(
                  CollectiveTimeoutException.class,
                  () -> first.meet(0, 3, first.address(), "secret"))
              .getMessage();
      assertTrue(message.contains("for workers 1, 2 to connect"), message);
    }
    String address;
    try (TcpEndpoint gone = bind(Workers.LIMIT)) {
      address = gone.address();
    }
    try (TcpEndpoint second = bind(Duration.ofMillis(300))) {
      CollectiveTimeoutException late =
          assertThrows(
              CollectiveTimeoutException.class, () -> second.meet(1, 2, address, "secret"));
      assertTrue(late.getMessage().contains("for worker 0 at " + address), late.getMessage());
      assertInstanceOf(ConnectException.class, late.getCause());
    }
  }

  /** The last attempt is cut short by the end of the time, which says nothing of the other. */
  @Test
  void whyAnEarlierAttemptFailedIsTheCause() throws Exception {
    IOException refused = new ConnectException("Connection refused");
    List<Socket> queued = new ArrayList<>();
    try (ServerSocket full = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      InetSocketAddress target =
          new InetSocketAddress(InetAddress.getLoopbackAddress(), full.getLocalPort());
      assertThrows(
          SocketTimeoutException.class,
          () -> {
            while (true) { // until nobody is accepted any longer
              queued.add(new Socket());
              queued.get(queued.size() - 1).connect(target, 100);
            }
          });
      try (SocketChannel first = SocketChannel.open();
          SocketChannel second = SocketChannel.open()) {
        assertThrows(SocketTimeoutException.class, () -> Meeting.connect(first, target, 50, null));
        assertSame(
            refused,
            assertThrows(IOException.class, () -> Meeting.connect(second, target, 50, refused)));
      }
    } finally {
      for (Socket socket : queued) {
        socket.close();
      }
    }
  }

  /** The time is over while the other is being talked to, not between two attempts. */
  @Test
  void aWorkerThatNeverAnswersIsNamed() throws Exception {
    try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        TcpEndpoint second = bind(Duration.ofMillis(300))) {
      String address = "127.0.0.1:" + silent.getLocalPort();
      CollectiveTimeoutException late =
          assertThrows(
              CollectiveTimeoutException.class, () -> second.meet(1, 2, address, "secret"));
      assertTrue(late.getMessage().contains("for worker 0 at " + address), late.getMessage());
      assertInstanceOf(SocketTimeoutException.class, late.getCause());
    }
  }

  @Test
  void argumentsAreChecked() throws Exception {
    assertThrows(
        IllegalArgumentException.class,
        () -> TcpEndpoint.bind(InetAddress.getByName("0.0.0.0"), 0));
    try (TcpEndpoint endpoint = bind(Workers.LIMIT)) {
      assertThrows(
          IllegalArgumentException.class, () -> endpoint.join(1, List.of("localhost:1"), "secret"));
      assertThrows(
          IllegalArgumentException.class, () -> endpoint.join(0, List.of("localhost"), "secret"));
      assertThrows(
          IllegalArgumentException.class, () -> endpoint.join(0, List.of(endpoint.address()), ""));
      assertThrows(IllegalArgumentException.class, () -> endpoint.limit(Duration.ZERO));
    }
  }
}
