package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import java.nio.ByteBuffer;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The launches that compute the global norm and, from it, what gradients are multiplied by, which
 * stays on the device: the update reads it there.
 */
final class CudaNorm implements AutoCloseable {
  private final CudaContext context;
  private final StepPlan plan;
  private final LeafTree floats;
  private final LeafTree doubles;
  private final Arena.Part result;
  private final CUfunction function;
  private final ByteBuffer arguments = Cuda.direct(Layout.NORM_ARGUMENTS_BYTES);
  private final Pointer argumentPointer = Pointer.to(Pointer.to(arguments));
  private HostCopy outcome;

  CudaNorm(CudaContext context, Kernels kernels, Arena arena, StepPlan plan) {
    this.context = context;
    this.plan = plan;
    this.floats = new LeafTree(context, kernels, arena, ElementType.FLOAT32, plan);
    this.doubles = new LeafTree(context, kernels, arena, ElementType.FLOAT64, plan);
    this.result = arena.reserve(Layout.RESULT_BYTES);
    this.function = kernels.get("global_norm");
  }

  /** Writes the arguments; the arena is allocated by now. */
  void setFixed() {
    floats.setFixed();
    doubles.setFixed();
    arguments.putLong(floats.sums()).putLong(floats.exponents());
    arguments.putLong(doubles.sums()).putLong(doubles.exponents());
    arguments.putLong(result.address());
    arguments.putInt(Layout.NORM_COUNTS, floats.count());
    arguments.putInt(Layout.NORM_COUNTS + Integer.BYTES, doubles.count());
    arguments.putDouble(
        Layout.NORM_CLIP, plan.options().clipsByNorm() ? plan.options().clipNorm() : 0);
    arguments.putInt(Layout.NORM_SKIP, plan.options().skipNonFinite() ? 1 : 0);
    outcome = new HostCopy(context, result.address(), Layout.RESULT_BYTES);
  }

  /** With the context current: takes a plan whose gradients lie elsewhere. */
  void rebind(StepPlan plan) {
    floats.rebind(plan);
    doubles.rebind(plan);
  }

  /** Where the update reads what the norm gave. */
  long result() {
    return result.address();
  }

  /** With the context current. Allocates nothing. */
  void launch(StepInputs inputs) {
    floats.launch();
    doubles.launch();
    GradientScale scale = inputs.gradientScale();
    arguments.putDouble(Layout.NORM_GRADIENT_SCALE, scale.scale());
    arguments.putFloat(Layout.NORM_FLOAT_SCALE, scale.floatScale());
    arguments.putFloat(Layout.NORM_SCALE_MANTISSA, scale.mantissa());
    arguments.putInt(Layout.NORM_SCALE_EXPONENT, scale.exponent());
    context.launch(function, 1, argumentPointer);
  }

  /** With the context current: asks for the outcome, to be waited for later. */
  void fetch() {
    outcome.start();
  }

  /** With the context current: waits for the outcome; whether the step is skipped. */
  boolean awaitSkipped() {
    return outcome.await().getInt(Layout.RESULT_SKIP) != 0;
  }

  /** With the context current: waits for the last norm. */
  double awaitNorm() {
    fetch();
    return outcome.await().getDouble(0);
  }

  /** The stream must have done its work. */
  @Override
  public void close() {
    if (outcome != null) {
      outcome.close();
    }
  }
}
