package io.warmstep;

import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepOptions;
import java.util.List;

/** Clipping by the global norm as part of a rule, as in LAMB. */
final class OwnClip {
  private OwnClip() {}

  /**
   * The options of a step of groups. The bound that an optimizer was given replaces the rules' own.
   *
   * @throws IllegalArgumentException if the rules have different bounds, since there is one norm
   */
  static StepOptions of(StepOptions options, List<RuleGroup> groups) {
    if (options.clipNorm() > 0 || groups.isEmpty()) {
      return options;
    }
    UpdateRule first = groups.get(0).rule();
    for (RuleGroup group : groups) {
      UpdateRule rule = group.rule();
      if (rule.clipNorm() != first.clipNorm() || rule.clipEps() != first.clipEps()) {
        throw new IllegalArgumentException(
            "rule "
                + first.name()
                + " clips gradients to a norm of "
                + first.clipNorm()
                + " and rule "
                + rule.name()
                + " of group "
                + group.pattern()
                + " to "
                + rule.clipNorm()
                + " (0 is none), must be the same in all groups, which share one norm: give the"
                + " optimizer a clipNorm, or the rules the same maxGradNorm");
      }
    }
    return first.clipNorm() > 0
        ? options.clipNorm(first.clipNorm()).clipEps(first.clipEps())
        : options;
  }
}
