package io.warmstep.backend.opencl;

import io.warmstep.step.CapturedCounts;
import io.warmstep.step.CapturedScale;
import java.nio.ByteBuffer;
import org.jocl.Pointer;
import org.jocl.Sizeof;
import org.jocl.cl_mem;

/**
 * What the device keeps for steps of which the host does not wait to hear whether they happen: the
 * counts, the loss scale, and the counts after each of the last launches. The numbers of steps lie
 * in rings of as many places, which {@link GroupNumbers} has. See ahead.cl.
 */
final class AheadRing implements AutoCloseable {
  static final int PLACES = 16;

  private static final int SCALE_BYTES = 24;

  /** Of the counts: see ws_counts. */
  static final int COUNTS_BYTES = 32;

  private final OpenClContext context;
  private final Programs programs;
  private final ReleaseStack resources = new ReleaseStack();
  private final cl_mem scaleBuffer;
  private final Kernel begin;
  private final Kernel rescale;
  private final Kernel decide;
  private final cl_mem[] reported = new cl_mem[PLACES]; // a buffer each, as the host reads beside
  private long lastDecided;
  private final Pointer[] reportedPointers = new Pointer[PLACES];
  private final ByteBuffer read = OpenCl.direct(COUNTS_BYTES);
  private final Pointer readPointer = Pointer.to(read);

  /** For each half of the ring, what came before the last time it began. */
  private final OpenClEvent[] halves;

  private final OpenClEvent decided; // the last launch
  private double gradientScale;
  private double scaledBy; // on the device

  /**
   * Makes room.
   *
   * @param programs with what kernels of such steps are built with
   * @param isDouble whether the norm is computed in float64
   */
  AheadRing(OpenClContext context, Programs programs, CapturedScale scale, boolean isDouble) {
    this.context = context;
    this.programs = programs;
    this.gradientScale = scale.gradientScale();
    this.scaledBy = gradientScale;
    this.halves = new OpenClEvent[] {new OpenClEvent(context), new OpenClEvent(context)};
    this.decided = new OpenClEvent(context);
    try {
      scaleBuffer = resources.add(context.allocate(SCALE_BYTES));
      cl_mem counts = resources.add(context.allocate(COUNTS_BYTES));
      begin = resources.add(programs.ahead("ws_begin", isDouble));
      begin.setBuffer(6, counts);
      begin.setBuffer(7, scaleBuffer);
      rescale = resources.add(programs.ahead("ws_rescale", isDouble));
      rescale.setBuffer(1, counts);
      rescale.setBuffer(2, scaleBuffer);
      decide = resources.add(programs.ahead("ws_decide", isDouble));
      decide.setReal(0, gradientScale, true);
      decide.setReal(1, scale.growthFactor(), true);
      decide.setReal(2, scale.backoffFactor(), true);
      decide.setInt(3, scale.growthInterval());
      decide.setInt(4, PLACES);
      decide.setBuffer(5, counts);
      decide.setBuffer(6, scaleBuffer);
      if (scale.lossScaleAddress() == 0) {
        decide.setBuffer(10, scaleBuffer); // not written
      } else {
        decide.set(10, Sizeof.cl_mem, Pointer.to(new long[] {scale.lossScaleAddress()}));
      }
      for (int i = 0; i < PLACES; i++) {
        reported[i] = resources.add(context.allocate(COUNTS_BYTES));
        reportedPointers[i] = Pointer.to(reported[i]);
      }
    } catch (RuntimeException | Error e) {
      resources.close();
      throw e;
    }
  }

  /** The step's norm, in whose outcome the step's place is written. */
  void setNorm(OpenClNorm norm) {
    boolean isDouble = norm.isDouble();
    decide.setBuffer(7, norm.control(isDouble));
    decide.setBuffer(8, norm.control(false));
  }

  /** What the norm multiplies gradients by. */
  cl_mem scale() {
    return scaleBuffer;
  }

  /** The event for the half of the ring that a launch is in, the first launch being 1. */
  OpenClEvent half(long launch) {
    return halves[(int) ((launch - 1) / (PLACES / 2) % 2)];
  }

  /** The event that the last launch is decided. */
  OpenClEvent decided() {
    return decided;
  }

  /** What puts numbers of so many bytes into a ring. */
  Kernel put(int bytes) {
    return programs.put(bytes / Integer.BYTES);
  }

  /** Has the device go on from somewhere else, behind all that it was given. */
  void begin(CapturedCounts from) {
    scaledBy = gradientScale;
    decide.setReal(0, gradientScale, true);
    begin.setReal(0, gradientScale, true);
    begin.setReal(1, from.lossScale, true);
    begin.setLong(2, from.steps);
    begin.setLong(3, from.skipped);
    begin.setInt(4, from.finiteSteps);
    begin.setInt(5, from.isLastSkipped ? 1 : 0);
    begin.launch();
  }

  /** What gradients are multiplied by apart from the loss scale, from the next launch on. */
  void gradientScale(double factor) {
    gradientScale = factor;
  }

  /** Before the norm of a launch. Allocates nothing. */
  void rescale() {
    if (gradientScale != scaledBy) {
      scaledBy = gradientScale;
      decide.setReal(0, gradientScale, true);
      rescale.setReal(0, gradientScale, true);
      rescale.launch();
    }
  }

  /** Behind the norm of a launch, the first being 1. Allocates nothing. */
  void decide(long launch) {
    decide.set(9, Sizeof.cl_mem, reportedPointers[place(launch)]);
    decide.launch();
    decided.set();
    lastDecided = launch;
  }

  /** Reads the counts after one of the last launches, which the device has decided. */
  void read(long launch, CapturedCounts to) {
    context.readSettled(reported[place(launch)], 0, COUNTS_BYTES, readPointer);
    to.launches = launch;
    copy(read, to);
  }

  /** Reads the counts, but for those of launches. */
  static void copy(ByteBuffer counts, CapturedCounts to) {
    to.lossScale = counts.getDouble(0);
    to.steps = counts.getLong(8);
    to.skipped = counts.getLong(16);
    to.finiteSteps = counts.getInt(24);
    to.isLastSkipped = counts.getInt(28) != 0;
  }

  /** Copies the counts after the last launch, in the order of the queue. */
  void keep(cl_mem to) {
    context.copy(reported[place(lastDecided)], 0, to, 0, COUNTS_BYTES);
  }

  /** The place of a step or launch by its number. */
  static int place(long number) {
    return (int) (number % PLACES);
  }

  @Override
  public void close() {
    halves[0].close();
    halves[1].close();
    decided.close();
    resources.close();
  }
}
