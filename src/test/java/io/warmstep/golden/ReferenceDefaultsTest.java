package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.rule.Lookahead;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A rule without options is the reference's without options: their options and defaults are the
 * same. OptimizerGoldenTest compares the names of their state.
 */
class ReferenceDefaultsTest {
  private static final Path SOURCES = Path.of("src/main/java/io/warmstep/rule");

  /** The references' options that a rule does not have; its Javadoc says why. */
  private static final Map<String, Set<String>> ABSENT =
      Map.of(
          "Lion", Set.of("correctedWeightDecay", "decoupledWeightDecay"),
          "Lamb", Set.of("caution", "decoupledDecay", "correctedWeightDecay"),
          "NAdamW", Set.of("correctedWeightDecay"),
          "Adam", Set.of("correctedWeightDecay"),
          "AdaBelief", Set.of("degeneratedToSgd"),
          "Sgd", Set.of("momentum", "dampening", "nesterov"));

  /**
   * Options that a rule may have beyond its reference's, off by default. Of two classes that are
   * one rule here, {@code decoupled} says which it is.
   */
  private static final Set<String> BEYOND = Set.of("maximize", "caution", "decoupled");

  /** Every rule of the file, once for each reference whose options differ. */
  static Stream<Arguments> references() {
    Map<String, Arguments> references = new LinkedHashMap<>();
    for (GoldenCase golden : GoldenCase.all()) {
      if (golden.defaults().isEmpty() || golden.usual().isEmpty()) {
        continue;
      }
      Map<String, Object> defaults = golden.defaults().get();
      List<UpdateRule> rules = new ArrayList<>(List.of(golden.usual().get()));
      if (golden.optimizer().equals("SGD")) { // whose cases all have momentum
        rules.add(Sgd.sgd());
      }
      for (UpdateRule rule : rules) {
        references.putIfAbsent(
            golden.optimizer() + rule.name() + defaults,
            Arguments.of(golden.optimizer(), rule, defaults));
      }
    }
    return references.values().stream();
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("references")
  void optionsAndDefaultsAreTheReferences(
      String optimizer, UpdateRule rule, Map<String, Object> defaults) throws IOException {
    Map<String, Object> ours = RuleSettings.values(rule);
    Set<String> absent = new TreeSet<>();
    defaults.forEach(
        (name, value) -> {
          if (!ours.containsKey(name)) {
            absent.add(name);
          } else if (!(rule.name().equals("momentum") && name.equals("momentum"))) {
            // Momentum's is an argument, as its rule without any is Sgd.
            assertEquals(plain(value), plain(ours.get(name)), optimizer + ", " + name);
          }
        });
    String type = rule.getClass().getSimpleName();
    assertTrue(
        ABSENT.getOrDefault(type, Set.of()).containsAll(absent),
        type + " lacks " + absent + " of " + optimizer);
    String source = Files.readString(SOURCES.resolve(type + ".java"));
    String javadoc =
        source
            .substring(0, source.indexOf("public final class"))
            .replaceAll("[\\s*_]", "")
            .toLowerCase(Locale.ROOT);
    for (String name : absent) {
      assertTrue(
          javadoc.contains(name.toLowerCase(Locale.ROOT)),
          type + " does not say why it has no " + name);
    }
    ours.forEach(
        (name, value) -> {
          if (!defaults.containsKey(name)) {
            assertTrue(BEYOND.contains(name), optimizer + " has no " + name + ", as " + type);
            if (!name.equals("decoupled")) {
              assertEquals(false, value, optimizer + ", " + name);
            }
          }
        });
  }

  /** Numbers are the same whether they are whole, and an option that is off may be a 0. */
  private static Object plain(Object value) {
    return value instanceof Number number ? (Object) number.doubleValue() : value;
  }

  /** None is forgotten, nor any option listed that no reference has. */
  @Test
  void everyRuleAndEveryAbsentOptionIsOfSomeReference() {
    Set<String> rules = new TreeSet<>();
    Map<String, Set<String>> absent = new LinkedHashMap<>();
    references()
        .forEach(
            arguments -> {
              UpdateRule rule = (UpdateRule) arguments.get()[1];
              rules.add(rule.name());
              Set<String> names = new TreeSet<>();
              for (Object name : ((Map<?, ?>) arguments.get()[2]).keySet()) {
                if (!RuleSettings.has(rule, (String) name)) {
                  names.add((String) name);
                }
              }
              absent
                  .computeIfAbsent(rule.getClass().getSimpleName(), type -> new TreeSet<>())
                  .addAll(names);
            });
    absent.values().removeIf(Set::isEmpty);
    assertEquals(ABSENT, absent);
    for (UpdateRule rule : Rules.all()) { // of optimizers.json alone no defaults are known
      assertTrue(
          rules.contains(rule.name())
              || GoldenCase.all().stream()
                  .filter(golden -> golden.defaults().isEmpty())
                  .flatMap(golden -> golden.usual().stream())
                  .anyMatch(other -> other.name().equals(rule.name())),
          rule.name());
    }
  }

  @Test
  void lookaheadsAreToo() {
    Map<String, Object> ours = RuleSettings.values(Lookahead.around(Sgd.sgd()));
    Map<String, Object> theirs =
        GoldenCase.all().stream()
            .filter(golden -> golden.optimizer().equals("Lookahead"))
            .findFirst()
            .flatMap(GoldenCase::defaults)
            .orElseThrow();
    assertEquals(plain(theirs.get("k")), plain(ours.get("lookaheadK")));
    assertEquals(theirs.get("alpha"), ours.get("lookaheadAlpha"));
  }
}
