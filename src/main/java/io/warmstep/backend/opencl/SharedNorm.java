package io.warmstep.backend.opencl;

import io.warmstep.backend.StepPlan;
import io.warmstep.backend.cpu.JoinedNorm;
import io.warmstep.step.GradientScale;
import io.warmstep.step.LeafExchange;
import java.nio.ByteBuffer;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/**
 * The norm of a whole model, where the step is of one worker's part of it. Leaves go by way of the
 * host, which joins them, so it knows the outcome before it asks for the rest of the step.
 */
final class SharedNorm {
  private final OpenClContext context;
  private final JoinedNorm joined;
  private final Own floats;
  private final Own doubles; // or null
  private final LeafExchange.Leaves own;
  private final LeafExchange.Prepared exchange;

  /** What is copied from the device of one arithmetic type. */
  private static final class Own {
    final NormTree tree;
    final ByteBuffer sums;
    final ByteBuffer exponents;
    final Pointer sumPointer;
    final Pointer exponentPointer;
    final int realBytes;

    Own(NormTree tree, int realBytes) {
      this.tree = tree;
      this.realBytes = realBytes;
      this.sums = OpenCl.direct(Math.multiplyExact(tree.leaves(), realBytes));
      this.exponents = OpenCl.direct(Math.multiplyExact(tree.leaves(), Integer.BYTES));
      this.sumPointer = Pointer.to(sums);
      this.exponentPointer = Pointer.to(exponents);
    }

    void read(OpenClContext context) {
      if (tree.leaves() > 0) {
        context.read(tree.sums(), 0, (long) tree.leaves() * realBytes, sumPointer);
        context.read(tree.exponents(), 0, (long) tree.leaves() * Integer.BYTES, exponentPointer);
      }
    }
  }

  /**
   * Prepares.
   *
   * @param doubles of gradients of float64 arithmetic, or null if this part has none
   */
  SharedNorm(OpenClContext context, StepPlan plan, NormTree floats, NormTree doubles) {
    this.context = context;
    this.joined = new JoinedNorm(plan.options());
    this.floats = new Own(floats, Float.BYTES);
    this.doubles = doubles == null ? null : new Own(doubles, Double.BYTES);
    int doubleLeaves = doubles == null ? 0 : doubles.leaves();
    this.own = new LeafExchange.Leaves(floats.leaves(), doubleLeaves);
    this.exchange = plan.exchangeNorm(own);
  }

  /** What followed from the leaves of the last step. */
  JoinedNorm joined() {
    return joined;
  }

  /** Waits for the leaves of this part and for the other workers. */
  void compute(GradientScale scale) {
    floats.read(context);
    floats.sums.asFloatBuffer().get(own.floatSums());
    floats.exponents.asIntBuffer().get(own.floatExponents());
    if (doubles != null) {
      doubles.read(context);
      doubles.sums.asDoubleBuffer().get(own.doubleSums());
      doubles.exponents.asIntBuffer().get(own.doubleExponents());
    }
    joined.join(scale, exchange.all());
  }

  /** Puts the norm somewhere, as a float64 whatever its own type is. */
  void writeNorm(cl_mem to, long toByte) {
    ByteBuffer content = OpenCl.direct(Double.BYTES);
    content.putDouble(joined.norm());
    context.write(to, toByte, content.position(), Pointer.to(content.flip()));
  }

  /** Puts what the update of one arithmetic type reads where the norm's last kernel would. */
  void writeControl(cl_mem control, GradientScale scale, boolean isDouble) {
    double factor = joined.clipFactor();
    double finite = joined.isFinite() ? 1 : 0;
    ByteBuffer content = OpenCl.direct(3 * Double.BYTES);
    if (isDouble) {
      content.putDouble(scale.scale() * factor).putDouble(finite).putDouble(joined.norm());
    } else {
      content.putFloat(scale.floatScale() * (float) factor).putFloat((float) finite);
      content.putFloat((float) joined.norm());
    }
    context.write(control, 0, content.position(), Pointer.to(content.flip()));
  }
}
