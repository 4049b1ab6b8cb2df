package io.warmstep.collective;

/**
 * An {@link Collective#allGather} of tensors whose elements become ready incrementally. From the
 * first call of {@link #ready} until it is finished, no other operation of the collective may be
 * called: over TCP it is rejected. Used by one thread at a time.
 */
public interface Gathering {
  /**
   * Sends ready elements as far as possible without waiting, and receives those that have arrived.
   *
   * @param elements how many of this worker's own elements are ready, counted across its tensors in
   *     list order; never fewer than before
   * @throws CollectiveException if a worker is lost or differs
   * @throws IllegalStateException if it is finished; nothing has happened
   */
  void ready(long elements);

  /**
   * Returns when every tensor has arrived; all of this worker's own must be ready.
   *
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalStateException if it is finished; nothing has happened
   */
  void finish();
}
