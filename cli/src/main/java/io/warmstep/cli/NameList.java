package io.warmstep.cli;

import io.warmstep.ElementType;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What help texts list, from where it is defined: picocli creates it for an option. */
abstract class NameList implements Iterable<String> {
  private final List<String> names;

  NameList(Stream<String> names) {
    this.names = names.toList();
  }

  @Override
  public Iterator<String> iterator() {
    return names.iterator();
  }

  private static Map<String, UpdateRule> rulesWith(String... hyperparameters) {
    return NamedRules.all().entrySet().stream()
        .filter(
            rule ->
                Arrays.stream(hyperparameters)
                    .allMatch(name -> RuleSettings.has(rule.getValue(), name)))
        .collect(
            Collectors.toMap(
                Map.Entry::getKey, Map.Entry::getValue, (a, b) -> a, java.util.LinkedHashMap::new));
  }

  /** As short as it can be: 0 rather than 0.0. */
  private static String number(UpdateRule rule, String hyperparameter) {
    return String.valueOf(RuleSettings.number(rule, hyperparameter)).replaceFirst("\\.0$", "");
  }

  private static Stream<String> defaults(
      Map<String, UpdateRule> rules, Function<UpdateRule, String> value) {
    return rules.entrySet().stream()
        .map(rule -> rule.getKey() + " " + value.apply(rule.getValue()));
  }

  /** Every rule. */
  static final class RuleNames extends NameList {
    RuleNames() {
      super(NamedRules.names().stream());
    }
  }

  /** Every element type. */
  static final class TypeNames extends NameList {
    TypeNames() {
      super(Arrays.stream(ElementType.values()).map(ElementType::toString));
    }
  }

  /** The rules with a momentum, each with its default. */
  static final class Momenta extends NameList {
    Momenta() {
      super(defaults(rulesWith("momentum"), rule -> number(rule, "momentum")));
    }
  }

  /** The rules with two betas, each with its defaults. */
  static final class Betas extends NameList {
    Betas() {
      super(
          Stream.of(
              defaults(
                      rulesWith("beta1", "beta2"),
                      rule -> number(rule, "beta1") + "," + number(rule, "beta2"))
                  .collect(Collectors.joining("; "))));
    }
  }

  /** Of which kind a rule's weight decay is, and its default. */
  static final class WeightDecays extends NameList {
    private static final double ANY = 0.5;

    /** Adds decay to the gradient that its ratio scales. */
    private static final String SCALED = "lars";

    /** Adds decay to the gradient that its norm was taken out of, and so to its momentum. */
    private static final String NORMALIZED = "novograd";

    WeightDecays() {
      super(Stream.of(kinds() + ". Default: 0" + exceptions()));
    }

    private static String kinds() {
      String decoupled =
          rulesWith("weightDecay").entrySet().stream()
              .filter(
                  rule ->
                      rule.getValue().weightDecay(ANY).coupledWeightDecay(new StepValues(1, 0))
                          != ANY)
              .map(Map.Entry::getKey)
              .filter(name -> !name.equals(SCALED) && !name.equals(NORMALIZED))
              .collect(Collectors.joining(", "));
      String none =
          NamedRules.names().stream()
              .filter(name -> !rulesWith("weightDecay").containsKey(name))
              .collect(Collectors.joining(", "));
      return "L2 ("
          + SCALED
          + " scales it with the gradient, "
          + NORMALIZED
          + " adds it to the normalized one)"
          + "; decoupled for "
          + decoupled
          + "; none for "
          + none;
    }

    private static String exceptions() {
      return rulesWith("weightDecay").entrySet().stream()
          .filter(rule -> RuleSettings.number(rule.getValue(), "weightDecay") != 0)
          .map(rule -> ", for " + rule.getKey() + " " + number(rule.getValue(), "weightDecay"))
          .collect(Collectors.joining());
    }
  }
}
