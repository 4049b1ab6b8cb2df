package io.warmstep.rule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each method that returns a rule with other hyperparameters. */
class RuleCopiesTest {
  /** In the order of the parameters; no rule has these by default. */
  private static final double[] NUMBERS = {0.15625, 0.28125, 0.4375};

  /** Of these, more than one at least is allowed. */
  private static final Set<String> ABOVE_1 = Set.of("d", "growthRate");

  /** All rules, in forms whose other hyperparameters allow each of them to change alone. */
  static List<UpdateRule> rules() {
    Map<String, UpdateRule> others =
        Map.of(
            "adam", Adam.adamW(),
            "adabelief", AdaBelief.adaBelief().rectify(false),
            "lars", Lars.lars().momentum(0.9));
    return Rules.all().stream().map(rule -> others.getOrDefault(rule.name(), rule)).toList();
  }

  static List<UpdateRule> rulesThatMaximize() {
    return rules().stream().filter(rule -> RuleSettings.has(rule, "maximize")).toList();
  }

  private static List<Method> copying(UpdateRule rule) {
    return Arrays.stream(rule.getClass().getDeclaredMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .filter(method -> !Modifier.isStatic(method.getModifiers()) && !method.isBridge())
        .filter(method -> method.getReturnType() == rule.getClass())
        .filter(method -> method.getParameterCount() > 0)
        // Rprop refuses any: see HyperparameterTest.
        .filter(method -> !(rule instanceof Rprop && method.getName().equals("weightDecay")))
        .toList();
  }

  /** Others than the rule has. */
  private static Object[] arguments(UpdateRule rule, Method method) {
    Object[] arguments = new Object[method.getParameterCount()];
    for (int i = 0; i < arguments.length; i++) {
      Class<?> type = method.getParameterTypes()[i];
      if (type == double.class) {
        String name = method.getName();
        boolean isAbove1 = ABOVE_1.contains(name) || (name.equals("etas") && i == 1);
        arguments[i] = name.equals("beta2Decay") ? -0.5 : isAbove1 ? 1.5 : NUMBERS[i];
      } else if (type == boolean.class) {
        arguments[i] = !(boolean) RuleSettings.values(rule).get(method.getName());
      } else {
        arguments[i] = 3;
      }
    }
    return arguments;
  }

  private static Set<Object> numbers(Collection<Object> values) {
    return values.stream()
        .map(value -> value instanceof Number number ? (Object) number.doubleValue() : value)
        .collect(Collectors.toSet());
  }

  @ParameterizedTest
  @MethodSource("rules")
  void changeWhatTheyNameAndNothingElse(UpdateRule rule) throws ReflectiveOperationException {
    for (Method method : copying(rule)) {
      Object[] arguments = arguments(rule, method);
      UpdateRule copy = (UpdateRule) method.invoke(rule, arguments);
      Map<String, Object> changed = new HashMap<>(RuleSettings.values(copy));
      changed.entrySet().removeAll(RuleSettings.values(rule).entrySet());
      if (method.getName().equals("decoupleLr")) {
        assertEquals(true, changed.remove("decoupleLr")); // beside the rate that it is given
      }
      assertEquals(numbers(List.of(arguments)), numbers(changed.values()), method + ": " + copy);
    }
  }

  @ParameterizedTest
  @MethodSource("rulesThatMaximize")
  void maximizeIsAsAsked(UpdateRule rule) {
    for (boolean maximize : new boolean[] {false, true}) {
      assertEquals(maximize, RuleSettings.with(rule, Map.of("maximize", maximize)).maximize());
    }
  }

  @ParameterizedTest
  @MethodSource("rules")
  void theFractionsOfAveragesAndTheDecayAreMovable(UpdateRule rule) {
    for (String name : rule.movable()) {
      assertTrue(RuleSettings.has(rule, name), rule + " has no " + name);
    }
    assertEquals(
        RuleSettings.has(rule, "weightDecay"), rule.movable().contains("weightDecay"), "" + rule);
  }
}
