package io.warmstep.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.training.optimizer.Optimizer.OptimizerBuilder;
import ai.djl.training.tracker.Tracker;
import io.warmstep.LossScaler;
import io.warmstep.Norm;
import io.warmstep.ParameterGroup;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.check.Arguments;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.step.StateStorage;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Collects what a {@link WarmstepOptimizer} does. Of DJL's own options, {@code setRescaleGrad}
 * multiplies gradients first, {@code optClipGrad} is {@link #clipValue} (both signs are clipped,
 * not only the positive), {@code optWeightDecays} replaces the rule's weight decay, and {@code
 * optBeginNumUpdate} is the number of steps before the first.
 */
public final class WarmstepOptimizerBuilder extends OptimizerBuilder<WarmstepOptimizerBuilder> {
  private static final String CLIP_VALUE = "clipValue";
  private static final String STATE_TYPE = "stateType";
  private static final String ROUNDING = "rounding";
  private static final String NOT_TO_CLIP = "leave it out not to clip";

  private final UpdateRule rule;
  private final List<ParameterGroup> groups = new ArrayList<>();
  private final Map<String, Schedule> moving = new LinkedHashMap<>();
  private final Map<String, Recipe.Option> options = new LinkedHashMap<>();
  private StateStorage state = StateStorage.FLOAT32;
  private Schedule schedule;
  private Block names;
  private boolean hasWeightDecay;
  private int begin;
  private Function<NDArray, Device> deviceOf = NDArray::getDevice;

  WarmstepOptimizerBuilder(UpdateRule rule) {
    this.rule = Objects.requireNonNull(rule, "rule");
  }

  @Override
  protected WarmstepOptimizerBuilder self() {
    return this;
  }

  @Override
  public WarmstepOptimizerBuilder optWeightDecays(float weightDecays) {
    hasWeightDecay = true;
    return super.optWeightDecays(weightDecays);
  }

  /**
   * Begins with another number of steps than 0.
   *
   * @param beginNumUpdate steps before the first, at least 0
   * @return this builder
   * @throws IllegalArgumentException if it is negative
   */
  @Override
  public WarmstepOptimizerBuilder optBeginNumUpdate(int beginNumUpdate) {
    Arguments.requireAtLeast(
        "beginNumUpdate", beginNumUpdate, 0, "pass the number of steps before the first");
    begin = beginNumUpdate;
    return super.optBeginNumUpdate(beginNumUpdate);
  }

  /**
   * Sets a constant learning rate. A rate, a schedule or a tracker is required.
   *
   * @param rate finite and at least 0
   * @return this builder
   * @throws IllegalArgumentException if the rate is out of range
   */
  public WarmstepOptimizerBuilder learningRate(double rate) {
    return learningRate(Schedules.constant(rate));
  }

  /**
   * Sets the learning rate by one of Warmstep's schedules. One that refers to an object which holds
   * this optimizer keeps both from being collected.
   *
   * @param schedule from the number of a step, counted from 1, to its rate
   * @return this builder
   */
  public WarmstepOptimizerBuilder learningRate(Schedule schedule) {
    this.schedule = Objects.requireNonNull(schedule, "schedule");
    return this;
  }

  /**
   * Sets the learning rate by one of DJL's trackers, under the name that DJL's builders of Adam
   * have. It is one rate for all parameters; what differs between them is said by groups.
   *
   * @param tracker asked, as by DJL's optimizers, for the number of the step, counted from 1 up to
   *     the greatest int; further steps are refused
   * @return this builder
   */
  public WarmstepOptimizerBuilder optLearningRateTracker(Tracker tracker) {
    return learningRate(new TrackerSchedule(tracker));
  }

  /**
   * The same as {@link #optLearningRateTracker}, under the name that DJL's builders of SGD have.
   *
   * @param tracker asked, as by DJL's optimizers, for the number of the step, counted from 1
   * @return this builder
   */
  public WarmstepOptimizerBuilder setLearningRateTracker(Tracker tracker) {
    return optLearningRateTracker(tracker);
  }

  /**
   * Moves a hyperparameter of the rule from step to step: see {@link
   * io.warmstep.OptimizerBuilder#schedule}.
   *
   * @param hyperparameter such as {@code beta1} or {@code weightDecay}
   * @param schedule from the number of a step, counted from 1, to the value in that step
   * @return this builder
   * @throws IllegalArgumentException if the rule has no such hyperparameter that can move
   */
  public WarmstepOptimizerBuilder schedule(String hyperparameter, Schedule schedule) {
    if (!rule.movable().contains(hyperparameter)) {
      throw Arguments.refusal(
          "hyperparameter",
          hyperparameter,
          "one of " + rule.movable(),
          "pass one that " + rule.name() + " lets a schedule move");
    }
    moving.put(hyperparameter, Objects.requireNonNull(schedule, "schedule"));
    return this;
  }

  /**
   * Treats some parameters differently. Groups go by the names that the model's block has for its
   * parameters, such as {@code 01Linear_bias}; with {@code trainer.step()} {@link #names} is needed
   * as well.
   *
   * @param group which parameters, and what differs
   * @return this builder
   */
  public WarmstepOptimizerBuilder group(ParameterGroup group) {
    groups.add(Objects.requireNonNull(group, "group"));
    return this;
  }

  /**
   * Gives the names of parameters, of which DJL's trainer gives the ids only. A {@link ModelStep}
   * finds them by itself.
   *
   * @param block the model's
   * @return this builder
   */
  public WarmstepOptimizerBuilder names(Block block) {
    this.names = Objects.requireNonNull(block, "block");
    return this;
  }

  /**
   * Clips by global norm, over all parameters; for a {@link ModelStep} only.
   *
   * @param maxNorm above 0; infinite to measure the norm alone
   * @return this builder
   * @throws IllegalArgumentException if the norm is out of range
   */
  public WarmstepOptimizerBuilder clipNorm(double maxNorm) {
    return clipNorm(maxNorm, Norm.L2);
  }

  /**
   * Clips by a norm of one's choice, over all parameters; for a {@link ModelStep} only. See {@link
   * io.warmstep.OptimizerBuilder#clipNorm(double, Norm)}.
   *
   * @param maxNorm above 0; infinite to measure the norm alone
   * @param norm which one, also what {@link ModelStep#gradientNorm()} gives
   * @return this builder
   * @throws IllegalArgumentException if the norm is out of range
   */
  public WarmstepOptimizerBuilder clipNorm(double maxNorm, Norm norm) {
    Arguments.require(maxNorm > 0, "clipNorm", maxNorm, "above 0", NOT_TO_CLIP);
    Objects.requireNonNull(norm, "norm");
    return ofAllGradients("clipNorm", builder -> builder.clipNorm(maxNorm, norm));
  }

  /**
   * Clips every gradient element to {@code [-maxValue, maxValue]}, after clipping by norm.
   *
   * @param maxValue finite and above 0
   * @return this builder
   * @throws IllegalArgumentException if the value is out of range
   */
  public WarmstepOptimizerBuilder clipValue(double maxValue) {
    Arguments.requirePositive(CLIP_VALUE, maxValue, NOT_TO_CLIP);
    return option(CLIP_VALUE, builder -> builder.clipValue(maxValue));
  }

  /**
   * Clips the gradient of each parameter to a share of the parameter's norm (AGC), after clipping
   * by norm: see {@link io.warmstep.OptimizerBuilder#adaptiveClip(double)}. A group may have
   * another bound or none.
   *
   * @param clip finite and above 0; 0.01 in the paper
   * @return this builder
   * @throws IllegalArgumentException if the value is out of range
   */
  public WarmstepOptimizerBuilder adaptiveClip(double clip) {
    Arguments.requirePositive("adaptiveClip", clip, NOT_TO_CLIP);
    return option("adaptiveClip", builder -> builder.adaptiveClip(clip));
  }

  /**
   * Clips the gradient of each parameter adaptively, with another least norm than 0.001: see {@link
   * io.warmstep.OptimizerBuilder#adaptiveClip(double, double)}.
   *
   * @param clip finite and above 0; 0.01 in the paper
   * @param eps what a parameter's norm counts as at least, finite and above 0
   * @return this builder
   * @throws IllegalArgumentException if a value is out of range
   */
  public WarmstepOptimizerBuilder adaptiveClip(double clip, double eps) {
    Arguments.requirePositive("adaptiveClip", clip, NOT_TO_CLIP);
    Arguments.requirePositive("adaptiveClip: eps", eps, "pass a small number such as 0.001");
    return option("adaptiveClip", builder -> builder.adaptiveClip(clip, eps));
  }

  /**
   * Skips a step with a gradient that is NaN or infinite; for a {@link ModelStep} only. Nothing
   * changes then, the number of steps included, but that gradients are set to zero.
   *
   * @param skipNonFinite whether to do so; false unless called
   * @return this builder
   */
  public WarmstepOptimizerBuilder skipNonFinite(boolean skipNonFinite) {
    options.remove("skipNonFinite");
    return skipNonFinite
        ? ofAllGradients("skipNonFinite", builder -> builder.skipNonFinite(true))
        : this;
  }

  /**
   * Divides gradients by the scale that the loss was multiplied by, which keeps small ones from
   * vanishing in float16, and skips steps with a non-finite gradient; for a {@link ModelStep} only.
   *
   * @param scaler whose {@code scale()} each loss is multiplied by before backward
   * @return this builder
   */
  public WarmstepOptimizerBuilder lossScaler(LossScaler scaler) {
    Objects.requireNonNull(scaler, "scaler");
    return ofAllGradients("lossScaler", builder -> builder.lossScaler(scaler));
  }

  /**
   * Sets how the moments of the state are stored, in all parameters of 4096 elements or more. A
   * model without any keeps float32: how large its parameters are, no step knows before the first.
   *
   * @param stateType how they are; float32 unless called
   * @return this builder
   */
  public WarmstepOptimizerBuilder stateType(StateType stateType) {
    return stateType(stateType, StateStorage.SMALL_TENSOR);
  }

  /**
   * Sets how the moments of the state are stored. Saved states have the numbers in float32, which
   * become what was stored again.
   *
   * @param stateType how they are; float32 unless called
   * @param smallTensor how many elements a parameter must have at least; smaller ones keep float32,
   *     which costs next to nothing. 0 for all parameters
   * @return this builder
   * @throws IllegalArgumentException if the bound is negative
   */
  public WarmstepOptimizerBuilder stateType(StateType stateType, long smallTensor) {
    state = new StateStorage(stateType, smallTensor);
    options.remove(STATE_TYPE);
    return state.isNarrow()
        ? option(STATE_TYPE, builder -> builder.stateType(stateType, smallTensor))
        : this;
  }

  /**
   * Sets how state is rounded that is stored in bfloat16, and averages of squares in codes of 8
   * bits.
   *
   * @param rounding to nearest unless called; at random for a {@link ModelStep} only
   * @return this builder
   */
  public WarmstepOptimizerBuilder rounding(Rounding rounding) {
    return rounding(rounding, 0);
  }

  /**
   * Sets how state is rounded, with a seed of one's own.
   *
   * @param rounding to nearest unless called; at random for a {@link ModelStep} only
   * @param seed from which, with a parameter's place among those that are trained, the element and
   *     the step, the random numbers follow
   * @return this builder
   */
  public WarmstepOptimizerBuilder rounding(Rounding rounding, long seed) {
    Objects.requireNonNull(rounding, ROUNDING);
    options.remove(ROUNDING);
    return rounding == Rounding.NEAREST
        ? this
        : ofAll(
            ROUNDING,
            "random rounding goes by a parameter's place among all",
            builder -> builder.rounding(rounding, seed));
  }

  /**
   * Keeps an exponential moving average of the parameters, which {@link ModelStep#eval} puts in
   * their place: see {@link io.warmstep.OptimizerBuilder#average}. It is part of the state, under
   * the name {@code average}.
   *
   * @param decay above 0 and below 1, such as 0.999
   * @return this builder
   * @throws IllegalArgumentException if the decay is out of range
   */
  public WarmstepOptimizerBuilder average(double decay) {
    Arguments.require(
        decay > 0 && decay < 1, Recipe.AVERAGE, decay, "in (0, 1)", "leave it out for no average");
    return option(Recipe.AVERAGE, builder -> builder.average(decay));
  }

  /** Takes an option that needs one parameter at a time, in place of one of that name. */
  private WarmstepOptimizerBuilder option(
      String name, Consumer<io.warmstep.OptimizerBuilder> setting) {
    options.put(name, new Recipe.Option(setting));
    return this;
  }

  /** Takes an option that looks at the gradients of all parameters first. */
  private WarmstepOptimizerBuilder ofAllGradients(
      String name, Consumer<io.warmstep.OptimizerBuilder> setting) {
    return ofAll(name, name + " " + Recipe.NEEDS_GRADIENTS, setting);
  }

  /** Takes an option that needs all parameters at once. */
  private WarmstepOptimizerBuilder ofAll(
      String name, String why, Consumer<io.warmstep.OptimizerBuilder> setting) {
    options.put(name, new Recipe.Option(Optional.of(why), setting));
    return this;
  }

  /** For tests, which have no second device. */
  WarmstepOptimizerBuilder deviceOf(Function<NDArray, Device> deviceOf) {
    this.deviceOf = deviceOf;
    return this;
  }

  /**
   * Builds the optimizer.
   *
   * @return an optimizer for {@code optOptimizer} and {@link ModelStep#of}
   * @throws IllegalStateException if no learning rate was set
   * @throws IllegalArgumentException if one of DJL's options is out of range
   */
  public WarmstepOptimizer build() {
    return new WarmstepOptimizer(this);
  }

  /**
   * What was collected.
   *
   * @param rescaleGrad DJL's option of that name
   * @param clipGrad DJL's option of that name, negative if it was not called
   * @param decay DJL's weight decay, where {@code optWeightDecays} was called
   */
  Recipe recipe(double rescaleGrad, double clipGrad, double decay) {
    if (schedule == null) {
      throw new IllegalStateException("no learning rate was set: call learningRate(...)");
    }
    Arguments.requireNormalFloat32(
        "rescaleGrad", rescaleGrad, "pass 1 to leave gradients as they are");
    Map<String, Recipe.Option> all = new LinkedHashMap<>(options);
    all.put("rescaleGrad", new Recipe.Option(to -> to.gradientScale(rescaleGrad)));
    if (clipGrad >= 0) {
      if (options.containsKey(CLIP_VALUE)) {
        throw new IllegalArgumentException(
            "both clipValue(...) and optClipGrad("
                + clipGrad
                + ") were called, which are the same: call one");
      }
      Arguments.requirePositive("clipGrad", clipGrad, NOT_TO_CLIP);
      all.put(CLIP_VALUE, new Recipe.Option(to -> to.clipValue(clipGrad)));
    }
    StateStorage storage = state;
    long large = storage.smallTensor();
    all.computeIfPresent(STATE_TYPE, (name, option) -> option.concerning(storage::narrows, large));
    all.computeIfPresent(ROUNDING, (name, option) -> option.concerning(storage::rounds, large));
    Recipe recipe =
        new Recipe(
            hasWeightDecay ? rule.weightDecay(decay) : rule,
            schedule,
            Map.copyOf(moving),
            List.copyOf(groups),
            Collections.unmodifiableMap(all));
    requireUse(
        recipe,
        STATE_TYPE,
        storage.type(),
        "float32 for rules whose state has no moments",
        "choose a rule with moments, such as adam, or leave it out");
    requireUse(
        recipe,
        ROUNDING,
        Rounding.STOCHASTIC,
        "nearest where a step stores neither bfloat16 nor squares in int8",
        "set a stateType, or leave it out");
    return recipe;
  }

  /** Refuses an option that none of the rules has a use for: it would reach no optimizer. */
  private static void requireUse(
      Recipe recipe, String name, Object value, String range, String advice) {
    Recipe.Option option = recipe.options().get(name);
    if (option != null && recipe.rules().stream().noneMatch(option.concerns())) {
      throw Arguments.refusal(name, value, range, advice);
    }
  }

  /** Null if the parameters' names are not known. */
  Block names() {
    return names;
  }

  /** Whether DJL's weight decay takes the place of the rule's. */
  boolean hasWeightDecay() {
    return hasWeightDecay;
  }

  int begin() {
    return begin;
  }

  Function<NDArray, Device> deviceOf() {
    return deviceOf;
  }

  /** A tracker as a schedule, with a name for messages. */
  private record TrackerSchedule(Tracker tracker) implements Schedule {
    TrackerSchedule {
      Objects.requireNonNull(tracker, "tracker");
    }

    @Override
    public double rate(long step) {
      if (step > Integer.MAX_VALUE) {
        throw new IllegalStateException(
            "step is "
                + step
                + ", must be at most "
                + Integer.MAX_VALUE
                + " for one of DJL's trackers: use learningRate(...) with a schedule");
      }
      return tracker.getNewValue((int) step);
    }

    @Override
    public String toString() {
      return "DJL's " + tracker.getClass().getSimpleName();
    }
  }
}
