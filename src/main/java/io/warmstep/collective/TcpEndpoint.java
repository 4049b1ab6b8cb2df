package io.warmstep.collective;

import io.warmstep.check.Arguments;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.List;

/**
 * The address at which a worker in its own process listens, and from which it connects to the
 * others.
 *
 * <p>If something else distributes the addresses, such as a cluster scheduler:
 *
 * <pre>{@code
 * try (TcpEndpoint endpoint = TcpEndpoint.bind(InetAddress.getByName(host), 0)) {
 *   List<String> addresses = handRound(endpoint.address()); // by rank
 *   Collective collective = endpoint.join(rank, addresses, token);
 * }
 * }</pre>
 *
 * <p>Otherwise, {@link #meet} needs only the address of the first worker.
 *
 * <p>Traffic uses only the given address, and is not encrypted. Connections without the token are
 * rejected; once all workers have joined, nobody else can connect.
 */
public final class TcpEndpoint implements AutoCloseable {
  private final ServerSocketChannel server;
  private final InetSocketAddress bound;
  private Duration limit = Collectives.DEFAULT_LIMIT;

  private TcpEndpoint(ServerSocketChannel server) throws IOException {
    this.server = server;
    this.bound = (InetSocketAddress) server.getLocalAddress();
  }

  /**
   * Listens for other workers.
   *
   * @param address of this machine, at which the others can reach it, such as the loopback address
   *     if all are on one machine
   * @param port to listen on; 0 for any free port
   * @return the endpoint, to be closed by the caller, as early as after joining
   * @throws IOException if the address is not one of this machine's, or the port is taken
   * @throws IllegalArgumentException if the address is the wildcard address, or the port is out of
   *     range
   */
  public static TcpEndpoint bind(InetAddress address, int port) throws IOException {
    Arguments.requirePresent("address", address, "pass one of this machine's");
    if (address.isAnyLocalAddress()) {
      throw Arguments.refusal(
          "address", address, "a single one", "pass the one that the other workers reach");
    }
    ServerSocketChannel server = ServerSocketChannel.open();
    try {
      server.bind(new InetSocketAddress(address, port));
      return new TcpEndpoint(server);
    } catch (IOException | RuntimeException | Error e) {
      server.close();
      throw e;
    }
  }

  /**
   * Sets how long an operation may take, and how long the workers wait for each other when they
   * join.
   *
   * @param limit above 0 and at most a day; five minutes unless called
   * @return this endpoint
   * @throws IllegalArgumentException if the limit is out of range
   */
  public TcpEndpoint limit(Duration limit) {
    this.limit = Collectives.requireLimit(limit);
    return this;
  }

  /**
   * Where this worker listens.
   *
   * @return such as {@code 127.0.0.1:40123}, or {@code [::1]:40123}
   */
  public String address() {
    String host = bound.getAddress().getHostAddress();
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + bound.getPort();
  }

  /**
   * Connects with all other workers, whose addresses are known. All of them call this.
   *
   * @param rank of this worker
   * @param addresses of all workers by rank, as returned by their {@link #address()}
   * @param token a secret that all workers share
   * @return this worker's endpoint of the collective, to be closed by the caller
   * @throws CollectiveTimeoutException if not all workers join in time
   * @throws WorkersDifferException if another worker has another token or version, or the same rank
   * @throws IOException if this machine's network fails
   * @throws IllegalArgumentException if an argument is out of range
   */
  public Collective join(int rank, List<String> addresses, String token) throws IOException {
    Arguments.requirePresent("addresses", addresses, "pass those of all workers by rank");
    requireRank(rank, addresses.size());
    addresses.forEach(TcpEndpoint::parse);
    try (Meeting meeting = new Meeting(server, address(), rank, addresses.size(), token, limit)) {
      return meeting.join(addresses);
    }
  }

  /**
   * Connects with all other workers through the first, which listens at an address that all of them
   * know. All of them call this.
   *
   * @param rank of this worker; number 0 is the one whose endpoint was bound to that address
   * @param size how many workers there are
   * @param first the address of worker 0, such as {@code 10.0.0.5:40123}
   * @param token a secret that all workers share
   * @return this worker's endpoint of the collective, to be closed by the caller
   * @throws CollectiveTimeoutException if not all workers join in time
   * @throws WorkersDifferException if another worker has another token, version or size, or the
   *     same rank
   * @throws IOException if this machine's network fails
   * @throws IllegalArgumentException if an argument is out of range
   */
  public Collective meet(int rank, int size, String first, String token) throws IOException {
    Arguments.requireAtLeast("size", size, 1, "pass the number of workers");
    requireRank(rank, size);
    parse(first);
    try (Meeting meeting = new Meeting(server, address(), rank, size, token, limit)) {
      return meeting.meet(first);
    }
  }

  private static void requireRank(int rank, int size) {
    if (rank < 0 || rank >= size) {
      throw Arguments.refusal(
          "rank", rank, "from 0 to " + (size - 1), "number the workers from 0, each once");
    }
  }

  /** Parses an address. */
  static InetSocketAddress parse(String address) {
    int colon = address == null ? -1 : address.lastIndexOf(':');
    try {
      if (colon > 0) {
        String host = address.substring(0, colon).replaceAll("^\\[(.*)\\]$", "$1");
        int port = Integer.parseInt(address.substring(colon + 1));
        return new InetSocketAddress(InetAddress.getAllByName(host)[0], port);
      }
    } catch (IllegalArgumentException | UnknownHostException e) {
      throw new IllegalArgumentException(message(address), e);
    }
    throw new IllegalArgumentException(message(address));
  }

  private static String message(String address) {
    return "address is "
        + address
        + ", must be a host and a port, such as 127.0.0.1:40123: pass what address() gives";
  }

  /** Stops listening; a joined collective stays open. Closing twice is fine. */
  @Override
  public void close() {
    Tcp.close(server);
  }
}
