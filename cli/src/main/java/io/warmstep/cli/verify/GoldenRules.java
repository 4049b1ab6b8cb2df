package io.warmstep.cli.verify;

import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * From a reference's optimizers and hyperparameters to update rules. What this version does not
 * have, or a rule rejects, is an {@link IllegalArgumentException}.
 */
final class GoldenRules {
  /** What an optimizer that is around another one has that as. */
  private static final String BASE = "base_optimizer";

  private static final String RATE = "lr";

  /** How PyTorch computes, not what. */
  private static final Set<String> WITHOUT_EFFECT =
      Set.of("foreach", "fused", "capturable", "differentiable");

  /** Options of references that rules do not have since they are always so. */
  private static final Map<String, Object> ALWAYS = Map.of("degenerated_to_sgd", true);

  /** What Lookahead has of its own. */
  private static final Set<String> OF_LOOKAHEAD = Set.of(BASE, "k", "alpha", RATE);

  private GoldenRules() {}

  /** Finds the rule of a case. */
  static UpdateRule of(GoldenFile.Reference reference) {
    String name = reference.rule() == null ? reference.optimizer() : reference.rule();
    Map<String, Object> hyper = merged(reference);
    if (plain(name).equals("lookahead")) {
      return around(hyper);
    }
    // The class is so; its defaults may be those of the option that makes another class so.
    if (plain(name).startsWith("cautious") && !reference.hyper().containsKey("caution")) {
      hyper.put("caution", true);
    }
    return of(name, hyper);
  }

  static double learningRate(GoldenFile.Reference reference) {
    Map<String, Object> hyper = merged(reference);
    Object rate = hyper.get(RATE);
    if (hyper.get(BASE) instanceof Map<?, ?> base && base.get(RATE) != null) {
      rate = base.get(RATE);
    }
    if (rate == null) {
      throw new IllegalArgumentException("the case has no learning rate (lr)");
    }
    if (!(rate instanceof Number number)) {
      throw new IllegalArgumentException("lr is " + rate + ", must be a number");
    }
    return number.doubleValue();
  }

  /** Whether a name is that of a hyperparameter, as the reference or the rule calls it. */
  static boolean isHyperparameter(String name, GoldenFile.Reference reference, UpdateRule rule) {
    return merged(reference).containsKey(name)
        || WITHOUT_EFFECT.contains(name)
        || name.endsWith(RATE)
        || RuleSettings.has(rule, camelCase(name));
  }

  /** What the reference ran with. */
  private static Map<String, Object> merged(GoldenFile.Reference reference) {
    Map<String, Object> hyper = new LinkedHashMap<>(reference.defaults());
    hyper.putAll(reference.hyper());
    return hyper;
  }

  private static UpdateRule around(Map<String, Object> hyper) {
    if (!(hyper.get(BASE) instanceof Map<?, ?> base)) {
      throw new IllegalArgumentException(
          BASE + " is " + hyper.get(BASE) + ", must be an object: an optimizer and its options");
    }
    hyper.forEach(
        (name, value) -> {
          if (!OF_LOOKAHEAD.contains(name) && !isOff(value)) {
            throw new IllegalArgumentException("Lookahead has no " + name);
          }
        });
    Map<String, Object> own = new LinkedHashMap<>();
    base.forEach((name, value) -> own.put(String.valueOf(name), value));
    String optimizer = String.valueOf(own.remove("optimizer"));
    Lookahead around = Lookahead.around(of(optimizer, own));
    if (hyper.containsKey("k")) {
      around = around.k((long) number(hyper, "k", true));
    }
    return hyper.containsKey("alpha") ? around.alpha(number(hyper, "alpha", false)) : around;
  }

  private static double number(Map<String, Object> hyper, String name, boolean isWhole) {
    if (hyper.get(name) instanceof Number number
        && !(isWhole && number.doubleValue() != Math.rint(number.doubleValue()))) {
      return number.doubleValue();
    }
    throw new IllegalArgumentException(
        name + " is " + hyper.get(name) + ", must be a " + (isWhole ? "whole " : "") + "number");
  }

  private static UpdateRule of(String optimizer, Map<String, Object> hyper) {
    UpdateRule rule = named(optimizer, hyper);
    Map<String, Object> ours = RuleSettings.values(rule);
    Map<String, Object> values = new HashMap<>();
    hyper.forEach(
        (key, value) -> {
          String name = camelCase(key);
          if (key.equals(RATE) || WITHOUT_EFFECT.contains(key)) {
            return;
          }
          if (value instanceof List<?> list) {
            addAll(values, name, list, hyper, rule);
          } else if (key.equals("adjust_lr_fn")) {
            values.put("matchRmsAdamw", matchesRms(value));
          } else if (ours.containsKey(name)) {
            values.put(name, value(value, ours.get(name)));
          } else if (ALWAYS.containsKey(key) ? !ALWAYS.get(key).equals(value) : !isOff(value)) {
            throw new IllegalArgumentException(
                "rule " + rule.name() + " has no " + name + " (" + value + ")");
          }
        });
    values.forEach((name, value) -> requireWhole(name, value, ours.get(name)));
    if (Boolean.TRUE.equals(values.get("decoupleLr"))
        && values.getOrDefault("maxLr", 0.0).equals(0.0)
        && hyper.get(RATE) instanceof Number lr) {
      values.put("maxLr", lr.doubleValue()); // optimi's default
    }
    return withFloor(RuleSettings.with(rule, values));
  }

  /** The list betas [b1, b2] is beta1 and beta2, and eps [e1, e2] is eps1 and eps2. */
  private static void addAll(
      Map<String, Object> values,
      String name,
      List<?> list,
      Map<String, Object> hyper,
      UpdateRule rule) {
    Map<String, Object> ours = RuleSettings.values(rule);
    String singular = name.equals("eps") ? name : name.replaceAll("s$", "");
    for (int i = 1; i <= list.size(); i++) {
      values.put(singular + i, value(list.get(i - 1), ours.get(singular + i)));
    }
    String next = singular + (list.size() + 1);
    // Unless it stands by itself, or is automatic: Prodigy's beta3.
    if (ours.containsKey(next) && !hyper.containsKey(next) && !ours.get(next).equals(0.0)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s has %d values, too few for rule %s, which has %s",
              name,
              list.size(),
              rule.name(),
              next));
    }
  }

  private static boolean matchesRms(Object adjustment) {
    if (adjustment == null || adjustment.equals("original")) {
      return false;
    }
    if (adjustment.equals("match_rms_adamw")) {
      return true;
    }
    throw new IllegalArgumentException(
        "adjust_lr_fn is " + adjustment + ", must be original or match_rms_adamw");
  }

  /** The library would cut the fraction off. */
  private static void requireWhole(String name, Object value, Object ours) {
    if ((ours instanceof Long || ours instanceof Integer)
        && value instanceof Number number
        && number.doubleValue() != Math.rint(number.doubleValue())) {
      throw new IllegalArgumentException(name + " is " + value + ", must be a whole number");
    }
  }

  /** An option that does nothing, so that a rule without it computes the same. */
  private static boolean isOff(Object value) {
    return value == null
        || value.equals(false)
        || value.equals("none")
        || (value instanceof Number number && number.doubleValue() == 0);
  }

  /** The reference's epsilon is that of float64, in which the file was computed. */
  private static UpdateRule withFloor(UpdateRule rule) {
    return rule.isFactored() && RuleSettings.values(rule).get("eps1").equals(0.0)
        ? RuleSettings.with(rule, Map.of("eps1", Math.ulp(1.0)))
        : rule;
  }

  /** No limit is 0 in the rules here, and an option that null leaves off is false. */
  private static Object value(Object reference, Object ours) {
    if (reference == null) {
      return ours instanceof Boolean ? (Object) false : (Object) 0.0;
    }
    return reference;
  }

  /** The rule with its usual hyperparameters. */
  private static UpdateRule named(String optimizer, Map<String, Object> hyper) {
    String name = optimizer;
    if (name.equals("SGD") && !isOff(hyper.get("momentum"))) {
      name = "momentum"; // PyTorch's SGD is two rules here: without momentum there is no state
    }
    for (String known : NamedRules.names()) {
      if (plain(known).equals(plain(name)) || ("cautious" + plain(known)).equals(plain(name))) {
        return NamedRules.named(known);
      }
    }
    throw new IllegalArgumentException("there is no rule " + name);
  }

  /** A name without what is a matter of taste. */
  private static String plain(String name) {
    return name.replaceAll("[-_]", "").toLowerCase(Locale.ROOT);
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
