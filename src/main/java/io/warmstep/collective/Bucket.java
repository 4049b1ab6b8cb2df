package io.warmstep.collective;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The header of a bucket: its kind, the payload's length, the number of the operation, and a hash
 * of the operation's layout. Little-endian, like the payloads.
 */
final class Bucket {
  /** Bytes of a header. */
  static final int HEADER = 24;

  /** A worker has closed its collective. */
  static final int CLOSED = 1;

  /** A worker has failed; the payload says why. */
  static final int FAILED = 2;

  /** The first kind that is an operation. */
  static final int FIRST_OPERATION = 16;

  private static final int LARGEST = 512 << 10;
  private static final int SMALLEST = 8 << 10;

  /** Buckets of a link in each direction: one in transit while another is filled or read. */
  static final int PER_DIRECTION = 2;

  /** Maximum memory of the payloads of all links of a worker together. */
  static final int MAX_MEMORY = 32 << 20;

  private Bucket() {}

  /** Bytes of a bucket's payload in a collective of the given size. */
  static int payload(int size) {
    int fair = MAX_MEMORY / (2 * PER_DIRECTION) / Math.max(1, size - 1);
    return Math.max(SMALLEST, Math.min(LARGEST, Integer.highestOneBit(fair)));
  }

  static ByteBuffer allocate(int size, boolean isDirect) {
    int capacity = HEADER + payload(size);
    return (isDirect ? ByteBuffer.allocateDirect(capacity) : ByteBuffer.allocate(capacity))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Writes a header once the payload is complete. */
  static void seal(ByteBuffer bucket, int kind, long sequence, int layout) {
    bucket.putInt(0, kind);
    bucket.putInt(4, bucket.position() - HEADER);
    bucket.putLong(8, sequence);
    bucket.putInt(16, layout);
    bucket.putInt(20, 0);
  }

  static void sealText(ByteBuffer bucket, int kind, String text) {
    byte[] bytes = text.getBytes(UTF_8);
    bucket.clear().position(HEADER);
    bucket.put(bytes, 0, Math.min(bytes.length, Math.min(bucket.remaining(), 4096)));
    seal(bucket, kind, 0, 0);
  }

  static int kind(ByteBuffer bucket) {
    return bucket.getInt(0);
  }

  static int length(ByteBuffer bucket) {
    return bucket.getInt(4);
  }

  static long sequence(ByteBuffer bucket) {
    return bucket.getLong(8);
  }

  static int layout(ByteBuffer bucket) {
    return bucket.getInt(16);
  }

  static String text(ByteBuffer bucket) {
    byte[] bytes = new byte[length(bucket)];
    bucket.get(HEADER, bytes);
    return new String(bytes, UTF_8);
  }
}
