package io.warmstep;

import io.warmstep.check.Names;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.PyTorchNames;
import io.warmstep.checkpoint.SavedOptimizer;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The groups of an optimizer with the hyperparameters of a checkpoint. */
final class RestoredRules {
  private final OptimizerCheckpoint choices;
  private final CheckpointReader reader;
  private final Optional<SavedOptimizer> saved;
  private final List<Parameter> added;
  private final List<String> differences;
  private final List<String> notes;

  RestoredRules(
      OptimizerCheckpoint choices,
      CheckpointReader reader,
      Optional<SavedOptimizer> saved,
      List<Parameter> added,
      List<String> differences,
      List<String> notes) {
    this.choices = choices;
    this.reader = reader;
    this.saved = saved;
    this.added = added;
    this.differences = differences;
    this.notes = notes;
  }

  /** The restored groups; mismatches are added to the differences. */
  List<RuleGroup> of(List<TrainedGroup> groups) throws IOException {
    List<RuleGroup> restored = new ArrayList<>();
    for (TrainedGroup group : groups) {
      restored.add(of(group.rules()));
    }
    return restored;
  }

  /** Whether a group will be frozen. */
  boolean isFrozen(TrainedGroup group) {
    List<String> names = group.rules().members().stream().map(choices::savedName).toList();
    Map<String, SavedOptimizer.Group> savedGroups = savedGroups();
    for (String name : names) {
      SavedOptimizer.Group its = savedGroups.get(name);
      if (its != null && its.frozen().isPresent() && its.frozen().get() != group.isFrozen()) {
        notes.add(
            Names.abbreviated(names)
                + (its.frozen().get() ? " was frozen when" : " was not frozen when")
                + " the file was saved: "
                + (choices.keepsHyperparameters() ? "it stays as it is here" : "so it is now"));
        return choices.keepsHyperparameters() == group.isFrozen();
      }
    }
    return group.isFrozen();
  }

  private RuleGroup of(RuleGroup group) throws IOException {
    List<String> names = new ArrayList<>();
    for (Parameter parameter : group.members()) {
      if (!added.contains(parameter)) {
        names.add(choices.savedName(parameter));
      }
    }
    Map<String, SavedOptimizer.Group> savedGroups = savedGroups();
    for (String name : names) {
      SavedOptimizer.Group its = savedGroups.get(name);
      if (its != null && !its.rule().equals(group.rule().name())) {
        differences.add(
            name + " has rule " + its.rule() + " in the file, " + group.rule().name() + " here");
        return group;
      }
    }
    Map<String, Object> taken = new LinkedHashMap<>();
    for (Map.Entry<String, Object> setting : OptimizerSaver.settings(group.rule()).entrySet()) {
      if (group.moving().names().contains(setting.getKey())) {
        continue; // the schedule gives it
      }
      Optional<Double> value = value(names, setting.getKey());
      Object present = setting.getValue();
      if (value.isPresent() && number(present) != value.get()) {
        Object found = present instanceof Boolean ? (Object) (value.get() != 0) : value.get();
        taken.put(setting.getKey(), found);
        differs(names, setting.getKey(), found, present);
      }
    }
    double factor = factor(names, savedGroups, group.learningRateFactor());
    if (choices.keepsHyperparameters()) {
      checkState(group.rule(), taken, names);
      return group;
    }
    return group.with(with(group.rule(), taken, names), factor);
  }

  private Map<String, SavedOptimizer.Group> savedGroups() {
    Map<String, SavedOptimizer.Group> groups = new LinkedHashMap<>();
    saved.ifPresent(
        about ->
            about.groups().forEach(group -> group.parameters().forEach(p -> groups.put(p, group))));
    return groups;
  }

  /** The value that all parameters of a group share in the file. */
  private Optional<Double> value(List<String> names, String setting) throws IOException {
    Optional<Double> common = Optional.empty();
    for (String name : names) {
      Optional<Double> value =
          ScalarEntry.read(
              reader,
              PyTorchNames.group(name, PyTorchNames.name(setting)),
              PyTorchNames.index(setting));
      if (value.isPresent() && common.isPresent() && !value.equals(common)) {
        differences.add(
            names.get(0)
                + " and "
                + name
                + " have different "
                + PyTorchNames.name(setting)
                + " in the file, but are in one group here");
        return Optional.empty();
      }
      common = common.or(() -> value);
    }
    return common;
  }

  private double factor(
      List<String> names, Map<String, SavedOptimizer.Group> savedGroups, double present) {
    double factor = present;
    for (String name : names) {
      SavedOptimizer.Group its = savedGroups.get(name);
      double found = its == null ? present : its.learningRateFactor();
      if (!(found >= 0 && found <= Double.MAX_VALUE)) {
        differences.add(name + " has the learning-rate factor " + found + " in the file");
      } else if (found != present && factor == present) {
        factor = found;
        differs(names, "learning_rate_factor", found, present);
      } else if (found != factor) {
        differences.add(
            names.get(0)
                + " and "
                + name
                + " have different learning-rate factors in the file, but are in one group here");
        break;
      }
    }
    return factor;
  }

  private void differs(List<String> names, String setting, Object found, Object present) {
    notes.add(
        PyTorchNames.name(setting)
            + " of "
            + Names.abbreviated(names)
            + " is "
            + found
            + " in the file, "
            + present
            + " here: "
            + (choices.keepsHyperparameters() ? present + " is kept" : found + " is taken"));
  }

  private UpdateRule with(UpdateRule rule, Map<String, Object> taken, List<String> names) {
    if (taken.isEmpty()) {
      return rule;
    }
    try {
      UpdateRule restored = RuleSettings.with(rule, taken);
      if (!slots(restored).equals(slots(rule))) {
        stateDiffers(rule, taken, names);
      }
      return restored;
    } catch (IllegalArgumentException e) {
      differences.add("the file's hyperparameters are refused: " + e.getMessage());
      return rule;
    }
  }

  /** If the optimizer's hyperparameters are kept, the state must still fit them. */
  private void checkState(UpdateRule rule, Map<String, Object> others, List<String> names) {
    try {
      if (!others.isEmpty() && !slots(RuleSettings.with(rule, others)).equals(slots(rule))) {
        stateDiffers(rule, others, names);
      }
    } catch (IllegalArgumentException e) {
      // The file's values are not used.
    }
  }

  private void stateDiffers(UpdateRule rule, Map<String, Object> others, List<String> names) {
    differences.add(
        Names.abbreviated(names)
            + " had "
            + rule.name()
            + " with "
            + others
            + ", which remembers other state than here: build the optimizer with that");
  }

  private static List<String> slots(UpdateRule rule) {
    return rule.stateSlots().stream().filter(StateSlot::isState).map(StateSlot::name).toList();
  }

  private static double number(Object value) {
    if (value instanceof Boolean flag) {
      return flag ? 1 : 0;
    }
    return value instanceof Number number ? number.doubleValue() : Double.NaN;
  }
}
