package io.warmstep.contract;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Owned, allocated and borrowed memory at any address gives equal bits, in one optimizer too. */
class PlacementTest {
  /** More than one block of copies. */
  private static final int LENGTH = 17_003;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(RuleMatrix.ofEachShape());
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void everyPlacementInOneOptimizer(ContractBackend backend, UpdateRule rule) {
    try (Device device = backend.open();
        TestModel model = new TestModel(device)) {
      for (ElementType type : backend.types()) {
        for (Placement placement : backend.placements()) {
          // One seed a type: placements of a type differ in nothing else.
          SplittableRandom random = new SplittableRandom(type.ordinal());
          model.add(
              type + " " + placement, type, placement, Numbers.ordinary(random, type, LENGTH));
        }
      }
      model.follow(rule);
      try (Optimizer optimizer =
          Optimizer.of(model.parameters())
              .rule(rule)
              .learningRate(0.05)
              .clipValue(0.75)
              .zeroGradients(true)
              .build()) {
        for (int step = 1; step <= 3; step++) {
          step(model, optimizer, step);
          model.check(optimizer, "placements");
        }
      }
    }
  }

  private static void step(TestModel model, Optimizer optimizer, int step) {
    model
        .parameters()
        .forEach(
            parameter -> {
              ElementType type = parameter.values().type();
              SplittableRandom random = new SplittableRandom(100 * step + type.ordinal());
              double[] gradients = Numbers.ordinary(random, type, LENGTH);
              model.gradients(parameter.name(), gradients);
              model.reference(parameter.name()).step(step, 0.05, gradients, 1, 1, 0.75);
            });
    optimizer.step();
  }
}
