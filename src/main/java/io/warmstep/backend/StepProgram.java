package io.warmstep.backend;

import io.warmstep.CaptureRefusedException;
import io.warmstep.ElementType;
import io.warmstep.step.CapturedScale;
import io.warmstep.step.StepInputs;

/** A prepared step. Used by one thread at a time. */
public interface StepProgram extends AutoCloseable {
  /**
   * Runs one step. Allocates nothing.
   *
   * @param inputs the numbers of this step, for the groups of the plan
   * @return false if the plan skips steps with non-finite gradients and this was one; then nothing
   *     changed but that gradients were set to zero if the plan says so
   * @throws StepRefusedException if no step can be run now; nothing has changed
   */
  boolean run(StepInputs inputs);

  /**
   * Makes room for {@link #run(StepInputs, UpdateTiles)}, where there is none yet since the plan or
   * its operands' places changed.
   *
   * @param tiles what is to receive what the next step sees
   * @throws io.warmstep.OutOfDeviceMemoryException if there is not enough; a later call may succeed
   */
  default void prepare(UpdateTiles tiles) {}

  /**
   * Runs one step and measures the update of the groups that have rows: on an asynchronous device
   * in the order of its work. Allocates nothing, as {@link #prepare} has.
   *
   * @param inputs the numbers of this step, for the groups of the plan
   * @param tiles receives what the step sees, of the groups that have rows; if the step is skipped,
   *     what is in there says nothing
   * @return as {@link #run(StepInputs)}
   * @throws StepRefusedException if no step can be run now; nothing has changed
   */
  boolean run(StepInputs inputs, UpdateTiles tiles);

  /**
   * Global norm of the scaled gradients of the last run, before clipping.
   *
   * @return the norm, or NaN if the plan does not need it or nothing has run
   */
  double gradientNorm();

  /**
   * Type of the number that {@link #keepNorm} copies.
   *
   * @return float64, or float32 where the device computes the norm in that
   */
  default ElementType normType() {
    return ElementType.FLOAT64;
  }

  /**
   * Copies what {@link #gradientNorm} would give to memory of the device, in the order of its work:
   * later steps leave it there. Waits for nothing.
   *
   * @param to one element of {@link #normType}
   * @return false if the norm is not computed; then nothing is copied
   */
  boolean keepNorm(Memory to);

  /**
   * Prepares the same step to be repeated by the device in a graph.
   *
   * @param scale what gradients are multiplied by first
   * @param passes over parameters behind the step; of no groups if there are none
   * @return the step, to be closed before the memory that it uses; rebinding does not concern it
   * @throws CaptureRefusedException if this device or plan has no such steps; nothing has changed
   */
  default CapturedProgram capture(CapturedScale scale, StepPlan passes) {
    throw new CaptureRefusedException(
        "steps are captured on CUDA devices alone: call step(), which gives the same bits");
  }

  /**
   * Prepares the same step to be run without a wait for whether it happens: launched as it is, and
   * not as a graph. The two are never run at the same time.
   *
   * @param scale what gradients are multiplied by first
   * @param passes over parameters behind the step; of no groups if there are none
   * @return the step, to be closed before the memory that it uses; null if this device or plan has
   *     none
   */
  default CapturedProgram ahead(CapturedScale scale, StepPlan passes) {
    return null;
  }

  /** Sets every gradient to zero. */
  void zeroGradients();

  /**
   * Takes a plan that differs in nothing but where operands lie.
   *
   * @param plan as this program was prepared for, with other slices
   * @return false if the step must be prepared anew for that; then nothing changed
   */
  boolean rebind(StepPlan plan);

  /** Releases what was prepared. A second call does nothing. */
  @Override
  void close();
}
