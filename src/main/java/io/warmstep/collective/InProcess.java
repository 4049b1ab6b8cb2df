package io.warmstep.collective;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** A worker that is a thread; its links are queues of buckets. */
final class InProcess extends Mesh {
  private final Signal signal = new Signal();

  /** Signals that something may have changed. */
  private static final class Signal {
    private boolean isRaised;

    synchronized void raise() {
      isRaised = true;
      notifyAll();
    }

    synchronized void await(long nanos) throws InterruptedException {
      long deadline = System.nanoTime() + nanos;
      long left = nanos;
      while (!isRaised && left > 0) {
        wait(left / 1_000_000, (int) (left % 1_000_000));
        left = deadline - System.nanoTime();
      }
      isRaised = false;
    }
  }

  /** Buckets from one worker to another. */
  private static final class Way {
    final Deque<ByteBuffer> empty = new ArrayDeque<>();
    final Deque<ByteBuffer> filled = new ArrayDeque<>();
    final int size;
    final Signal source;
    final Signal target;
    int allocated;
    boolean hasEnded;

    Way(int size, Signal source, Signal target) {
      this.size = size;
      this.source = source;
      this.target = target;
    }

    synchronized ByteBuffer takeEmpty() {
      if (empty.isEmpty() && allocated < Bucket.PER_DIRECTION && !hasEnded) {
        allocated++;
        empty.add(Bucket.allocate(size, false));
      }
      return hasEnded ? null : empty.peek();
    }

    synchronized void fill() {
      filled.add(empty.remove());
      target.raise();
    }

    synchronized ByteBuffer arrived() {
      return filled.peek();
    }

    synchronized void release() {
      empty.add(filled.remove());
      source.raise();
    }

    synchronized boolean hasEnded() {
      return hasEnded;
    }

    synchronized void end() {
      hasEnded = true;
      source.raise();
      target.raise();
    }
  }

  private static final class Queues implements Link {
    final int peer;
    final Way out;
    final Way in;

    Queues(int peer, Way out, Way in) {
      this.peer = peer;
      this.out = out;
      this.in = in;
    }

    @Override
    public ByteBuffer empty() {
      return out.takeEmpty();
    }

    @Override
    public void send(ByteBuffer filled) {
      out.fill();
    }

    @Override
    public ByteBuffer arrived() {
      return in.arrived();
    }

    @Override
    public void release() {
      in.release();
    }

    @Override
    public boolean isFlushed() {
      return true;
    }

    @Override
    public WorkerLostException end() {
      return in.hasEnded() ? new WorkerLostException("worker " + peer + " has ended", null) : null;
    }

    @Override
    public void close() {
      out.end();
      in.end();
    }
  }

  private InProcess(int rank, int size, Duration limit) {
    super(rank, size, limit);
  }

  static List<Collective> of(int size, Duration limit) {
    List<InProcess> workers = new ArrayList<>();
    for (int rank = 0; rank < size; rank++) {
      workers.add(new InProcess(rank, size, limit));
    }
    Way[][] ways = new Way[size][size];
    for (int from = 0; from < size; from++) {
      for (int to = 0; to < size; to++) {
        ways[from][to] = new Way(size, workers.get(from).signal, workers.get(to).signal);
      }
    }
    for (int rank = 0; rank < size; rank++) {
      Link[] links = new Link[size];
      for (int peer = 0; peer < size; peer++) {
        links[peer] = peer == rank ? null : new Queues(peer, ways[rank][peer], ways[peer][rank]);
      }
      workers.get(rank).connect(links);
    }
    return List.copyOf(workers);
  }

  @Override
  boolean move() {
    return false;
  }

  @Override
  void await(long nanos) {
    try {
      signal.await(nanos);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CollectiveException("worker " + rank() + " was interrupted", e);
    }
  }

  @Override
  void wake() {
    signal.raise();
  }

  @Override
  void free() {}
}
