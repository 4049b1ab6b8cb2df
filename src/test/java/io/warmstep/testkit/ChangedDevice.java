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
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;

/**
 * A device that does other steps than it is told to.
 *
 * @param device that does the work
 * @param report what it says of itself
 * @param plans what it makes of a plan
 * @param inputs changes the numbers of a step, of the plan as it was given
 */
public record ChangedDevice(
    BackendDevice device,
    DeviceReport report,
    UnaryOperator<StepPlan> plans,
    BiConsumer<StepPlan, StepInputs> inputs)
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
    return new ChangedStep(device.prepare(plans.apply(plan)), plan, inputs);
  }

  @Override
  public void synchronize() {
    device.synchronize();
  }

  @Override
  public void close() {
    device.close();
  }

  private record ChangedStep(
      StepProgram program, StepPlan plan, BiConsumer<StepPlan, StepInputs> change)
      implements StepProgram {
    @Override
    public boolean run(StepInputs inputs) {
      change.accept(plan, inputs);
      return program.run(inputs);
    }

    @Override
    public void prepare(UpdateTiles tiles) {
      program.prepare(tiles);
    }

    @Override
    public boolean run(StepInputs inputs, UpdateTiles tiles) {
      change.accept(plan, inputs);
      return program.run(inputs, tiles);
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
    public boolean rebind(StepPlan next) {
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
