package io.warmstep.schedule;

/**
 * The basic learning-rate schedules. Compose them with the methods of {@link Schedule}:
 *
 * <pre>{@code
 * Schedule schedule = Schedules.cosine(1e-3, 10_000).warmUp(500);
 * }</pre>
 *
 * <p>In the formulas {@code t} is the number of the step, counted from 1, and {@code lr} stands for
 * {@code learningRate}. Schedules named like PyTorch's have PyTorch's values: its {@code
 * last_epoch} is {@code t - 1}, so step 1 has the start value, and a schedule over {@code n} steps
 * has its end value from step {@code n + 1} on (that is, after {@code n} updates). All schedules
 * with an end keep their end value afterwards.
 *
 * <p>Learning rates must be finite and at least 0, and numbers of steps at least 1, unless stated
 * otherwise. All methods throw {@link IllegalArgumentException} for a value out of its range,
 * including NaN, and {@link NullPointerException} for a missing shape.
 */
public final class Schedules {
  private Schedules() {}

  /**
   * The same rate at every step.
   *
   * @param learningRate the learning rate
   * @return the schedule
   */
  public static Schedule constant(double learningRate) {
    return new Decays.Constant(learningRate);
  }

  /**
   * A changed rate for the first steps: {@code lr factor} for {@code t <= steps}, then {@code lr}
   * (PyTorch's {@code ConstantLR}).
   *
   * @param learningRate the learning rate after the first steps
   * @param factor the factor for the first steps, finite and at least 0
   * @param steps the number of steps with the factor
   * @return the schedule
   */
  public static Schedule constantFactor(double learningRate, double factor, long steps) {
    return new Decays.ConstantFactor(learningRate, factor, steps);
  }

  /**
   * Step decay at a fixed interval: {@code lr gamma^floor((t - 1) / stepSize)} (PyTorch's {@code
   * StepLR}).
   *
   * @param learningRate the initial learning rate
   * @param stepSize the number of steps between two reductions
   * @param gamma the factor of each reduction, more than 0 and at most 1
   * @return the schedule
   */
  public static Schedule step(double learningRate, long stepSize, double gamma) {
    return new Decays.Step(learningRate, stepSize, gamma);
  }

  /**
   * Decay at given milestones: {@code lr gamma^k}, where {@code k} is the number of milestones less
   * than {@code t} (PyTorch's {@code MultiStepLR}).
   *
   * @param learningRate the initial learning rate
   * @param gamma the factor of each reduction, more than 0 and at most 1
   * @param milestones the numbers of updates after which the rate is reduced: at least one, each at
   *     least 1 and greater than the one before it
   * @return the schedule
   */
  public static Schedule multiStep(double learningRate, double gamma, long... milestones) {
    return new Decays.MultiStep(learningRate, gamma, milestones);
  }

  /**
   * Exponential decay: {@code lr gamma^(t - 1)} (PyTorch's {@code ExponentialLR}).
   *
   * @param learningRate the initial learning rate
   * @param gamma the factor of each step, more than 0 and at most 1
   * @return the schedule
   */
  public static Schedule exponential(double learningRate, double gamma) {
    return new Decays.Exponential(learningRate, gamma);
  }

  /**
   * A straight line from {@code lr startFactor} to {@code lr endFactor}: {@code lr (startFactor +
   * (endFactor - startFactor) min(t - 1, steps) / steps)} (PyTorch's {@code LinearLR}).
   *
   * @param learningRate the learning rate that the factors apply to
   * @param startFactor the factor of step 1, finite and at least 0
   * @param endFactor the factor from step {@code steps + 1} on, finite and at least 0
   * @param steps the number of steps from one factor to the other
   * @return the schedule
   */
  public static Schedule linear(
      double learningRate, double startFactor, double endFactor, long steps) {
    return new Decays.Linear(learningRate, startFactor, endFactor, steps);
  }

  /**
   * Polynomial decay to zero: {@code lr (1 - min(t - 1, totalSteps) / totalSteps)^power} (PyTorch's
   * {@code PolynomialLR}).
   *
   * @param learningRate the initial learning rate
   * @param totalSteps the number of steps; the rate is zero from step {@code totalSteps + 1} on
   * @param power the exponent, finite and more than 0
   * @return the schedule
   */
  public static Schedule polynomial(double learningRate, long totalSteps, double power) {
    return new Decays.Polynomial(learningRate, totalSteps, power);
  }

  /**
   * Cosine annealing to zero; see {@link #cosine(double, long, double)}.
   *
   * @param learningRate the initial learning rate
   * @param totalSteps the number of steps; the rate is zero from step {@code totalSteps + 1} on
   * @return the schedule
   */
  public static Schedule cosine(double learningRate, long totalSteps) {
    return cosine(learningRate, totalSteps, 0);
  }

  /**
   * Cosine annealing: {@code minimum + (lr - minimum) (1 + cos(pi min(t - 1, totalSteps) /
   * totalSteps)) / 2}. PyTorch's {@code CosineAnnealingLR} has these values for the first {@code
   * totalSteps + 1} steps and then rises again; this schedule holds the minimum.
   *
   * @param learningRate the initial learning rate
   * @param totalSteps the number of steps
   * @param minimum the rate from step {@code totalSteps + 1} on, at least 0 and at most the
   *     learning rate
   * @return the schedule
   */
  public static Schedule cosine(double learningRate, long totalSteps, double minimum) {
    return new Cosines.Cosine(learningRate, totalSteps, minimum);
  }

  /**
   * Cosine annealing that restarts after each period: {@code minimum + (lr - minimum) (1 + cos(pi c
   * / p)) / 2}, where {@code p} is the length of the period, and {@code c} the number of its
   * earlier steps (PyTorch's {@code CosineAnnealingWarmRestarts}; Loshchilov and Hutter 2017,
   * "SGDR: stochastic gradient descent with warm restarts"). It has no end.
   *
   * @param learningRate the learning rate at the start of each period
   * @param firstPeriod the length of the first period in steps
   * @param multiplier how many times longer each period is than the one before it, at least 1
   * @param minimum the rate that each period decays towards, at least 0 and at most the learning
   *     rate
   * @return the schedule
   */
  public static Schedule cosineWarmRestarts(
      double learningRate, long firstPeriod, long multiplier, double minimum) {
    return new Cosines.CosineWarmRestarts(learningRate, firstPeriod, multiplier, minimum);
  }

  /**
   * A triangle wave: {@code baseRate + (maxRate - baseRate) h}, where {@code h} rises from 0 at
   * step 1 to 1 at step {@code stepsUp + 1}, falls back to 0 in {@code stepsDown} steps, and so on
   * without end (PyTorch's {@code CyclicLR}, mode {@code triangular}; Smith 2017, "Cyclical
   * learning rates for training neural networks").
   *
   * @param baseRate the rate at the bottom of each cycle and of step 1, so pass 0 only if step 1
   *     should change nothing
   * @param maxRate the rate at the top of each cycle, at least {@code baseRate}
   * @param stepsUp the steps from the bottom to the top
   * @param stepsDown the steps from the top to the bottom
   * @return the schedule
   */
  public static Schedule triangular(double baseRate, double maxRate, long stepsUp, long stepsDown) {
    return new Cyclic(baseRate, maxRate, stepsUp, stepsDown, 1, 1);
  }

  /**
   * A triangle wave that is half as high in each cycle as in the one before it (PyTorch's {@code
   * CyclicLR}, mode {@code triangular2}); otherwise like {@link #triangular}.
   *
   * @param baseRate the rate at the bottom of each cycle, and of step 1
   * @param maxRate the rate at the top of the first cycle, at least {@code baseRate}
   * @param stepsUp the steps from the bottom to the top
   * @param stepsDown the steps from the top to the bottom
   * @return the schedule
   */
  public static Schedule triangular2(
      double baseRate, double maxRate, long stepsUp, long stepsDown) {
    return new Cyclic(baseRate, maxRate, stepsUp, stepsDown, 0.5, 1);
  }

  /**
   * A triangle wave whose height at each step is multiplied by {@code gamma^(t - 1)} (PyTorch's
   * {@code CyclicLR}, mode {@code exp_range}); otherwise like {@link #triangular}.
   *
   * @param baseRate the rate at the bottom of each cycle, and of step 1
   * @param maxRate the rate at the top of a cycle if {@code gamma} were 1, at least {@code
   *     baseRate}
   * @param stepsUp the steps from the bottom to the top
   * @param stepsDown the steps from the top to the bottom
   * @param gamma the decay factor of the height per step, more than 0 and at most 1
   * @return the schedule
   */
  public static Schedule expRange(
      double baseRate, double maxRate, long stepsUp, long stepsDown, double gamma) {
    return new Cyclic(baseRate, maxRate, stepsUp, stepsDown, 1, gamma);
  }

  /**
   * The one-cycle policy with PyTorch's defaults: cosine annealing, the rate rises for 0.3 of the
   * steps, from 1/25 of the highest rate, and ends at 1/10,000 of the initial one. The methods of
   * the result change these.
   *
   * @param maxRate the highest rate
   * @param totalSteps the length of the cycle in steps, at least 2
   * @return the schedule
   */
  public static OneCycle oneCycle(double maxRate, long totalSteps) {
    return new OneCycle(maxRate, totalSteps);
  }

  /**
   * Linear warm-up, then decay with the inverse square root: {@code lr min(t / w, sqrt(w / t))},
   * where {@code w} is the number of warm-up steps. With {@code lr = 1 / sqrt(w dModel)} it is the
   * formula of Vaswani et al. 2017 ("Attention is all you need"), {@code dModel^-0.5 min(t^-0.5, t
   * w^-1.5)}. It has no end.
   *
   * @param learningRate the highest rate, that of step {@code warmUpSteps}
   * @param warmUpSteps the number of warm-up steps
   * @return the schedule
   */
  public static Schedule inverseSquareRoot(double learningRate, long warmUpSteps) {
    return new Decays.InverseSquareRoot(learningRate, warmUpSteps);
  }

  /**
   * Warm-up, stable, decay, with linear decay to zero; see {@link #warmUpStableDecay(double, long,
   * long, long, Annealing, double)}.
   *
   * @param learningRate the rate of the stable phase
   * @param warmUpSteps the steps of the linear warm-up; 0 for none
   * @param stableSteps the steps with the full rate; 0 for none
   * @param decaySteps the steps of the decay
   * @return the schedule
   */
  public static Schedule warmUpStableDecay(
      double learningRate, long warmUpSteps, long stableSteps, long decaySteps) {
    return warmUpStableDecay(
        learningRate, warmUpSteps, stableSteps, decaySteps, Annealing.LINEAR, 0);
  }

  /**
   * Warm-up, stable, decay (Hu et al. 2024, "MiniCPM: unveiling the potential of small language
   * models with scalable training strategies"): {@code lr t / warmUpSteps} during the warm-up, then
   * {@code lr}, then from {@code lr} to the minimum in the given shape. The first step of the decay
   * still has the full rate; the minimum is first reached right after the decay's last step.
   *
   * @param learningRate the rate of the stable phase
   * @param warmUpSteps the steps of the linear warm-up; 0 for none
   * @param stableSteps the steps with the full rate; 0 for none
   * @param decaySteps the steps of the decay
   * @param shape the shape of the decay
   * @param minimum the rate after the decay, at least 0 and at most the learning rate
   * @return the schedule
   */
  public static Schedule warmUpStableDecay(
      double learningRate,
      long warmUpSteps,
      long stableSteps,
      long decaySteps,
      Annealing shape,
      double minimum) {
    return new Decays.WarmUpStableDecay(
        learningRate, warmUpSteps, stableSteps, decaySteps, shape, minimum);
  }

  /**
   * A rate that is reduced when a metric has stopped improving, with PyTorch's defaults (smaller is
   * better, factor 0.1, patience 10, relative threshold 1e-4, no cooldown). The methods of the
   * result change these; pass it the metric with {@link PlateauSchedule#report}.
   *
   * @param learningRate the initial learning rate
   * @return the schedule, which, unlike the others, has state
   */
  public static PlateauSchedule reduceOnPlateau(double learningRate) {
    return new PlateauSchedule(learningRate);
  }
}
