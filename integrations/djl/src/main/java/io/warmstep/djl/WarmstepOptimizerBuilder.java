package io.warmstep.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.training.optimizer.Optimizer.OptimizerBuilder;
import ai.djl.training.tracker.Tracker;
import io.warmstep.LossScaler;
import io.warmstep.ParameterGroup;
import io.warmstep.check.Arguments;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Collects what a {@link WarmstepOptimizer} does. Of DJL's own options, {@code setRescaleGrad}
 * multiplies gradients first, {@code optClipGrad} is {@link #clipValue} (both signs are clipped,
 * not only the positive), {@code optWeightDecays} replaces the rule's weight decay, and {@code
 * optBeginNumUpdate} is the number of steps before the first.
 */
public final class WarmstepOptimizerBuilder extends OptimizerBuilder<WarmstepOptimizerBuilder> {
  private static final String NOT_TO_CLIP = "leave it out not to clip";

  private final UpdateRule rule;
  private final List<ParameterGroup> groups = new ArrayList<>();
  private final Map<String, Schedule> moving = new LinkedHashMap<>();
  private Schedule schedule;
  private Block names;
  private double clipNorm;
  private double clipValue;
  private double adaptiveClip;
  private boolean skipNonFinite;
  private LossScaler scaler;
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
   * Tells the names of parameters, of which DJL's trainer gives the ids only. A {@link ModelStep}
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
   * @param maxNorm finite and above 0
   * @return this builder
   * @throws IllegalArgumentException if the norm is out of range
   */
  public WarmstepOptimizerBuilder clipNorm(double maxNorm) {
    Arguments.requirePositive("clipNorm", maxNorm, NOT_TO_CLIP);
    clipNorm = maxNorm;
    return this;
  }

  /**
   * Clips every gradient element to {@code [-maxValue, maxValue]}, after clipping by norm.
   *
   * @param maxValue finite and above 0
   * @return this builder
   * @throws IllegalArgumentException if the value is out of range
   */
  public WarmstepOptimizerBuilder clipValue(double maxValue) {
    Arguments.requirePositive("clipValue", maxValue, NOT_TO_CLIP);
    clipValue = maxValue;
    return this;
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
    adaptiveClip = clip;
    return this;
  }

  /**
   * Skips a step with a gradient that is NaN or infinite; for a {@link ModelStep} only. Nothing
   * changes then, the number of steps included, but that gradients are set to zero.
   *
   * @param skipNonFinite whether to do so; false unless called
   * @return this builder
   */
  public WarmstepOptimizerBuilder skipNonFinite(boolean skipNonFinite) {
    this.skipNonFinite = skipNonFinite;
    return this;
  }

  /**
   * Divides gradients by the scale that the loss was multiplied by, which keeps small ones from
   * vanishing in float16, and skips steps with a non-finite gradient; for a {@link ModelStep} only.
   *
   * @param scaler whose {@code scale()} each loss is multiplied by before backward
   * @return this builder
   */
  public WarmstepOptimizerBuilder lossScaler(LossScaler scaler) {
    this.scaler = Objects.requireNonNull(scaler, "scaler");
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
    return new Recipe(
        hasWeightDecay ? rule.weightDecay(decay) : rule,
        schedule,
        Map.copyOf(moving),
        List.copyOf(groups),
        clipNorm,
        bound(clipGrad),
        adaptiveClip,
        rescaleGrad,
        skipNonFinite,
        scaler);
  }

  private double bound(double clipGrad) {
    if (clipGrad < 0) {
      return clipValue;
    }
    if (clipValue > 0) {
      throw new IllegalArgumentException(
          "both clipValue("
              + clipValue
              + ") and optClipGrad("
              + clipGrad
              + ") were called, which are the same: call one");
    }
    Arguments.requirePositive("clipGrad", clipGrad, NOT_TO_CLIP);
    return clipGrad;
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
