package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

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
          } catch (java.net.SocketException e) {
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
                  NewerWorker.greet(socket, "secret");
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
    static void greet(Socket socket, String token) throws Exception {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      long magic = in.readLong();
      in.readInt();
      byte[] theirs = in.readNBytes(16);
      byte[] mine = new byte[16];
      out.writeLong(magic);
      out.writeInt(2);
      out.writeInt(1);
      out.writeInt(2);
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
      signed.writeInt(2);
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
