package io.warmstep;

import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Hyperparameters that schedules change from step to step. */
final class MovingHyperparameters {
  private static final String WEIGHT_DECAY = "weightDecay";
  private static final MovingHyperparameters NONE = new MovingHyperparameters(Map.of());

  private final List<String> names;
  private final Schedule[] schedules;

  MovingHyperparameters(Map<String, Schedule> schedules) {
    this.names = List.copyOf(schedules.keySet());
    this.schedules = schedules.values().toArray(new Schedule[0]);
  }

  List<String> names() {
    return names;
  }

  List<Schedule> schedules() {
    return List.of(schedules);
  }

  /**
   * Checks that a rule allows schedules for all of them.
   *
   * @throws IllegalArgumentException if it does not
   */
  void requireMovable(UpdateRule rule) {
    for (String name : names) {
      if (!rule.movable().contains(name)) {
        throw new IllegalArgumentException(
            "a schedule was set for \""
                + name
                + "\", which none can move under "
                + rule
                + ": schedule "
                + (rule.movable().isEmpty()
                    ? "the learning rate alone"
                    : "one of " + String.join(", ", rule.movable())));
      }
    }
  }

  /** The ones that change in a group, which keeps its own settings. */
  MovingHyperparameters in(ParameterGroup group) {
    if (group.hasRule()) {
      return NONE;
    }
    if (!group.hasWeightDecay() || !names.contains(WEIGHT_DECAY)) {
      return this;
    }
    Map<String, Schedule> rest = new LinkedHashMap<>();
    for (int i = 0; i < schedules.length; i++) {
      rest.put(names.get(i), schedules[i]);
    }
    rest.remove(WEIGHT_DECAY);
    return new MovingHyperparameters(rest);
  }

  /** Room for the values of a step. */
  StepValues values() {
    return new StepValues(names);
  }

  /**
   * Computes the values of a step. Allocates nothing.
   *
   * @param step number of the step
   * @param values receives them
   * @throws IllegalStateException if one is out of range
   */
  void set(long step, StepValues values) {
    for (int i = 0; i < schedules.length; i++) {
      values.set(i, value(i, step));
    }
  }

  private double value(int index, long step) {
    double value = schedules[index].rate(step);
    boolean isDecay = names.get(index).equals(WEIGHT_DECAY);
    if (!(value >= 0 && (isDecay ? value <= Double.MAX_VALUE : value < 1))) {
      throw new IllegalStateException(
          "the schedule"
              + (LearningRate.isNamed(schedules[index]) ? " " + schedules[index] : "")
              + " gives "
              + names.get(index)
              + " "
              + value
              + " at step "
              + step
              + ", must be "
              + (isDecay ? "finite and at least 0" : "in [0, 1)"));
    }
    return value;
  }

  /** Their values in a step, by name. */
  Map<String, Double> at(long step) {
    Map<String, Double> values = new LinkedHashMap<>();
    for (int i = 0; i < schedules.length; i++) {
      values.put(names.get(i), value(i, step));
    }
    return values;
  }

  /** Their values in the last step, or in the first one to come. */
  Map<String, Double> after(long steps) {
    return at(Math.max(1, steps));
  }

  /** The schedules' descriptions, by hyperparameter name. */
  Map<String, String> described() {
    Map<String, String> described = new LinkedHashMap<>();
    for (int i = 0; i < schedules.length; i++) {
      described.put(names.get(i), OptimizerSaver.describe(schedules[i]));
    }
    return described;
  }

  /** The learning rate's schedule and these. */
  List<Schedule> with(Schedule learningRate) {
    List<Schedule> all = new ArrayList<>(schedules());
    all.add(0, learningRate);
    return all;
  }
}
