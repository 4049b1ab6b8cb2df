package io.warmstep.cli.bench;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.SplittableRandom;

/**
 * Parameters and gradients as a training pipeline has them: each tensor an allocation of its own,
 * borrowed by the optimizer, which is timed.
 */
public final class BorrowedModel implements AutoCloseable {
  /** What was opened, last first. */
  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  private final StepTimer timer;

  /**
   * Allocates and fills the tensors.
   *
   * @param device where
   * @param work measured
   * @throws io.warmstep.OutOfDeviceMemoryException if they do not fit; nothing stays allocated
   */
  public BorrowedModel(Device device, StepWork work) {
    try {
      ParametersBuilder builder = Parameters.on(device);
      SplittableRandom random = new SplittableRandom(1);
      for (int i = 0; i < work.lengths().size(); i++) {
        long length = work.lengths().get(i);
        Tensor values = filled(device, work.precision().type(), length, random);
        Tensor gradients = filled(device, work.precision().gradients(), length, random);
        builder.borrow("tensor" + i, values, gradients);
        Matrix.shape(builder, "tensor" + i, length);
      }
      Parameters parameters = builder.build();
      opened.push(parameters);
      Optimizer optimizer = work.optimizer(parameters);
      opened.push(optimizer);
      if (work.isFull()) {
        Gradients gradients = new Gradients(parameters);
        opened.push(gradients);
        timer = new StepTimer(device, work, optimizer, gradients::restore, Integer.MAX_VALUE);
      } else {
        timer = new StepTimer(device, work, optimizer);
      }
      opened.push(timer);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Tensor filled(Device device, ElementType type, long length, SplittableRandom random) {
    Tensor tensor = device.allocate(type, length);
    opened.push(tensor);
    Filling.fill(tensor, random);
    return tensor;
  }

  /**
   * Steps, and waits until the device has done so.
   *
   * @param count how often, at least 1
   * @return the time of one
   */
  public StepTimer.Time step(int count) {
    return timer.time(count);
  }

  /** Frees what was allocated, last first. */
  @Override
  public void close() {
    while (!opened.isEmpty()) {
      try {
        opened.pop().close();
      } catch (Exception e) {
        throw new IllegalStateException("closing failed", e);
      }
    }
  }
}
