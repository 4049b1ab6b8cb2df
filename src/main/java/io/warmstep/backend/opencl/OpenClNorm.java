package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.nio.ByteBuffer;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/**
 * The launches that compute the global norm and, from it, the factor of gradients, which stays on
 * the device: the update reads it there. See norm.cl.
 */
final class OpenClNorm implements AutoCloseable {
  private static final int CONTROL_FIELDS = 4;

  /** Flags of kernels: see step.cl. */
  private static final int FROM_CONTROL = 1;

  private static final int SKIPPABLE = 2;

  private final OpenClContext context;
  private final boolean hasDoubles;
  private final NormTree floats;
  private final NormTree doubles;
  private final cl_mem floatControl;
  private final cl_mem doubleControl;
  private final Kernel finish; // null where the host does that
  private final SharedNorm shared; // null where the step is of the whole model
  private final boolean skips;
  private final AheadRing ring; // or null
  private final OpenClEvent computed;
  private final ByteBuffer outcome = OpenCl.direct(CONTROL_FIELDS * Double.BYTES);
  private final Pointer outcomePointer = Pointer.to(outcome);
  private final ReleaseStack resources = new ReleaseStack();

  /**
   * Prepares the norm of a plan.
   *
   * @param ring what has the scale and takes the outcome; null where a step's inputs have it
   */
  OpenClNorm(OpenClContext context, Programs programs, StepPlan plan, AheadRing ring) {
    this.context = context;
    this.ring = ring;
    this.computed = new OpenClEvent(context);
    this.skips = plan.options().skipNonFinite();
    this.hasDoubles = !plan.normOrder(ElementType.FLOAT64).isEmpty();
    try {
      floats = new NormTree(context, programs, ElementType.FLOAT32, plan, resources);
      doubles =
          hasDoubles ? new NormTree(context, programs, ElementType.FLOAT64, plan, resources) : null;
      boolean isOfPart = plan.options().leafExchange() != null;
      floatControl = resources.add(context.allocate(CONTROL_FIELDS * Float.BYTES));
      // A part may lack elements of float64 and yet have a group whose sums are of it.
      doubleControl =
          hasDoubles || isOfPart
              ? resources.add(context.allocate(CONTROL_FIELDS * Double.BYTES))
              : null;
      shared = isOfPart ? new SharedNorm(context, plan, floats, doubles) : null;
      finish = isOfPart ? null : resources.add(programs.normFinish(arithmetic()));
      if (!isOfPart) {
        setArguments(plan);
      }
      if (ring != null) {
        setUnused();
        finish.setBuffer(0, ring.scale());
        ring.setNorm(this);
      }
    } catch (RuntimeException | Error e) {
      resources.close();
      throw e;
    }
  }

  /** What the norm is computed in. */
  ElementType arithmetic() {
    return isOfDoubles() ? ElementType.FLOAT64 : ElementType.FLOAT32;
  }

  /** Of a part only known once the others' leaves are. */
  private boolean isOfDoubles() {
    return shared == null ? hasDoubles : shared.joined().hasDoubles();
  }

  private void setArguments(StepPlan plan) {
    StepOptions options = plan.options();
    int kind = SumKind.of(options.norm()).code();
    double maxNorm = options.clipsByNorm() ? options.clipNorm() : -1;
    if (hasDoubles) {
      finish.setReal(1, maxNorm, true);
      finish.setReal(2, options.clipEps(), true);
      doubles.setRoot(finish, 3);
      finish.setBuffer(6, doubleControl);
      floats.setRoot(finish, 8);
      finish.setBuffer(11, floatControl);
      finish.setInt(12, kind);
    } else {
      finish.setReal(3, maxNorm, false);
      finish.setReal(4, options.clipEps(), false);
      floats.setRoot(finish, 5);
      finish.setBuffer(8, floatControl);
      finish.setInt(9, kind);
    }
  }

  /** Arguments in whose place the ring has numbers. */
  private void setUnused() {
    if (hasDoubles) {
      finish.setReal(7, 1, false);
    } else {
      finish.setReal(1, 1, false);
      finish.setInt(2, 0);
    }
  }

  /** Whether the outcome is computed in float64. */
  boolean isDouble() {
    return hasDoubles;
  }

  /** What the update of one arithmetic type reads. */
  cl_mem control(boolean isDouble) {
    return isDouble ? doubleControl : floatControl;
  }

  /** Whether a plan whose gradients lie elsewhere has them in as many buffers. */
  boolean canRebind(StepPlan plan) {
    return floats.canRebind(plan) && (doubles == null || doubles.canRebind(plan));
  }

  void rebind(StepPlan plan) {
    floats.rebind(plan);
    if (doubles != null) {
      doubles.rebind(plan);
    }
  }

  /** The launches of one step of the ring's, the first being 1. Allocates nothing. */
  void launchAhead(long launch) {
    launchTrees();
    finish.launch();
    ring.decide(launch);
  }

  private void launchTrees() {
    floats.launch();
    if (hasDoubles) {
      doubles.launch();
    }
  }

  void launch(StepInputs inputs) {
    launchTrees();
    GradientScale scale = inputs.gradientScale();
    if (shared != null) {
      shared.compute(scale);
      shared.writeControl(floatControl, scale, false);
      shared.writeControl(doubleControl, scale, true);
      return;
    }
    if (hasDoubles) {
      finish.setReal(0, scale.scale(), true);
      finish.setReal(7, scale.floatScale(), false);
    } else {
      finish.setReal(0, scale.floatScale(), false);
      finish.setReal(1, scale.mantissa(), false);
      finish.setInt(2, scale.exponent());
    }
    finish.launch();
  }

  /** Whether a kernel finds the scale in the norm's outcome, and that it is to do nothing. */
  static int flags(OpenClNorm norm) {
    return norm == null ? 0 : norm.skips ? FROM_CONTROL | SKIPPABLE : FROM_CONTROL;
  }

  /** Gives a kernel these flags and the outcome, or another buffer if there is no norm. */
  static void setControl(
      Kernel kernel, int index, OpenClNorm norm, boolean isDouble, cl_mem unused) {
    kernel.setInt(index, flags(norm));
    kernel.setBuffer(index + 1, norm == null ? unused : norm.control(isDouble));
  }

  /** After the launches of a step whose outcome will be waited for. */
  void mark() {
    if (shared == null) {
      computed.set();
    }
  }

  /**
   * Whether all gradients are finite; waits for what was marked, and for nothing that came later.
   */
  boolean awaitFinite() {
    if (shared != null) {
      return shared.joined().isFinite();
    }
    computed.await();
    long bytes = (long) CONTROL_FIELDS * arithmetic().bytes();
    context.readSettled(control(hasDoubles), 0, bytes, outcomePointer);
    return field(1) != 0;
  }

  /** The last norm of the scaled gradients; waits for it. */
  double norm() {
    if (shared != null) {
      return shared.joined().norm();
    }
    readOutcome();
    return field(2);
  }

  /** What {@link #keep} leaves: of a part before its arithmetic is known. */
  ElementType keptType() {
    return shared == null ? arithmetic() : ElementType.FLOAT64;
  }

  /** Copies the last norm, which the next overwrites, in the order of the queue. */
  void keep(cl_mem to, long toByte) {
    int bytes = arithmetic().bytes();
    if (shared != null) {
      shared.writeNorm(to, toByte);
      return;
    }
    context.copy(control(hasDoubles), 2L * bytes, to, toByte, bytes);
  }

  private void readOutcome() {
    int bytes = CONTROL_FIELDS * arithmetic().bytes();
    context.read(control(hasDoubles), 0, bytes, outcomePointer);
  }

  private double field(int index) {
    return hasDoubles
        ? outcome.getDouble(index * Double.BYTES)
        : outcome.getFloat(index * Float.BYTES);
  }

  @Override
  public void close() {
    computed.close();
    resources.close();
  }
}
