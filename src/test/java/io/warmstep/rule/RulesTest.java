package io.warmstep.rule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the list of rules says of each, and elements that its loops rarely see. */
class RulesTest {
  private static Set<String> names(Predicate<UpdateRule> predicate) {
    return Rules.all().stream()
        .filter(predicate)
        .map(UpdateRule::name)
        .collect(Collectors.toUnmodifiableSet());
  }

  @Test
  void fewRulesDifferFromTheOthers() {
    assertEquals(Set.of("rprop"), names(Rules::isForFullBatches));
    assertEquals(Set.of("adafactor", "prodigy"), names(UpdateRule::isOfOneType));
    assertEquals(Set.of("adafactor"), names(UpdateRule::isFactored));
    assertEquals(Set.of("muon"), names(rule -> rule.minDimensions() > 1));
  }

  @Test
  void eachKernelHasOneForm() {
    List<UpdateRule> rules = Rules.ofEachKernel();
    assertEquals(Rules.all(), rules.subList(0, Rules.all().size()));
    List<String> others =
        rules.subList(Rules.all().size(), rules.size()).stream().map(UpdateRule::kernel).toList();
    assertEquals(Set.of("adam_cautious", "lion_cautious"), Set.copyOf(others));
    assertEquals(2, others.size());
  }

  /** A parameter that was 1.5 and a slot of its state after steps with these gradients. */
  private static double[] after(
      UpdateRule rule, ElementType type, String slot, double... gradients) {
    try (Device device = Devices.cpu();
        Parameters parameters = Parameters.on(device).add("p", type, 1).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(0.1).build()) {
      parameters.get("p").values().copyFrom(new double[] {1.5});
      for (double gradient : gradients) {
        parameters.get("p").gradients().copyFrom(new double[] {gradient});
        optimizer.step();
      }
      return new double[] {
        parameters.get("p").values().toDoubles()[0], optimizer.state("p", slot).toDoubles()[0]
      };
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = ElementType.class,
      names = {"FLOAT32", "FLOAT64"})
  void withoutADirectionCautionKeepsAnElement(ElementType type) {
    UpdateRule rule = Lion.lion().caution(true).weightDecay(0);
    assertArrayEquals(new double[] {1.5, 0}, after(rule, type, "exp_avg", 0));
  }

  @ParameterizedTest
  @EnumSource(
      value = ElementType.class,
      names = {"FLOAT32", "FLOAT64"})
  void rpropKeepsAnInfiniteGradient(ElementType type) {
    double[] after = after(Rprop.rprop(), type, "prev", -1, Double.NEGATIVE_INFINITY);
    assertEquals(1.5 + 0.1 + 1.2 * 0.1, after[0], 1e-6);
    assertEquals(Double.NEGATIVE_INFINITY, after[1]);
  }
}
