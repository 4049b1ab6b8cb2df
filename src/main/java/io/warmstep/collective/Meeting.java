package io.warmstep.collective;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.warmstep.check.Arguments;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;

/**
 * How one worker connects with all others: with lower ranks by calling them, with higher ones by
 * waiting.
 */
final class Meeting implements AutoCloseable {
  /** Time limit for a stranger's greeting. */
  private static final int GREETING_MILLIS = 5_000;

  /** Concurrent greetings; strangers cannot occupy more. */
  private static final int MAX_GREETINGS = 64;

  private static final int RETRY_MILLIS = 20;
  private static final int MAX_SHOWN = 5;

  private final ServerSocketChannel server;
  private final String address;
  private final int rank;
  private final Handshake handshake;
  private final Duration limit;
  private final long deadline;

  /** Connections by rank. */
  private final SocketChannel[] channels;

  /** Each worker's address, as it gave it when it connected. */
  private final String[] addresses;

  private final Semaphore greetings = new Semaphore(MAX_GREETINGS);

  /** Connections that are not established yet. */
  private final List<SocketChannel> pending = new ArrayList<>();

  private final List<String> refused = new ArrayList<>();
  private WorkersDifferException difference;
  private boolean isOver;

  Meeting(
      ServerSocketChannel server,
      String address,
      int rank,
      int size,
      String token,
      Duration limit) {
    Arguments.requirePresent("token", token, "pass a secret that all workers share");
    if (token.isEmpty()) {
      throw new IllegalArgumentException("token is empty, must be a secret that all workers share");
    }
    this.server = server;
    this.address = address;
    this.rank = rank;
    this.handshake = new Handshake(token);
    this.limit = limit;
    this.deadline = System.nanoTime() + limit.toNanos();
    this.channels = new SocketChannel[size];
    this.addresses = new String[size];
    Thread acceptor = new Thread(this::accept, "warmstep-accept-" + rank);
    acceptor.setDaemon(true);
    acceptor.start();
  }

  Collective join(List<String> all) throws IOException {
    for (int peer = 0; peer < rank; peer++) {
      call(peer, all.get(peer));
    }
    awaitFrom(rank + 1);
    return open();
  }

  Collective meet(String first) throws IOException {
    if (rank == 0) {
      addresses[0] = address;
      awaitFrom(1);
      for (int peer = 1; peer < channels.length; peer++) {
        sendAddresses(channels[peer]);
      }
      return open();
    }
    call(0, first);
    List<String> all = receiveAddresses(channels[0]);
    for (int peer = 1; peer < rank; peer++) {
      call(peer, all.get(peer));
    }
    awaitFrom(rank + 1);
    return open();
  }

  private void sendAddresses(SocketChannel channel) throws IOException {
    DataOutputStream out = new DataOutputStream(channel.socket().getOutputStream());
    byte[] text = String.join("\n", addresses).getBytes(UTF_8);
    out.writeInt(text.length);
    out.write(text);
    out.flush();
  }

  private List<String> receiveAddresses(SocketChannel channel) throws IOException {
    channel.socket().setSoTimeout(millisLeft("the addresses of the others, from worker 0", null));
    try {
      DataInputStream in = new DataInputStream(channel.socket().getInputStream());
      int length = in.readInt();
      if (length < 0 || length > Collective.MAX_MESSAGE) {
        throw new WorkersDifferException("worker 0 sent a list of " + length + " bytes");
      }
      List<String> all = List.of(new String(in.readNBytes(length), UTF_8).split("\n", -1));
      if (all.size() != channels.length) {
        throw new WorkersDifferException(
            "worker 0 waits for "
                + all.size()
                + " workers, worker "
                + rank
                + " is of "
                + channels.length);
      }
      return all;
    } catch (SocketTimeoutException e) {
      throw late("the addresses of the others, from worker 0", e);
    } catch (IOException e) {
      throw new WorkerLostException("worker 0 ended before all workers were there: " + e, e);
    }
  }

  private void call(int peer, String where) throws IOException {
    InetSocketAddress target = TcpEndpoint.parse(where);
    String what = "worker " + peer + " at " + where;
    IOException last = null;
    while (true) {
      SocketChannel channel = SocketChannel.open();
      try {
        keep(channel);
        channel.bind(new InetSocketAddress(TcpEndpoint.parse(address).getAddress(), 0));
        connect(channel, target, millisLeft(what, last), last);
        channel.socket().setSoTimeout(millisLeft(what, last));
        handshake.connect(channel.socket(), rank, channels.length, address, peer);
        take(peer, channel, where);
        return;
      } catch (Handshake.StrangerException e) {
        Tcp.close(channel);
        throw new WorkersDifferException(what + ": " + e.getMessage());
      } catch (IOException e) { // it does not listen yet, was busy with strangers, or has ended
        last = e;
        Tcp.close(channel);
      } catch (RuntimeException | Error e) {
        Tcp.close(channel);
        throw e;
      }
      millisLeft(what, last); // throws when the time has run out
      pause();
    }
  }

  /** Where the time runs out meanwhile, why the attempt before failed says more. */
  static void connect(
      SocketChannel channel, InetSocketAddress target, int millis, IOException before)
      throws IOException {
    try {
      channel.socket().connect(target, millis);
    } catch (SocketTimeoutException e) {
      throw before == null ? e : before;
    }
  }

  private void pause() {
    try {
      Thread.sleep(RETRY_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CollectiveException("worker " + rank + " was interrupted", e);
    }
  }

  /** Accepts connections, each in its own thread, so that a silent one does not block others. */
  private void accept() {
    while (true) {
      try {
        SocketChannel channel = server.accept();
        if (!keep(channel)) {
          return;
        }
        if (!greetings.tryAcquire()) {
          Tcp.close(channel);
          continue;
        }
        Thread greeter = new Thread(() -> greet(channel), "warmstep-greet-" + rank);
        greeter.setDaemon(true);
        greeter.start();
      } catch (ClosedChannelException e) {
        return;
      } catch (IOException e) { // of one connection
        refuse("a connection: " + e.getMessage());
      }
    }
  }

  private void greet(SocketChannel channel) {
    try {
      channel.socket().setSoTimeout(GREETING_MILLIS);
      Handshake.Hello hello = handshake.accept(channel.socket(), this::refusal);
      channel.socket().setSoTimeout(0);
      take(hello.rank(), channel, hello.address());
    } catch (Handshake.RefusedException e) {
      Tcp.close(channel);
      differ(e.getMessage());
    } catch (IOException e) {
      refuse(channel.socket().getRemoteSocketAddress() + ": " + e.getMessage());
      Tcp.close(channel);
    } finally {
      greetings.release();
    }
  }

  /** Ends the wait, but not before the other side has been notified. */
  private synchronized void differ(String reason) {
    difference = new WorkersDifferException(reason);
    notifyAll();
  }

  private synchronized String refusal(Handshake.Hello hello) {
    String reason = null;
    if (hello.version() != Handshake.VERSION) {
      reason = Handshake.versions(rank, Handshake.VERSION, hello.rank(), hello.version());
    } else if (hello.size() != channels.length) {
      reason =
          "worker "
              + rank
              + " is of "
              + channels.length
              + " workers, worker "
              + hello.rank()
              + " of "
              + hello.size();
    } else if (hello.rank() <= rank || hello.rank() >= channels.length) {
      reason =
          "worker "
              + rank
              + " is called by higher ranks alone, not by one that is worker "
              + hello.rank()
              + " too: number the workers from 0, each once";
    } else if (channels[hello.rank()] != null) {
      reason = "there is a worker " + hello.rank() + " already: number the workers each once";
    }
    return reason;
  }

  private synchronized void take(int peer, SocketChannel channel, String where) {
    if (isOver || channels[peer] != null) {
      Tcp.close(channel);
      return;
    }
    pending.remove(channel);
    channels[peer] = channel;
    addresses[peer] = where;
    notifyAll();
  }

  private synchronized boolean keep(SocketChannel channel) {
    if (isOver) {
      Tcp.close(channel);
      return false;
    }
    pending.removeIf(other -> !other.isOpen());
    pending.add(channel);
    return true;
  }

  private synchronized void refuse(String whom) {
    if (refused.size() < MAX_SHOWN) {
      refused.add(whom);
    }
  }

  private synchronized void awaitFrom(int first) {
    while (true) {
      if (difference != null) {
        throw difference;
      }
      List<Integer> missing = new ArrayList<>();
      for (int peer = first; peer < channels.length; peer++) {
        if (channels[peer] == null) {
          missing.add(peer);
        }
      }
      if (missing.isEmpty()) {
        return;
      }
      String what =
          (missing.size() == 1 ? "worker " : "workers ")
              + missing.toString().replaceAll("[\\[\\]]", "")
              + " to connect";
      try {
        wait(millisLeft(what, null));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new CollectiveException("worker " + rank + " was interrupted", e);
      }
    }
  }

  /** The time left for an action whose last attempt failed with the given exception, or null. */
  private int millisLeft(String what, IOException last) {
    long left = (deadline - System.nanoTime()) / 1_000_000;
    if (left <= 0) {
      throw late(what, last);
    }
    return (int) Math.min(left, Integer.MAX_VALUE);
  }

  private synchronized CollectiveTimeoutException late(String what, IOException cause) {
    return new CollectiveTimeoutException(
        "worker "
            + rank
            + " waited "
            + limit.toMillis() / 1000.0
            + " s for "
            + what
            + (refused.isEmpty() ? "" : "; refused meanwhile: " + String.join("; ", refused)),
        cause);
  }

  private synchronized Collective open() throws IOException {
    Collective collective = Tcp.over(channels, rank, limit);
    isOver = true;
    return collective;
  }

  /** Stops listening, and cuts connections that did not become part of a collective. */
  @Override
  public synchronized void close() {
    Tcp.close(server);
    pending.forEach(Tcp::close);
    if (!isOver) {
      for (SocketChannel channel : channels) {
        if (channel != null) {
          Tcp.close(channel);
        }
      }
      isOver = true;
    }
  }
}
