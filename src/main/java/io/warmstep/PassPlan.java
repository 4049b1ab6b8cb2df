package io.warmstep;

import io.warmstep.backend.StepPlan;
import io.warmstep.step.Interpolation;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Plans of passes over parameters and a slot of their state. */
final class PassPlan {
  private PassPlan() {}

  /** The index of each parameter among all. */
  static Map<Parameter, Integer> index(Parameters parameters) {
    Map<Parameter, Integer> index = new HashMap<>();
    for (Parameter parameter : parameters) {
      index.put(parameter, index.size());
    }
    return index;
  }

  /**
   * The plan of a pass.
   *
   * @param index of each parameter in the order of all
   * @param slot the slot of a group
   */
  static StepPlan of(
      Interpolation pass,
      Map<Parameter, Integer> index,
      List<RuleGroup> groups,
      Function<RuleGroup, String> slot,
      OptimizerState state) {
    List<StepPlan.Group> planned = new ArrayList<>();
    for (RuleGroup group : groups) {
      String name = slot.apply(group);
      List<StepPlan.Entry> entries = new ArrayList<>();
      for (Parameter parameter : group.members()) {
        entries.add(
            StepPlan.Entry.of(
                index.get(parameter),
                parameter.length(),
                parameter.shape(),
                parameter.values().slice(),
                parameter.values().slice(), // no pass uses gradients, whose type may be another
                pass,
                List.of(state.tensor(parameter.name(), name).slice())));
      }
      planned.add(new StepPlan.Group(pass, entries));
    }
    return new StepPlan(planned, StepOptions.NONE);
  }
}
