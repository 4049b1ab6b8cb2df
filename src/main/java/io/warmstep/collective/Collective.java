package io.warmstep.collective;

import io.warmstep.Tensor;
import io.warmstep.check.Arguments;
import java.util.ArrayList;
import java.util.List;

/**
 * One worker's part in what several do together. Every worker has one of its own, calls the same
 * operations in the same order, with tensors of the same types and lengths, and uses it from one
 * thread at a time. An operation returns when this worker's part of it is done: what it gave can be
 * overwritten, and what it was to receive is there.
 *
 * <p>{@link Collectives#inProcess} makes those of threads in one process, {@link TcpEndpoint} those
 * of processes. The two reductions and {@link #allGather} are all that touches devices, so that a
 * transport of a GPU vendor's fits beneath: a share is one reduction or broadcast to or from its
 * owner, and a list of shares is a group of them.
 *
 * <p>Two orders of adding up:
 *
 * <ul>
 *   <li>{@link #reduceScatter(List)} is <em>fast</em>: the order is the transport's. Its bits may
 *       depend on the number of workers and on the transport.
 *   <li>{@link #reduceScatter(LaneTree, List)} is <em>deterministic</em>: the bits depend on the
 *       number of lanes alone.
 * </ul>
 *
 * <p>Every operation has a time limit. If it is over, or a worker is lost, the operation throws a
 * {@link CollectiveException} at every worker that is in it, and so does every later one. What the
 * tensors then hold is undefined. A worker that gives up should close its collective: the others
 * learn of it at once.
 */
public interface Collective extends AutoCloseable {
  /** Longest message of {@link #exchange}, in bytes. */
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
   * Adds the tensors of all workers up, in the transport's order: afterwards each share's tensor is
   * the sum at the share's owner, and as it was at the others. Half types are added in float32 and
   * rounded once, at the end.
   *
   * @param shares the same types, lengths and owners at all workers
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if an owner is no worker; nothing has happened
   */
  void reduceScatter(List<Share> shares);

  /**
   * Adds the sums of lanes up by their tree, in the arithmetic of the tensors: afterwards each
   * share's target is the whole sum at the share's owner, rounded once to the target's type.
   *
   * @param tree of this collective's number of workers
   * @param shares the same types, lengths and owners at all workers; each has a tensor for every
   *     node of this worker's
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if an owner is no worker, or a count is wrong; nothing has
   *     happened
   */
  void reduceScatter(LaneTree tree, List<LaneShare> shares);

  /**
   * Copies each share's tensor from its owner to all workers, bit for bit.
   *
   * @param shares the same types, lengths and owners at all workers
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if an owner is no worker; nothing has happened
   */
  void allGather(List<Share> shares);

  /**
   * Whether {@link #gather} sends what is ready while the rest is not. Where it does not, saying
   * how far one is gains nothing.
   *
   * @return false unless bytes travel by themselves
   */
  default boolean movesMeanwhile() {
    return false;
  }

  /**
   * Begins to do what {@link #allGather} does, while this worker's own tensors are not ready yet.
   * Other workers may do the same at once, by {@link #allGather} or by this. Where nothing travels
   * while a worker does something else, as over memory, all is sent at the end.
   *
   * @param shares as there
   * @return what is told which elements are ready, and has to be finished
   * @throws IllegalArgumentException if an owner is no worker, here or when it is finished; nothing
   *     has happened
   */
  default Gathering gather(List<Share> shares) {
    List<Share> all = List.copyOf(shares);
    return new OnceGathering() {
      @Override
      void send(long elements) {} // all is sent at the end

      @Override
      void sendRest() {
        allGather(all);
      }
    };
  }

  /**
   * Gives every worker the messages of all.
   *
   * @param message this worker's, of at most {@link #MAX_MESSAGE} bytes
   * @return the messages by rank, this worker's own included
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalArgumentException if the message is too long; nothing has happened
   */
  List<byte[]> exchange(byte[] message);

  /**
   * Waits until all workers have come here.
   *
   * @throws CollectiveException if a worker is lost, differs or is too late
   */
  default void barrier() {
    exchange(new byte[0]);
  }

  /**
   * Adds the tensors of all workers up, in the transport's order, for all of them.
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
   * @param what the text is of, for the message
   * @param text lines
   * @throws WorkersDifferException at all workers, with the first line that differs at two of them
   * @throws CollectiveException if a worker is lost or is too late
   */
  default void requireSame(String what, String text) {
    Arguments.requirePresent("text", text, "pass a description");
    Agreement.require(this, what, text);
  }

  /**
   * Leaves. An operation that the other workers are in, or begin, throws a {@link
   * WorkerLostException} there. Closing twice is fine.
   */
  @Override
  void close();
}
