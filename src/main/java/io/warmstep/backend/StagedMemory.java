package io.warmstep.backend;

import io.warmstep.storage.Storage;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Memory that only a driver can reach: between it and Java arrays, elements go a part at a time
 * through a direct buffer.
 */
public abstract class StagedMemory implements Memory {
  private static final int PART_BYTES = 4 << 20;

  private final Staging staging;
  private final Storage storage;
  private final long length;

  /**
   * Memory of a device.
   *
   * @param staging the device's
   * @param storage of the elements
   * @param length count of elements
   */
  protected StagedMemory(Staging staging, Storage storage, long length) {
    this.staging = staging;
    this.storage = storage;
    this.length = length;
  }

  /**
   * Copies a direct buffer's first bytes to the device and waits until the buffer is free.
   *
   * @param from the buffer
   * @param at first element to overwrite
   * @param bytes count of bytes, of whole elements
   */
  protected abstract void upload(ByteBuffer from, long at, int bytes);

  /**
   * Copies from the device into a direct buffer's first bytes and waits until they are there.
   *
   * @param to the buffer
   * @param at first element to read
   * @param bytes count of bytes, of whole elements
   */
  protected abstract void download(ByteBuffer to, long at, int bytes);

  /**
   * The same for bytes that nothing writes any more: waits for no other work of the device.
   *
   * @param to the buffer
   * @param at first element to read
   * @param bytes count of bytes, of whole elements
   */
  protected void downloadSettled(ByteBuffer to, long at, int bytes) {
    download(to, at, bytes);
  }

  @Override
  public final Storage storage() {
    return storage;
  }

  @Override
  public final long length() {
    return length;
  }

  @Override
  public final void write(long at, Object array, int offset, int count) {
    int part = partLength();
    int done = 0;
    while (done < count) { // done never goes beyond count, which may be near 2^31
      int n = Math.min(part, count - done);
      int bytes = (int) storage.bytes(n);
      synchronized (staging) {
        ByteBuffer buffer = staging.atLeast(bytes);
        storage.put(array, offset + done, storage.view(buffer), 0, n);
        upload(buffer, at + done, bytes);
      }
      done += n;
    }
  }

  @Override
  public final void read(long at, Object array, int offset, int count) {
    read(at, array, offset, count, false);
  }

  @Override
  public final void readSettled(long at, Object array, int offset, int count) {
    read(at, array, offset, count, true);
  }

  private void read(long at, Object array, int offset, int count, boolean isSettled) {
    int part = partLength();
    int done = 0;
    while (done < count) {
      int n = Math.min(part, count - done);
      int bytes = (int) storage.bytes(n);
      synchronized (staging) {
        ByteBuffer buffer = staging.atLeast(bytes);
        if (isSettled) {
          downloadSettled(buffer, at + done, bytes);
        } else {
          download(buffer, at + done, bytes);
        }
        storage.get(storage.view(buffer), 0, array, offset + done, n);
      }
      done += n;
    }
  }

  /** Elements of a part: whole blocks. */
  private int partLength() {
    int blockLength = storage.elementsPerBlock();
    return (int) (PART_BYTES / storage.bytes(blockLength)) * blockLength;
  }

  /** The buffer of a device, made when it is first needed. Threads take turns with each part. */
  public static final class Staging {
    private ByteBuffer buffer;

    /** Has no buffer yet. */
    public Staging() {}

    private ByteBuffer atLeast(int bytes) {
      if (buffer == null || buffer.capacity() < bytes) {
        int larger = Math.min(PART_BYTES, Integer.highestOneBit(Math.max(bytes, 4096)) * 2);
        buffer = ByteBuffer.allocateDirect(larger).order(ByteOrder.nativeOrder());
      }
      return buffer;
    }
  }
}
