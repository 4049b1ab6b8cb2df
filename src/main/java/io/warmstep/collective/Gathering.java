package io.warmstep.collective;

/**
 * An {@link Collective#allGather} of tensors whose elements become ready one after the other. From
 * the first call of {@link #ready} until it is finished no other operation of the collective must
 * be called: over TCP it is refused. Used by one thread at a time.
 */
public interface Gathering {
  /**
   * Sends what is ready as far as that goes without waiting, and takes what has arrived.
   *
   * @param elements how many of this worker's own are ready, counted through its tensors in the
   *     order of the list; never fewer than before
   * @throws CollectiveException if a worker is lost or differs
   * @throws IllegalStateException if it is finished; nothing has happened
   */
  void ready(long elements);

  /**
   * Returns when every tensor is there, all of this worker's own being ready.
   *
   * @throws CollectiveException if a worker is lost, differs or is too late
   * @throws IllegalStateException if it is finished; nothing has happened
   */
  void finish();
}
