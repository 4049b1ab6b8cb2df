package io.warmstep;

import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.Memory;
import io.warmstep.step.CapturedCounts;
import io.warmstep.step.CapturedScale;
import java.util.stream.Stream;

/**
 * An optimizer step that a CUDA device repeats without the host, in a CUDA graph. The learning
 * rate, bias corrections and everything else that changes per step are updated on the device, as
 * are clipping, skipping and the loss scale, with the same bits as {@link Optimizer#step()}. The
 * host computes the numbers of the next steps ahead, and waits only when it is more than 16
 * launches ahead of the device.
 *
 * <p>On its own, after a backward pass enqueued on the device's stream:
 *
 * <pre>{@code
 * try (CapturedStep captured = optimizer.capture()) {
 *   for (Batch batch : batches) {
 *     backward(batch, parameters);
 *     captured.step();
 *   }
 * }
 * }</pre>
 *
 * <p>Or as part of the caller's graph, on the stream that the device was wrapped with:
 *
 * <pre>{@code
 * try (CapturedStep captured = optimizer.capture()) {
 *   cuStreamBeginCapture(stream, mode);
 *   launchForwardAndBackward(stream);
 *   captured.record();
 *   cuStreamEndCapture(stream, graph);
 *   cuGraphInstantiate(executable, graph, 0);
 *   for (Batch batch : batches) {
 *     copy(batch, stream);
 *     captured.beforeLaunch();
 *     cuGraphLaunch(executable, stream);
 *   }
 * }
 * }</pre>
 *
 * <p>The step counts and the scale of the {@link LossScaler} live on the device: {@link
 * Optimizer#stepCount}, {@link Optimizer#skippedSteps}, {@link Optimizer#isLastStepSkipped}, {@link
 * Optimizer#learningRate()}, {@link Optimizer#gradientNorm}, {@link LossScaler#scale} and {@link
 * LossScaler#state} wait until the device has finished the work that it was given. So does every
 * call that changes or saves the optimizer, a plain step included; captured steps then continue
 * from there. A launch prepared by {@link #beforeLaunch} that has not happened by then is
 * discarded.
 *
 * <p>Used by the optimizer's thread. Once groups are frozen, unfrozen or added, or tensors rebound,
 * a captured step is stale: it throws and must be captured again; graphs that it was recorded into
 * must not be launched once memory that they use is freed.
 */
public final class CapturedStep implements AutoCloseable {
  private final Optimizer optimizer;
  private final PreparedStep step;
  private final CapturedProgram program;
  private final LossScaling scaling;
  private final CapturedScale scale;
  private final StepsAhead ahead;
  private final long version; // of what was prepared
  private final Tensor[] borrowed;
  private final Memory[] memories; // of these, when it was captured
  private long rebindings; // the device's count when they were last looked at
  private final Lifetime lifetime;
  private final Tensor lossScale; // null without a scaler
  private final Runnable launch;
  private final Runnable launchAhead;
  private final Runnable awaitRoom;
  private final Runnable settle;
  private final Runnable begin;
  private final Runnable copy;
  private final Runnable allow;
  private final Runnable refuseCapture;
  private final CapturedCounts counts = new CapturedCounts();
  private double gradientScale; // of the next launch, apart from the loss scale
  private boolean isLive; // the device is further than the optimizer knows
  private long allowed; // launches
  private boolean copiesParameters; // as no step of some group has happened
  private long reportedEarly; // launches that were too early
  private double lastNorm = Double.NaN; // once it is closed

  CapturedStep(
      Optimizer optimizer, PreparedStep step, CapturedProgram program, CapturedScale scale) {
    this.optimizer = optimizer;
    this.scaling = optimizer.lossScaling();
    this.step = step;
    this.program = program;
    this.scale = scale;
    this.gradientScale = scale.gradientScale();
    this.ahead = new StepsAhead(step, optimizer.rates(), program.room());
    this.version = step.version();
    this.borrowed = optimizer.parameters().borrowedTensors();
    this.memories = Stream.of(borrowed).map(CapturedStep::memory).toArray(Memory[]::new);
    this.rebindings = optimizer.device().rebindings();
    this.lifetime = Lifetime.unreported(this, "captured step"); // its optimizer keeps it
    this.lossScale =
        scaling.onDevice() == null
            ? null
            : new Tensor(optimizer.device(), scaling.onDevice().memory(), 0, 1, lifetime);
    this.launch = program::launch;
    this.launchAhead = step::launchAhead;
    this.awaitRoom = program::awaitRoom;
    this.settle = program::settle;
    this.begin =
        () -> {
          optimizer.beginState();
          program.begin(counts);
        };
    this.copy = optimizer::beginState;
    this.allow = () -> program.allow(allowed + 1);
    this.refuseCapture = optimizer.device().backend()::refuseCapture;
  }

  /**
   * Updates all parameters from their gradients, as {@link Optimizer#step()} does, by launching a
   * graph on the device's stream. After the first call it allocates no objects and waits for
   * nothing, unless 16 launches are outstanding. Whether the step happens is decided on the device.
   *
   * @throws StepFailedException if the device failed in this or an earlier step
   * @throws IllegalStateException if the schedule gives an invalid rate, or a number that the
   *     parameters' arithmetic cannot hold, or the device's stream is capturing a graph; nothing
   *     changes
   * @throws HostBehindException as {@link #beforeLaunch} does
   * @throws CaptureRefusedException as {@link #beforeLaunch} does
   * @throws EvaluationModeException in evaluation mode, see {@link Optimizer#eval}; nothing changes
   * @throws ConcurrentUseException if another thread is using the optimizer
   * @throws ClosedException if this, the optimizer, its parameters or the device is closed
   */
  public void step() {
    optimizer.enter("CapturedStep.step()");
    try {
      makeReady("CapturedStep.step()");
      optimizer.run("a step", launch);
    } finally {
      optimizer.leave();
    }
  }

  /**
   * Prepares one launch of a caller's graph that this step was {@linkplain #record recorded} into.
   * Call it before each launch, and call nothing else of the optimizer in between. A graph contains
   * this step once.
   *
   * @throws HostBehindException if a graph was launched since the last call without being prepared;
   *     this call prepares none
   * @throws CaptureRefusedException if groups or memory are not those that were captured; or
   *     micro-batches were accumulated; or the loss scale makes the gradient factor leave the
   *     normal float32 range, which only {@link Optimizer#step()} supports; nothing changes
   * @throws IllegalStateException if it was called more than 16 times without a launch, or for the
   *     reasons for which {@link #step} throws it; nothing changes
   * @throws StepFailedException if the device failed in an earlier step
   * @throws EvaluationModeException in evaluation mode, see {@link Optimizer#eval}; nothing changes
   * @throws ConcurrentUseException if another thread is using the optimizer
   * @throws ClosedException if this, the optimizer, its parameters or the device is closed
   */
  public void beforeLaunch() {
    optimizer.enter("beforeLaunch()");
    try {
      makeReady("beforeLaunch()");
    } finally {
      optimizer.leave();
    }
  }

  /**
   * Records the step into the graph that the device's stream is capturing: the stream that was
   * given to {@link Devices#wrapCuda}. Nothing runs on the device, and nothing is allocated.
   *
   * @throws IllegalStateException if the stream is capturing no graph
   * @throws CaptureRefusedException if groups or memory are not those that were captured
   * @throws DeviceException if the driver rejects it
   * @throws ConcurrentUseException if another thread is using the optimizer
   * @throws ClosedException if this, the optimizer, its parameters or the device is closed
   */
  public void record() {
    optimizer.enter("record()");
    try {
      checkCurrent();
      program.record();
    } finally {
      optimizer.leave();
    }
  }

  /**
   * The loss scale as a float32 on the device, for the caller's kernels to multiply the loss by: in
   * each launch they find the scale that its step divides by. All steps of the optimizer share it,
   * plain ones included: see {@link Optimizer#lossScaleHandle}. Read-only.
   *
   * @return a tensor that closes with this
   * @throws IllegalStateException if the optimizer has no loss scaler, or one whose scale may
   *     become a number that float32 does not hold, as after another state was restored
   * @throws ClosedException if this, the optimizer, its parameters or the device is closed
   */
  public Tensor lossScale() {
    checkOpen();
    scaling.lend();
    return lossScale;
  }

  /**
   * The address of {@link #lossScale()}, for the caller's kernels: {@link
   * Optimizer#lossScaleHandle}.
   *
   * @return a {@code CUdeviceptr}
   * @throws IllegalStateException if the optimizer has no loss scaler, or one whose scale may
   *     become a number that float32 does not hold, as after another state was restored
   * @throws ClosedException if this, the optimizer, its parameters or the device is closed
   */
  public long lossScaleHandle() {
    checkOpen();
    return optimizer.lossScaleHandle();
  }

  private void checkOpen() {
    lifetime.checkOpen();
    optimizer.checkOpen();
  }

  /** Whether the prepared step is the captured one and has not changed since. */
  boolean isOf(PreparedStep prepared) {
    return prepared == step && prepared.version() == version;
  }

  private void checkCurrent() {
    checkOpen();
    if (step.version() != version || isRebound()) {
      throw new CaptureRefusedException(
          "groups were frozen, unfrozen or added, hyperparameters restored or tensors rebound since"
              + " this step was captured: close it and capture() again");
    }
  }

  private static Memory memory(Tensor tensor) {
    return tensor.slice().memory();
  }

  /** Whether the tensors were rebound; the device's count includes other tensors. */
  private boolean isRebound() {
    long present = optimizer.device().rebindings();
    for (int i = 0; present != rebindings && i < borrowed.length; i++) {
      if (memory(borrowed[i]) != memories[i]) {
        return true;
      }
    }
    rebindings = present;
    return false;
  }

  private void makeReady(String operation) {
    checkCurrent();
    optimizer.requireCapturable(operation);
    optimizer.run(null, refuseCapture);
    if (!isLive) {
      scaling.requireExact(); // another state may have been restored
    }
    if (!isReady(() -> {})) {
      throw new CaptureRefusedException(
          "gradientScale "
              + scale.gradientScale()
              + " divided by a loss scale of "
              + counts.lossScale
              + " is no normal float32 number, by which captured steps multiply: call step() of"
              + " the optimizer until the loss scale is another");
    }
  }

  /**
   * Takes a step for {@link Optimizer#step()}.
   *
   * @param factor what gradients are multiplied by apart from the loss scale
   * @param before what is done on the device first; repeating it changes nothing
   * @return false if the step must be taken another way
   */
  boolean stepAhead(double factor, Runnable before) {
    gradientScale = factor;
    program.gradientScale(factor);
    boolean isReady = isReady(before);
    if (isReady) {
      optimizer.run("a step", launchAhead);
    }
    return isReady;
  }

  /** The steps' numbers, as far as they were computed. */
  StepsAhead ahead() {
    return ahead;
  }

  CapturedProgram program() {
    return program;
  }

  /** Prepares a launch; false if the loss scale is out of range, and then nothing came before. */
  private boolean isReady(Runnable before) {
    if (isLive) {
      program.read(counts);
      reportEarly();
      copyParametersAgain();
    } else {
      optimizer.suspendCaptured(); // another captured step
      await(); // the host must not set the device's position while it is running
      reportEarly();
      counts.lossScale = scaling.scale();
      if (!CapturedScale.isInRange(gradientScale, counts.lossScale)) {
        return false;
      }
      begin();
    }
    makeRoom();
    if (!isInRange()) {
      return false;
    }
    if (counts.steps > Long.MAX_VALUE - outstanding()) {
      settle();
      optimizer.known().next(); // throws where no step can follow
    }
    try {
      fill();
    } catch (IllegalStateException e) { // perhaps prepared for a step that is not the next one
      await();
      fill();
    }
    optimizer.run(null, before);
    optimizer.run(null, allow);
    allowed++;
    return true;
  }

  /** Computes the numbers of all steps that the launches so far and one more may take. */
  private void fill() {
    ahead.fill(counts.steps + outstanding(), program);
  }

  /** Launches that the device has not yet reported, plus the next one. */
  private long outstanding() {
    return allowed + 1 - counts.launches;
  }

  private void begin() {
    Progress progress = optimizer.known();
    counts.launches = 0;
    counts.steps = progress.steps();
    counts.skipped = progress.skipped();
    counts.early = reportedEarly;
    counts.finiteSteps = scaling.finiteSteps();
    counts.isLastSkipped = progress.isLastSkipped();
    optimizer.beginSteps();
    copiesParameters = step.copiesParameters();
    optimizer.run(null, begin);
    ahead.begin(counts.steps, progress.learningRate());
    allowed = 0;
    isLive = true;
    optimizer.captures().begin(this);
  }

  /**
   * State that begins as a copy of the parameters is copied before each step until one has
   * happened, since weights may be loaded as long as all are skipped.
   */
  private void copyParametersAgain() {
    if (copiesParameters) {
      settle();
      copiesParameters = step.copiesParameters();
      if (copiesParameters) {
        optimizer.run(null, copy);
      }
    }
  }

  private void reportEarly() {
    long early = counts.early - reportedEarly;
    if (early == 0) {
      return;
    }
    reportedEarly = counts.early;
    throw new HostBehindException(early);
  }

  /**
   * Near the bounds of the loss scale the host waits, to know whether the next step is possible.
   */
  private boolean isInRange() {
    if (!staysInRange()) {
      await();
    }
    return staysInRange();
  }

  private boolean staysInRange() {
    return scale.staysInRange(gradientScale, counts.lossScale, outstanding() - 1);
  }

  private void makeRoom() {
    if (outstanding() > program.room()) {
      optimizer.run("captured steps", awaitRoom);
      program.read(counts);
    }
    if (outstanding() > program.room()) {
      await();
    }
    if (outstanding() > program.room()) {
      throw new IllegalStateException(
          "beforeLaunch() was called "
              + outstanding()
              + " times without a launch, must be followed by one: launch the graph on the"
              + " device's stream after each call");
    }
  }

  private void await() {
    optimizer.run("captured steps", settle);
    program.read(counts);
  }

  /** Throws rather than wait for launches while the stream is capturing. */
  void requireNoWaitInCapture() {
    program.read(counts);
    if (counts.launches != allowed) {
      optimizer.run(null, refuseCapture);
    }
  }

  /** Waits for the device, if it may have advanced, and lets the optimizer know how far. */
  void settle() {
    if (isLive) {
      requireNoWaitInCapture();
      if (counts.launches != allowed) {
        isLive = false; // if the device failed, the known counts stay
        await();
        isLive = true;
      }
      ahead.takeOver(counts.steps);
      optimizer.known().takeOver(counts, ahead.rate(counts.steps));
      scaling.takeOver(counts);
    }
  }

  /** The same, and the device must not continue before it is given the place. */
  void suspend() {
    if (isLive) {
      try {
        settle();
        program.allow(counts.launches);
      } finally {
        isLive = false;
      }
    }
  }

  /** The norm of the last launch, which the device has finished. */
  double gradientNorm() {
    return lifetime.isOpen() ? program.gradientNorm() : lastNorm;
  }

  /**
   * Waits until the device has finished the steps that it was given, and frees what was prepared,
   * also if the device failed: the optimizer's next call reports that. Graphs that the step was
   * recorded into must not be launched afterwards. Closing twice is fine.
   *
   * @throws IllegalStateException if the device's stream is capturing a graph while there are steps
   *     to wait for; nothing is freed
   * @throws ConcurrentUseException if another thread is using the optimizer; nothing is freed
   */
  @Override
  public void close() {
    optimizer.enter("CapturedStep.close()");
    try {
      if (lifetime.isOpen() && optimizer.isOpen() && optimizer.device().isOpen()) {
        lastNorm = finish();
      }
      free();
    } finally {
      optimizer.leave();
    }
  }

  private double finish() {
    try {
      optimizer.suspendCaptured();
      return program.gradientNorm();
    } catch (WarmstepException e) { // which the optimizer's next call reports
      return Double.NaN;
    }
  }

  void free() {
    if (lifetime.end()) {
      optimizer.captures().forget(this, program);
      if (optimizer.device().isOpen()) {
        program.close();
      }
    }
  }
}
