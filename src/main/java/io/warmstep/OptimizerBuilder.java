package io.warmstep;

import io.warmstep.check.Arguments;
import io.warmstep.collective.Collective;
import io.warmstep.collective.LaneTree;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.step.AdaptiveClip;
import io.warmstep.step.GradientScale;
import io.warmstep.step.LeafExchange;
import io.warmstep.step.StateStorage;
import io.warmstep.step.StepOptions;
import io.warmstep.step.UpdateProgress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Collects what an optimizer does; {@link #build} allocates its state. {@link Optimizer#of} makes
 * one.
 */
public final class OptimizerBuilder {
  private final Parameters parameters;
  private final List<ParameterGroup> groups = new ArrayList<>();
  private final Map<String, Schedule> moving = new LinkedHashMap<>();
  private UpdateRule rule;
  private LearningRate learningRate;
  private LossScaler scaler;
  private StepOptions options = StepOptions.NONE;
  private final List<StepReporter.Subscription> listeners = new ArrayList<>();
  private boolean measuresUpdates = true;
  private long startAfter;
  private int lanes = 1;
  private Function<Parameter, Place> places = Place::ofAll;

  OptimizerBuilder(Parameters parameters) {
    parameters.checkOpen();
    this.parameters = parameters;
  }

  /**
   * Sets the update rule. Required.
   *
   * @param rule such as {@code Adam.adamW()}
   * @return this builder
   */
  public OptimizerBuilder rule(UpdateRule rule) {
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
  public OptimizerBuilder learningRate(double rate) {
    learningRate = new LearningRate(Schedules.constant(LearningRate.require(rate)), true);
    return this;
  }

  /**
   * Sets the learning rate by a schedule. Where it gives 0, parameters keep their bits.
   *
   * @param schedule from the number of a step, counted from 1, to its rate
   * @return this builder
   */
  public OptimizerBuilder learningRate(Schedule schedule) {
    learningRate = new LearningRate(Objects.requireNonNull(schedule, "schedule"), false);
    return this;
  }

  /**
   * Moves a hyperparameter of the rule from step to step, as a schedule moves the learning rate:
   * the momentum as {@code OneCycle.momentum()} does, say, or the weight decay. It takes the place
   * of the rule's own number, except in groups that have a weight decay or a rule of their own.
   *
   * <pre>{@code
   * OneCycle cycle = Schedules.oneCycle(0.1, 5000);
   * Optimizer.of(parameters)
   *     .rule(Adam.adamW())
   *     .learningRate(cycle)
   *     .schedule("beta1", cycle.momentum());
   * }</pre>
   *
   * @param hyperparameter one of the rule's {@link UpdateRule#movable()}
   * @param schedule from the number of a step, counted from 1, to the value in that step; a step
   *     for which it gives one out of range throws IllegalStateException and changes nothing
   * @return this builder
   */
  public OptimizerBuilder schedule(String hyperparameter, Schedule schedule) {
    moving.put(
        Objects.requireNonNull(hyperparameter, "hyperparameter"),
        Objects.requireNonNull(schedule, "schedule"));
    return this;
  }

  /**
   * Treats some parameters differently. May be called for several groups; a parameter belongs to
   * one at most.
   *
   * @param group which parameters, and what differs
   * @return this builder
   */
  public OptimizerBuilder group(ParameterGroup group) {
    groups.add(Objects.requireNonNull(group, "group"));
    return this;
  }

  /**
   * Clips by global norm: all gradients are multiplied by {@code min(1, maxNorm / (norm + 1e-6))}
   * as in {@code torch.nn.utils.clip_grad_norm_}, in the pass that reads them; the gradients in
   * memory stay as they are. {@code Double.POSITIVE_INFINITY} clips nothing, but measures the norm
   * for {@link Optimizer#gradientNorm()}.
   *
   * @param maxNorm above 0
   * @return this builder
   * @throws IllegalArgumentException if the norm is out of range
   */
  public OptimizerBuilder clipNorm(double maxNorm) {
    return clipNorm(maxNorm, Norm.L2);
  }

  /**
   * Clips by a norm of one's choice, as {@code clip_grad_norm_} does with its {@code norm_type}:
   * {@link Norm#L1} is PyTorch's 1 and {@link Norm#MAX} its infinity. A NaN among the gradients
   * makes any norm NaN.
   *
   * @param maxNorm above 0; infinite to measure the norm alone
   * @param norm which one, also what {@link Optimizer#gradientNorm()} gives
   * @return this builder
   * @throws IllegalArgumentException if the norm is out of range
   */
  public OptimizerBuilder clipNorm(double maxNorm, Norm norm) {
    if (!(maxNorm > 0)) {
      throw new IllegalArgumentException(
          "clipNorm is " + maxNorm + ", must be above 0, or infinite to measure the norm alone");
    }
    options = options.clipNorm(maxNorm).norm(Objects.requireNonNull(norm, "norm"));
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
  public OptimizerBuilder clipValue(double maxValue) {
    if (!(maxValue > 0 && maxValue <= Double.MAX_VALUE)) {
      throw new IllegalArgumentException(
          "clipValue is " + maxValue + ", must be finite and above 0");
    }
    options = options.clipValue(maxValue);
    return this;
  }

  /**
   * Clips the gradient of each tensor to a share of the tensor's norm, whose least is 0.001: see
   * {@link #adaptiveClip(double, double)}.
   *
   * @param clip finite and above 0; 0.01 in the paper
   * @return this builder
   * @throws IllegalArgumentException if the value is out of range
   */
  public OptimizerBuilder adaptiveClip(double clip) {
    return adaptiveClip(clip, AdaptiveClip.EPS);
  }

  /**
   * Clips the gradient of each tensor adaptively (AGC; Brock et al. 2021, arXiv 2102.06171): scales
   * it down to a norm of {@code clip * max(|p|, eps)} if it is larger, where {@code |p|} is the L2
   * norm of the parameter before the step, as it is stored in its own type. The gradient's norm is
   * that after unscaling and clipping by global norm; clipping by value and weight decay come
   * after. Gradients in memory stay as they are.
   *
   * <p>Both norms are those of <b>whole tensors</b>. The paper, timm and optax take those of units,
   * each row of a matrix or each filter of a convolution, and so clip a unit apart from the others;
   * with one factor for all of a tensor the direction of its gradient stays.
   *
   * <p>The gradient of a tensor with a NaN stays as it is, and one with an infinity becomes NaN
   * there and 0 elsewhere; {@link #skipNonFinite} skips both. Groups may have another bound or none
   * ({@link ParameterGroup#adaptiveClip}): NFNets leave the last layer out. A step reads parameters
   * and gradients once more.
   *
   * @param clip finite and above 0; 0.01 in the paper
   * @param eps what a tensor's norm counts as at least, so that parameters of zeros can move; above
   *     0; 0.001 in the paper
   * @return this builder
   * @throws IllegalArgumentException if a value is out of range
   */
  public OptimizerBuilder adaptiveClip(double clip, double eps) {
    Arguments.requirePositive("adaptiveClip", clip, "leave it out not to clip");
    options = options.adaptiveClip(new AdaptiveClip(clip, eps));
    return this;
  }

  /**
   * Sets gradients to zero in the pass that reads them, ready for the next accumulation.
   *
   * @param zeroGradients whether to do so; false unless called
   * @return this builder
   */
  public OptimizerBuilder zeroGradients(boolean zeroGradients) {
    options = options.zeroGradients(zeroGradients);
    return this;
  }

  /**
   * Skips a step with a NaN or infinite gradient: nothing changes, the step count included, except
   * that gradients are set to zero if {@link #zeroGradients} asks for it. Without this, and without
   * a loss scaler, such gradients propagate as in PyTorch.
   *
   * @param skipNonFinite whether to do so; false unless called
   * @return this builder
   */
  public OptimizerBuilder skipNonFinite(boolean skipNonFinite) {
    options = options.skipNonFinite(skipNonFinite);
    return this;
  }

  /**
   * Multiplies all gradients by a factor before anything else, such as clipping, is done with them:
   * one over the batch size, say, where the loss is a sum over the batch.
   *
   * @param factor above 0 and a normal float32 number; 1 unless called
   * @return this builder
   * @throws IllegalArgumentException if the factor is out of range
   */
  public OptimizerBuilder gradientScale(double factor) {
    GradientScale.require(factor);
    options = options.gradientScale(factor);
    return this;
  }

  /**
   * Sets the number of {@linkplain io.warmstep.collective.LaneTree lanes} by which {@link
   * Optimizer#accumulate()} adds up. The bits depend on it: with as many lanes as a {@linkplain
   * #sharded sharded} optimizer has, they are that one's, for any number of workers. Memory is
   * needed for the gradients of each lane that a batch reaches, in the arithmetic type. With more
   * than one, every step needs a micro-batch that was accumulated.
   *
   * @param lanes from 1, which it is unless called, to {@link
   *     io.warmstep.collective.LaneTree#MAX_LANES}
   * @return this builder
   * @throws IllegalArgumentException if the number is out of range
   */
  public OptimizerBuilder lanes(int lanes) {
    Arguments.require(
        lanes >= 1 && lanes <= LaneTree.MAX_LANES,
        "lanes",
        lanes,
        "from 1 to " + LaneTree.MAX_LANES,
        "leave it out for one");
    this.lanes = lanes;
    return this;
  }

  /**
   * Keeps masters of the parameters that are stored in 16 bits, so that updates too small for these
   * are not lost. A master starts at the parameter's value. It is part of the state, which {@link
   * Optimizer#state} gives as float32 under the name {@code master}; writing the parameter alone
   * moves its master likewise. What is written as a master of 24 bits is rounded to nearest.
   *
   * @param masterWeights what is kept; none unless called
   * @return this builder
   */
  public OptimizerBuilder masterWeights(MasterWeights masterWeights) {
    options = options.masterWeights(Objects.requireNonNull(masterWeights, "masterWeights"));
    return this;
  }

  /**
   * Sets how the moments of the state are stored, in all parameters of 4096 elements or more whose
   * group has no {@linkplain ParameterGroup#stateType(StateType) state type of its own}.
   *
   * @param stateType how they are; float32 unless called
   * @return this builder
   */
  public OptimizerBuilder stateType(StateType stateType) {
    return stateType(stateType, StateStorage.SMALL_TENSOR);
  }

  /**
   * Sets how the moments of the state are stored, where a group has no state type of its own.
   *
   * @param stateType how they are; float32 unless called
   * @param smallTensor how many elements a parameter must have at least; smaller ones keep float32,
   *     which costs next to nothing. 0 for all parameters
   * @return this builder
   * @throws IllegalArgumentException if the bound is negative
   */
  public OptimizerBuilder stateType(StateType stateType, long smallTensor) {
    options = options.stateStorage(new StateStorage(stateType, smallTensor));
    return this;
  }

  /**
   * Sets how numbers are rounded to bfloat16 that a step stores in it: parameters without a master,
   * and state. Also how masters are rounded to 24 bits and averages of squares to codes of 8 bits.
   *
   * @param rounding to nearest unless called
   * @return this builder
   */
  public OptimizerBuilder rounding(Rounding rounding) {
    return rounding(rounding, 0);
  }

  /**
   * Sets how numbers are rounded to bfloat16 that a step stores in it, with a seed of one's own.
   *
   * @param rounding to nearest unless called
   * @param seed from which, with a parameter's place among all, the element and the step, the
   *     random numbers follow: a resumed run goes on with the same ones
   * @return this builder
   */
  public OptimizerBuilder rounding(Rounding rounding, long seed) {
    options = options.rounding(Objects.requireNonNull(rounding, "rounding"), seed);
    return this;
  }

  /**
   * Keeps an exponential moving average of the parameters, in the same pass: in step {@code t} of a
   * group it keeps {@code min(decay, (1 + t) / (10 + t))} of itself and takes the rest of the
   * parameters, or of their masters. It starts at the parameters and is part of the state, as
   * float32 under the name {@code average}. {@link Optimizer#eval} puts it in the parameters'
   * place.
   *
   * @param decay above 0 and below 1, such as 0.999
   * @return this builder
   * @throws IllegalArgumentException if the decay is out of range
   */
  public OptimizerBuilder average(double decay) {
    Arguments.require(
        decay > 0 && decay < 1, "average", decay, "in (0, 1)", "leave it out for no average");
    options = options.averageDecay(decay);
    return this;
  }

  /**
   * Counts steps from another number than 0, to continue a run: the first step is number {@code
   * stepCount + 1} for the schedule and for bias corrections. The state still starts at the rule's
   * initial values; write the saved one into {@link Optimizer#state}. Numbers that a rule keeps for
   * a group, as NAdam does, are what so many steps give of which none was skipped.
   *
   * @param stepCount how many steps have happened already, at least 0
   * @return this builder
   * @throws IllegalArgumentException if the count is negative
   */
  public OptimizerBuilder startAfter(long stepCount) {
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
  public OptimizerBuilder lossScaler(LossScaler scaler) {
    this.scaler = Objects.requireNonNull(scaler, "scaler");
    return this;
  }

  /**
   * Has steps reported while the optimizer trains. May be called for several listeners.
   *
   * <p>Only a reported step costs anything, and a GPU goes on meanwhile: it keeps the norm and,
   * unless {@link #measureUpdates} is false, what the step changed. The first later call of {@link
   * Optimizer#step()} that finds them there reads them, beside the device's work, and has the
   * listener receive the report; {@link Optimizer#flushReports} and {@link Optimizer#close} wait
   * for those that are outstanding. So reports come late but complete and in order. On the CPU they
   * come before {@link Optimizer#step()} returns. A reported step waits only if two earlier ones
   * are outstanding, for the first of them: with an interval of more than 1 the device then still
   * has work.
   *
   * @param listener receives a report of every {@code interval}-th call of {@link Optimizer#step()}
   * @param interval a number of steps, at least 1
   * @return this builder
   * @throws IllegalArgumentException if the interval is less than 1
   */
  public OptimizerBuilder listener(StepListener listener, long interval) {
    Objects.requireNonNull(listener, "listener");
    Arguments.requireAtLeast("interval", interval, 1, "pass a number of steps");
    listeners.add(new StepReporter.Subscription(listener, interval));
    return this;
  }

  /**
   * Sets whether reported steps measure how much they change the parameters. That takes memory of
   * the device, which is kept for the next one: on a GPU copies of the values before and after and
   * of the gradients, twice if reports are outstanding and there is room; on the CPU one of the
   * values, and of the gradients if the step sets them to zero. The host reads all of them.
   *
   * @param measureUpdates whether to do so; true unless called
   * @return this builder
   */
  public OptimizerBuilder measureUpdates(boolean measureUpdates) {
    measuresUpdates = measureUpdates;
    return this;
  }

  /**
   * Shares the state and the update among workers, each with a device of its own (ZeRO stage 1,
   * Rajbhandari et al. 2020): the workers' gradients are added up, each updates its share of the
   * parameters and has the state of that alone, and then all get the updated parameters.
   *
   * @param collective this worker's part in what all do together
   * @return a builder with what else there is to say
   * @throws IllegalStateException if {@link #lanes} was called, which is for one worker
   */
  public ShardedOptimizerBuilder sharded(Collective collective) {
    if (lanes != 1) {
      throw new IllegalStateException(
          "lanes is "
              + lanes
              + " of an optimizer that is not shared: call lanes(...) on the builder that"
              + " sharded(...) returns");
    }
    return new ShardedOptimizerBuilder(this, Objects.requireNonNull(collective, "collective"));
  }

  /** The same choices for a part of the parameters, with the norm of the whole. */
  Optimizer buildShare(
      Parameters share,
      LeafExchange leaves,
      UpdateProgress progress,
      Function<Parameter, Place> places) {
    OptimizerBuilder copy = new OptimizerBuilder(share);
    copy.groups.addAll(groups);
    copy.moving.putAll(moving);
    copy.rule = rule;
    copy.learningRate = learningRate;
    copy.scaler = scaler;
    copy.options = options.leafExchange(leaves).updateProgress(progress);
    copy.startAfter = startAfter;
    copy.places = places;
    return copy.build();
  }

  /** Of each parameter where in the whole that lies which this optimizer has. */
  Function<Parameter, Place> places() {
    return places;
  }

  boolean hasListeners() {
    return !listeners.isEmpty();
  }

  /**
   * Allocates the state and prepares the step.
   *
   * @return the optimizer, to be closed by the caller before its parameters
   * @throws IllegalStateException if no rule or no learning rate was set, or another open optimizer
   *     uses the loss scaler
   * @throws IllegalArgumentException if a group matches no parameter, or two match the same one, or
   *     one has a rule of another kind, or a schedule was set for a hyperparameter that none can
   *     move, or a number is beyond the range of the parameters' arithmetic, or masters, state
   *     types or rounding were asked for where there is nothing to use them for, or masters of 24
   *     bits of float16 parameters, or adaptive clipping under a rule with phases of its own
   * @throws OutOfDeviceMemoryException if there is not enough memory; nothing stays allocated
   */
  public Optimizer build() {
    requireReady();
    return new Optimizer(this);
  }

  /** Checks that what is required was set. */
  void requireReady() {
    parameters.checkOpen();
    if (rule == null) {
      throw new IllegalStateException("no rule was set: call rule(...), such as Adam.adam()");
    }
    if (learningRate == null) {
      throw new IllegalStateException("no learning rate was set: call learningRate(...)");
    }
  }

  Parameters parameters() {
    return parameters;
  }

  MovingHyperparameters moving() {
    return new MovingHyperparameters(moving);
  }

  List<ParameterGroup> groups() {
    return groups;
  }

  UpdateRule rule() {
    return rule;
  }

  LearningRate learningRate() {
    return learningRate;
  }

  /** Null without one. */
  LossScaler scaler() {
    return scaler;
  }

  StepOptions options() {
    return options;
  }

  StepReporter reporter(StepOptions effective) {
    return new StepReporter(listeners, effective, measuresUpdates);
  }

  long startAfter() {
    return startAfter;
  }

  int lanes() {
    return lanes;
  }
}
