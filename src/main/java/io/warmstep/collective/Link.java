package io.warmstep.collective;

import java.nio.ByteBuffer;

/**
 * The connection with another worker: buckets of bytes in order, in both directions. A bucket
 * begins with a {@link Bucket} header. No call waits.
 */
interface Link {
  /**
   * A bucket to fill.
   *
   * @return an empty one, in native order, or null while all are in transit
   */
  ByteBuffer empty();

  /** Sends the bucket that {@link #empty} returned, from its beginning to its position. */
  void send(ByteBuffer filled);

  /**
   * The next bucket that has arrived completely.
   *
   * @return the same one until it is released, or null if there is none
   */
  ByteBuffer arrived();

  /** Releases the bucket that {@link #arrived} returned, after it was read. */
  void release();

  /** Whether everything sent is in transit and needs nothing more from this worker. */
  boolean isFlushed();

  /** Why nothing more will arrive, or null. Buckets that have arrived can still be read. */
  WorkerLostException end();

  /** Ends the connection. */
  void close();
}
