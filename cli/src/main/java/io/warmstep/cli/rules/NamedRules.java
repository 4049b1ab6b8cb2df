package io.warmstep.cli.rules;

import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** The update rules that a user can name: each of {@link Rules#all()}, and well-known variants. */
public final class NamedRules {
  private static final Map<String, UpdateRule> BY_NAME = collect();

  private NamedRules() {}

  private static Map<String, UpdateRule> collect() {
    Map<String, UpdateRule> rules = new LinkedHashMap<>();
    Rules.all().forEach(rule -> rules.put(rule.name(), rule));
    rules.put("nesterov", Momentum.nesterov(0.9));
    rules.put("adamw", Adam.adamW());
    return Collections.unmodifiableMap(rules);
  }

  /**
   * Returns the rules with their usual hyperparameters.
   *
   * @return each by its name
   */
  public static Map<String, UpdateRule> all() {
    return BY_NAME;
  }

  /**
   * Returns the names.
   *
   * @return every name that {@link #named} knows
   */
  public static Set<String> names() {
    return BY_NAME.keySet();
  }

  /**
   * Returns a rule with its usual hyperparameters.
   *
   * @param name one of {@link #names()}
   * @return the rule
   * @throws IllegalArgumentException if there is no such rule
   */
  public static UpdateRule named(String name) {
    UpdateRule rule = BY_NAME.get(name);
    if (rule == null) {
      throw new IllegalArgumentException(
          "rule is '" + name + "', must be one of " + String.join(", ", names()));
    }
    return rule;
  }
}
