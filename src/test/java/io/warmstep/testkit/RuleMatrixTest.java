package io.warmstep.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.check.PairCover;
import io.warmstep.rule.Muon;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.provider.Arguments;

/** What tests take of all combinations leaves no two values out that could meet. */
class RuleMatrixTest {
  private static <T> Set<T> each(List<UpdateRule> rules, Function<UpdateRule, T> of) {
    return rules.stream().map(of).collect(Collectors.toSet());
  }

  @Test
  void everyTwoValuesOfARuleMeet() {
    Set<String> possible = new HashSet<>();
    Set<String> taken = new HashSet<>();
    RuleMatrix.combinations()
        .forEach(
            rule ->
                PairCover.pairs(RuleMatrix.settings(rule))
                    .forEach(pair -> possible.add(rule.name() + pair)));
    RuleMatrix.all()
        .forEach(
            rule ->
                PairCover.pairs(RuleMatrix.settings(rule))
                    .forEach(pair -> taken.add(rule.name() + pair)));
    assertEquals(possible, taken);
    assertTrue(
        RuleMatrix.IS_FULL || RuleMatrix.all().size() < RuleMatrix.combinations().size(),
        "none is left out");
  }

  @Test
  void everyFormOfAKernelIsTaken() {
    Function<UpdateRule, String> entry = rule -> rule.name() + rule.kernel() + rule.options();
    assertEquals(each(RuleMatrix.combinations(), entry), each(RuleMatrix.all(), entry));
    Set<String> names = each(RuleMatrix.all(), UpdateRule::name);
    names.addAll(each(RuleMatrix.ofGroups(), UpdateRule::name));
    assertEquals(each(Rules.all(), UpdateRule::name), names);
  }

  /** Another choice than the one that is meant would be slow, and say nothing more. */
  @Test
  void matricesAreMultipliedOnce() {
    for (List<UpdateRule> rules :
        List.of(RuleMatrix.all(), RuleMatrix.unclipped(), RuleMatrix.rich())) {
      List<UpdateRule> ofMatrices = rules.stream().filter(rule -> rule instanceof Muon).toList();
      assertTrue(!ofMatrices.isEmpty());
      ofMatrices.forEach(rule -> assertEquals(1L, RuleSettings.values(rule).get("nsSteps")));
    }
  }

  @Test
  void everyKernelAndEveryTypeMeetsEveryWayOfOpenCl() {
    List<ContractBackend> ways = ContractBackend.waysOf("opencl");
    Set<String> met = new HashSet<>();
    for (UpdateRule rule : RuleMatrix.all()) {
      for (ElementType type : ElementType.values()) {
        List<ContractBackend> taken =
            ways.stream().map(way -> way.forKernel(rule, type)).distinct().toList();
        assertEquals(RuleMatrix.IS_FULL ? ways : taken.subList(0, 1), taken);
        taken.forEach(way -> met.addAll(List.of(rule.kernel() + " " + way, type + " " + way)));
      }
    }
    for (ContractBackend way : ways) {
      for (UpdateRule rule : RuleMatrix.all()) {
        assertTrue(met.contains(rule.kernel() + " " + way), rule + " on " + way);
      }
      for (ElementType type : ElementType.values()) {
        assertTrue(met.contains(type + " " + way), type + " on " + way);
      }
    }
  }

  @Test
  void everyCaseAndEveryWayOfABackendHasATurn() {
    List<Object[]> cases = ContractBackend.inTurn(RuleMatrix.all()).map(Arguments::get).toList();
    assertEquals(
        Set.copyOf(ContractBackend.all()),
        cases.stream().map(one -> one[0]).collect(Collectors.toSet()));
    assertEquals(
        Set.copyOf(RuleMatrix.all()),
        cases.stream().map(one -> one[1]).collect(Collectors.toSet()));
  }
}
