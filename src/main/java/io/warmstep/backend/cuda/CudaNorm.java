package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
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
  private final Arena.Part arrived;
  private final int blocks;
  private final CUfunction function;
  private final ByteBuffer arguments = Cuda.direct(Layout.NORM_ARGUMENTS_BYTES);
  private final Pointer argumentPointer = Pointer.to(Pointer.to(arguments));
  private final WholeLeaves whole; // null where the step is of the whole model
  private Outcome outcome;

  CudaNorm(CudaContext context, Kernels kernels, Arena arena, StepPlan plan) {
    this.context = context;
    this.plan = plan;
    this.floats = new LeafTree(context, kernels, arena, ElementType.FLOAT32, plan);
    this.doubles = new LeafTree(context, kernels, arena, ElementType.FLOAT64, plan);
    this.result = arena.reserve(Layout.RESULT_BYTES);
    this.arrived = arena.table(Integer.BYTES); // uploaded as 0
    this.blocks = Math.max(1, floats.nodes() + doubles.nodes());
    this.function = kernels.get("global_norm");
    this.whole =
        plan.options().leafExchange() == null
            ? null
            : new WholeLeaves(context, plan, floats, doubles);
  }

  /** Writes the arguments; the arena is allocated by now. */
  void setFixed() {
    outcome = new Outcome(context, Layout.RESULT_BYTES);
    int kind = SumKind.of(plan.options().norm()).code();
    floats.setFixed(kind);
    doubles.setFixed(kind);
    floats.write(arguments);
    doubles.write(arguments);
    arguments.putLong(Layout.NORM_RESULT, result.address());
    arguments.putLong(Layout.NORM_OUTCOME, outcome.address());
    arguments.putLong(Layout.NORM_ARRIVED, arrived.address());
    arguments.putDouble(
        Layout.NORM_CLIP, plan.options().clipsByNorm() ? plan.options().clipNorm() : 0);
    arguments.putDouble(Layout.NORM_CLIP_EPS, plan.options().clipEps());
    arguments.putInt(Layout.NORM_SKIP, plan.options().skipNonFinite() ? 1 : 0);
    arguments.putInt(Layout.NORM_BLOCKS, blocks);
    arguments.putInt(Layout.NORM_KIND, kind);
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

  /** With the context current. Allocates nothing, unless leaves are exchanged. */
  void launch(StepInputs inputs) {
    GradientScale scale = inputs.gradientScale();
    arguments.putDouble(Layout.NORM_GRADIENT_SCALE, scale.scale());
    arguments.putFloat(Layout.NORM_FLOAT_SCALE, scale.floatScale());
    arguments.putFloat(Layout.NORM_SCALE_MANTISSA, scale.mantissa());
    arguments.putInt(Layout.NORM_SCALE_EXPONENT, scale.exponent());
    launch();
  }

  /** Has the scale read on the device, where captured steps leave it. */
  void readScale(long address) {
    arguments.putLong(Layout.NORM_SCALE, address);
  }

  /** The same with the scale as it is. */
  void launch() {
    floats.launch();
    doubles.launch();
    context.launch(function, whole == null ? blocks : whole.gather(arguments), argumentPointer);
  }

  /** With the context current: the outcome can be waited for later. */
  void mark() {
    outcome.mark();
  }

  /** With the context current: waits for the outcome; whether the step is skipped. */
  boolean awaitSkipped() {
    return outcome.await().getInt(Layout.RESULT_SKIP) != 0;
  }

  /** Copies the last norm, which the next overwrites, in the order of the stream. */
  void keep(Memory to) {
    context.copy(((CudaMemory) to).addressOf(0), result.address(), Double.BYTES);
  }

  /** The last norm; waits for it. */
  double last() {
    double[] value = new double[1];
    context.run(
        "gradientNorm",
        () -> {
          mark();
          value[0] = outcome.await().getDouble(0);
        });
    return value[0];
  }

  /** The stream must have done its work. */
  @Override
  public void close() {
    if (outcome != null) {
      outcome.close();
    }
    if (whole != null) {
      whole.close();
    }
  }
}
