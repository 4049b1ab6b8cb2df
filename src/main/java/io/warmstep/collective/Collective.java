package io.warmstep.collective;

import io.warmstep.Tensor;
import io.warmstep.check.Arguments;
import java.util.ArrayList;
import java.util.List;

/**
 * One worker's endpoint in a group of cooperating workers. Every worker has its own, calls the same
 * operations in the same order, with tensors of the same types and lengths, and uses it from one
 * thread at a time. An operation returns when this worker's part of it is done: its inputs can be
 * overwritten, and its results are there.
 *
 * <p>{@link Collectives#inProcess} creates endpoints for threads in one process, {@link
 * TcpEndpoint} for processes. Only the two reductions and {@link #allGather} touch devices, so a
 * GPU vendor's transport can be used underneath: a share is one reduction or broadcast to or from
 * its owner, and a list of shares is a group of them.
 *
 * <p>There are two orders of summation:
 *
 * <ul>
 *   <li>{@link #reduceScatter(List)} is <em>fast</em>: the transport chooses the order. The bits
 *       may depend on the number of workers and on the transport.
 *   <li>{@link #reduceScatter(LaneTree, List)} is <em>deterministic</em>: the bits depend only on
 *       the number of lanes.
 * </ul>
 *
 * <p>Every operation has a time limit. When it expires, or a worker is lost, the operation throws a
 * {@link CollectiveException} at every participating worker, and so does every later one. The
 * contents of the tensors are then undefined. A worker that gives up should close its collective,
 * so that the others notice at once.
 */
public interface Collective extends AutoCloseable {
  /** Maximum length of a message of {@link #exchange}, in bytes. */
  int MAX_MESSAGE = 16 << 20;

  /**
   * Number of this worker.
   *
   * @return from 0 to below the size
   */
  int rank();

  /**
   * How many workers there are.
   *
   * @return at least 1
   */
  int size();

  /**
   * Sums the tensors of all workers, in the transport's order: afterwards each share's tensor is
   * the sum at the share's owner, and unchanged at the others. Half types are added in float32 and
   * rounded once, at the end.
   *
   * @param shares the same types, lengths and owners at all workers
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if an owner is not a worker; nothing has happened
   */
  void reduceScatter(List<Share> shares);

  /**
   * Adds the sums of lanes by their tree, in the arithmetic type of the tensors: afterwards each
   * share's target is the whole sum at the share's owner, rounded once to the target's type.
   *
   * @param tree for this collective's number of workers
   * @param shares the same types, lengths and owners at all workers; each has a tensor for every
   *     node of this worker's
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if an owner is not a worker, or a count is wrong; nothing has
   *     happened
   */
  void reduceScatter(LaneTree tree, List<LaneShare> shares);

  /**
   * Copies each share's tensor from its owner to all workers, bit for bit.
   *
   * @param shares the same types, lengths and owners at all workers
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if an owner is not a worker; nothing has happened
   */
  void allGather(List<Share> shares);

  /**
   * Whether {@link #gather} sends ready elements while others are not. If it does not, reporting
   * progress gains nothing.
   *
   * @return false unless the transport sends in the background
   */
  default boolean movesMeanwhile() {
    return false;
  }

  /**
   * Starts an {@link #allGather} while this worker's own tensors are not ready yet. Other workers
   * may take part with {@link #allGather} or with this. Transports that cannot send in the
   * background, such as the one in a process, send everything at the end.
   *
   * @param shares as for {@link #allGather}
   * @return a handle to report ready elements to, and then finish
   * @throws IllegalArgumentException if an owner is not a worker, here or when it is finished;
   *     nothing has happened
   */
  default Gathering gather(List<Share> shares) {
    List<Share> all = List.copyOf(shares);
    return new OnceGathering() {
      @Override
      void send(long elements) {} // everything is sent at the end

      @Override
      void sendRest() {
        allGather(all);
      }
    };
  }

  /**
   * Sends every worker's message to all workers.
   *
   * @param message this worker's, of at most {@link #MAX_MESSAGE} bytes
   * @return the messages by rank, this worker's own included
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if the message is too long; nothing has happened
   */
  List<byte[]> exchange(byte[] message);

  /**
   * Waits until all workers have called this.
   *
   * @throws CollectiveException if a worker is lost, differs or is too late
   */
  default void barrier() {
    exchange(new byte[0]);
  }

  /**
   * Sums the tensors of all workers, in the transport's order, for all of them.
   *
   * @param tensor becomes the sum; the same type and length at all workers
   * @throws CollectiveException if a worker is lost, differs or is too late
   */
  default void allReduce(Tensor tensor) {
    List<Share> shares = new ArrayList<>();
    long from = 0;
    for (int owner = 0; owner < size(); owner++) {
      long to =
          owner == size() - 1
              ? tensor.length()
              : Math.max(from, tensor.length() / size() * (owner + 1) / 16 * 16);
      shares.add(new Share(tensor.slice(from, to - from), owner));
      from = to;
    }
    reduceScatter(shares);
    allGather(shares);
  }

  /**
   * Copies a tensor from one worker to all.
   *
   * @param tensor the source at that worker, the target at the others
   * @param from rank of the worker
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if there is no such worker; nothing has happened
   */
  default void broadcast(Tensor tensor, int from) {
    allGather(List.of(new Share(tensor, from)));
  }

  /**
   * Checks that all workers have the same text, such as a description of what they train.
   *
   * @param what the subject of the text, for the message
   * @param text lines
   * @throws WorkersDifferException at all workers, with the first line that differs between two of
   *     them
   * @throws CollectiveException if a worker is lost or is too late
   */
  default void requireSame(String what, String text) {
    Arguments.requirePresent("text", text, "pass a description");
    Agreement.require(this, what, text);
  }

  /**
   * Leaves the group. Operations that the other workers are in, or begin, throw a {@link
   * WorkerLostException} there. Closing twice is fine.
   */
  @Override
  void close();
}
