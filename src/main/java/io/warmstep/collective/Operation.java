package io.warmstep.collective;

import java.nio.ByteBuffer;

/** One worker's part of an operation, as buckets that go to and come from each other worker. */
interface Operation {
  /** The name, for messages. */
  String name();

  /** Distinguishes it from other operations. */
  int kind();

  /** A hash of what must be the same at all workers. */
  int layout();

  /** Does the work that needs no other worker. */
  void start();

  /** Whether there is more to send. */
  boolean sendsTo(int peer);

  /** Whether the contents of the next bucket are ready. */
  default boolean canFill(int peer) {
    return true;
  }

  /** Fills the next bucket, from its position on. */
  void fill(int peer, ByteBuffer payload);

  /** Whether more is to come. */
  boolean expectsFrom(int peer);

  /**
   * Accepts the next bucket.
   *
   * @return false if it must wait for buckets of others
   */
  boolean accept(int peer, ByteBuffer payload);
}
