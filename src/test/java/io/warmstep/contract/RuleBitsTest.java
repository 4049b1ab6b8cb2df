package io.warmstep.contract;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every rule with every option, for every element type and at sizes around those of vectors and
 * blocks, has the bits of the scalar reference in parameters and state, and writes nowhere else.
 */
class RuleBitsTest {
  private static final int[] SIZES = {0, 1, 3, 4, 31, 32, 33, 255, 256, 257, 1023, 1024};
  private static final int STEPS = 3;
  private static final double RATE = 0.0123;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.all().stream()
        .flatMap(backend -> RuleMatrix.all().stream().map(rule -> Arguments.of(backend, rule)));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void everySizeAndType(ContractBackend backend, UpdateRule rule) {
    try (Device device = backend.open()) {
      for (ElementType type : backend.types()) {
        for (int size : SIZES) {
          SplittableRandom random = new SplittableRandom(size);
          run(backend, device, rule, type, Numbers.ordinary(random, type, size), random, false);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void adversarialValues(ContractBackend backend, UpdateRule rule) {
    try (Device device = backend.open()) {
      for (ElementType type : backend.types()) {
        SplittableRandom random = new SplittableRandom(17);
        run(backend, device, rule, type, Numbers.adversarial(random, type, 3001), random, true);
      }
    }
  }

  private static void run(
      ContractBackend backend,
      Device device,
      UpdateRule rule,
      ElementType type,
      double[] values,
      SplittableRandom random,
      boolean adversarial) {
    try (TestModel model = new TestModel(device).add("p", type, backend.guarded(), values);
        Optimizer optimizer =
            Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).build()) {
      model.follow(rule);
      for (int step = 1; step <= STEPS; step++) {
        double[] gradients =
            adversarial
                ? Numbers.adversarial(random, type, values.length)
                : Numbers.ordinary(random, type, values.length);
        model.gradients("p", gradients);
        optimizer.step();
        model.reference("p").step(step, RATE, gradients);
        model.check(optimizer, type + " x " + values.length);
      }
    }
  }
}
