package io.warmstep.collective;

import io.warmstep.ClosedException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A collective in which each worker has a link to every other one. The thread that calls an
 * operation does all of its work: it fills buckets while there is room for them in transit, and
 * takes those that have arrived.
 */
abstract class Mesh implements Collective {
  /** Time for others to receive the reason of a worker's failure, before the link is cut. */
  private static final long FAREWELL_NANOS = Duration.ofMillis(200).toNanos();

  private final int rank;
  private final int size;
  private final Duration limit;
  private final AtomicBoolean isInUse = new AtomicBoolean();
  private final Elements elements;
  private Link[] links = {};
  private long sequence;
  private CollectiveException failure;
  private Operation begun; // which must be finished before the next one, or null
  private volatile boolean isClosed;

  Mesh(int rank, int size, Duration limit) {
    this.rank = rank;
    this.size = size;
    this.limit = limit;
    this.elements = new Elements(Bucket.payload(size));
  }

  /** Links by rank, null at this worker's own. */
  final void connect(Link[] byRank) {
    links = byRank;
  }

  /** Moves bytes without waiting; whether any did. */
  abstract boolean move();

  /** Waits until something can move, or for the given time. */
  abstract void await(long nanos);

  /** Frees resources other than the links. */
  abstract void free();

  @Override
  public final int rank() {
    return rank;
  }

  @Override
  public final int size() {
    return size;
  }

  @Override
  public final void reduceScatter(List<Share> shares) {
    shares.forEach(share -> requireWorker(share.owner()));
    run(ReduceScatter.fast(elements, rank, size, shares));
  }

  @Override
  public final void reduceScatter(LaneTree tree, List<LaneShare> shares) {
    if (tree.workers() != size) {
      throw new IllegalArgumentException(
          "tree is of "
              + tree.workers()
              + " workers, must be of "
              + size
              + " like this collective");
    }
    int nodes = tree.nodes(rank).size();
    for (LaneShare share : shares) {
      requireWorker(share.owner());
      if (share.nodes().size() != nodes) {
        throw new IllegalArgumentException(
            "a share has "
                + share.nodes().size()
                + " nodes, must have "
                + nodes
                + ": those of worker "
                + rank
                + " in "
                + tree);
      }
    }
    run(ReduceScatter.byLanes(elements, rank, tree, shares));
  }

  @Override
  public final void allGather(List<Share> shares) {
    shares.forEach(share -> requireWorker(share.owner()));
    run(new AllGather(elements, rank, size, shares));
  }

  @Override
  public final Gathering gather(List<Share> shares) {
    shares.forEach(share -> requireWorker(share.owner()));
    if (!movesMeanwhile()) {
      return Collective.super.gather(shares);
    }
    AllGather operation = new AllGather(elements, rank, size, List.copyOf(shares));
    return new OnceGathering() {
      @Override
      void send(long own) {
        operation.ready(own);
        guarded(
            operation,
            () -> {
              begin(operation);
              begun = operation;
              moveOn(operation);
            });
      }

      @Override
      void sendRest() {
        operation.ready(Long.MAX_VALUE);
        run(operation);
      }
    };
  }

  @Override
  public final List<byte[]> exchange(byte[] message) {
    if (message.length > MAX_MESSAGE) {
      throw new IllegalArgumentException(
          "message has " + message.length + " bytes, must have at most " + MAX_MESSAGE);
    }
    Exchange exchange = new Exchange(rank, size, message.clone());
    run(exchange);
    return exchange.messages();
  }

  private void requireWorker(int owner) {
    if (owner >= size) {
      throw new IllegalArgumentException(
          "owner is " + owner + ", must be the rank of one of " + size + " workers");
    }
  }

  private void run(Operation operation) {
    guarded(
        operation,
        () -> {
          begin(operation);
          transfer(operation);
          begun = null;
        });
  }

  private void begin(Operation operation) {
    if (begun != operation) {
      sequence++;
      operation.start();
    }
  }

  private void guarded(Operation operation, Runnable work) {
    if (!isInUse.compareAndSet(false, true)) {
      throw new IllegalStateException(
          operation.name()
              + " was called while another thread is in an operation of this collective: use one"
              + " from one thread at a time");
    }
    try {
      if (failure == null && !isClosed && begun != null && begun != operation) {
        throw new IllegalStateException(
            operation.name() + " was called before " + begun.name() + " was finished");
      }
      perform(operation, work);
    } finally {
      isInUse.set(false);
      if (isClosed) {
        end();
      }
    }
  }

  /** Performs the operation, or fails for good. */
  private void perform(Operation operation, Runnable work) {
    try {
      if (failure != null) {
        throw failedBefore();
      }
      if (isClosed) {
        throw new ClosedException("collective of worker " + rank);
      }
      work.run();
    } catch (CollectiveException e) {
      fail(e);
      throw e;
    } catch (ClosedException e) { // of the collective or of a tensor
      fail(lost(operation, e));
      throw e;
    } catch (RuntimeException | Error e) {
      CollectiveException own = lost(operation, e);
      fail(own);
      throw own;
    }
  }

  private CollectiveException lost(Operation operation, Throwable e) {
    return new CollectiveException(
        operation.name() + " failed at worker " + rank + ": " + e.getMessage(), e);
  }

  private CollectiveException failedBefore() {
    return new CollectiveException(
        "an earlier operation of this collective failed, so that none can follow: make a new"
            + " collective and restore a checkpoint: "
            + failure.getMessage(),
        failure);
  }

  private void transfer(Operation operation) {
    long deadline = System.nanoTime() + limit.toNanos();
    while (true) {
      boolean moved = move();
      boolean isDone = true;
      for (int peer = 0; peer < size; peer++) {
        if (peer != rank) {
          moved |= send(operation, peer);
          moved |= receive(operation, peer);
          isDone &=
              !operation.sendsTo(peer) && !operation.expectsFrom(peer) && links[peer].isFlushed();
        }
      }
      if (isDone) {
        return;
      }
      if (isClosed) {
        throw new ClosedException("collective of worker " + rank);
      }
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        throw tooLate(operation);
      }
      if (!moved) {
        await(left);
      }
    }
  }

  /** Does the work that is possible without waiting. */
  private void moveOn(Operation operation) {
    boolean moved;
    do {
      moved = move();
      for (int peer = 0; peer < size; peer++) {
        if (peer != rank) {
          moved |= send(operation, peer);
          moved |= receive(operation, peer);
        }
      }
    } while (moved && !isClosed);
  }

  private boolean send(Operation operation, int peer) {
    if (!operation.sendsTo(peer) || !operation.canFill(peer)) {
      return false;
    }
    ByteBuffer bucket = links[peer].empty();
    if (bucket == null) {
      WorkerLostException end = links[peer].end(); // before what arrived: see receive
      ByteBuffer last = links[peer].arrived();
      if (end != null && (last == null || Bucket.kind(last) == Bucket.CLOSED)) {
        throw end;
      }
      return false;
    }
    bucket.clear().position(Bucket.HEADER);
    operation.fill(peer, bucket);
    Bucket.seal(bucket, operation.kind(), sequence, operation.layout());
    links[peer].send(bucket);
    return true;
  }

  private boolean receive(Operation operation, int peer) {
    Link link = links[peer];
    // The peer may send its last bucket and end at any time, so the end is looked at first.
    WorkerLostException end = link.end();
    ByteBuffer bucket = link.arrived();
    if (bucket == null) {
      if (end != null && (operation.expectsFrom(peer) || !link.isFlushed())) {
        throw end;
      }
      return false;
    }
    if (Bucket.kind(bucket) == Bucket.FAILED) {
      throw new WorkerLostException("worker " + peer + " failed: " + Bucket.text(bucket), end);
    }
    if (!operation.expectsFrom(peer)) {
      return false; // of the next operation
    }
    if (Bucket.kind(bucket) == Bucket.CLOSED) {
      throw new WorkerLostException(
          "worker " + peer + " closed its collective, " + operation.name() + " needs it", null);
    }
    requireSame(operation, peer, bucket);
    ByteBuffer payload = bucket.duplicate().order(bucket.order()).position(Bucket.HEADER);
    payload.limit(Bucket.HEADER + Bucket.length(bucket));
    if (!operation.accept(peer, payload)) {
      return false;
    }
    link.release();
    return true;
  }

  private void requireSame(Operation operation, int peer, ByteBuffer bucket) {
    if (Bucket.kind(bucket) == operation.kind()
        && Bucket.sequence(bucket) == sequence
        && Bucket.layout(bucket) == operation.layout()) {
      return;
    }
    String theirs =
        Bucket.kind(bucket) == operation.kind()
            ? "one with other tensors"
            : Operations.name(Bucket.kind(bucket));
    throw new WorkersDifferException(
        "worker "
            + rank
            + " is in "
            + operation.name()
            + ", its operation number "
            + sequence
            + ", and worker "
            + peer
            + " in "
            + theirs
            + ", its number "
            + Bucket.sequence(bucket)
            + ": all workers must call the same operations in the same order, with tensors of the"
            + " same types and lengths");
  }

  private CollectiveTimeoutException tooLate(Operation operation) {
    List<Integer> waitedFor = new ArrayList<>();
    for (int peer = 0; peer < size; peer++) {
      if (peer != rank
          && (operation.expectsFrom(peer) || operation.sendsTo(peer) || !links[peer].isFlushed())) {
        waitedFor.add(peer);
      }
    }
    return new CollectiveTimeoutException(
        operation.name()
            + " at worker "
            + rank
            + " was not done within "
            + limit.toMillis() / 1000.0
            + " s: waited for "
            + (waitedFor.size() == 1 ? "worker " : "workers ")
            + waitedFor.toString().replaceAll("[\\[\\]]", "")
            + ", which may hang or be cut off");
  }

  /** Notifies the others why no operation can follow, as far as they listen. */
  private void fail(CollectiveException e) {
    if (failure == null) {
      failure = e;
      farewell(Bucket.FAILED, e.getMessage());
      end();
    }
  }

  private void farewell(int kind, String text) {
    long deadline = System.nanoTime() + FAREWELL_NANOS;
    boolean[] isNotified = new boolean[links.length];
    while (true) {
      boolean isDone = true;
      try {
        move();
        for (int peer = 0; peer < links.length; peer++) {
          Link link = links[peer];
          if (link == null || link.end() != null) {
            continue;
          }
          ByteBuffer bucket = isNotified[peer] ? null : link.empty();
          if (bucket != null) {
            Bucket.sealText(bucket, kind, text);
            link.send(bucket);
            isNotified[peer] = true;
          }
          isDone &= isNotified[peer] && link.isFlushed();
        }
        long left = deadline - System.nanoTime();
        if (isDone || left <= 0) {
          return;
        }
        await(Math.min(left, 1_000_000));
      } catch (CollectiveException e) { // the links are being cut anyway
        return;
      }
    }
  }

  private void end() {
    for (Link link : links) {
      if (link != null) {
        link.close();
      }
    }
    free();
  }

  @Override
  public final void close() {
    if (isClosed) {
      return;
    }
    isClosed = true;
    if (isInUse.compareAndSet(false, true)) {
      try {
        if (failure == null) {
          farewell(Bucket.CLOSED, "");
        }
        end();
      } finally {
        isInUse.set(false);
      }
    } else {
      wake(); // the thread that is in an operation ends it
    }
  }

  /** Ends a wait of another thread. */
  abstract void wake();

  @Override
  public final String toString() {
    return "worker " + rank + " of " + size;
  }
}
