package io.warmstep;

import static java.util.stream.Collectors.joining;

import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.StepRefusedException;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.step.CapturedScale;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepOptions;
import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Updates parameters from their gradients by a rule, in one fused pass per step. Holds the
 * optimizer state, which starts at the rule's initial values. Used by one thread at a time.
 *
 * <p>A step with gradients computed elsewhere, and the state after it:
 *
 * <pre>{@code
 * try (Device device = Devices.cpu();
 *     Parameters parameters = Parameters.on(device).add("w", new float[] {1, 2}).build();
 *     Optimizer optimizer =
 *         Optimizer.of(parameters).rule(Momentum.heavyBall(0.9)).learningRate(0.1).build()) {
 *   parameters.get("w").gradients().copyFrom(new float[] {0.5f, -0.5f});
 *   optimizer.step();
 *   Tensor velocity = optimizer.state("w", "momentum_buffer");
 * }
 * }</pre>
 *
 * <p>A step is all-or-nothing unless the device fails. In that case parameters may be half updated:
 * the step throws {@link StepFailedException}, and so does every later one.
 */
public final class Optimizer implements AutoCloseable {
  /** Why groups are not changed while there are micro-batches. */
  static final String OF_OTHERS =
      "and those after would be of other groups: change groups right after a step";

  private Parameters parameters;
  private final LearningRate learningRate;
  private final LossScaler scaler;
  private final UpdateRule rule;
  private final MovingHyperparameters moving;
  private final StepOptions options;
  private final MixedPrecision precision;
  private final StepReporter reporter;
  private final PreparedStep step;
  private final Runnable refuseCapture;
  private final Runnable nextStep;
  private boolean happened; // the last step that the host knew of at once
  private final Accumulation accumulation;
  private final Runnable addMicroBatch;
  private final Runnable beforeStep;
  private final OptimizerState state;
  private final Evaluation evaluation;
  private Tensor[] borrowed;
  private final Lifetime lifetime;
  private final ExclusiveUse use = new ExclusiveUse();
  private final Progress progress;
  private final Captures captures = new Captures();
  private final LossScaling scaling;
  private final CapturedScale aheadScale; // null if the host has to know whether steps happen

  Optimizer(OptimizerBuilder builder) {
    parameters = builder.parameters();
    learningRate = builder.learningRate();
    scaler = builder.scaler();
    rule = builder.rule();
    moving = builder.moving();
    options = builder.options().skipNonFinite(builder.options().skipNonFinite() || scaler != null);
    progress = new Progress(builder.startAfter());
    List<RuleGroup> groups =
        RuleGroup.resolve(rule, moving, options.adaptiveClip(), builder.groups(), parameters);
    List<TrainedGroup> trained = TrainedGroup.of(groups, progress.steps());
    StepOptions all = OwnClip.of(options, groups);
    reporter = builder.reporter(all);
    ArithmeticRange.requireOptions(all, parameters);
    precision = new MixedPrecision(options, builder.places());
    precision.require(groups);
    progress.next(); // throws where no step can follow
    trained.forEach(group -> group.replay(learningRate));
    trained.forEach(group -> group.requireHyperparameters(options, learningRate.constant()));
    lifetime = Lifetime.begin(this, "optimizer");
    state = new OptimizerState(parameters.device(), lifetime, precision);
    evaluation = new Evaluation(state);
    scaling = new LossScaling(this, scaler);
    accumulation = new Accumulation(builder.lanes(), options.zeroGradients());
    addMicroBatch = accumulation::add;
    beforeStep =
        () -> {
          accumulation.sumUp();
          reporter.beforeStep(); // which copies the sum
        };
    refuseCapture = () -> parameters.device().backend().refuseCapture();
    try {
      scaling.begin(state);
      aheadScale = options.skipNonFinite() ? captureScale() : null;
      step =
          new PreparedStep(parameters, trained, options, state, aheadScale, this::suspendCaptured);
      nextStep = () -> happened = step.run();
      state.allocate(parameters, groups);
      step.prepare();
    } catch (RuntimeException | Error e) {
      lifetime.end();
      state.close();
      throw e;
    }
    borrowed = parameters.borrowedTensors();
    if (progress.steps() > 0) {
      state.expectRestored();
    }
    lifetime.ifLost(parameters.device().backend(), release());
  }

  /**
   * Starts building an optimizer. It updates all of the parameters; put those that need another
   * rule into a {@link ParameterGroup}. Two optimizers of the same parameters update them twice.
   *
   * @param parameters the parameters to update
   * @return a builder
   */
  public static OptimizerBuilder of(Parameters parameters) {
    return new OptimizerBuilder(parameters);
  }

  /**
   * Updates all parameters from their gradients. After the first call it allocates no objects,
   * copies nothing between host and device and, on a GPU, waits for nothing. Where steps with
   * non-finite gradients are skipped, CUDA and OpenCL devices decide and count, up to 16 steps
   * behind; then {@link #stepCount}, {@link #skippedSteps}, {@link #isLastStepSkipped}, {@link
   * #learningRate()}, {@link OptimizerGroups#stepCount}, {@link LossScaler#scale} and {@link
   * LossScaler#state} wait until the device has decided about the last step, while its update may
   * still run; kernels read the loss scale at {@link #lossScaleHandle}, for which nothing waits.
   * Where state starts as a copy of the parameters, each step waits until the first has happened.
   * The step itself waits for the norm if there is a custom or metric-driven schedule or a loss
   * scaler that {@link #capture} rejects, or if an OpenCL device does not compute in float64, in
   * which the loss scale is kept; where it then changes the loss scale, it sends the device the new
   * one. For a step that is reported to a {@link OptimizerBuilder#listener}, the numbers are kept
   * on the device, and a later call copies them to the host once they are ready.
   *
   * @throws StepFailedException if the device failed in this or an earlier step
   * @throws IllegalStateException if the schedule gives a rate that is not finite or negative, or
   *     one from which the rule computes a number that the parameters' arithmetic cannot hold: an
   *     infinite one in float32, say, or one that becomes 0; or no micro-batch was {@linkplain
   *     #accumulate() accumulated} where lanes or earlier steps require one; or the device's stream
   *     is capturing a CUDA graph, into which this step's number and rate would be frozen: see
   *     {@link #capture}; nothing changes
   * @throws EvaluationModeException in evaluation mode, see {@link #eval}; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls, as from its schedule; nothing changes
   * @throws OutOfDeviceMemoryException if there is no room to measure the update for a listener;
   *     nothing changes
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void step() {
    step(options.gradientScale());
  }

  /**
   * Updates all parameters as {@link #step()} does, with another factor for this step's gradients
   * than that of {@link OptimizerBuilder#gradientScale}: for example where they are a sum over rows
   * and the last minibatch has fewer.
   *
   * <pre>{@code
   * optimizer.step(1.0 / rowsOfThisMinibatch);
   * }</pre>
   *
   * @param gradientScale factor applied before anything else to gradients, or to the mean of
   *     {@linkplain #accumulate() accumulated} ones; above 0 and a normal float32 number
   * @throws IllegalArgumentException if the factor is out of range; nothing changes
   */
  public void step(double gradientScale) {
    GradientScale.require(gradientScale);
    use.enter("step()");
    try {
      checkOpen();
      progress.checkNotFailed("no further step is taken");
      evaluation.requireTraining("step()");
      accumulation.requireReady();
      run(null, refuseCapture);
      double factor = gradientScale / accumulation.divisor();
      if (stepAhead(factor)) {
        return;
      }
      suspendCaptured();
      long next = progress.next();
      double rate = learningRate.rate(next);
      step.set(next, rate, factor / scaling.scale());
      state.warnIfNotRestored(progress.steps());
      accumulation.prepareSum();
      reporter.begin(parameters.device().backend(), step, false);
      run(null, beforeStep);
      run(null, nextStep);
      captures.otherStep();
      accumulation.clear();
      progress.advance(happened, rate);
      if (scaling.update(happened)) {
        run("the loss scale", scaling.sending());
      }
      reporter.end(this, step, happened);
    } finally {
      leave();
    }
  }

  /** Takes a step where the device decides whether it happens; false if that is not possible. */
  private boolean stepAhead(double factor) {
    if (step.ahead() == null) {
      return false;
    }
    step.followRebinding();
    if (step.ahead() == null) {
      return false;
    }
    CapturedStep own = captures.own(this, step, aheadScale);
    accumulation.prepareSum();
    reporter.begin(parameters.device().backend(), step, true);
    boolean isTaken = own.stepAhead(factor, beforeStep);
    if (isTaken) {
      accumulation.clear();
      reporter.endAhead(step, own);
    }
    return isTaken;
  }

  /**
   * Adds the current gradients, as one micro-batch, to the mean that the next {@link #step()} uses.
   * This allows batches larger than memory.
   *
   * <pre>{@code
   * for (Batch micro : batch) {
   *   backward(micro, parameters);   // writes the gradients
   *   optimizer.accumulate();
   * }
   * optimizer.step();                // with their mean
   * }</pre>
   *
   * <p>The step divides by the number of micro-batches since the last one, so a shorter last batch
   * is averaged correctly. {@link OptimizerBuilder#gradientScale} and the loss scale, which must
   * stay the same meanwhile, are applied as well; clipping applies to the mean. Gradients are added
   * in the arithmetic type, which is float32 for 16-bit ones, starting from 0 in the order of the
   * calls, and by {@linkplain OptimizerBuilder#lanes lanes} if there are several. The step rounds
   * the sum once to the gradients' type and leaves it there, unless it sets gradients to zero, as
   * this call then does too. A NaN or an infinity makes the sum non-finite, so the whole step is
   * skipped if such steps are.
   *
   * <p>Once this has been called, every step needs it. Callers that accumulate in place during the
   * backward pass do not need it. The first calls allocate memory for the sums, the size of the
   * gradients in the arithmetic type, for each lane in use; later ones allocate, copy and wait for
   * nothing. {@link #zeroGradients} discards the sums.
   *
   * @throws StepFailedException if the device failed in this or an earlier call
   * @throws OutOfDeviceMemoryException if there is no room for the sums; nothing changes
   * @throws IllegalStateException if the device's stream is capturing a CUDA graph; nothing changes
   * @throws EvaluationModeException in evaluation mode, see {@link #eval}; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls; nothing changes
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void accumulate() {
    use.enter("accumulate()");
    try {
      checkOpen();
      captures.suspendGraphs();
      progress.checkNotFailed("nothing is accumulated");
      evaluation.requireTraining("accumulate()");
      run("accumulate()", refuseCapture);
      step.followRebinding();
      accumulation.prepareNext(parameters.device(), step);
      run("accumulate()", addMicroBatch);
    } finally {
      leave();
    }
  }

  /**
   * Prepares steps that a CUDA device runs without the host, as a graph of their own or inside the
   * caller's: see {@link CapturedStep}. They have the same bits as {@link #step()}. Both kinds of
   * step may be mixed.
   *
   * <p>Schedules must come from {@link io.warmstep.schedule.Schedules} or be composed of these,
   * because numbers are computed before their steps: schedules that follow a metric and custom ones
   * are rejected. So are listeners, micro-batches, and a loss scaler whose scale is not a float32
   * or whose growth and backoff factors are not powers of two.
   *
   * @return a captured step, which closes with this optimizer
   * @throws CaptureRefusedException on devices other than CUDA's, with drivers older than CUDA
   *     11.4, while the device's stream is capturing, or if something cannot be captured; nothing
   *     changes
   * @throws OutOfDeviceMemoryException if there is no room for the preparation; nothing changes
   * @throws StepFailedException if the device failed in an earlier step
   * @throws EvaluationModeException in evaluation mode, see {@link #eval}; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public CapturedStep capture() {
    use.enter("capture()");
    try {
      checkOpen();
      suspendCaptured();
      requireCapturable("capture()");
      requireKnownAhead("the learning rate", learningRate.schedule());
      for (int i = 0; i < moving.names().size(); i++) {
        requireKnownAhead(moving.names().get(i), moving.schedules().get(i));
      }
      if (reporter.hasListeners()) {
        throw new CaptureRefusedException(
            "the host reports each step to the listeners, which captured steps do without: build"
                + " the optimizer without listener(), or call step()");
      }
      scaling.requireExact();
      CapturedScale scale = scaling.captured(options.gradientScale());
      CapturedProgram program = step.capture(scale);
      CapturedStep captured = new CapturedStep(this, step, program, scale);
      captures.add(captured, program);
      return captured;
    } finally {
      leave();
    }
  }

  /** The factor of gradients in steps that need no wait; null if each must know of earlier ones. */
  private CapturedScale captureScale() {
    boolean isKnownAhead =
        learningRate.schedule().isKnownAhead()
            && moving.schedules().stream().allMatch(Schedule::isKnownAhead);
    return isKnownAhead && scaling.isExact() ? scaling.captured(options.gradientScale()) : null;
  }

  /**
   * The address of the loss scale on a GPU, a float32 in its memory, for kernels that multiply the
   * loss by it: so the host needs neither {@link LossScaler#scale()} nor a wait. On OpenCL it is a
   * buffer of that one number, with which {@link Device#borrowHandle} makes a tensor. It is the
   * same as long as the optimizer is open, and {@link CapturedStep#lossScaleHandle} of this
   * optimizer's captured steps is the same one.
   *
   * <pre>{@code
   * long lossScale = optimizer.lossScaleHandle();
   * for (Batch batch : batches) {
   *   launchForwardAndBackward(batch, lossScale, stream); // its kernels read a float there
   *   optimizer.step();
   * }
   * }</pre>
   *
   * <p>The number changes in the order of the device's stream or queue, and only there. Work that
   * is given to the stream before a step finds the scale by which that step divides gradients; work
   * that is given to it afterwards finds the next one, whether the step was skipped and whether the
   * host knows that yet. Likewise {@link LossScaler#restore} and {@link #restore} take effect
   * between the work before and after them. Work in other streams needs an event on both sides: it
   * must not read before the last step is done, nor go on reading when the next one runs. The
   * device {@link Devices#require} opens is ordered with the legacy default stream; one of {@link
   * Devices#wrapCuda} or {@link Devices#wrapOpenCl} uses the caller's. Read only: a step takes its
   * scale from elsewhere, so that nothing written there has an effect on it.
   *
   * @return a {@code CUdeviceptr} or a {@code cl_mem}, whose reference stays the optimizer's
   * @throws UnsupportedOperationException on the CPU, where the host moves the scale: {@link
   *     LossScaler#scale()} gives it without a wait
   * @throws IllegalStateException if the optimizer has no loss scaler, or one whose scale is or may
   *     become a number that float32 does not hold
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public long lossScaleHandle() {
    checkOpen();
    return scaling.lend();
  }

  /** The loss scale, on the host and on the device. */
  LossScaling lossScaling() {
    return scaling;
  }

  private static void requireKnownAhead(String what, Schedule schedule) {
    if (!schedule.isKnownAhead()) {
      throw new CaptureRefusedException(
          what
              + " follows a schedule that may answer otherwise by the time a step is taken, and"
              + " captured steps have their numbers computed ahead: compose one of Schedules' that"
              + " follow no metric, have your own say so by isKnownAhead(), or call step()");
    }
  }

  /** Checks that a captured step can be taken. */
  void requireCapturable(String operation) {
    progress.checkNotFailed("no further step is taken");
    evaluation.requireTraining(operation);
    if (accumulation.isUsed()) {
      throw new CaptureRefusedException(
          "steps take the mean of micro-batches, whose number a graph does not know: call step()");
    }
  }

  /**
   * Waits for steps that the device counts, if there may be some that this object does not know of:
   * captured ones, and plain ones that can be skipped. While another thread is using this
   * optimizer, nothing is updated.
   */
  void settleCaptured() {
    if (!captures.isLive() || !parameters.device().isOpen()) {
      return;
    }
    if (use.isOwn()) {
      captures.settle();
    } else if (use.tryEnter("a look at its counts")) {
      try {
        captures.settle();
      } finally {
        leave();
      }
    }
  }

  /** The same, before anything other than another such step. */
  void suspendCaptured() {
    if (parameters.device().isOpen()) {
      captures.suspend();
    }
  }

  /**
   * How many micro-batches were accumulated since the last step.
   *
   * @return 0 right after a step
   */
  public long accumulated() {
    return accumulation.count();
  }

  /**
   * Records the loss to include in reports from the next step on. Nothing else uses it.
   *
   * @param loss the loss of the minibatch whose gradients the next step uses; NaN and infinities
   *     are reported as they are
   */
  public void reportLoss(double loss) {
    reporter.loss(loss);
  }

  /**
   * Waits until the device has finished the steps whose reports are outstanding, and delivers them
   * to the {@link OptimizerBuilder#listener listeners}. {@link #close} does so too.
   *
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void flushReports() {
    betweenSteps("flushReports()", reporter::flush);
  }

  /**
   * Runs work that changes parameters; if it fails, the optimizer is unusable.
   *
   * @param operation what it is; null for the next step, which must allocate nothing
   */
  void run(String operation, Runnable work) {
    try {
      work.run();
    } catch (StepRefusedException e) { // nothing has changed
      throw e;
    } catch (Throwable e) { // checked ones too: rules written in other languages throw them
      String what = operation == null ? "step " + progress.next() : operation;
      progress.fail(e);
      throw new StepFailedException(
          what
              + " failed on "
              + parameters.device()
              + "; parameters and state may be partly updated: restore them into a new optimizer",
          e);
    }
  }

  /**
   * Switches to evaluation mode: for rules that train different weights (Schedule-Free, ASGD) and
   * for {@linkplain OptimizerBuilder#average averages}, puts the weights for evaluation and export
   * into the parameters. The training weights are kept aside, and {@link #train} restores them bit
   * for bit. Steps, adding parameters and restoring are rejected in evaluation mode; a checkpoint
   * holds the training weights. Values written to the parameters meanwhile are lost. An optimizer
   * that is closed in evaluation mode leaves the parameters as they are.
   *
   * <p>Does nothing in evaluation mode, or if there are no such weights.
   *
   * <pre>{@code
   * optimizer.eval();
   * double loss = validate(parameters);
   * optimizer.train();
   * }</pre>
   *
   * @throws StepFailedException if the device failed in this or an earlier call
   * @throws OutOfDeviceMemoryException if there is no room for the training weights, for which the
   *     first call allocates memory; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void eval() {
    betweenSteps(
        "eval()",
        () -> {
          progress.checkNotFailed("there is nothing to evaluate");
          evaluation
              .prepare(parameters, trainedGroups())
              .ifPresent(
                  swap -> {
                    try (swap) {
                      run("eval()", swap::run);
                    }
                  });
        });
  }

  /**
   * Switches back to training: puts the weights from before {@link #eval} back into the parameters.
   * Does nothing while training.
   *
   * @throws StepFailedException if the device failed in this or an earlier call
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void train() {
    betweenSteps(
        "train()",
        () -> {
          progress.checkNotFailed("restore a checkpoint first");
          run("train()", evaluation::end);
        });
  }

  /**
   * Whether the parameters hold the training weights.
   *
   * @return false between {@link #eval} and {@link #train} if there are other weights for
   *     evaluation
   */
  public boolean isTraining() {
    return !evaluation.isOn();
  }

  /**
   * Sets every gradient to zero and discards what was {@linkplain #accumulate() accumulated}.
   *
   * @throws IllegalStateException if tensors were rebound since the last call while the device's
   *     stream is capturing a CUDA graph, which would keep writing where they lie; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void zeroGradients() {
    use.enter("zeroGradients()");
    try {
      checkOpen();
      step.zeroGradients();
      accumulation.clear();
    } finally {
      leave();
    }
  }

  /**
   * How many steps have happened, including those of {@link OptimizerBuilder#startAfter}; skipped
   * ones do not count. Where the device counts, it waits for the device: after {@linkplain #capture
   * captured} steps and, on CUDA and OpenCL, after plain ones that can be skipped, see {@link
   * #step}. Otherwise it waits for nothing.
   *
   * @return 0 before the first, unless the builder said otherwise
   * @throws StepFailedException if the device failed in a step that the host had not waited for
   */
  public long stepCount() {
    settleCaptured();
    return progress.steps();
  }

  /**
   * How many steps were skipped because of a non-finite gradient. Waits as {@link #stepCount} does.
   *
   * @return 0 unless a loss scaler or {@link OptimizerBuilder#skipNonFinite} is used
   * @throws StepFailedException if the device failed in a step that the host had not waited for
   */
  public long skippedSteps() {
    settleCaptured();
    return progress.skipped();
  }

  /**
   * Whether the last step was skipped because of a non-finite gradient. Waits as {@link #stepCount}
   * does.
   *
   * @return false if it happened, and before the first
   * @throws StepFailedException if the device failed in a step that the host had not waited for
   */
  public boolean isLastStepSkipped() {
    settleCaptured();
    return progress.isLastSkipped();
  }

  /**
   * Sets the learning rate for subsequent steps, if the optimizer was built with a constant one.
   * Checkpoints contain it.
   *
   * @param rate finite and at least 0
   * @throws IllegalArgumentException if the rate is out of range, or the rule computes a number
   *     from it that the parameters' arithmetic cannot hold; nothing changes
   * @throws IllegalStateException if the learning rate follows a schedule
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void learningRate(double rate) {
    use.enter("learningRate()");
    try {
      checkOpen();
      suspendCaptured();
      progress.next(); // throws where no step can follow
      LearningRate.require(rate);
      step.groups().forEach(group -> group.requireHyperparameters(options, rate));
      learningRate.set(rate);
    } finally {
      leave();
    }
  }

  /**
   * The rate that the last step used, before the groups' factors. Waits as {@link #stepCount} does,
   * since a skipped step uses none.
   *
   * @return the rate, or NaN before the first step
   * @throws StepFailedException if the device failed in a step that the host had not waited for
   */
  public double learningRate() {
    settleCaptured();
    return progress.learningRate();
  }

  /**
   * Global norm of the last step's gradients before clipping, after multiplying by {@link
   * OptimizerBuilder#gradientScale} and dividing by the loss scale. On a GPU it waits until the
   * device has done all that it was given so far; a {@link OptimizerBuilder#listener} gets the norm
   * without that.
   *
   * @return the norm, or NaN before the first step or if the optimizer neither clips by norm,
   *     {@link OptimizerBuilder#clipNorm measures} it, nor skips non-finite gradients
   * @throws StepFailedException if the device failed in a step that the host had not waited for
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public double gradientNorm() {
    checkOpen();
    settleCaptured();
    try {
      CapturedStep last = captures.last(step);
      return last == null ? step.gradientNorm() : last.gradientNorm();
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /**
   * The state of one parameter. Writing to the tensor changes the state. State that starts as a
   * copy of the parameter follows it until the parameter's first step or this call, if that is
   * earlier: an average, slow weights, or what Prodigy and Schedule-Free keep of the initial
   * weights.
   *
   * @param parameter the parameter's name
   * @param slot PyTorch's name of the state, such as {@code exp_avg}
   * @return a tensor that closes with this optimizer
   * @throws IllegalArgumentException if there is no such parameter or state
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public Tensor state(String parameter, String slot) {
    checkOpen();
    Tensor values = parameters.get(parameter).values();
    Tensor tensor = state.tensor(parameter, slot);
    if (state.isCopy(parameter, slot) && groups().stepCount(parameter) == 0) {
      TensorCopy.widen(values, tensor);
    }
    state.requested(parameter, slot);
    return tensor;
  }

  /**
   * How much memory the state takes on the device: the rules' slots and their scratch space,
   * masters and averages, and what {@link #eval} has kept aside.
   *
   * @return in bytes, without what a device adds to each allocation
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public long stateBytes() {
    checkOpen();
    return state.bytes();
  }

  /**
   * Names of a parameter's state slots under its rule.
   *
   * @param parameter the parameter's name
   * @return PyTorch's names, empty for a rule without state
   * @throws IllegalArgumentException if there is no such parameter
   */
  public List<String> stateNames(String parameter) {
    parameters.get(parameter);
    return state.names(parameter);
  }

  /**
   * Saves everything that a run needs to resume exactly: the parameters' values (in evaluation mode
   * too, the training weights), the optimizer state, the step count, the state of schedules and of
   * the loss scaler, and the seed of stochastic rounding. See {@link #checkpoint} for options.
   *
   * @param path the file, in the safetensors format; it appears whole or not at all
   * @throws StepFailedException if a step failed; nothing is written
   * @throws IllegalStateException if micro-batches were {@linkplain #accumulate() accumulated}
   *     since the last step
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   * @throws IOException if it cannot be written; an existing file stays
   */
  public void save(Path path) throws IOException {
    checkpoint().save(path);
  }

  /**
   * Resumes a saved run, of this device or another. See {@link #checkpoint} for options.
   *
   * @param path a file that {@link #save} wrote, or one of PyTorch's flattened optimizer state
   * @return the choices made while restoring
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if the file is damaged or not a
   *     checkpoint; nothing changes
   * @throws io.warmstep.checkpoint.CheckpointMismatchException if it has other parameters or
   *     another rule; nothing changes
   * @throws EvaluationModeException in evaluation mode, see {@link #eval}; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   * @throws IOException if it cannot be read; nothing changes
   */
  public RestoreReport restore(Path path) throws IOException {
    return checkpoint().restore(path);
  }

  /**
   * Saves and restores with options: without the parameters' values, under other names, to
   * channels, and together with the caller's tensors.
   *
   * @return a new set of options
   */
  public OptimizerCheckpoint checkpoint() {
    return new OptimizerCheckpoint(this);
  }

  /**
   * The parameter groups, to freeze, unfreeze and add between steps.
   *
   * @return a view of this optimizer
   */
  public OptimizerGroups groups() {
    return new OptimizerGroups(this, this::betweenSteps, this::add);
  }

  /** Runs work between two steps while nobody else uses this optimizer. */
  void betweenSteps(String operation, Runnable work) {
    use.enter(operation);
    try {
      checkOpen();
      suspendCaptured();
      work.run();
    } finally {
      leave();
    }
  }

  /** Runs work with this optimizer while nobody else uses it. */
  <T> T exclusively(String operation, OptimizerCheckpoint.Work<T> work) throws IOException {
    use.enter(operation);
    try {
      checkOpen();
      suspendCaptured();
      return work.run();
    } finally {
      leave();
    }
  }

  Parameters parameters() {
    return parameters;
  }

  LearningRate rates() {
    return learningRate;
  }

  MovingHyperparameters moving() {
    return moving;
  }

  /** The options of a step apart from its rules, except clipping that is part of a rule. */
  StepOptions options() {
    return options;
  }

  /** The loss scaler, or null. */
  LossScaler scaler() {
    return scaler;
  }

  List<TrainedGroup> trainedGroups() {
    settleCaptured();
    return step.groups();
  }

  /** The state; a caller that reads or writes it does not mark it as restored. */
  OptimizerState optimizerState() {
    return state;
  }

  /** Replaces the groups with others of the same parameters; parameters and state stay. */
  void use(List<TrainedGroup> others) {
    requireNothingAccumulated(OF_OTHERS);
    use(others, step.randomKeys());
  }

  /** Replaces also what random numbers follow from, and forgets the micro-batches. */
  void use(List<TrainedGroup> others, RandomKeys keys) {
    others.forEach(group -> group.requireHyperparameters(options, 0));
    step.prepare(parameters, others, keys);
    accumulation.close();
  }

  /** Adds parameters; if that fails, nothing changes. */
  void add(Parameters more, List<ParameterGroup> groups) {
    evaluation.requireTraining("groups().add()");
    requireNothingAccumulated(OF_OTHERS);
    Parameters joined = parameters.joinedBy(more);
    List<RuleGroup> resolved = resolve(more, groups);
    List<TrainedGroup> next = new ArrayList<>(trainedGroups());
    next.addAll(TrainedGroup.of(resolved, 0));
    ArithmeticRange.requireOptions(
        OwnClip.of(options, next.stream().map(TrainedGroup::rules).toList()), joined);
    precision.require(next.stream().map(TrainedGroup::rules).toList());
    next.forEach(group -> group.requireHyperparameters(options, learningRate.constant()));
    int memories = state.memories().size();
    state.allocate(more, resolved);
    try {
      step.prepare(joined, next, step.randomKeys().with(joined));
    } catch (RuntimeException | Error e) {
      state.release(more, memories);
      throw e;
    }
    parameters = joined;
    borrowed = joined.borrowedTensors();
    accumulation.close();
  }

  /** The groups of parameters that are not this optimizer's. */
  List<RuleGroup> resolve(Parameters more, List<ParameterGroup> groups) {
    return RuleGroup.resolve(rule, moving, options.adaptiveClip(), groups, more);
  }

  /** Rejects an operation that would lose micro-batches. */
  void requireNothingAccumulated(String consequence) {
    accumulation.requireNone(consequence);
  }

  /** Discards the micro-batches since the last step. */
  void forgetAccumulated() {
    accumulation.clear();
  }

  Evaluation evaluation() {
    return evaluation;
  }

  Progress progress() {
    settleCaptured();
    return progress;
  }

  PreparedStep prepared() {
    return step;
  }

  /** The progress, as far as it is known without a wait. */
  Progress known() {
    return progress;
  }

  Captures captures() {
    return captures;
  }

  Device device() {
    return parameters.device();
  }

  /** Before captured steps: the preparation that a plain step does first. */
  void beginSteps() {
    progress.next(); // throws where no step can follow
    state.warnIfNotRestored(progress.steps());
  }

  /** The same on the device. */
  void beginState() {
    step.begin();
  }

  /** Begins a call of a part of this optimizer. */
  void enter(String operation) {
    use.enter(operation);
  }

  /**
   * Frees the state; the parameters stay. Waits for reports that are still outstanding and delivers
   * them first; an exception of a listener comes after all is freed. Closing twice is fine.
   *
   * @throws IllegalStateException if the device's stream is capturing a CUDA graph while there are
   *     steps to wait for; nothing is freed
   * @throws ConcurrentUseException if another thread is using this optimizer; nothing is freed
   */
  @Override
  public void close() {
    use.enter("close()");
    boolean isRefused = false;
    try {
      if (lifetime.isOpen() && parameters.device().isOpen()) {
        captures.finish();
        reporter.finish();
      }
    } catch (StepRefusedException e) {
      isRefused = true;
      throw e;
    } finally {
      if (isRefused) {
        leave();
      } else {
        free();
      }
    }
  }

  private void free() {
    try {
      accumulation.close();
      captures.close();
      if (lifetime.end() && parameters.device().isOpen()) {
        release().run();
      }
    } finally {
      leave();
    }
  }

  @Override
  public String toString() {
    tryToSettle();
    String rules =
        step.groups().stream()
            .map(group -> group.rules().rule().name())
            .distinct()
            .collect(joining(" and "));
    return (step.groups().isEmpty() ? rule.name() : rules) // without parameters there is no group
        + " of "
        + parameters
        + ", at step "
        + progress.steps()
        + (LearningRate.isNamed(learningRate.schedule()) ? ", " + learningRate.schedule() : "");
  }

  /** For a text, which must not fail: the next call reports the failure. */
  void tryToSettle() {
    try {
      settleCaptured();
    } catch (WarmstepException | IllegalStateException e) {
      // keeps what was known before
    }
  }

  boolean isOpen() {
    return lifetime.isOpen();
  }

  private Runnable release() {
    List<Runnable> snapshots = reporter.releases(); // there may be more by then
    return step.releaseWith(
        state.memories(), List.of(() -> snapshots.forEach(Runnable::run), captures.release()));
  }

  void leave() {
    try {
      use.leave();
    } finally {
      Reference.reachabilityFence(this); // resources of the call are freed with the optimizer
    }
  }

  void checkOpen() {
    lifetime.checkOpen();
    parameters.checkOpen();
    for (Tensor tensor : borrowed) {
      tensor.checkOpen();
    }
  }
}
