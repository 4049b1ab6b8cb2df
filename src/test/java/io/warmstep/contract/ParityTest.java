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
 * Every rule with every option under random settings, many steps long: parameters and state keep
 * the bits of the scalar reference. Each combination has one of the settings unless the matrix is
 * full.
 */
class ParityTest {
  private static final int[] SIZES = {0, 1, 31, 32, 33, 255, 256, 257, 1023, 1024};
  private static final int SETTINGS = 5;
  private static final int STEPS = 50;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.all().stream()
        .flatMap(backend -> RuleMatrix.all().stream().map(rule -> Arguments.of(backend, rule)));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void keepsTheBitsOfTheReference(ContractBackend backend, UpdateRule rule) {
    int first = RuleMatrix.IS_FULL ? 0 : RuleMatrix.all().indexOf(rule) % SETTINGS;
    int end = RuleMatrix.IS_FULL ? SETTINGS : first + 1;
    for (ElementType type : backend.types()) {
      for (int seed = first; seed < end && !type.isHalf(); seed++) {
        run(backend, rule, type, seed);
      }
    }
  }

  private static void run(ContractBackend backend, UpdateRule rule, ElementType type, int seed) {
    SplittableRandom random = new SplittableRandom(seed);
    UpdateRule drawn = RuleMatrix.withOtherNumbers(rule, random);
    double rate = Math.pow(10, random.nextDouble(-4, -0.5));
    Device device = backend.shared();
    try (TestModel model = new TestModel(device)) {
      for (int size : SIZES) {
        model.add("size" + size, type, backend.guarded(), Numbers.ordinary(random, type, size));
      }
      model.follow(drawn);
      try (Optimizer optimizer =
          Optimizer.of(model.parameters()).rule(drawn).learningRate(rate).build()) {
        for (int step = 1; step <= STEPS; step++) {
          for (int size : SIZES) {
            double[] gradients = Numbers.ordinary(random, type, size);
            model.gradients("size" + size, gradients);
            model.reference("size" + size).step(step, rate, gradients);
          }
          optimizer.step();
        }
        model.check(optimizer, drawn + ", " + type + ", seed " + seed);
      }
    }
  }
}
