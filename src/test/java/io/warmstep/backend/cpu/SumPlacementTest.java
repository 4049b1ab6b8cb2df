package io.warmstep.backend.cpu;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.TestDevices;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.TestModel;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Sums have the same bits where a first phase works in place, where it copies what has no common
 * index, and where nothing but copies is left, from arrays shorter than a leaf.
 */
class SumPlacementTest {
  private static final int SHORT_PIECE = 101;
  private static final int STEPS = 2;

  static Stream<Arguments> placementsAndRules() {
    List<UpdateRule> rules = Rules.all().stream().filter(rule -> rule.sums().isPresent()).toList();
    return Stream.of(
            Placement.OWNED, Placement.ARRAY, Placement.ARRAY_AT_OFFSET, Placement.HEAP_BUFFER)
        .flatMap(placement -> rules.stream().map(rule -> Arguments.of(placement, rule)));
  }

  /** Up to nine leaves and part of another, and a tensor that ends behind an owned array's end. */
  private static Map<String, double[]> values(ElementType type) {
    SplittableRandom random = new SplittableRandom(8);
    Map<String, double[]> values = new LinkedHashMap<>();
    int sum = 0;
    for (int leaves = 0; leaves < 10; leaves++) {
      int n = leaves * FloatTreeSum.LEAF + (leaves % 3 == 0 ? 17 : leaves % 3 == 1 ? 0 : 4095);
      values.put("of" + n, Numbers.ordinary(random, type, n));
      sum += n;
    }
    int over = CpuDevice.PIECE_LENGTH - sum + 6001;
    values.put("over", Numbers.ordinary(random, type, over));
    values.put("last", Numbers.ordinary(random, type, 4097));
    return values;
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("placementsAndRules")
  void theBitsAreThoseOfCopies(Placement placement, UpdateRule rule) {
    ElementType type =
        placement == Placement.HEAP_BUFFER ? ElementType.FLOAT64 : ElementType.FLOAT32;
    for (double clipValue : new double[] {0, 0.25}) {
      compare(placement, rule, type, clipValue);
    }
    if (placement == Placement.OWNED) {
      compare(placement, rule, ElementType.FLOAT64, 0);
    }
  }

  private static void compare(
      Placement placement, UpdateRule rule, ElementType type, double clipValue) {
    Map<String, double[]> values = values(type);
    try (Device shortPieces = TestDevices.of(CpuTestDevices.open(1, SHORT_PIECE));
        Device device = Devices.cpu(placement == Placement.OWNED ? 1 : 2); // one has long chunks
        TestModel theirs = new TestModel(shortPieces);
        TestModel ours = new TestModel(device)) {
      values.forEach((name, its) -> theirs.add(name, type, Placement.OWNED, its));
      values.forEach((name, its) -> ours.add(name, type, placement, its));
      try (Optimizer reference = optimizer(theirs, rule, clipValue);
          Optimizer optimizer = optimizer(ours, rule, clipValue)) {
        for (int step = 0; step < STEPS; step++) {
          for (String name : values.keySet()) {
            int n = values.get(name).length;
            double[] gradients = Arrays.copyOf(values.get(step == 0 ? name : "over"), n);
            theirs.gradients(name, gradients);
            ours.gradients(name, gradients);
          }
          reference.step();
          optimizer.step();
          for (String name : values.keySet()) {
            String where = rule + ", " + type + ", " + name + ", clipped by " + clipValue;
            Bits.assertSame(theirs.values(name), ours.values(name), () -> where);
            for (String slot : reference.stateNames(name)) {
              Bits.assertSame(
                  reference.state(name, slot).toDoubles(),
                  optimizer.state(name, slot).toDoubles(),
                  () -> where + ", " + slot);
            }
          }
        }
      }
    }
  }

  private static Optimizer optimizer(TestModel model, UpdateRule rule, double clipValue) {
    OptimizerBuilder builder =
        Optimizer.of(model.parameters()).rule(rule).learningRate(0.01).clipNorm(1);
    if (clipValue > 0) {
      builder.clipValue(clipValue);
    }
    return builder.build();
  }
}
