package io.warmstep.rule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What Lookahead says of itself is what the rule inside says. */
class LookaheadRuleTest {
  /** What it has of its own, and what the slot of its slow weights changes. */
  private static final Set<String> OWN = Set.of("slowWeights", "stateSlots", "access");

  /** Rules in forms that say something else than the default of each question. */
  static List<UpdateRule> rules() {
    List<UpdateRule> rules = new ArrayList<>(Rules.ofEachKernel());
    rules.add(Adam.adam().weightDecay(0.25).maximize(true).amsgrad(true));
    rules.add(Adan.adan().maxGradNorm(2));
    rules.removeIf(rule -> rule.isFactored() || rule.evaluation().isPresent());
    return rules;
  }

  @ParameterizedTest
  @MethodSource("rules")
  void answersAsTheRuleInside(UpdateRule rule) throws ReflectiveOperationException {
    UpdateRule around = Lookahead.around(rule);
    for (Method method : UpdateRule.class.getMethods()) {
      if (method.getParameterCount() == 0 && !OWN.contains(method.getName())) {
        assertEquals(method.invoke(rule), method.invoke(around), method.getName());
      }
    }
    StepValues at = new StepValues(1, 0.5);
    assertEquals(rule.coupledWeightDecay(at), around.coupledWeightDecay(at));
    List<StateSlot> slots = new ArrayList<>(around.stateSlots());
    slots.removeIf(slot -> slot.name().equals("slow_params"));
    assertEquals(rule.stateSlots(), slots);
  }

  /** The slow weights lie behind the slots that have a value for each element. */
  @ParameterizedTest
  @MethodSource("rules")
  void noPhaseTouchesTheSlowWeights(UpdateRule rule) {
    UpdateRule around = Lookahead.around(rule);
    List<StateSlot> elements =
        around.stateSlots().stream().filter(slot -> !slot.isOneValue()).toList();
    for (int i = 0; i < elements.size(); i++) {
      boolean isSlow = elements.get(i).name().equals("slow_params");
      assertEquals(!isSlow && rule.access().reads(2 + i), around.access().reads(2 + i));
      assertEquals(!isSlow && rule.access().writes(2 + i), around.access().writes(2 + i));
    }
    assertEquals("slow_params", elements.get(elements.size() - 1).name());
    for (int operand = 0; operand < 2; operand++) {
      assertEquals(rule.access().reads(operand), around.access().reads(operand));
      assertEquals(rule.access().writes(operand), around.access().writes(operand));
    }
  }

  @Test
  void isEqualToTheSameAroundTheSame() {
    Lookahead rule = Lookahead.around(Adam.adamW());
    assertEquals(rule, Lookahead.around(Adam.adamW()).k(5).alpha(0.5));
    assertEquals(rule.hashCode(), Lookahead.around(Adam.adamW()).hashCode());
    assertEquals("Lookahead[k=5, alpha=0.5] around " + Adam.adamW(), rule.toString());
    List<Object> others =
        List.of(rule.k(6), rule.alpha(0.25), Lookahead.around(Adam.adam()), Adam.adamW());
    for (Object other : others) {
      assertNotEquals(rule, other);
    }
    long hashes =
        others.stream().map(Object::hashCode).filter(hash -> hash != rule.hashCode()).count();
    assertEquals(others.size(), hashes);
  }

  @Test
  void hyperparametersOfBothAreItsOwn() {
    UpdateRule rule =
        RuleSettings.with(
            Lookahead.around(Adam.adamW()),
            Map.of("lookaheadK", 3, "lookaheadAlpha", 0.75, "eps", 0.5));
    assertEquals(Lookahead.around(Adam.adamW().eps(0.5)).k(3).alpha(0.75), rule);
    assertEquals(
        Lookahead.around(Adam.adamW().weightDecay(0.5)),
        Lookahead.around(Adam.adamW()).weightDecay(0.5));
    String message =
        assertThrows(NullPointerException.class, () -> Lookahead.around(null)).getMessage();
    assertTrue(message.startsWith("rule is null"), message);
    assertEquals(1, RuleSettings.number(Lookahead.around(Sgd.sgd()).alpha(1), "lookaheadAlpha"));
  }

  /** A rule of somebody else's, with a hyperparameter of each type. */
  public record Other(int count, long steps, double factor, boolean isOn) implements UpdateRule {
    /** Refuses a count of 13. */
    public Other {
      if (count == 13) {
        throw new IllegalArgumentException("13");
      }
    }

    @Override
    public String name() {
      return "other";
    }

    @Override
    public List<StateSlot> stateSlots() {
      return List.of();
    }

    @Override
    public boolean maximize() {
      return false;
    }

    @Override
    public double coupledWeightDecay(StepValues at) {
      return 0;
    }

    @Override
    public UpdateRule weightDecay(double weightDecay) {
      return this;
    }

    @Override
    public List<String> scalarNames() {
      return List.of();
    }

    @Override
    public void scalars(StepValues at, double[] out) {}

    @Override
    public void update(FloatBlock block) {}

    @Override
    public void update(DoubleBlock block) {}
  }

  @Test
  void recordsOfOthersAreCopiedWithTheirTypes() {
    Other other = new Other(1, 2, 3, true);
    Map<String, Object> values = Map.of("count", 4L, "steps", 5, "factor", 6, "isOn", false);
    assertEquals(new Other(4, 5, 6, false), RuleSettings.with(other, values));
    assertEquals("other", other.kernel());
    assertEquals("other", other.sumsKernel());
    assertThrows(
        IllegalArgumentException.class, () -> RuleSettings.with(other, Map.of("count", 13)));
    IllegalArgumentException unknown =
        assertThrows(IllegalArgumentException.class, () -> Rules.usualRate(other));
    assertTrue(
        unknown.getMessage().startsWith("rule other has no usual learning rate, must be one of "),
        unknown.getMessage());
  }

  @Test
  void everyRuleHasAUsualRate() {
    double[] rates = Rules.all().stream().mapToDouble(Rules::usualRate).toArray();
    assertTrue(Arrays.stream(rates).allMatch(rate -> rate > 0 && rate <= 1));
    assertTrue(Arrays.stream(rates).distinct().count() > 4);
    assertEquals(
        Rules.all().size(), Rules.ofEachKernel().stream().map(UpdateRule::name).distinct().count());
  }
}
