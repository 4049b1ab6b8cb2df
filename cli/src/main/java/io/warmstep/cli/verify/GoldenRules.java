package io.warmstep.cli.verify;

import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** From a reference's optimizers and hyperparameters to update rules. */
final class GoldenRules {
  private GoldenRules() {}

  /** An optimizer or a hyperparameter that this version does not have. */
  static final class UnknownException extends Exception {
    private static final long serialVersionUID = 1L;

    UnknownException(String message) {
      super(message);
    }
  }

  /**
   * Finds the rule of a case.
   *
   * @throws UnknownException if there is none
   * @throws IllegalArgumentException if a hyperparameter's value is not allowed
   */
  static UpdateRule of(GoldenFile.Case golden) throws UnknownException {
    Map<String, Object> values = new HashMap<>();
    for (Map.Entry<String, Object> entry : golden.hyper().entrySet()) {
      if (entry.getValue() instanceof double[] list) {
        // betas [b1, b2] are beta1 and beta2
        String singular = camelCase(entry.getKey()).replaceAll("s$", "");
        for (int i = 0; i < list.length; i++) {
          values.put(singular + (i + 1), list[i]);
        }
      } else if (!entry.getKey().equals("lr")) {
        values.put(camelCase(entry.getKey()), entry.getValue());
      }
    }
    String ruleName = ruleName(golden, values);
    if (!NamedRules.names().contains(ruleName)) {
      throw new UnknownException(
          "there is no rule " + (golden.rule() == null ? golden.optimizer() : ruleName));
    }
    UpdateRule rule = NamedRules.named(ruleName);
    for (String hyperparameter : values.keySet()) {
      if (!RuleSettings.has(rule, hyperparameter)) {
        throw new UnknownException("rule " + ruleName + " has no " + hyperparameter);
      }
    }
    return RuleSettings.with(rule, values);
  }

  private static String ruleName(GoldenFile.Case golden, Map<String, Object> values) {
    if (golden.rule() != null) {
      return golden.rule();
    }
    // PyTorch's SGD is two rules here: without momentum there is no state.
    String name = golden.optimizer().toLowerCase(Locale.ROOT);
    return name.equals("sgd") && values.containsKey("momentum") ? "momentum" : name;
  }

  static double learningRate(GoldenFile.Case golden) throws UnknownException {
    if (golden.hyper().get("lr") instanceof Double rate) {
      return rate;
    }
    throw new UnknownException("the case has no learning rate (lr)");
  }

  private static String camelCase(String snakeCase) {
    StringBuilder text = new StringBuilder();
    boolean capital = false;
    for (char c : snakeCase.toCharArray()) {
      if (c == '_') {
        capital = true;
      } else {
        text.append(capital ? Character.toUpperCase(c) : c);
        capital = false;
      }
    }
    return text.toString();
  }
}
