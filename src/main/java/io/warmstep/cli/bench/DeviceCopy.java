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
  private final Tensor from;
  private final Tensor to;

  /**
   * Allocates what is copied.
   *
   * @param device where
   * @param bytes that a step reads and writes
   */
  DeviceCopy(Device device, long bytes) {
    long length = Math.max(1, bytes / 2 / ElementType.FLOAT32.bytes());
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
  public String name() {
    return "copy within the device";
  }

  @Override
  public void run(int times) {
    for (int i = 0; i < times; i++) {
      to.copyFrom(from);
    }
  }

  @Override
  public void close() {
    from.close();
    to.close();
  }
}
