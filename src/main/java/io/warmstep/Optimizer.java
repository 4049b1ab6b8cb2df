package io.warmstep;

import static java.util.stream.Collectors.joining;

import io.warmstep.backend.Memory;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.check.Arguments;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Updates parameters from their gradients by a rule, in one fused pass a step. Holds the optimizer
 * state, which starts at the rule's initial values. Used by one thread at a time.
 *
 * <p>A step either happens or does not. If the device fails in between, that step throws {@link
 * StepFailedException} and so does every later one.
 */
public final class Optimizer implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final Parameters parameters;
  private final Schedule schedule;
  private final LossScaler scaler;
  private final UpdateRule rule;
  private List<RuleGroup> groups;
  private StepInputs inputs;
  private final Map<String, Map<String, Tensor>> state;
  private final List<Memory> allocations;
  private final Tensor[] borrowed;
  private StepPlan plan;
  private final AtomicReference<StepProgram> program = new AtomicReference<>();
  private final Lifetime lifetime;
  private final AtomicReference<String> running = new AtomicReference<>();

  /** The thread in that call; each thread writes only itself, so for it this is exact. */
  private volatile Thread runner;

  /** Parameters of a continued run whose state nobody has asked for yet, until the first step. */
  private final Set<String> unrestored = new LinkedHashSet<>();

  private final StepOptions options;
  private final StepReporter reporter;
  private long stepCount;
  private long skippedSteps;
  private double learningRate = Double.NaN;
  private Throwable failure;

  private Optimizer(Builder builder) {
    parameters = builder.parameters;
    schedule = builder.schedule;
    scaler = builder.scaler;
    rule = builder.rule;
    options = builder.options.skipNonFinite(builder.options.skipNonFinite() || scaler != null);
    reporter =
        new StepReporter(builder.listeners, options, builder.groups, builder.measuresUpdates);
    stepCount = builder.startAfter;
    groups = RuleGroup.resolve(builder.rule, builder.groups, parameters);
    inputs = inputsOf(groups);
    ArithmeticRange.requireOptions(options, parameters);
    for (int i = 0; i < groups.size(); i++) {
      groups.get(i).requireHyperparameters(nextStep(), builder.constantRate, inputs.scalars(i));
    }
    lifetime = Lifetime.begin(this, "optimizer");
    OptimizerState allocated = new OptimizerState(parameters, lifetime);
    try {
      if (scaler != null) {
        scaler.use(this);
      }
      for (RuleGroup group : groups) {
        allocated.add(group.rule(), group.members());
      }
      allocated.allocate();
      plan = plan(allocated);
      program.set(parameters.device().backend().prepare(plan));
    } catch (RuntimeException | Error e) {
      lifetime.end();
      allocated.close();
      throw e;
    }
    state = allocated.tensors();
    allocations = allocated.memories();
    borrowed = parameters.borrowedTensors();
    if (stepCount > 0) {
      state.forEach(
          (name, slots) -> {
            if (!slots.isEmpty()) {
              unrestored.add(name);
            }
          });
    }
    lifetime.ifLost(parameters.device().backend(), releaseOf(program, allocations));
  }

  /** What frees all that an optimizer holds and does not refer to it. */
  private static Runnable releaseOf(
      AtomicReference<StepProgram> program, List<Memory> allocations) {
    return () -> {
      program.get().close();
      allocations.forEach(Memory::close);
    };
  }

  private static StepInputs inputsOf(List<RuleGroup> groups) {
    return new StepInputs(
        groups.stream().mapToInt(group -> group.rule().scalarNames().size()).toArray());
  }

  private StepPlan plan(OptimizerState allocated) {
    Map<String, Integer> index = new HashMap<>();
    for (Parameter parameter : parameters) {
      index.put(parameter.name(), index.size());
    }
    return new StepPlan(
        groups.stream().map(group -> group.plan(index, allocated.tensors())).toList(), options);
  }

  /**
   * Starts an optimizer. It updates all of the parameters by one rule, so those under another rule
   * belong into a {@link Parameters} of their own, with an optimizer of its own; two optimizers of
   * the same parameters update them twice.
   *
   * @param parameters what it updates
   * @return a builder
   */
  public static Builder of(Parameters parameters) {
    return new Builder(parameters);
  }

  /**
   * Updates all parameters from their gradients. After the first call it allocates no objects,
   * copies nothing between host and device and, on a GPU, waits for nothing, except for the norm
   * where steps with non-finite gradients are skipped: whether this one happened counts. A step
   * that is reported to a {@link Builder#listener} does all of these.
   *
   * @throws StepFailedException if the device failed in this or an earlier step
   * @throws IllegalStateException if the schedule gives a rate that is not finite or negative, or
   *     one from which the rule computes a number that the parameters' arithmetic cannot hold: an
   *     infinite one in float32, say, or one that becomes 0; nothing changes
   * @throws ConcurrentUseException if another thread is in a call of this optimizer, or this comes
   *     from within one, as from its schedule; nothing changes
   * @throws OutOfDeviceMemoryException if there is no room to measure the update for a listener;
   *     nothing changes
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void step() {
    enter("step()");
    try {
      checkUsable();
      long next = nextStep();
      double rate = schedule.rate(next);
      if (!(rate >= 0 && rate <= Double.MAX_VALUE)) {
        throw new IllegalStateException(
            "the schedule"
                + (isNamed(schedule) ? " " + schedule : "")
                + " gives rate "
                + rate
                + " at step "
                + next
                + ", must be finite and at least 0");
      }
      for (int i = 0; i < inputs.groups(); i++) {
        RuleGroup group = groups.get(i);
        inputs.keepParameters(i, group.scalars(next, rate, inputs.scalars(i)) == 0);
      }
      inputs
          .gradientScale()
          .set(scaler == null ? options.gradientScale() : options.gradientScale() / scaler.scale());
      warnOfMissingState();
      try (UpdateMeter meter = reporter.begin(groups)) {
        boolean happened = run();
        if (happened) {
          stepCount = next;
          learningRate = rate;
        } else {
          skippedSteps++;
        }
        if (scaler != null) {
          scaler.update(happened);
        }
        reporter.end(this, happened, meter);
      }
    } finally {
      leave();
    }
  }

  private long nextStep() {
    if (stepCount == Long.MAX_VALUE) {
      throw new IllegalStateException(
          "the step count is " + stepCount + ", the greatest there is, so no step can follow");
    }
    return stepCount + 1;
  }

  /** Once, before the first step of a run that is continued. */
  private void warnOfMissingState() {
    if (!unrestored.isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "this optimizer starts after step "
              + stepCount
              + ", but the state of "
              + Parameters.abbreviated(unrestored)
              + " is still the initial one: write the saved state into state(parameter, slot)"
              + " before the first step");
      unrestored.clear();
    }
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

  private boolean run() {
    try {
      return program.get().run(inputs);
    } catch (Throwable e) { // checked ones too: rules written in other languages throw them
      failure = e;
      throw new StepFailedException(
          "step "
              + (stepCount + 1)
              + " failed on "
              + parameters.device()
              + "; parameters and state may be partly updated: restore them into a new optimizer",
          e);
    }
  }

  /**
   * Sets every gradient to zero.
   *
   * @throws ConcurrentUseException if another thread is in a call of this optimizer, or this comes
   *     from within one
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void zeroGradients() {
    enter("zeroGradients()");
    try {
      checkOpen();
      program.get().zeroGradients();
    } finally {
      leave();
    }
  }

  /**
   * How many steps have happened, those of {@link Builder#startAfter} included; skipped ones do not
   * count.
   *
   * @return 0 before the first, unless the builder said otherwise
   */
  public long stepCount() {
    return stepCount;
  }

  /**
   * How many steps were skipped for a non-finite gradient.
   *
   * @return 0 unless a loss scaler or {@link Builder#skipNonFinite} is used
   */
  public long skippedSteps() {
    return skippedSteps;
  }

  /**
   * The rate that the last step used, before the groups' factors.
   *
   * @return the rate, or NaN before the first step
   */
  public double learningRate() {
    return learningRate;
  }

  /**
   * Global norm of the last step's gradients as the rule gets them, but for clipping: divided by
   * the loss scale and multiplied by {@link Builder#scaleGradients}.
   *
   * @return the norm, or NaN before the first step or if the optimizer neither clips by norm,
   *     {@link Builder#clipNorm measures} it, nor skips non-finite gradients
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public double gradientNorm() {
    checkOpen();
    try {
      return program.get().gradientNorm();
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
    unrestored.remove(parameter);
    Map<String, Tensor> slots = state.get(parameter);
    Tensor tensor = slots.get(slot);
    if (tensor == null) {
      throw new IllegalArgumentException(
          "parameter \""
              + parameter
              + "\" has no state \""
              + slot
              + "\": it has "
              + Parameters.abbreviated(slots.keySet()));
    }
    return tensor;
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
    return List.copyOf(state.get(parameter).keySet());
  }

  /**
   * Saves all that a run needs to go on exactly: the parameters' values, the state, the step count
   * and what the schedule and the loss scaler remember. See {@link #checkpoint} for choices.
   *
   * @param path the file, in the safetensors format; it appears whole or not at all
   * @throws StepFailedException if a step failed; nothing is written
   * @throws ConcurrentUseException if another thread is in a call of this optimizer
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
   * @throws ConcurrentUseException if another thread is in a call of this optimizer
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

  /** Work on a checkpoint. */
  interface Work<T> {
    T run() throws IOException;
  }

  /** Does something with this optimizer while nobody else does. */
  <T> T exclusively(String operation, Work<T> work) throws IOException {
    enter(operation);
    try {
      checkOpen();
      return work.run();
    } finally {
      leave();
    }
  }

  Parameters parameters() {
    return parameters;
  }

  Schedule schedule() {
    return schedule;
  }

  /** Null without one. */
  LossScaler scaler() {
    return scaler;
  }

  List<RuleGroup> groups() {
    return groups;
  }

  StepPlan plan() {
    return plan;
  }

  /** Replaces the hyperparameters of each group; parameters and state stay. */
  void use(List<RuleGroup> others) {
    List<StepPlan.Group> planned = new ArrayList<>();
    for (int i = 0; i < others.size(); i++) {
      planned.add(new StepPlan.Group(others.get(i).rule(), plan.groups().get(i).entries()));
    }
    StepInputs nextInputs = inputsOf(others);
    for (int i = 0; i < others.size(); i++) {
      others.get(i).requireHyperparameters(nextStep(), 0, nextInputs.scalars(i));
    }
    StepPlan next = new StepPlan(planned, options);
    StepProgram prepared = parameters.device().backend().prepare(next);
    program.getAndSet(prepared).close();
    plan = next;
    groups = List.copyOf(others);
    inputs = nextInputs;
  }

  /** Goes on from a number of steps, whatever happened before. */
  void continueAfter(long steps, long skipped, double rate) {
    stepCount = steps;
    skippedSteps = skipped;
    learningRate = rate;
    failure = null;
    unrestored.clear();
  }

  /** Parameters and state are partly those of a checkpoint: no step is right. */
  void failed(Throwable cause) {
    failure = cause;
  }

  void checkNotFailed() {
    if (failure != null) {
      throw new StepFailedException(
          "an earlier step failed, so parameters and state may be partly updated: restore a"
              + " checkpoint first",
          failure);
    }
  }

  /** Frees the state; the parameters stay. Closing twice is fine. */
  @Override
  public void close() {
    enter("close()");
    try {
      if (lifetime.end() && parameters.device().isOpen()) {
        releaseOf(program, allocations).run();
      }
    } finally {
      leave();
    }
  }

  @Override
  public String toString() {
    String rules =
        groups.stream().map(group -> group.rule().name()).distinct().collect(joining(" and "));
    return (groups.isEmpty() ? rule.name() : rules) // without parameters there is no group
        + " of "
        + parameters
        + ", at step "
        + stepCount
        + (isNamed(schedule) ? ", " + schedule : "");
  }

  /** Whether a schedule says what it is; a lambda's name tells nobody anything. */
  static boolean isNamed(Schedule schedule) {
    return schedule.getClass().getPackage().equals(Schedule.class.getPackage());
  }

  boolean isOpen() {
    return lifetime.isOpen();
  }

  private void enter(String operation) {
    String other = running.compareAndExchange(null, operation);
    if (other != null) {
      throw new ConcurrentUseException(operation, other, runner == Thread.currentThread());
    }
    runner = Thread.currentThread();
  }

  private void leave() {
    try {
      runner = null;
      running.set(null);
    } finally {
      Reference.reachabilityFence(this); // what the call used goes with the optimizer
    }
  }

  private void checkOpen() {
    lifetime.checkOpen();
    parameters.checkOpen();
    for (Tensor tensor : borrowed) {
      tensor.checkOpen();
    }
  }

  private void checkUsable() {
    checkOpen();
    if (failure != null) {
      throw new StepFailedException("an earlier step failed, so no further step is taken", failure);
    }
  }

  /** Collects what an optimizer does; {@link #build} allocates its state. */
  public static final class Builder {
    private final Parameters parameters;
    private final List<ParameterGroup> groups = new ArrayList<>();
    private UpdateRule rule;
    private Schedule schedule;
    private LossScaler scaler;
    private StepOptions options = StepOptions.NONE;
    private final List<StepReporter.Subscription> listeners = new ArrayList<>();
    private boolean measuresUpdates = true;
    private double constantRate;
    private long startAfter;

    private Builder(Parameters parameters) {
      parameters.checkOpen();
      this.parameters = parameters;
    }

    /**
     * Sets the update rule. Required.
     *
     * @param rule such as {@code Adam.adamW()}
     * @return this builder
     */
    public Builder rule(UpdateRule rule) {
      this.rule = Objects.requireNonNull(rule, "rule");
      return this;
    }

    /**
     * Sets a constant learning rate. This or a schedule is required. At a rate of 0 parameters keep
     * their bits, even where gradients are not finite; the state moves as in any other step.
     *
     * @param rate finite and at least 0
     * @return this builder
     * @throws IllegalArgumentException if the rate is out of range
     */
    public Builder learningRate(double rate) {
      learningRate(Schedules.constant(rate));
      constantRate = rate;
      return this;
    }

    /**
     * Sets the learning rate by a schedule. Where it gives 0, parameters keep their bits.
     *
     * @param schedule from the number of a step, counted from 1, to its rate
     * @return this builder
     */
    public Builder learningRate(Schedule schedule) {
      this.schedule = Objects.requireNonNull(schedule, "schedule");
      constantRate = 0;
      return this;
    }

    /**
     * Treats some parameters differently. May be called for several groups; a parameter belongs to
     * one at most.
     *
     * @param group which parameters, and what differs
     * @return this builder
     */
    public Builder group(ParameterGroup group) {
      groups.add(Objects.requireNonNull(group, "group"));
      return this;
    }

    /**
     * Clips by global norm: all gradients are multiplied by {@code min(1, maxNorm / (norm + 1e-6))}
     * as in {@code torch.nn.utils.clip_grad_norm_}, in the pass that reads them; the gradients in
     * memory stay as they are. {@code Double.POSITIVE_INFINITY} clips nothing, but measures the
     * norm for {@link Optimizer#gradientNorm()}.
     *
     * @param maxNorm above 0
     * @return this builder
     * @throws IllegalArgumentException if the norm is out of range
     */
    public Builder clipNorm(double maxNorm) {
      if (!(maxNorm > 0)) {
        throw new IllegalArgumentException(
            "clipNorm is " + maxNorm + ", must be above 0, or infinite to measure the norm alone");
      }
      options = options.clipNorm(maxNorm);
      return this;
    }

    /**
     * Clips every gradient element to {@code [-maxValue, maxValue]}, after clipping by norm if both
     * are asked for.
     *
     * @param maxValue finite and above 0
     * @return this builder
     * @throws IllegalArgumentException if the value is out of range
     */
    public Builder clipValue(double maxValue) {
      if (!(maxValue > 0 && maxValue <= Double.MAX_VALUE)) {
        throw new IllegalArgumentException(
            "clipValue is " + maxValue + ", must be finite and above 0");
      }
      options = options.clipValue(maxValue);
      return this;
    }

    /**
     * Sets gradients to zero in the pass that reads them, ready for the next accumulation.
     *
     * @param zeroGradients whether to do so; false unless called
     * @return this builder
     */
    public Builder zeroGradients(boolean zeroGradients) {
      options = options.zeroGradients(zeroGradients);
      return this;
    }

    /**
     * Skips a step with a NaN or infinite gradient: nothing changes, the step count included,
     * except that gradients are set to zero if {@link #zeroGradients} asks for it. Without this,
     * and without a loss scaler, such gradients propagate as in PyTorch.
     *
     * @param skipNonFinite whether to do so; false unless called
     * @return this builder
     */
    public Builder skipNonFinite(boolean skipNonFinite) {
      options = options.skipNonFinite(skipNonFinite);
      return this;
    }

    /**
     * Multiplies all gradients by a factor before anything else, such as clipping, is done with
     * them: one over the batch size, say, where the loss is a sum over the batch.
     *
     * @param factor above 0 and a normal float32 number; 1 unless called
     * @return this builder
     * @throws IllegalArgumentException if the factor is out of range
     */
    public Builder scaleGradients(double factor) {
      if (!(factor >= Float.MIN_NORMAL && factor <= Float.MAX_VALUE)) {
        throw new IllegalArgumentException(
            "gradient scale is " + factor + ", must be above 0 and a normal float32 number");
      }
      options = options.gradientScale(factor);
      return this;
    }

    /**
     * Counts steps from another number than 0, to continue a run: the first step is number {@code
     * stepCount + 1} for the schedule and for bias corrections. The state still starts at the
     * rule's initial values; write the saved one into {@link Optimizer#state}.
     *
     * @param stepCount how many steps have happened already, at least 0
     * @return this builder
     * @throws IllegalArgumentException if the count is negative
     */
    public Builder startAfter(long stepCount) {
      if (stepCount < 0) {
        throw new IllegalArgumentException(
            "stepCount is " + stepCount + ", must be the number of steps so far, at least 0");
      }
      startAfter = stepCount;
      return this;
    }

    /**
     * Divides gradients by the scale of a loss scaler, skips steps with non-finite gradients and
     * tells the scaler of them.
     *
     * @param scaler used by no other optimizer while this one is open
     * @return this builder
     */
    public Builder lossScaler(LossScaler scaler) {
      this.scaler = Objects.requireNonNull(scaler, "scaler");
      return this;
    }

    /**
     * Has steps reported while the optimizer trains. May be called for several listeners.
     *
     * <p>Only a reported step costs anything: it waits for the device, to read the norm and, unless
     * {@link #measureUpdates} is false, what the step changed.
     *
     * @param listener called after every {@code interval}-th call of {@link Optimizer#step()}
     * @param interval a number of steps, at least 1
     * @return this builder
     * @throws IllegalArgumentException if the interval is less than 1
     */
    public Builder listener(StepListener listener, long interval) {
      Objects.requireNonNull(listener, "listener");
      Arguments.requireAtLeast("interval", interval, 1, "pass a number of steps");
      listeners.add(new StepReporter.Subscription(listener, interval));
      return this;
    }

    /**
     * Sets whether reported steps measure how much they change the parameters. For this a step
     * holds a second copy of the values on the device, of the gradients too if it sets them to
     * zero, and all of them are read by the host.
     *
     * @param measureUpdates whether to do so; true unless called
     * @return this builder
     */
    public Builder measureUpdates(boolean measureUpdates) {
      measuresUpdates = measureUpdates;
      return this;
    }

    /**
     * Allocates the state and prepares the step.
     *
     * @return the optimizer, to be closed by the caller before its parameters
     * @throws IllegalStateException if no rule or no learning rate was set, or another open
     *     optimizer uses the loss scaler
     * @throws IllegalArgumentException if a group matches no parameter, or two match the same one,
     *     or one has a rule of another kind, or a number is beyond the range of the parameters'
     *     arithmetic
     * @throws OutOfDeviceMemoryException if there is not enough memory; nothing stays allocated
     */
    public Optimizer build() {
      parameters.checkOpen();
      if (rule == null) {
        throw new IllegalStateException("no rule was set: call rule(...), such as Adam.adam()");
      }
      if (schedule == null) {
        throw new IllegalStateException("no learning rate was set: call learningRate(...)");
      }
      return new Optimizer(this);
    }
  }
}
