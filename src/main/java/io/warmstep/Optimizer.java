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
import java.util.function.BooleanSupplier;

/**
 * Updates parameters from their gradients by a rule, in one fused pass a step. Holds the optimizer
 * state, which starts at the rule's initial values. Used by one thread at a time.
 *
 * <p>A step with gradients that were computed elsewhere, and the state that it leaves:
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
 * <p>A step either happens or does not. If the device fails in between, that step throws {@link
 * StepFailedException} and so does every later one.
 */
public final class Optimizer implements AutoCloseable {
  private static final String OF_OTHERS =
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
  private final BooleanSupplier nextStep;
  private final Accumulation accumulation;
  private final BooleanSupplier addMicroBatch;
  private final BooleanSupplier sumUp;
  private final OptimizerState state;
  private final Evaluation evaluation;
  private Tensor[] borrowed;
  private final Lifetime lifetime;
  private final ExclusiveUse use = new ExclusiveUse();
  private final Progress progress;
  private final Captures captures = new Captures();
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
    progress.next(); // refuses where no step can follow
    trained.forEach(group -> group.replay(learningRate));
    trained.forEach(group -> group.requireHyperparameters(learningRate.constant()));
    lifetime = Lifetime.begin(this, "optimizer");
    state = new OptimizerState(parameters.device(), lifetime, precision);
    evaluation = new Evaluation(state);
    aheadScale = reporter.hasListeners() || !options.skipNonFinite() ? null : captureScale();
    step = new PreparedStep(parameters, trained, options, state, aheadScale, this::suspendCaptured);
    nextStep = step::run;
    accumulation = new Accumulation(builder.lanes(), options.zeroGradients());
    addMicroBatch =
        () -> {
          accumulation.add();
          return true;
        };
    sumUp =
        () -> {
          accumulation.sumUp();
          return true;
        };
    try {
      if (scaler != null) {
        scaler.use(this);
      }
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
   * Starts an optimizer. It updates all of the parameters; those that need another rule than the
   * rest are a {@link ParameterGroup}. Two optimizers of the same parameters update them twice.
   *
   * @param parameters what it updates
   * @return a builder
   */
  public static OptimizerBuilder of(Parameters parameters) {
    return new OptimizerBuilder(parameters);
  }

  /**
   * Updates all parameters from their gradients. After the first call it allocates no objects,
   * copies nothing between host and device and, on a GPU, waits for nothing. Where steps with
   * non-finite gradients are skipped, OpenCL waits for the norm, since whether this step happened
   * counts. On CUDA the device decides and counts, up to 16 steps behind; then {@link #stepCount},
   * {@link #skippedSteps}, {@link #isLastStepSkipped}, {@link #learningRate()} and {@link
   * LossScaler#scale} wait for it. The step waits for the norm there too with a listener, a
   * schedule of the caller's own or one that follows a metric, micro-batches, a factor for this
   * step alone, {@code Muon}, {@code Lookahead}, and a loss scaler as {@link #capture} refuses it.
   * For a step that is reported to a {@link OptimizerBuilder#listener}, what is needed is kept on
   * the device, and a later call copies it to the host once it is there.
   *
   * @throws StepFailedException if the device failed in this or an earlier step
   * @throws IllegalStateException if the schedule gives a rate that is not finite or negative, or
   *     one from which the rule computes a number that the parameters' arithmetic cannot hold: an
   *     infinite one in float32, say, or one that becomes 0; or no micro-batch was {@linkplain
   *     #accumulate() accumulated} where some are to be; or the device's stream is capturing a CUDA
   *     graph, into which this step's number and rate would be frozen: see {@link #capture};
   *     nothing changes
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
   * than {@link OptimizerBuilder#gradientScale} has: where they are a sum over rows, say, of which
   * a last minibatch has fewer.
   *
   * <pre>{@code
   * optimizer.step(1.0 / rowsOfThisMinibatch);
   * }</pre>
   *
   * @param gradientScale what gradients, or the mean of those that were {@linkplain #accumulate()
   *     accumulated}, are multiplied by before anything else; above 0 and a normal float32 number
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
      if (gradientScale == options.gradientScale() && stepAhead()) {
        return;
      }
      suspendCaptured();
      long next = progress.next();
      double rate = learningRate.rate(next);
      double scale = gradientScale / accumulation.divisor();
      step.set(next, rate, scaler == null ? scale : scale / scaler.scale());
      state.warnIfNotRestored(progress.steps());
      if (accumulation.count() > 0) {
        accumulation.prepareSum();
        run(null, sumUp);
      }
      reporter.begin(parameters.device().backend(), step);
      boolean happened = run(null, nextStep);
      captures.otherStep();
      accumulation.clear();
      progress.advance(happened, rate);
      if (scaler != null) {
        scaler.update(happened);
      }
      reporter.end(this, step, happened);
    } finally {
      leave();
    }
  }

  /** Takes a step of which the device decides whether it happens; false if that cannot be. */
  private boolean stepAhead() {
    if (accumulation.isUsed() || step.ahead() == null) {
      return false;
    }
    step.followRebinding();
    return step.ahead() != null && captures.own(this, step, aheadScale).stepAhead();
  }

  /**
   * Adds the gradients as they are, as those of one micro-batch, to what the next {@link #step()}
   * takes the mean of. So a batch may be larger than the memory has room for.
   *
   * <pre>{@code
   * for (Batch micro : batch) {
   *   backward(micro, parameters);   // writes the gradients
   *   optimizer.accumulate();
   * }
   * optimizer.step();                // with their mean
   * }</pre>
   *
   * <p>The step divides by the number of micro-batches that there were since the last one, so a
   * last and shorter batch has the mean of its own. {@link OptimizerBuilder#gradientScale} and the
   * loss scale, which must stay the same meanwhile, come on top; clipping is of the mean. Gradients
   * are added in the arithmetic type, which is float32 for 16-bit ones, from 0 on in the order of
   * the calls, and by {@linkplain OptimizerBuilder#lanes lanes} if there are several. The step
   * rounds the sum once to the gradients' type and leaves it there, unless it sets gradients to
   * zero, as this call then does too. A NaN or an infinity makes the sum non-finite, so that the
   * whole step is skipped where such steps are.
   *
   * <p>An optimizer that has accumulated once takes no step without. Whoever adds gradients up in
   * place, in the backward pass, needs no call of this. The first calls allocate memory for the
   * sums, as much as the gradients have in the arithmetic type, for each lane that is in use; later
   * ones allocate, copy and wait for nothing. {@link #zeroGradients} forgets what was accumulated.
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
      suspendCaptured();
      progress.checkNotFailed("nothing is accumulated");
      evaluation.requireTraining("accumulate()");
      step.followRebinding();
      accumulation.prepareNext(parameters.device(), step);
      run("accumulate()", addMicroBatch);
    } finally {
      leave();
    }
  }

  /**
   * Prepares steps that a CUDA device takes without the host, in a graph of their own or of the
   * caller's: see {@link CapturedStep}. They have the same bits as {@link #step()}. Steps of both
   * kinds may follow each other.
   *
   * <p>Schedules must be those of {@link io.warmstep.schedule.Schedules}, as they are composed
   * there, since numbers are computed ahead of the steps that they are for: a schedule that follows
   * a metric is refused, and so is one of the caller's own. So are listeners, micro-batches, {@code
   * Lookahead}, and a loss scaler whose scale is no float32 or whose growth and backoff are no
   * powers of two.
   *
   * @return a captured step, which closes with this optimizer
   * @throws CaptureRefusedException on other devices than CUDA's, where the driver is older than
   *     CUDA 11.4, while the device's stream is capturing, or for what cannot be captured; nothing
   *     changes
   * @throws OutOfDeviceMemoryException if there is no room for what is prepared; nothing changes
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
            "listeners are told of each step by the host, which captured steps do without: build"
                + " the optimizer without listener(), or call step()");
      }
      if (scaler != null) {
        scaler.requireExact();
      }
      CapturedScale scale = scale();
      CapturedProgram program = step.capture(scale);
      CapturedStep captured = new CapturedStep(this, step, program, scale);
      captures.add(captured, program);
      return captured;
    } finally {
      leave();
    }
  }

  /** What captured steps multiply gradients by. */
  private CapturedScale scale() {
    return scaler == null
        ? new CapturedScale(options.gradientScale(), 1, 1, 0)
        : new CapturedScale(
            options.gradientScale(),
            scaler.growthFactor(),
            scaler.backoffFactor(),
            scaler.growthInterval());
  }

  /** The same for steps that need no wait; null if each must know of those before. */
  private CapturedScale captureScale() {
    boolean isKnownAhead =
        learningRate.schedule().isKnownAhead()
            && moving.schedules().stream().allMatch(Schedule::isKnownAhead);
    return isKnownAhead && (scaler == null || scaler.isExact()) ? scale() : null;
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
   * Waits for captured steps, if there may be some that this object does not know of. While another
   * thread is using this optimizer, what was known before stays.
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

  /** The same, before something else than a captured step. */
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
   * Takes the loss that listeners are to see: it is part of the reports from the next step on.
   * Nothing else uses it.
   *
   * @param loss the loss of the minibatch whose gradients the next step takes; NaN and infinities
   *     are reported as they are
   */
  public void reportLoss(double loss) {
    reporter.loss(loss);
  }

  /**
   * Waits until the device has done the steps whose reports are still outstanding, and has the
   * {@link OptimizerBuilder#listener listeners} receive them. {@link #close} does so too.
   *
   * @throws ConcurrentUseException if another thread is using this optimizer, or this is called
   *     from within one of its calls
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void flushReports() {
    betweenSteps("flushReports()", reporter::flush);
  }

  /**
   * Does what changes parameters; if it fails, nothing is right any more.
   *
   * @param operation what it is; null for the next step, which must allocate nothing
   */
  boolean run(String operation, BooleanSupplier work) {
    try {
      return work.getAsBoolean();
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
   * Goes over to evaluation mode: has the parameters hold the weights to evaluate and export a
   * model with, where a rule trains others, as Schedule-Free rules and ASGD do. Those are kept
   * aside, and {@link #train} puts them back bit by bit. In evaluation mode a step is refused, and
   * so is adding parameters and restoring; a checkpoint has the weights that are trained. What is
   * written to the parameters meanwhile is lost. An optimizer that is closed in evaluation mode
   * leaves the parameters as they are.
   *
   * <p>Does nothing in evaluation mode, or if no rule has such weights.
   *
   * <pre>{@code
   * optimizer.eval();
   * double loss = validate(parameters);
   * optimizer.train();
   * }</pre>
   *
   * @throws StepFailedException if the device failed in this or an earlier call
   * @throws OutOfDeviceMemoryException if there is no room for the weights that are trained, for
   *     which the first call allocates memory; nothing changes
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
                      run(
                          "eval()",
                          () -> {
                            swap.run();
                            return true;
                          });
                    }
                  });
        });
  }

  /**
   * Goes back to training: the parameters hold the weights again that they held before {@link
   * #eval}. Does nothing while training.
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
          run(
              "train()",
              () -> {
                evaluation.end();
                return true;
              });
        });
  }

  /**
   * Whether the parameters hold the weights that are trained.
   *
   * @return false between {@link #eval} and {@link #train} if a rule has other weights to evaluate
   *     with
   */
  public boolean isTraining() {
    return !evaluation.isOn();
  }

  /**
   * Sets every gradient to zero and forgets what was {@linkplain #accumulate() accumulated}.
   *
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
   * How many steps have happened, those of {@link OptimizerBuilder#startAfter} included; skipped
   * ones do not count. Waits for {@linkplain #capture captured} steps.
   *
   * @return 0 before the first, unless the builder said otherwise
   * @throws StepFailedException if the device failed in a captured step
   */
  public long stepCount() {
    settleCaptured();
    return progress.steps();
  }

  /**
   * How many steps were skipped for a non-finite gradient. Waits for {@linkplain #capture captured}
   * steps.
   *
   * @return 0 unless a loss scaler or {@link OptimizerBuilder#skipNonFinite} is used
   * @throws StepFailedException if the device failed in a captured step
   */
  public long skippedSteps() {
    settleCaptured();
    return progress.skipped();
  }

  /**
   * Whether the last step was skipped for a non-finite gradient. Waits for {@linkplain #capture
   * captured} steps.
   *
   * @return false if it happened, and before the first
   * @throws StepFailedException if the device failed in a captured step
   */
  public boolean isLastStepSkipped() {
    settleCaptured();
    return progress.isLastSkipped();
  }

  /**
   * Sets the learning rate of the steps that follow, where the optimizer was built with a constant
   * one. Checkpoints have it.
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
      progress.next(); // refuses where no step can follow
      LearningRate.require(rate);
      step.groups().forEach(group -> group.requireHyperparameters(rate));
      learningRate.set(rate);
    } finally {
      leave();
    }
  }

  /**
   * The rate that the last step used, before the groups' factors. Waits for {@linkplain #capture
   * captured} steps.
   *
   * @return the rate, or NaN before the first step
   * @throws StepFailedException if the device failed in a captured step
   */
  public double learningRate() {
    settleCaptured();
    return progress.learningRate();
  }

  /**
   * Global norm of the last step's gradients as the rule gets them, but for clipping: divided by
   * the loss scale and multiplied by {@link OptimizerBuilder#gradientScale}.
   *
   * @return the norm, or NaN before the first step or if the optimizer neither clips by norm,
   *     {@link OptimizerBuilder#clipNorm measures} it, nor skips non-finite gradients
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
   * The state of one parameter. Writing to the tensor changes the state.
   *
   * @param parameter the parameter's name
   * @param slot PyTorch's name of the state, such as {@code exp_avg}
   * @return a tensor that closes with this optimizer
   * @throws IllegalArgumentException if there is no such parameter or state
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public Tensor state(String parameter, String slot) {
    checkOpen();
    parameters.get(parameter);
    state.restored(parameter);
    return state.tensor(parameter, slot);
  }

  /**
   * Names of the state that a parameter has under its rule.
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
   * Saves all that a run needs to go on exactly: the parameters' values, those that are trained in
   * evaluation mode too, the state, the step count and what the schedule and the loss scaler
   * remember. See {@link #checkpoint} for choices.
   *
   * @param path the file, in the safetensors format; it appears whole or not at all
   * @throws StepFailedException if a step failed; nothing is written
   * @throws IllegalStateException if micro-batches were {@linkplain #accumulate() accumulated}
   *     since the last step
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   * @throws IOException if it cannot be written; a file that was there stays
   */
  public void save(Path path) throws IOException {
    checkpoint().save(path);
  }

  /**
   * Goes on from a saved run, of this device or another. See {@link #checkpoint} for choices.
   *
   * @param path a file that {@link #save} wrote, or one of PyTorch's flattened optimizer state
   * @return what was taken where there was a choice
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if the file is damaged or no
   *     checkpoint; nothing changes
   * @throws io.warmstep.checkpoint.CheckpointMismatchException if it is of other parameters or
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
   * Saves and restores with choices: without the parameters' values, under other names, to channels
   * and beside tensors of the caller's.
   *
   * @return a new set of choices
   */
  public OptimizerCheckpoint checkpoint() {
    return new OptimizerCheckpoint(this);
  }

  /**
   * The groups that the parameters are in, to freeze and unfreeze them between steps and to add
   * some.
   *
   * @return a view of this optimizer
   */
  public OptimizerGroups groups() {
    return new OptimizerGroups(this);
  }

  /** Does something between two steps while nobody else uses this optimizer. */
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

  /** Does something with this optimizer while nobody else does. */
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

  /** What a step does besides its rules, but for clipping that is part of them. */
  StepOptions options() {
    return options;
  }

  /** Null without one. */
  LossScaler scaler() {
    return scaler;
  }

  List<TrainedGroup> trainedGroups() {
    settleCaptured();
    return step.groups();
  }

  /** The state, which may be read and written without a word of where it came from. */
  OptimizerState optimizerState() {
    return state;
  }

  /** Replaces the groups by others of the same parameters; parameters and state stay. */
  void use(List<TrainedGroup> others) {
    requireNothingAccumulated(OF_OTHERS);
    others.forEach(group -> group.requireHyperparameters(0));
    step.prepare(parameters, others);
    accumulation.close();
  }

  /** Takes more parameters in; if that fails, nothing changes. */
  void add(Parameters more, List<ParameterGroup> groups) {
    evaluation.requireTraining("groups().add()");
    requireNothingAccumulated(OF_OTHERS);
    Parameters joined = parameters.joinedBy(more);
    List<RuleGroup> resolved =
        RuleGroup.resolve(rule, moving, options.adaptiveClip(), groups, more);
    List<TrainedGroup> next = new ArrayList<>(trainedGroups());
    next.addAll(TrainedGroup.of(resolved, 0));
    ArithmeticRange.requireOptions(
        OwnClip.of(options, next.stream().map(TrainedGroup::rules).toList()), joined);
    precision.require(next.stream().map(TrainedGroup::rules).toList());
    next.forEach(group -> group.requireHyperparameters(learningRate.constant()));
    int memories = state.memories().size();
    state.allocate(more, resolved);
    try {
      step.prepare(joined, next);
    } catch (RuntimeException | Error e) {
      state.release(more, memories);
      throw e;
    }
    parameters = joined;
    borrowed = joined.borrowedTensors();
    accumulation.close();
  }

  /** Refuses what would lose micro-batches. */
  void requireNothingAccumulated(String consequence) {
    accumulation.requireNone(consequence);
  }

  /** Forgets the micro-batches since the last step. */
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

  /** How far it has come as far as is known without a wait. */
  Progress known() {
    return progress;
  }

  Captures captures() {
    return captures;
  }

  Device device() {
    return parameters.device();
  }

  /** Before captured steps: what a plain step does before it is run. */
  void beginSteps() {
    progress.next(); // refuses where no step can follow
    state.warnIfNotRestored(progress.steps());
  }

  /** The same on the device. */
  void beginState() {
    step.begin();
  }

  /** Begins a call of a part of this optimizer's. */
  void enter(String operation) {
    use.enter(operation);
  }

  /**
   * Frees the state; the parameters stay. Waits for reports that are still outstanding and delivers
   * them first; an exception of a listener comes after all is freed. Closing twice is fine.
   */
  @Override
  public void close() {
    use.enter("close()");
    try {
      if (lifetime.isOpen() && parameters.device().isOpen()) {
        captures.finish();
        reporter.finish();
      }
    } finally {
      free();
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

  /** For a text, which is no place to fail: the next call tells. */
  void tryToSettle() {
    try {
      settleCaptured();
    } catch (WarmstepException | IllegalStateException e) {
      // what was known before stays
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
      Reference.reachabilityFence(this); // what the call used goes with the optimizer
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
