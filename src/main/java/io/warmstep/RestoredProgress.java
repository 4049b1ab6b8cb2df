package io.warmstep;

import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.PyTorchNames;
import io.warmstep.checkpoint.SavedOptimizer;
import io.warmstep.rule.StateSlot;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** The progress of the groups of a checkpoint. */
final class RestoredProgress {
  private final Optimizer optimizer;
  private final OptimizerCheckpoint choices;
  private final CheckpointReader reader;
  private final Optional<SavedOptimizer> saved;
  private final List<Parameter> restored;
  private final List<String> differences;
  private boolean hasSteps;

  /**
   * Reads a file.
   *
   * @param restored the parameters that it has
   * @param differences receives mismatches
   */
  RestoredProgress(
      Optimizer optimizer,
      OptimizerCheckpoint choices,
      CheckpointReader reader,
      Optional<SavedOptimizer> saved,
      List<Parameter> restored,
      List<String> differences) {
    this.optimizer = optimizer;
    this.choices = choices;
    this.reader = reader;
    this.saved = saved;
    this.restored = restored;
    this.differences = differences;
  }

  /** The step count of a group, which its parameters share. */
  long steps(RuleGroup group) throws IOException {
    Map<Long, String> counts = new TreeMap<>();
    boolean isThere = false;
    for (Parameter parameter : group.members()) {
      isThere |= restored.contains(parameter);
      String name = PyTorchNames.state(choices.savedName(parameter), PyTorchNames.STEP);
      Optional<Double> step =
          restored.contains(parameter) ? ScalarEntry.read(reader, name, 0) : Optional.empty();
      if (step.isPresent()) {
        double count = step.get();
        if (!(count >= 0 && count <= Long.MAX_VALUE) || count != Math.rint(count)) {
          differences.add(name + " is " + count + ", must be a count of steps");
        } else {
          counts.putIfAbsent(ScalarEntry.count(reader, name), name);
        }
      }
    }
    if (counts.size() > 1) {
      differences.add("parameters of one group have different step counts: " + counts);
    }
    hasSteps |= !counts.isEmpty();
    if (!counts.isEmpty()) {
      return counts.keySet().iterator().next();
    }
    if (!isThere) {
      return 0;
    }
    return saved
        .map(SavedOptimizer::steps)
        .orElseGet(() -> choices.stepCount().orElse(optimizer.stepCount()));
  }

  /** Whether the file had the step count of any group so far. */
  boolean hasSteps() {
    return hasSteps;
  }

  /** Checks that the parameters of a group agree in the state that they share. */
  void compareShared(RuleGroup group) throws IOException {
    for (StateSlot slot : group.rule().stateSlots()) {
      if (slot.extent() == StateSlot.Extent.GROUP) {
        Map<Double, String> found = new TreeMap<>();
        for (Parameter parameter : group.members()) {
          if (restored.contains(parameter)) {
            String name = PyTorchNames.state(choices.savedName(parameter), slot.name());
            ScalarEntry.read(reader, name, 0).ifPresent(value -> found.putIfAbsent(value, name));
          }
        }
        requireOne(found);
      }
    }
  }

  private void requireOne(Map<Double, String> found) {
    if (found.size() > 1) {
      differences.add("parameters of one group have different numbers: " + found);
    }
  }

  /** The numbers that a group's rule keeps, which its parameters share. */
  double[] kept(RuleGroup group, long steps) throws IOException {
    List<StateSlot> slots = group.rule().keptNumbers();
    double[] kept = TrainedGroup.initial(group.rule());
    for (int i = 0; i < slots.size() && steps > 0; i++) {
      Map<Double, String> found = new TreeMap<>();
      for (Parameter parameter : group.members()) {
        if (restored.contains(parameter)) {
          String name = PyTorchNames.state(choices.savedName(parameter), slots.get(i).name());
          Optional<Double> value = ScalarEntry.read(reader, name, 0);
          if (value.isEmpty() || !Double.isFinite(value.get())) {
            differences.add(
                value.isEmpty() ? "the file has no " + name : name + " is " + value.get());
          } else {
            found.putIfAbsent(value.get(), name);
          }
        }
      }
      requireOne(found);
      kept[i] = found.isEmpty() ? kept[i] : found.keySet().iterator().next();
    }
    return kept;
  }
}
