package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every rule with every option, for every element type and at sizes around those of vectors and
 * blocks, has the bits of the scalar reference in parameters and state, and writes nowhere else.
 * Unless the matrix is full, the forms of a rule, which are four or more, share the sizes.
 */
class RuleBitsTest {
  private static final int[] SIZES = {0, 1, 3, 4, 31, 32, 33, 255, 256, 257, 1023, 1024};
  private static final int SIZES_PER_RULE = RuleMatrix.IS_FULL ? SIZES.length : 3;
  private static final int STEPS = 3;
  private static final double RATE = 0.0123;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(RuleMatrix.all());
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void everySizeAndType(ContractBackend backend, UpdateRule rule) {
    int turn = RuleMatrix.all().indexOf(rule);
    for (ElementType type : backend.types()) {
      for (int i = 0; i < SIZES_PER_RULE; i++) {
        int size = SIZES[(SIZES_PER_RULE * turn + i) % SIZES.length];
        SplittableRandom random = new SplittableRandom(size);
        double[] values = Numbers.ordinary(random, type, size);
        run(backend.forKernel(rule, type), rule, type, values, random, false);
      }
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void adversarialValues(ContractBackend backend, UpdateRule rule) {
    for (ElementType type : backend.types()) {
      SplittableRandom random = new SplittableRandom(17);
      double[] values = Numbers.adversarial(random, type, 3001);
      run(backend.forKernel(rule, type), rule, type, values, random, true);
    }
  }

  /** The centered variance of a constant gradient is zero but for rounding, which makes it less. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void constantGradients(ContractBackend backend) {
    UpdateRule rule = RmsProp.rmsProp().alpha(0.7).eps(1e-3).centered(true);
    try (Device device = backend.open()) {
      for (ElementType type : backend.types()) {
        double[] gradients = Numbers.ordinary(new SplittableRandom(23), type, 500);
        try (TestModel model = new TestModel(device).add("p", type, backend.guarded(), gradients);
            Optimizer optimizer =
                Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).build()) {
          model.follow(rule);
          model.gradients("p", gradients);
          for (int step = 1; step <= 200; step++) {
            optimizer.step();
            model.reference("p").step(step, RATE, gradients);
          }
          model.check(optimizer, type + ", constant gradients");
          assertTrue(
              Arrays.stream(model.values("p")).allMatch(Double::isFinite),
              type + ": the root of a variance below zero");
        }
      }
    }
  }

  private static void run(
      ContractBackend backend,
      UpdateRule rule,
      ElementType type,
      double[] values,
      SplittableRandom random,
      boolean adversarial) {
    try (TestModel model =
            new TestModel(backend.shared()).add("p", type, backend.guarded(), values);
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
        model.check(optimizer, backend + ", " + type + " x " + values.length);
      }
    }
  }
}
