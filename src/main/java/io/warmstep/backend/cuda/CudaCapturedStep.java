package io.warmstep.backend.cuda;

import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepRefusedException;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.CapturedCounts;
import io.warmstep.step.CapturedScale;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraphExec;

/**
 * The launches of a step with arguments that stay, so that a graph can repeat them: groups' numbers
 * always lie in tables, which the kernel of captured.cu fills from a ring of the host's memory
 * after the norm, and what gradients are multiplied by is the norm's result.
 */
final class CudaCapturedStep implements CapturedProgram {
  private static final int SLOTS = 16;
  private static final int HALF = SLOTS / 2;
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final CudaDevice device;
  private final CudaContext context;
  private final Arena arena;
  private final CudaNorm norm; // or null
  private final CudaLaunches launches;
  private final CudaLaunches passes; // behind them
  private final CapturedScale scale;
  private final CUfunction function;
  private final CUfunction rescale; // null with a graph
  private final ByteBuffer arguments = Cuda.direct(Layout.CAPTURED_BYTES);
  private final Pointer argumentPointer = Pointer.to(Pointer.to(arguments));
  private final Arena.Part state;
  private final Arena.Part result; // where there is no norm
  private final CapturedTable table;
  private final int slotBytes;
  private final ByteBuffer start = Cuda.direct(Layout.STATE_BYTES);
  private final List<CUevent> halves = new ArrayList<>(); // of the ring, the last time each
  private Pointer pinned; // the exchange and the slots
  private ByteBuffer shared;
  private CUgraphExec graph; // or null
  private CUevent decided; // once the device has reported all launches; null with a graph
  private boolean hasRun;
  private double gradientScale;
  private List<CudaUpdate> running;

  // Made once, so that a step allocates nothing.
  private final CUcontext popped = new CUcontext();
  private final CudaContext.Work launch = this::launchGraph;
  private final CudaContext.Work mark = this::markHalf;
  private final CudaContext.Work await = this::awaitHalf;
  private final CudaContext.Work awaitDecided = this::awaitDecided;
  private long allowed;

  /**
   * Prepares a step.
   *
   * @param behind the passes that follow its update
   * @param hasGraph whether it is launched by one
   * @param others the plain step's launches, if they have a workspace that these may use
   */
  CudaCapturedStep(
      CudaDevice device,
      StepPlan plan,
      StepPlan behind,
      CapturedScale scale,
      boolean hasGraph,
      List<CudaUpdate> others) {
    this.device = device;
    this.context = device.context().forCapture();
    this.arena = new Arena(context);
    this.scale = scale;
    this.gradientScale = scale.gradientScale();
    this.function = device.kernels().get("captured_step");
    this.rescale = hasGraph ? null : device.kernels().get("captured_scale");
    this.state = arena.table(Layout.STATE_BYTES); // of no launch that is allowed
    this.result = arena.reserve(Layout.RESULT_BYTES);
    List<CudaLaunches.Launch> all = new ArrayList<>(CudaLaunches.of(plan, null).keySet());
    all.addAll(CudaLaunches.of(behind, null).keySet());
    this.table = new CapturedTable(arena, all);
    this.slotBytes = table.bytes();
    norm = plan.options().needsNorm() ? new CudaNorm(context, device.kernels(), arena, plan) : null;
    launches = new CudaLaunches(device, context, arena, plan, norm, others, table);
    passes = new CudaLaunches(device, context, arena, behind, null, List.of(), table);
    running = launches.updates();
    try {
      arena.allocate();
      pinned = context.allocateHost(Layout.EXCHANGE_BYTES + (long) SLOTS * slotBytes);
      shared =
          pinned
              .getByteBuffer(0, Layout.EXCHANGE_BYTES + (long) SLOTS * slotBytes)
              .order(ByteOrder.nativeOrder());
      for (int i = 0; i < Layout.EXCHANGE_BYTES; i += Long.BYTES) {
        shared.putLong(i, 0);
      }
      halves.add(context.newEvent(CUevent_flags.CU_EVENT_DISABLE_TIMING));
      halves.add(context.newEvent(CUevent_flags.CU_EVENT_DISABLE_TIMING));
      setFixed();
      arena.upload();
      if (hasGraph) {
        graph = context.capture(this::launchAll);
      } else {
        decided = context.newEvent(CUevent_flags.CU_EVENT_DISABLE_TIMING);
      }
    } catch (RuntimeException | Error e) {
      release();
      throw e;
    }
  }

  private void setFixed() {
    long normResult = result.address();
    if (norm != null) {
      norm.setFixed();
      norm.readScale(state.address());
      normResult = norm.result();
    }
    launches.setFixed(normResult);
    passes.setFixed(normResult);
    long exchange = context.deviceAddress(pinned);
    arguments.putLong(Layout.CAPTURED_STATE, state.address());
    arguments.putLong(Layout.CAPTURED_EXCHANGE, exchange);
    arguments.putLong(Layout.CAPTURED_RESULT, normResult);
    arguments.putLong(Layout.CAPTURED_SLOTS, exchange + Layout.EXCHANGE_BYTES);
    arguments.putLong(Layout.CAPTURED_TABLE, table.part().address());
    arguments.putLong(Layout.CAPTURED_LOSS_SCALE, scale.lossScaleAddress());
    arguments.putDouble(Layout.CAPTURED_GRADIENT_SCALE, scale.gradientScale());
    arguments.putDouble(Layout.CAPTURED_GROWTH_FACTOR, scale.growthFactor());
    arguments.putDouble(Layout.CAPTURED_BACKOFF_FACTOR, scale.backoffFactor());
    arguments.putInt(Layout.CAPTURED_GROWTH_INTERVAL, scale.growthInterval());
    arguments.putInt(Layout.CAPTURED_SLOT_WORDS, slotBytes / Integer.BYTES);
    arguments.putInt(Layout.CAPTURED_SLOT_COUNT, SLOTS);
    arguments.putInt(Layout.CAPTURED_HAS_NORM, norm == null ? 0 : 1);
  }

  /** With the context current: all launches of a step, the same each time. */
  private void launchAll() {
    if (gradientScale != arguments.getDouble(Layout.CAPTURED_GRADIENT_SCALE)) {
      arguments.putDouble(Layout.CAPTURED_GRADIENT_SCALE, gradientScale);
      context.launch(rescale, 1, argumentPointer);
    }
    if (norm != null) {
      norm.launch();
    }
    context.launch(function, 1, argumentPointer);
    if (decided != null) {
      context.record(decided);
    }
    launch(running);
    launch(passes.updates());
  }

  private static void launch(List<CudaUpdate> updates) {
    for (int i = 0; i < updates.size(); i++) { // an iterator would allocate on every step
      updates.get(i).launch(1, 1);
    }
  }

  @Override
  public int room() {
    return SLOTS;
  }

  @Override
  public void begin(CapturedCounts from) {
    arguments.putDouble(Layout.CAPTURED_GRADIENT_SCALE, gradientScale);
    GradientScale factor = CapturedScale.at(gradientScale, from.lossScale);
    start.putDouble(0, factor.scale());
    start.putFloat(Layout.SCALE_FLOAT, factor.floatScale());
    start.putFloat(Layout.SCALE_MANTISSA, factor.mantissa());
    start.putInt(Layout.SCALE_EXPONENT, factor.exponent());
    start.putDouble(Layout.STATE_LOSS_SCALE, from.lossScale);
    start.putLong(Layout.STATE_LAUNCHES, 0);
    start.putLong(Layout.STATE_STEPS, from.steps);
    start.putLong(Layout.STATE_SKIPPED, from.skipped);
    start.putLong(Layout.STATE_EARLY, from.early);
    start.putInt(Layout.STATE_FINITE_STEPS, from.finiteSteps);
    start.putInt(Layout.STATE_LAST_SKIPPED, from.isLastSkipped ? 1 : 0);
    allow(0);
    context.send(state.address(), start, Layout.STATE_BYTES);
    shared.putLong(Layout.EXCHANGE_LAUNCHES, 0); // what a launch would report
    shared.putLong(Layout.EXCHANGE_STEPS, from.steps);
    shared.putLong(Layout.EXCHANGE_SKIPPED, from.skipped);
    shared.putLong(Layout.EXCHANGE_EARLY, from.early);
    shared.putDouble(Layout.EXCHANGE_LOSS_SCALE, from.lossScale);
    shared.putInt(Layout.EXCHANGE_FINITE_STEPS, from.finiteSteps);
    shared.putInt(Layout.EXCHANGE_LAST_SKIPPED, from.isLastSkipped ? 1 : 0);
  }

  @Override
  public void write(long step, StepInputs inputs, StepInputs behind) {
    int slot = Layout.EXCHANGE_BYTES + (int) (step % SLOTS) * slotBytes;
    write(launches.updates(), inputs, slot);
    write(passes.updates(), behind, slot);
  }

  private void write(List<CudaUpdate> updates, StepInputs inputs, int slot) {
    for (int i = 0; i < updates.size(); i++) { // an iterator would allocate on every step
      updates.get(i).write(inputs, shared, slot);
    }
  }

  @Override
  public void gradientScale(double factor) {
    gradientScale = factor;
  }

  /** At each half of the ring an event says when the launches before are over. */
  @Override
  public void allow(long launches) {
    boolean isMore = launches > allowed;
    allowed = launches;
    if (isMore && launches % HALF == 1) {
      context.run("cuEventRecord", mark, popped);
    }
    LONG.setRelease(shared, Layout.EXCHANGE_ALLOWED, launches);
  }

  private void markHalf() {
    context.record(half(allowed));
  }

  private CUevent half(long launches) {
    return halves.get((int) ((launches - 1) / HALF % 2));
  }

  @Override
  public void read(CapturedCounts to) {
    to.launches = (long) LONG.getAcquire(shared, Layout.EXCHANGE_LAUNCHES);
    to.steps = shared.getLong(Layout.EXCHANGE_STEPS);
    to.skipped = shared.getLong(Layout.EXCHANGE_SKIPPED);
    to.early = shared.getLong(Layout.EXCHANGE_EARLY);
    to.lossScale = shared.getDouble(Layout.EXCHANGE_LOSS_SCALE);
    to.finiteSteps = shared.getInt(Layout.EXCHANGE_FINITE_STEPS);
    to.isLastSkipped = shared.getInt(Layout.EXCHANGE_LAST_SKIPPED) != 0;
  }

  /** For what came before the half of the ring that the last launch is in. */
  @Override
  public void awaitRoom() {
    context.run("cuEventSynchronize", await, popped);
  }

  private void awaitHalf() {
    context.await(half(allowed));
  }

  /** Without a graph, updates may go on. */
  @Override
  public void settle() {
    if (decided == null) {
      context.synchronize();
    } else if (hasRun) {
      context.run("cuEventSynchronize", awaitDecided, popped);
    }
  }

  private void awaitDecided() {
    context.await(decided);
  }

  @Override
  public boolean rebind(StepPlan plan, StepPlan behind) {
    return launches.rebind(plan) && passes.rebind(behind);
  }

  @Override
  public void launch() {
    context.run("step", launch, popped);
    hasRun = true;
  }

  @Override
  public void prepare(UpdateTiles tiles) {
    launches.prepare(tiles);
  }

  @Override
  public void launch(UpdateTiles tiles) {
    running = launches.into(tiles);
    try {
      launch();
    } finally {
      running = launches.updates();
    }
  }

  @Override
  public boolean keepNorm(Memory to) {
    if (norm == null) {
      return false;
    }
    norm.keep(to);
    return true;
  }

  @Override
  public int countWords() {
    return Layout.STATE_BYTES / Long.BYTES;
  }

  @Override
  public void keepCounts(Memory to) {
    context.copy(((CudaMemory) to).addressOf(0), state.address(), Layout.STATE_BYTES);
  }

  @Override
  public void readCounts(ByteBuffer kept, CapturedCounts to) {
    to.launches = kept.getLong(Layout.STATE_LAUNCHES);
    to.steps = kept.getLong(Layout.STATE_STEPS);
    to.skipped = kept.getLong(Layout.STATE_SKIPPED);
    to.early = kept.getLong(Layout.STATE_EARLY);
    to.lossScale = kept.getDouble(Layout.STATE_LOSS_SCALE);
    to.finiteSteps = kept.getInt(Layout.STATE_FINITE_STEPS);
    to.isLastSkipped = kept.getInt(Layout.STATE_LAST_SKIPPED) != 0;
  }

  private void launchGraph() {
    if (graph == null) {
      launchAll();
    } else {
      context.launch(graph);
    }
  }

  @Override
  public void record() {
    context.run(
        "record",
        () -> {
          if (!context.isCapturing()) {
            throw new StepRefusedException(
                "the device's stream is capturing no CUDA graph to put a step into: begin the"
                    + " capture before record(), or call step(), which launches a graph of its"
                    + " own");
          }
          launchAll();
        });
    hasRun = true; // once that graph is launched
  }

  @Override
  public double gradientNorm() {
    return norm == null || !hasRun ? Double.NaN : norm.last();
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      release();
    }
  }

  /** Freeing the arena waits for launches that still use it. */
  private void release() {
    if (graph != null) {
      context.destroy(graph);
    }
    launches.close();
    arena.close();
    if (norm != null) {
      norm.close();
    }
    halves.forEach(context::destroyEvent);
    if (decided != null) {
      context.destroyEvent(decided);
    }
    if (pinned != null) {
      context.freeHost(pinned);
    }
  }
}
