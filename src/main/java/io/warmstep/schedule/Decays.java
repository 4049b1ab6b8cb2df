package io.warmstep.schedule;

import io.warmstep.check.Arguments;
import io.warmstep.math.Powers;
import java.util.Arrays;

/** Schedules that change the rate by a power, a factor or a straight line. */
final class Decays {
  private Decays() {}

  /** See {@link Schedules#constant(double)}. */
  record Constant(double learningRate) implements Schedule {
    Constant {
      Require.rate("learningRate", learningRate);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return learningRate;
    }
  }

  /** See {@link Schedules#constantFactor(double, double, long)}. */
  record ConstantFactor(double learningRate, double factor, long steps) implements Schedule {
    ConstantFactor {
      Require.rate("learningRate", learningRate);
      Require.factor("factor", factor);
      Require.steps("steps", steps);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return step <= steps ? learningRate * factor : learningRate;
    }
  }

  /** See {@link Schedules#step(double, long, double)}. */
  record Step(double learningRate, long stepSize, double gamma) implements Schedule {
    Step {
      Require.rate("learningRate", learningRate);
      Require.steps("stepSize", stepSize);
      Require.decay("gamma", gamma);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      long decays = (step - 1) / stepSize;
      return learningRate * Powers.power(gamma, decays);
    }
  }

  /** See {@link Schedules#multiStep(double, double, long...)}. */
  record MultiStep(double learningRate, double gamma, long... milestones) implements Schedule {
    MultiStep {
      Require.rate("learningRate", learningRate);
      Require.decay("gamma", gamma);
      Arguments.requirePresent("milestones", milestones, "pass at least one");
      milestones = milestones.clone();
      if (milestones.length == 0) {
        throw Arguments.refusal(
            "milestones", "empty", "at least one step", "for a fixed rate use constant(...)");
      }
      for (int i = 0; i < milestones.length; i++) {
        Require.steps("milestones[" + i + "]", milestones[i]);
        if (i > 0 && milestones[i] <= milestones[i - 1]) {
          throw Arguments.refusal(
              "milestones[" + i + "]",
              milestones[i],
              "more than the one before it, " + milestones[i - 1],
              "pass the milestones in ascending order, each one once");
        }
      }
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      int at = Arrays.binarySearch(milestones, step - 1);
      int passed = at >= 0 ? at + 1 : -at - 1;
      return learningRate * Powers.power(gamma, passed);
    }

    // An array component has neither equality nor a readable form of its own.

    @Override
    public boolean equals(Object other) {
      return other instanceof MultiStep that
          && Double.compare(learningRate, that.learningRate) == 0
          && Double.compare(gamma, that.gamma) == 0
          && Arrays.equals(milestones, that.milestones);
    }

    @Override
    public int hashCode() {
      return 31 * (31 * Double.hashCode(learningRate) + Double.hashCode(gamma))
          + Arrays.hashCode(milestones);
    }

    @Override
    public String toString() {
      return "MultiStep[learningRate="
          + learningRate
          + ", gamma="
          + gamma
          + ", milestones="
          + Arrays.toString(milestones)
          + "]";
    }
  }

  /** See {@link Schedules#exponential(double, double)}. */
  record Exponential(double learningRate, double gamma) implements Schedule {
    Exponential {
      Require.rate("learningRate", learningRate);
      Require.decay("gamma", gamma);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return learningRate * Powers.power(gamma, step - 1);
    }
  }

  /** See {@link Schedules#linear(double, double, double, long)}. */
  record Linear(double learningRate, double startFactor, double endFactor, long steps)
      implements Schedule {
    Linear {
      Require.rate("learningRate", learningRate);
      Require.factor("startFactor", startFactor);
      Require.factor("endFactor", endFactor);
      Require.steps("steps", steps);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      double left = Annealing.left(step - 1, steps);
      return learningRate * Annealing.LINEAR.between(startFactor, endFactor, left);
    }
  }

  /** See {@link Schedules#polynomial(double, long, double)}. */
  record Polynomial(double learningRate, long totalSteps, double power) implements Schedule {
    Polynomial {
      Require.rate("learningRate", learningRate);
      Require.steps("totalSteps", totalSteps);
      Arguments.requirePositive(
          "power", power, "pass the exponent of the decay, such as 1 for a straight line");
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      double left = Annealing.left(step - 1, totalSteps);
      return learningRate * Powers.power(left, power);
    }
  }

  /** See {@link Schedules#inverseSquareRoot(double, long)}. */
  record InverseSquareRoot(double learningRate, long warmUpSteps) implements Schedule {
    InverseSquareRoot {
      Require.rate("learningRate", learningRate);
      Require.steps("warmUpSteps", warmUpSteps);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return step <= warmUpSteps
          ? learningRate * ((double) step / warmUpSteps)
          : learningRate * Math.sqrt((double) warmUpSteps / step);
    }
  }

  /** See {@link Schedules#warmUpStableDecay(double, long, long, long, Annealing, double)}. */
  record WarmUpStableDecay(
      double learningRate,
      long warmUpSteps,
      long stableSteps,
      long decaySteps,
      Annealing shape,
      double minimum)
      implements Schedule {
    WarmUpStableDecay {
      Require.rate("learningRate", learningRate);
      Require.stepsOrNone("warmUpSteps", warmUpSteps);
      Require.stepsOrNone("stableSteps", stableSteps);
      Require.steps("decaySteps", decaySteps);
      Arguments.requirePresent("shape", shape, "pass one such as Annealing.ONE_MINUS_SQRT");
      Require.minimum(minimum, learningRate);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      if (step <= warmUpSteps) {
        return learningRate * ((double) step / warmUpSteps);
      }
      // Subtracting in turn, since the sum of the lengths may be more than a long holds.
      long decayed = Math.max(0, step - 1 - warmUpSteps - stableSteps);
      return shape.between(learningRate, minimum, Annealing.left(decayed, decaySteps));
    }
  }
}
