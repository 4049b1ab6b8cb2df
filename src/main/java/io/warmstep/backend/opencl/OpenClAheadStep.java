package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.CapturedCounts;
import io.warmstep.step.CapturedScale;
import io.warmstep.step.StepInputs;
import java.nio.ByteBuffer;

/**
 * A step of which the host does not wait to hear whether it happens. The device decides that and
 * takes the step's numbers out of a ring, into which the host's arguments are put ahead. The host
 * knows what happened up to half a ring ago, as an event shows; when the ring is full, it waits for
 * that event.
 */
final class OpenClAheadStep implements CapturedProgram {
  private static final int HALF = AheadRing.PLACES / 2;

  private final OpenClStepProgram step;
  private final OpenClStepProgram passes; // behind it
  private final AheadRing ring;
  private final CapturedCounts known = new CapturedCounts();
  private long allowed;
  private long launched;
  private long written; // the last step with numbers
  private long put; // the last one whose numbers the device was given

  private OpenClAheadStep(OpenClStepProgram step, OpenClStepProgram passes, AheadRing ring) {
    this.step = step;
    this.passes = passes;
    this.ring = ring;
  }

  /**
   * Prepares such a step; null if the plan or the device has none.
   *
   * @param behind the passes that follow its update
   * @param plain the same step, to be run in place of this
   */
  static OpenClAheadStep of(
      OpenClDevice device,
      Programs programs,
      StepPlan plan,
      StepPlan behind,
      CapturedScale scale,
      OpenClStepProgram plain) {
    if (!plan.options().needsNorm()
        || plan.options().leafExchange() != null
        || !device.supports(ElementType.FLOAT64)) { // in which the loss scale is kept
      return null;
    }
    Programs built = programs.ahead();
    boolean isDouble = !plan.normOrder(ElementType.FLOAT64).isEmpty();
    AheadRing ring = new AheadRing(device.context(), built, scale, isDouble);
    OpenClStepProgram step = new OpenClStepProgram(device, built, plan, ring, plain);
    try {
      return new OpenClAheadStep(step, step.followedBy(behind), ring);
    } catch (RuntimeException | Error e) {
      step.release();
      throw e;
    }
  }

  OpenClStepProgram step() {
    return step;
  }

  OpenClStepProgram passes() {
    return passes;
  }

  @Override
  public int room() {
    return AheadRing.PLACES;
  }

  @Override
  public void begin(CapturedCounts from) {
    copy(from, known);
    known.launches = 0;
    allowed = 0;
    launched = 0;
    written = from.steps;
    put = from.steps;
    ring.begin(from);
  }

  @Override
  public void write(long number, StepInputs inputs, StepInputs behind) {
    step.write(AheadRing.place(number), inputs);
    passes.write(AheadRing.place(number), behind);
    written = number;
  }

  @Override
  public void gradientScale(double factor) {
    ring.gradientScale(factor);
  }

  /** At each half of the ring an event says when the launches before are over. */
  @Override
  public void allow(long launches) {
    boolean isMore = launches > allowed;
    allowed = launches;
    if (isMore && launches % HALF == 1) {
      ring.half(launches).set();
    }
  }

  @Override
  public void read(CapturedCounts to) {
    copy(known, to);
  }

  private static void copy(CapturedCounts from, CapturedCounts to) {
    to.launches = from.launches;
    to.steps = from.steps;
    to.skipped = from.skipped;
    to.early = from.early;
    to.lossScale = from.lossScale;
    to.finiteSteps = from.finiteSteps;
    to.isLastSkipped = from.isLastSkipped;
  }

  /** For what came before the half of the ring that the last launch is in. */
  @Override
  public void awaitRoom() {
    long before = (allowed - 1) / HALF * HALF;
    if (before > known.launches) {
      ring.half(allowed).await();
      ring.read(before, known);
    }
  }

  /** Updates may go on. */
  @Override
  public void settle() {
    if (launched > known.launches) {
      ring.decided().await();
      ring.read(launched, known);
    }
  }

  @Override
  public void prepare(UpdateTiles tiles) {
    step.prepare(tiles);
  }

  @Override
  public void launch(UpdateTiles tiles) {
    prepare(tiles);
    step.measure(true);
    try {
      launch();
    } finally {
      step.measure(false);
    }
  }

  @Override
  public boolean keepNorm(Memory to) {
    return step.keepNorm(to);
  }

  @Override
  public int countWords() {
    return AheadRing.COUNTS_BYTES / Long.BYTES;
  }

  @Override
  public void keepCounts(Memory to) {
    ring.keep(((OpenClMemory) to).buffer());
  }

  @Override
  public void readCounts(ByteBuffer kept, CapturedCounts to) {
    AheadRing.copy(kept, to);
  }

  @Override
  public void launch() {
    for (; put < written; put++) {
      step.put(AheadRing.place(put + 1));
      passes.put(AheadRing.place(put + 1));
    }
    ring.rescale();
    step.launchAhead(launched + 1);
    passes.launchBehind();
    launched++;
  }

  @Override
  public boolean rebind(StepPlan plan, StepPlan behind) {
    return step.rebind(plan) && passes.rebind(behind);
  }

  @Override
  public void record() {
    throw new UnsupportedOperationException("OpenCL has no graphs to put a step into");
  }

  @Override
  public double gradientNorm() {
    return step.gradientNorm();
  }

  @Override
  public void close() {
    passes.close();
    step.close();
  }
}
