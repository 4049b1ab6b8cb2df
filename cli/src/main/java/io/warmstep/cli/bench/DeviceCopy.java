package io.warmstep.cli.bench;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Tensor;
import java.util.SplittableRandom;

/**
 * The ceiling that a step on a GPU is measured against: a copy within the device's memory, by the
 * driver's own call, whose reads and writes are together as many bytes as the step's.
 */
final class DeviceCopy implements Ceiling {
  /** Bytes that one copy moves at most: beyond any cache, and little beside a large model. */
  private static final long MAX_MOVED = 512L << 20;

  private final int copies;
  private final Tensor from;
  private final Tensor to;

  /**
   * Allocates what is copied.
   *
   * @param device where
   * @param bytes that a step reads and writes
   */
  DeviceCopy(Device device, long bytes) {
    this.copies = (int) Math.max(1, (bytes + MAX_MOVED - 1) / MAX_MOVED);
    long length = Math.max(1, bytes / copies / 2 / ElementType.FLOAT32.bytes());
    this.from = device.allocate(ElementType.FLOAT32, length);
    try {
      Filling.fill(from, new SplittableRandom(2));
      this.to = device.allocate(ElementType.FLOAT32, length);
    } catch (RuntimeException | Error e) {
      from.close();
      throw e;
    }
  }

  @Override
  public long traffic() {
    return 2L * copies * from.length() * ElementType.FLOAT32.bytes();
  }

  @Override
  public String name() {
    return "copy within the device";
  }

  @Override
  public void run(int times) {
    for (long i = 0; i < (long) times * copies; i++) {
      to.copyFrom(from);
    }
  }

  @Override
  public void close() {
    from.close();
    to.close();
  }
}
