package io.warmstep.collective;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** Buckets over a connection, which never waits. */
final class TcpLink implements Link {
  private final int peer;
  private final int size;
  private final SocketChannel channel;
  private final SelectionKey key;
  private final Deque<ByteBuffer> empty = new ArrayDeque<>();
  private final Deque<ByteBuffer> leaving = new ArrayDeque<>();
  private final Deque<ByteBuffer> arrived = new ArrayDeque<>();
  private final Deque<ByteBuffer> free = new ArrayDeque<>();
  private final List<ByteBuffer> allocated = new ArrayList<>();
  private ByteBuffer arriving;
  private WorkerLostException end;

  TcpLink(int peer, int size, SocketChannel channel, SelectionKey key) {
    this.peer = peer;
    this.size = size;
    this.channel = channel;
    this.key = key;
  }

  @Override
  public ByteBuffer empty() {
    if (end != null) {
      return null;
    }
    if (empty.isEmpty() && leaving.size() < Bucket.PER_DIRECTION) {
      empty.add(allocate());
    }
    return empty.peek();
  }

  private ByteBuffer allocate() {
    ByteBuffer bucket = Bucket.allocate(size, true);
    allocated.add(bucket);
    return bucket;
  }

  @Override
  public void send(ByteBuffer filled) {
    leaving.add(empty.remove().flip());
    write();
  }

  @Override
  public ByteBuffer arrived() {
    return arrived.peek();
  }

  @Override
  public void release() {
    free.add(arrived.remove());
  }

  @Override
  public boolean isFlushed() {
    return leaving.isEmpty();
  }

  @Override
  public WorkerLostException end() {
    return end;
  }

  /** Writes and reads as much as possible; whether anything moved. */
  boolean move() {
    if (end != null) {
      return false;
    }
    boolean moved = write();
    moved |= end == null && read();
    return moved;
  }

  private boolean write() {
    boolean moved = false;
    try {
      while (!leaving.isEmpty()) {
        ByteBuffer bucket = leaving.peek();
        moved |= channel.write(bucket) > 0;
        if (bucket.hasRemaining()) {
          break;
        }
        empty.add(leaving.remove());
      }
    } catch (IOException e) {
      broken(e);
    }
    return moved;
  }

  private boolean read() {
    boolean moved = false;
    try {
      while (hasRoom()) {
        int target =
            arriving.position() < Bucket.HEADER
                ? Bucket.HEADER
                : Bucket.HEADER + checked(Bucket.length(arriving));
        if (arriving.position() == target && target >= Bucket.HEADER && isWhole()) {
          arrived.add(arriving);
          arriving = null;
          continue;
        }
        int n = channel.read(arriving.limit(target));
        if (n < 0) {
          end =
              new WorkerLostException(
                  "worker " + peer + " has ended: its connection is closed", null);
          return moved;
        }
        if (n == 0) {
          return moved;
        }
        moved = true;
      }
    } catch (IOException e) {
      broken(e);
    }
    return moved;
  }

  private boolean isWhole() {
    return arriving.position() == Bucket.HEADER + Bucket.length(arriving);
  }

  private int checked(int length) throws IOException {
    if (length < 0 || length > arriving.capacity() - Bucket.HEADER) {
      throw new IOException("it sent a bucket of " + length + " bytes, which none has");
    }
    return length;
  }

  private boolean hasRoom() {
    if (arriving == null) {
      ByteBuffer next = free.poll();
      if (next == null && arrived.size() < Bucket.PER_DIRECTION) {
        next = allocate();
      }
      arriving = next == null ? null : next.clear();
    }
    return arriving != null;
  }

  private void broken(IOException e) {
    end = new WorkerLostException("the connection to worker " + peer + " broke: " + e, e);
  }

  /** Registers what to wait for. */
  void listen() {
    boolean reads =
        end == null
            && (arriving != null || !free.isEmpty() || arrived.size() < Bucket.PER_DIRECTION);
    boolean writes = end == null && !leaving.isEmpty();
    key.interestOps((reads ? SelectionKey.OP_READ : 0) | (writes ? SelectionKey.OP_WRITE : 0));
  }

  @Override
  public void close() {
    if (end == null) {
      end = new WorkerLostException("the connection to worker " + peer + " was closed", null);
    }
    Tcp.close(channel);
    allocated.clear();
  }
}
