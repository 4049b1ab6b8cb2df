package io.warmstep.collective;

import java.io.Closeable;
import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;

/** A worker that is a process; its links are connections. */
final class Tcp extends Mesh {
  private final Selector selector;
  private final TcpLink[] links;

  private Tcp(int rank, Selector selector, TcpLink[] links, Duration limit) {
    super(rank, links.length, limit);
    this.selector = selector;
    this.links = links;
    connect(links);
  }

  /** Takes connections by rank, null at this worker's own. */
  static Tcp over(SocketChannel[] channels, int rank, Duration limit) throws IOException {
    Selector selector = Selector.open();
    try {
      TcpLink[] links = new TcpLink[channels.length];
      for (int peer = 0; peer < channels.length; peer++) {
        SocketChannel channel = channels[peer];
        if (channel != null) {
          channel.configureBlocking(false);
          channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
          channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
          SelectionKey key = channel.register(selector, 0);
          links[peer] = new TcpLink(peer, channels.length, channel, key);
        }
      }
      return new Tcp(rank, selector, links, limit);
    } catch (IOException | RuntimeException | Error e) {
      selector.close();
      throw e;
    }
  }

  @Override
  public boolean movesMeanwhile() {
    return true;
  }

  @Override
  boolean move() {
    boolean moved = false;
    for (TcpLink link : links) {
      moved |= link != null && link.move();
    }
    return moved;
  }

  @Override
  void await(long nanos) {
    try {
      for (TcpLink link : links) {
        if (link != null && link.end() == null) {
          link.listen();
        }
      }
      selector.select(Math.max(1, nanos / 1_000_000));
      selector.selectedKeys().clear();
    } catch (IOException e) {
      throw new CollectiveException("worker " + rank() + " cannot wait: " + e.getMessage(), e);
    }
    if (Thread.currentThread().isInterrupted()) {
      throw new CollectiveException("worker " + rank() + " was interrupted", null);
    }
  }

  @Override
  void wake() {
    selector.wakeup();
  }

  @Override
  void free() {
    close(selector);
  }

  static void close(Closeable closeable) {
    try {
      closeable.close();
    } catch (IOException e) { // no data is lost by this
      return;
    }
  }
}
