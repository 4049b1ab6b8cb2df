package io.warmstep.collective;

import java.nio.ByteBuffer;

/**
 * The connection with another worker: buckets of bytes in order, in both directions. A bucket
 * begins with a {@link Bucket} header. No call waits.
 */
interface Link {
  /**
   * A bucket to be filled.
   *
   * @return an empty one, in native order, or null while all are on their way
   */
  ByteBuffer empty();

  /** Sends the bucket that {@link #empty} gave, from its beginning to its position. */
  void send(ByteBuffer filled);

  /**
   * The next bucket that has arrived as a whole.
   *
   * @return the same one until it is released, or null if there is none
   */
  ByteBuffer arrived();

  /** The bucket that {@link #arrived} gave has been read. */
  void release();

  /** Whether all that was sent is on its way, without this worker's doing. */
  boolean isFlushed();

  /** Why nothing will arrive any more, or null. Buckets that have arrived can still be read. */
  WorkerLostException end();

  /** Ends the connection. */
  void close();
}
