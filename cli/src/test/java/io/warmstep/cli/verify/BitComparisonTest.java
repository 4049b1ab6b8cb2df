package io.warmstep.cli.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Norm;
import io.warmstep.TestDevices;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.cpu.CpuBackend;
import io.warmstep.check.PairCover;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Rules;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.Interpolation;
import io.warmstep.step.StepInputs;
import io.warmstep.testkit.ChangedDevice;
import io.warmstep.testkit.WrongDevice;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class BitComparisonTest {
  private static List<BitCase> cases() {
    return BitCase.all(ElementType.FLOAT32).subList(0, 12);
  }

  @Test
  void theJavaBackendIsTheSameOnTwoThreads() {
    try (Device device = Devices.cpu(2)) {
      BitComparison.Result result = BitComparison.run(device, cases(), (done, total) -> {});
      assertEquals(0, result.total().mismatches(), String.valueOf(result.differences()));
      assertTrue(result.total().values() > 12 * 2 * 8000, result.total().toString());
      assertEquals(List.of(), result.differences());
    }
  }

  @Test
  void everyFormIsRunInEveryType() {
    for (ElementType type : ElementType.values()) {
      Set<UpdateRule> forms = new HashSet<>();
      Set<Elements> elements = new HashSet<>();
      Set<BitCase.Extra> extras = new HashSet<>();
      for (BitCase one : BitCase.all(type)) {
        forms.add(one.rule());
        elements.add(one.elements());
        extras.add(one.extra());
      }
      assertTrue(forms.containsAll(Rules.forms()));
      assertEquals(Set.of(Elements.values()), elements);
      Set<BitCase.Extra> expected = EnumSet.allOf(BitCase.Extra.class);
      if (type == ElementType.FLOAT64) { // which has no average
        expected.remove(BitCase.Extra.AVERAGED);
      }
      assertEquals(expected, extras);
    }
  }

  @Test
  void fewCasesHaveEveryTwoChoicesOfAll() {
    List<BitCase> all =
        Arrays.stream(ElementType.values()).flatMap(type -> BitCase.all(type).stream()).toList();
    List<BitCase> few = BitCase.few(all);
    Set<String> left = new HashSet<>();
    all.forEach(one -> left.addAll(PairCover.pairs(one.choices())));
    few.forEach(one -> left.removeAll(PairCover.pairs(one.choices())));
    assertEquals(Set.of(), left);
    assertTrue(few.size() < all.size() / 4, few.size() + " of " + all.size());
    assertTrue(all.containsAll(few));
    Function<UpdateRule, String> form = rule -> rule.name() + ", " + rule.kernel();
    Set<String> forms = Rules.forms().stream().map(form).collect(Collectors.toSet());
    for (ElementType type : ElementType.values()) {
      assertEquals(
          forms,
          few.stream()
              .filter(one -> one.type().equals(type))
              .map(one -> form.apply(one.rule()))
              .collect(Collectors.toSet()),
          type.toString());
    }
  }

  @Test
  void aWrongLastBitIsFound() {
    BackendDevice cpu = new CpuBackend().open(new DeviceOptions(-1, 1));
    BackendDevice wrong = new WrongDevice(cpu, cpu.report(), BitComparisonTest::flipLowestBit);
    try (Device device = TestDevices.of(wrong)) {
      BitComparison.Result result = BitComparison.run(device, cases(), (done, total) -> {});
      assertTrue(result.total().mismatches() >= 12, result.total().toString());
      assertEquals(5, result.differences().size());
      String first = result.differences().get(0);
      assertTrue(first.contains(", element 0 of "), first);
      assertTrue(first.contains("Java gives "), first);
    }
  }

  /** Something that a device may do wrong, and the cases that must find it. */
  private record Fault(
      String name,
      Predicate<BitCase> finders,
      UnaryOperator<StepPlan> plans,
      BiConsumer<StepPlan, StepInputs> inputs) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static StepPlan withL2(StepPlan plan) {
    return new StepPlan(plan.groups(), plan.options().norm(Norm.L2));
  }

  private static void weigh(StepPlan plan, StepInputs inputs, Interpolation pass) {
    if (plan.groups().get(0).rule() == pass) {
      inputs.scalars(0)[0] *= 0.999;
    }
  }

  /** The norm, which is compared as well, stays. */
  private static StepPlan withoutSkipping(StepPlan plan) {
    return plan.options().skipNonFinite()
        ? new StepPlan(
            plan.groups(), plan.options().skipNonFinite(false).clipNorm(Double.POSITIVE_INFINITY))
        : plan;
  }

  /** Micro-batches are added by SGD. */
  private static void addLess(StepPlan plan, StepInputs inputs) {
    if (plan.groups().get(0).rule() instanceof Sgd) {
      inputs.scalars(0)[0] *= 0.75;
    }
  }

  private static void moveAll(StepInputs inputs) {
    for (int i = 0; i < inputs.groups(); i++) {
      inputs.keepParameters(i, false);
    }
  }

  static Stream<Fault> faults() {
    return Stream.of(
        new Fault(
            "the L2 norm in place of L1",
            one -> one.extra() == BitCase.Extra.CLIPPED_L1,
            BitComparisonTest::withL2,
            (plan, inputs) -> {}),
        new Fault(
            "the L2 norm in place of the largest magnitude",
            one -> one.extra() == BitCase.Extra.CLIPPED_MAX,
            BitComparisonTest::withL2,
            (plan, inputs) -> {}),
        new Fault(
            "a wrong weight of slow weights",
            one -> one.rule() instanceof Lookahead,
            plan -> plan,
            (plan, inputs) -> weigh(plan, inputs, Interpolation.LOOKAHEAD)),
        new Fault(
            "a wrong weight of those to evaluate with",
            one ->
                one.extra() == BitCase.Extra.EVALUATED
                    && one.rule().name().startsWith("schedulefree"),
            plan -> plan,
            (plan, inputs) -> weigh(plan, inputs, Interpolation.PASS)),
        new Fault(
            "a wrong weight of an average that is evaluated",
            one -> one.extra() == BitCase.Extra.AVERAGED,
            plan -> plan,
            (plan, inputs) -> weigh(plan, inputs, Interpolation.PASS)),
        new Fault(
            "an average that keeps too much",
            one -> one.extra() == BitCase.Extra.AVERAGED,
            plan -> plan,
            (plan, inputs) -> inputs.averageWeight(0, inputs.averageWeight(0) * 0.999)),
        new Fault(
            "a micro-batch that counts too little",
            one -> one.extra() == BitCase.Extra.ACCUMULATED,
            plan -> plan,
            BitComparisonTest::addLess),
        new Fault(
            "a step that is not skipped",
            one -> one.extra().isAhead(),
            BitComparisonTest::withoutSkipping,
            (plan, inputs) -> {}),
        new Fault(
            "parameters that move at a rate of 0",
            one ->
                one.elements() == Elements.SPECIAL
                    && one.rule().name().equals("sgd")
                    && one.storing().equals(Storing.plain(one.type())),
            plan -> plan,
            (plan, inputs) -> moveAll(inputs)));
  }

  @ParameterizedTest
  @MethodSource("faults")
  void eachOptionThatIsWrongIsFoundInEveryType(Fault fault) {
    for (ElementType type : ElementType.values()) {
      List<BitCase> cases = BitCase.all(type).stream().filter(fault.finders()).toList();
      assertEquals(
          type == ElementType.FLOAT64 && fault.name().contains("average"), cases.isEmpty());
      for (BitCase one : cases) {
        assertEquals(0, mismatches(one, plan -> plan, (plan, inputs) -> {}), one.toString());
        assertTrue(mismatches(one, fault.plans(), fault.inputs()) > 0, one.toString());
      }
    }
  }

  private static long mismatches(
      BitCase one, UnaryOperator<StepPlan> plans, BiConsumer<StepPlan, StepInputs> inputs) {
    BackendDevice cpu = new CpuBackend().open(new DeviceOptions(-1, 1));
    try (Device device = TestDevices.of(new ChangedDevice(cpu, cpu.report(), plans, inputs))) {
      return BitComparison.run(device, List.of(one), (done, total) -> {}).total().mismatches();
    }
  }

  private static void flipLowestBit(StepPlan plan) {
    MemorySlice values = plan.groups().get(0).entries().get(0).values();
    float[] first = new float[1];
    values.memory().read(values.offset(), first, 0, 1);
    first[0] = Float.intBitsToFloat(Float.floatToRawIntBits(first[0]) ^ 1);
    values.memory().write(values.offset(), first, 0, 1);
  }
}
