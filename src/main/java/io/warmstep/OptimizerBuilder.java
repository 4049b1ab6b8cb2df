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
 * Configures an optimizer; {@link #build} allocates its state. {@link Optimizer#of} creates one.
 */
public final class OptimizerBuilder {
  private final Parameters parameters;
  private final List<ParameterGroup> groups = new ArrayList<>();
  private final Map<String, Schedule> moving = new LinkedHashMap<>();
  private UpdateRule rule;
  private LearningRate learningRate;
  private LossScaler scaler;
  private StepOptions options = StepOptions.NONE;
  private final List<StepListeners.Subscription> listeners = new ArrayList<>();
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
   * Sets a learning-rate schedule. Where it gives 0, parameters keep their bits.
   *
   * @param schedule maps the number of a step, counted from 1, to its rate
   * @return this builder
   */
  public OptimizerBuilder learningRate(Schedule schedule) {
    learningRate = new LearningRate(Objects.requireNonNull(schedule, "schedule"), false);
    return this;
  }

  /**
   * Schedules a hyperparameter of the rule, as the learning rate is scheduled: for example the
   * momentum by {@code OneCycle.momentum()}, or the weight decay. It replaces the rule's own
   * number, except in groups with their own weight decay or rule.
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
   * @param schedule maps the number of a step, counted from 1, to its value; a step with a value
   *     out of range throws IllegalStateException and changes nothing
   * @return this builder
   */
  public OptimizerBuilder schedule(String hyperparameter, Schedule schedule) {
    moving.put(
        Objects.requireNonNull(hyperparameter, "hyperparameter"),
        Objects.requireNonNull(schedule, "schedule"));
    return this;
  }

  /**
   * Adds a group of parameters to treat differently. May be called several times; a parameter
   * belongs to at most one group.
   *
   * @param group the parameters and their options
   * @return this builder
   */
  public OptimizerBuilder group(ParameterGroup group) {
    groups.add(Objects.requireNonNull(group, "group"));
    return this;
  }

  /**
   * Clips by global norm: all gradients are multiplied by {@code min(1, maxNorm / (norm + 1e-6))}
   * as in {@code torch.nn.utils.clip_grad_norm_}, in the pass that reads them; the gradients in
   * memory stay as they are. {@code Double.POSITIVE_INFINITY} clips nothing, but computes the norm
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
   * Clips by the given norm, as {@code clip_grad_norm_} does with its {@code norm_type}: {@link
   * Norm#L1} and {@link Norm#MAX} correspond to PyTorch's 1 and infinity. A NaN among the gradients
   * makes any norm NaN.
   *
   * @param maxNorm above 0; infinite to only compute the norm
   * @param norm the norm, also returned by {@link Optimizer#gradientNorm()}
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
   * are set.
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
   * Clips each tensor's gradient norm to a fraction of the tensor's own norm, taken as at least
   * 0.001: see {@link #adaptiveClip(double, double)}.
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
   * norm of the parameter before the step, as stored in its own type. The gradient's norm is taken
   * after {@link #gradientScale}, division by the loss scale and clipping by global norm; clipping
   * by value and weight decay come after. Gradients in memory stay as they are.
   *
   * <p>Both norms are taken over <b>whole tensors</b>. The paper, timm and optax use units, each
   * row of a matrix or each filter of a convolution, and so clip each unit separately; one factor
   * per tensor preserves the gradient's direction.
   *
   * <p>The gradient of a tensor with a NaN stays as it is, and one with an infinity becomes NaN
   * there and 0 elsewhere; {@link #skipNonFinite} skips both. Groups can set their own bound or
   * none ({@link ParameterGroup#adaptiveClip}): NFNets exclude the last layer. A step reads
   * parameters and gradients once more.
   *
   * @param clip finite and above 0; 0.01 in the paper
   * @param eps lower bound on the tensor's norm, so that parameters of zeros can move; above 0;
   *     0.001 in the paper
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
   * Multiplies all gradients by a factor before anything else, such as clipping: for example one
   * over the batch size, where the loss is a sum over the batch.
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
   * Optimizer#accumulate()} adds gradients. The bits depend on it: with as many lanes as a
   * {@linkplain #sharded sharded} optimizer, they match that one's, for any number of workers. Each
   * lane that a batch reaches needs memory for the gradients in the arithmetic type. With more than
   * one lane, every step needs an accumulated micro-batch.
   *
   * @param lanes from 1, the default, to {@link io.warmstep.collective.LaneTree#MAX_LANES}
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
   * Optimizer#state} returns as float32 under the name {@code master}; writing only the parameter
   * moves its master likewise. Values written to a 24-bit master are rounded to nearest.
   *
   * @param masterWeights the masters to keep; none unless called
   * @return this builder
   */
  public OptimizerBuilder masterWeights(MasterWeights masterWeights) {
    options = options.masterWeights(Objects.requireNonNull(masterWeights, "masterWeights"));
    return this;
  }

  /**
   * Sets how the moments of the state are stored, for all parameters of 4096 elements or more whose
   * group does not set {@linkplain ParameterGroup#stateType(StateType) its own}. {@link #build}
   * rejects a type that is for no parameter: models that are smaller need a lower bound.
   *
   * @param stateType the type; float32 unless called
   * @return this builder
   */
  public OptimizerBuilder stateType(StateType stateType) {
    return stateType(stateType, StateStorage.SMALL_TENSOR);
  }

  /**
   * Sets how the moments of the state are stored, for groups that do not set their own type. Groups
   * under Prodigy or Adafactor must set {@link StateType#FLOAT32}: their moments have no other.
   *
   * @param stateType the type; float32 unless called
   * @param smallTensor the least number of elements of a parameter; smaller ones keep float32,
   *     which costs next to nothing. 0 for all parameters
   * @return this builder
   * @throws IllegalArgumentException if the bound is negative
   */
  public OptimizerBuilder stateType(StateType stateType, long smallTensor) {
    options = options.stateStorage(new StateStorage(stateType, smallTensor));
    return this;
  }

  /**
   * Sets how a step rounds what it stores in bfloat16: parameters without a master, and state. Also
   * how it rounds masters to 24 bits and averages of squares to codes of 8 bits.
   *
   * @param rounding to nearest unless called
   * @return this builder
   */
  public OptimizerBuilder rounding(Rounding rounding) {
    return rounding(rounding, 0);
  }

  /**
   * Sets how a step rounds what it stores in bfloat16, with the given seed.
   *
   * @param rounding to nearest unless called
   * @param seed determines the random numbers, together with the parameter's number, the element
   *     and the step. Parameters are numbered in their order. A run that is resumed from a
   *     checkpoint takes its seed and numbers, and continues with the same random numbers
   * @return this builder
   */
  public OptimizerBuilder rounding(Rounding rounding, long seed) {
    options = options.rounding(Objects.requireNonNull(rounding, "rounding"), seed);
    return this;
  }

  /**
   * Keeps an exponential moving average of the parameters, in the same pass: in step {@code t} of a
   * group it keeps {@code min(decay, (1 + t) / (10 + t))} of itself and takes the rest from the
   * parameters, or from their masters. It starts at the parameters as they are before their first
   * step and is part of the state, as float32 under the name {@code average}. {@link
   * Optimizer#eval} swaps it into the parameters.
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
   * Counts steps from a number other than 0, to continue a run: the first step is number {@code
   * stepCount + 1} for the schedule and for bias corrections. The state still starts at the rule's
   * initial values; write the saved one into {@link Optimizer#state}. Numbers that a rule keeps per
   * group, as NAdam does, are computed as if none of these steps had been skipped.
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
   * notifies the scaler.
   *
   * @param scaler used by no other optimizer while this one is open
   * @return this builder
   */
  public OptimizerBuilder lossScaler(LossScaler scaler) {
    this.scaler = Objects.requireNonNull(scaler, "scaler");
    return this;
  }

  /**
   * Reports steps to a listener during training. May be called for several listeners.
   *
   * <p>Only reported steps cost anything, and they do not stall a GPU: it keeps the norm and,
   * unless {@link #measureUpdates} is false, the step's changes. A later {@link Optimizer#step()}
   * reads them once they are ready, concurrently with the device, and delivers the report; {@link
   * Optimizer#flushReports} and {@link Optimizer#close} wait for outstanding ones. So reports
   * arrive late but complete and in order. On the CPU they arrive before {@link Optimizer#step()}
   * returns. A reported step waits only if two earlier ones are outstanding, for the first of them:
   * with an interval of more than 1 the device then still has work.
   *
   * <p>The reports of a {@linkplain #sharded sharded} optimizer are of the whole model and the same
   * at all workers, whose listeners need not be the same: every worker takes part in a report that
   * any worker's listener is due for, and measures its share. They arrive before {@link
   * ShardedOptimizer#step()} returns, which waits for its device in any case.
   *
   * @param listener receives a report of every {@code interval}-th call of {@link Optimizer#step()}
   * @param interval number of steps, at least 1
   * @return this builder
   * @throws IllegalArgumentException if the interval is less than 1
   */
  public OptimizerBuilder listener(StepListener listener, long interval) {
    Objects.requireNonNull(listener, "listener");
    Arguments.requireAtLeast("interval", interval, 1, "pass a number of steps");
    listeners.add(new StepListeners.Subscription(listener, interval));
    return this;
  }

  /**
   * Sets whether reported steps measure how much they change the parameters, and what is lost: see
   * {@link StepReport.Update}. Other steps stay as they are. All backends measure in the reported
   * step's own pass, block by block while the caches hold the block, and keep at least 4 numbers
   * for each 2048 elements; GPUs do so by kernels of their own, which the driver compiles before
   * the first such step unless it has them cached.
   *
   * <p>Slow weights, such as {@code Lookahead}'s, move the parameters after that pass, once in so
   * many steps. Before these steps, or before every reported one where the device alone knows which
   * steps happen, the values are copied, and so are the gradients if the step sets them to zero;
   * after those in which slow weights moved the host reads these, the new values, the gradients and
   * the state that is stored as codes, in one pass of a single thread. A GPU copies the gradients
   * in any case, and the new values and the codes as well, in the order of its work; the host reads
   * the copies through the bus once they are there, while the device goes on. Memory for the copies
   * is on the device and is reused by later reports; on a GPU it is twice as much if reports are
   * outstanding and there is room.
   *
   * @param measureUpdates whether to do so; true unless called
   * @return this builder
   */
  public OptimizerBuilder measureUpdates(boolean measureUpdates) {
    measuresUpdates = measureUpdates;
    return this;
  }

  /**
   * Shares the state and the update among workers, each with its own device (ZeRO stage 1,
   * Rajbhandari et al. 2020): the workers' gradients are summed, each worker updates its share of
   * the parameters and keeps only that share's state, and then all receive the updated parameters.
   *
   * @param collective this worker's endpoint of the collective
   * @return a builder for the remaining options
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

  /**
   * Builds the same optimizer for a part of the parameters, with the norm of the whole and without
   * listeners.
   */
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

  /** For each parameter, where this optimizer's part of it lies in the whole. */
  Function<Parameter, Place> places() {
    return places;
  }

  /**
   * Allocates the state and prepares the step.
   *
   * @return the optimizer, to be closed by the caller before its parameters
   * @throws IllegalStateException if no rule or no learning rate was set, or another open optimizer
   *     uses the loss scaler
   * @throws IllegalArgumentException if a group matches no parameter, or two match the same one; a
   *     rule needs more dimensions than a parameter has; a schedule was set for a hyperparameter
   *     that no rule can move; a number is beyond the range of the parameters' arithmetic; or
   *     options do not go together: adaptive clipping with a rule of several phases; 24-bit masters
   *     with float16 parameters; stochastic rounding with float16 parameters that have no master;
   *     an average with float64 parameters, or with a rule that has its own weights to evaluate
   *     with, as Schedule-Free rules and ASGD have; Lookahead with masters or an average; a rule
   *     that supports one type alone, as Prodigy and Adafactor do, with masters, an average, or
   *     state or gradients of another type than the parameters'; parameters of several types in a
   *     group over which a rule adds up; or if masters, the state type or stochastic rounding would
   *     have no effect on any parameter, be it only because all are smaller than the state type's
   *     bound; or a group's own state type would have none on its parameters, whatever their size
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

  /** The loss scaler, or null. */
  LossScaler scaler() {
    return scaler;
  }

  StepOptions options() {
    return options;
  }

  StepReporter reporter(StepOptions effective) {
    return new StepReporter(listeners(effective), effective.zeroGradients(), measuresUpdates);
  }

  /**
   * The listeners.
   *
   * @param effective the options of the steps, with the rules' own clipping
   */
  StepListeners listeners(StepOptions effective) {
    return new StepListeners(listeners, effective);
  }

  boolean measuresUpdates() {
    return measuresUpdates;
  }

  long startAfter() {
    return startAfter;
  }

  int lanes() {
    return lanes;
  }
}
