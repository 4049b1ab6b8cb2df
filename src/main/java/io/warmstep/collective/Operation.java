package io.warmstep.collective;

import java.nio.ByteBuffer;

/** One worker's part of an operation, as buckets that go to and come from each other worker. */
interface Operation {
  /** For messages. */
  String name();

  /** Tells it from other operations. */
  int kind();

  /** A hash of what must be the same at all workers. */
  int layout();

  /** Does what needs nobody else. */
  void start();

  /** Whether there is more to send. */
  boolean sendsTo(int peer);

  /** Whether what the next bucket has is there already. */
  default boolean canFill(int peer) {
    return true;
  }

  /** Fills the next bucket, from its position on. */
  void fill(int peer, ByteBuffer payload);

  /** Whether more is to come. */
  boolean expectsFrom(int peer);

  /**
   * Takes the next bucket.
   *
   * @return false if it must wait for those of others
   */
  boolean accept(int peer, ByteBuffer payload);
}
