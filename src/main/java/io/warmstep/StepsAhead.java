package io.warmstep;

import io.warmstep.backend.CapturedProgram;
import io.warmstep.rule.StepValues;
import io.warmstep.step.StepInputs;
import java.util.List;

/**
 * The numbers of captured steps, computed ahead of the device in the order of the steps and once
 * each, since rules keep numbers from one step to the next. The numbers kept after each step stay
 * until the device is known to be past it.
 */
final class StepsAhead {
  private final PreparedStep step;
  private final LearningRate learningRate;
  private final List<TrainedGroup> groups;
  private final StepInputs inputs;
  private final StepInputs slowInputs; // of the pass behind the step
  private final StepValues[] values;
  private final long[] earlier; // steps of the optimizer in which a group took no part
  private final double[] rates; // of the last steps, by their numbers
  private final double[][][] kept; // likewise the numbers that the groups' rules kept after them
  private long filled;

  /**
   * Nothing is computed yet.
   *
   * @param room how many steps the device may lag behind
   */
  StepsAhead(PreparedStep step, LearningRate learningRate, int room) {
    this.step = step;
    this.learningRate = learningRate;
    this.groups = step.active();
    this.inputs = step.newInputs();
    this.slowInputs = step.newSlowInputs();
    this.values = step.newValues();
    this.earlier = new long[groups.size()];
    this.rates = new double[room + 1];
    this.kept = new double[room + 1][groups.size()][];
    for (double[][] each : kept) {
      for (int i = 0; i < each.length; i++) {
        each[i] = new double[groups.get(i).kept().length];
      }
    }
  }

  private int place(long number) {
    return (int) (number % rates.length);
  }

  /** Begins after the steps that happened. */
  void begin(long steps, double rate) {
    filled = steps;
    rates[place(steps)] = rate;
    for (int i = 0; i < earlier.length; i++) {
      TrainedGroup group = groups.get(i);
      earlier[i] = steps - group.steps();
      System.arraycopy(group.kept(), 0, kept[place(steps)][i], 0, group.kept().length);
    }
  }

  /**
   * Computes the missing steps up to a given one. Allocates nothing.
   *
   * @throws IllegalStateException if the schedule gives an invalid rate, or the arithmetic of the
   *     parameters cannot hold a number; the steps before that one are computed
   */
  void fill(long last, CapturedProgram program) {
    while (filled < last) {
      long number = filled + 1;
      double rate = learningRate.rate(number);
      for (int i = 0; i < earlier.length; i++) {
        double[] before = kept[place(filled)][i];
        double[] after = kept[place(number)][i];
        TrainedGroup group = groups.get(i);
        step.fill(inputs, i, group, number, number - earlier[i], rate, before, values[i]);
        System.arraycopy(before, 0, after, 0, after.length);
        group.rules().rule().advance(values[i], after);
      }
      step.fillSlow(inputs, slowInputs);
      rates[place(number)] = rate;
      program.write(number, inputs, slowInputs);
      filled = number;
    }
  }

  /** Advances the groups to the device's step. */
  void takeOver(long steps) {
    for (int i = 0; i < earlier.length; i++) {
      groups.get(i).advanceTo(steps - earlier[i], kept[place(steps)][i]);
    }
  }

  /** The rate of the last step that happened, which must be a recent one. */
  double rate(long steps) {
    return rate(rates, steps);
  }

  /** Room for the rates of the recent steps. */
  double[] newRates() {
    return new double[rates.length];
  }

  /** Copies them, since later steps take their place. */
  void copyRates(double[] to) {
    System.arraycopy(rates, 0, to, 0, rates.length);
  }

  /**
   * Copies for each group how many steps of the optimizer it took no part in, which changes with
   * {@link #begin}.
   */
  void copyEarlier(long[] to) {
    System.arraycopy(earlier, 0, to, 0, earlier.length);
  }

  /** The rate of a step that was a recent one when these were copied. */
  static double rate(double[] copied, long steps) {
    return copied[(int) (steps % copied.length)];
  }
}
