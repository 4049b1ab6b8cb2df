package io.warmstep.testkit;

import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.StepInputs;
import io.warmstep.storage.Storage;
import java.util.function.Consumer;

/**
 * A device whose steps end with a mistake.
 *
 * @param device that does the work
 * @param report what it says of itself
 * @param mistake what is done after a step, which its plan describes
 */
public record WrongDevice(BackendDevice device, DeviceReport report, Consumer<StepPlan> mistake)
    implements BackendDevice {
  @Override
  public Memory allocate(Storage storage, long length) {
    return device.allocate(storage, length);
  }

  @Override
  public Memory borrow(ElementType type, Object source, long offset, long length) {
    return device.borrow(type, source, offset, length);
  }

  @Override
  public StepProgram prepare(StepPlan plan) {
    return new WrongStep(device.prepare(plan), () -> mistake.accept(plan));
  }

  @Override
  public void synchronize() {
    device.synchronize();
  }

  @Override
  public void close() {
    device.close();
  }

  private record WrongStep(StepProgram program, Runnable mistake) implements StepProgram {
    @Override
    public boolean run(StepInputs inputs) {
      boolean happened = program.run(inputs);
      mistake.run();
      return happened;
    }

    @Override
    public void prepare(UpdateTiles tiles) {
      program.prepare(tiles);
    }

    @Override
    public boolean run(StepInputs inputs, UpdateTiles tiles) {
      boolean happened = program.run(inputs, tiles);
      mistake.run();
      return happened;
    }

    @Override
    public double gradientNorm() {
      return program.gradientNorm();
    }

    @Override
    public boolean keepNorm(Memory to) {
      return program.keepNorm(to);
    }

    @Override
    public boolean rebind(StepPlan plan) {
      return false;
    }

    @Override
    public void zeroGradients() {
      program.zeroGradients();
    }

    @Override
    public void close() {
      program.close();
    }
  }
}
