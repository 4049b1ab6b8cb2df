package io.warmstep.cli.verify;

import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** From a reference's optimizers and hyperparameters to update rules. */
final class GoldenRules {
  /** What an optimizer that is around another one has that as. */
  private static final String BASE = "base_optimizer";

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
   * @throws UnknownException if there is none, or it rejects a hyperparameter's value
   */
  static UpdateRule of(GoldenFile.Case golden) throws UnknownException {
    String name = golden.rule() == null ? golden.optimizer() : golden.rule();
    if (golden.hyper().get(BASE) instanceof Map<?, ?> base) {
      if (!name.equals("Lookahead")) {
        throw new UnknownException("there is no rule " + name);
      }
      Lookahead around = Lookahead.around(of(String.valueOf(base.get("optimizer")), base));
      return around
          .k((long) number(golden.hyper(), "k", 5))
          .alpha(number(golden.hyper(), "alpha", 0.5));
    }
    return of(name, golden.hyper());
  }

  private static double number(Map<?, ?> hyper, String name, double byDefault) {
    return hyper.get(name) instanceof Number number ? number.doubleValue() : byDefault;
  }

  private static UpdateRule of(String optimizer, Map<?, ?> hyper) throws UnknownException {
    Map<String, Object> values = new HashMap<>();
    for (Map.Entry<?, ?> entry : hyper.entrySet()) {
      String name = camelCase(String.valueOf(entry.getKey()));
      if (entry.getValue() instanceof List<?> list) {
        // betas [b1, b2] are beta1 and beta2, and eps [e1, e2] is eps1 and eps2
        String singular = name.equals("eps") ? name : name.replaceAll("s$", "");
        for (int i = 0; i < list.size(); i++) {
          values.put(singular + (i + 1), value(list.get(i)));
        }
      } else if (name.equals("adjustLrFn")) { // null or "original" otherwise
        values.put("matchRmsAdamw", "match_rms_adamw".equals(entry.getValue()));
      } else if (!name.equals("lr") && !name.equals("optimizer")) {
        values.put(name, value(entry.getValue()));
      }
    }
    UpdateRule rule = named(optimizer, hyper);
    for (String hyperparameter : values.keySet()) {
      if (!RuleSettings.has(rule, hyperparameter)) {
        throw new UnknownException("rule " + rule.name() + " has no " + hyperparameter);
      }
    }
    if (Boolean.TRUE.equals(values.get("decoupleLr"))
        && values.getOrDefault("maxLr", 0.0).equals(0.0)
        && hyper.get("lr") instanceof Number lr) {
      values.put("maxLr", lr.doubleValue()); // optimi's default
    }
    try {
      return withFloor(RuleSettings.with(rule, values));
    } catch (IllegalArgumentException e) {
      throw new UnknownException(e.getMessage());
    }
  }

  /** The reference's epsilon is that of float64, in which the file was computed. */
  private static UpdateRule withFloor(UpdateRule rule) {
    return rule.isFactored() && RuleSettings.values(rule).get("eps1").equals(0.0)
        ? RuleSettings.with(rule, Map.of("eps1", Math.ulp(1.0)))
        : rule;
  }

  /** No limit is 0 in the rules here. */
  private static Object value(Object reference) {
    return reference == null ? (Object) 0.0 : reference;
  }

  /** The rule with its usual hyperparameters. */
  private static UpdateRule named(String optimizer, Map<?, ?> hyper) throws UnknownException {
    String name = optimizer;
    if (name.equals("SGD") && hyper.containsKey("momentum")) {
      name = "momentum"; // PyTorch's SGD is two rules here: without momentum there is no state
    }
    for (String known : NamedRules.names()) {
      if (plain(known).equals(plain(name)) || ("cautious" + plain(known)).equals(plain(name))) {
        return NamedRules.named(known);
      }
    }
    throw new UnknownException("there is no rule " + name);
  }

  /** A name without what is a matter of taste. */
  private static String plain(String name) {
    return name.replaceAll("[-_]", "").toLowerCase(Locale.ROOT);
  }

  static double learningRate(GoldenFile.Case golden) throws UnknownException {
    if (golden.hyper().get(BASE) instanceof Map<?, ?> base && base.get("lr") instanceof Number lr) {
      return lr.doubleValue();
    }
    if (Double.isNaN(golden.learningRate())) {
      throw new UnknownException("the case has no learning rate (lr)");
    }
    return golden.learningRate();
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
