package io.warmstep.contract;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every rule with every option under random settings, many steps long: parameters and state keep
 * the bits of the scalar reference. Each combination has one of the settings and of the element
 * types unless the matrix is full.
 */
class ParityTest {
  private static final int[] SIZES = {0, 1, 31, 32, 33, 255, 256, 257, 1023, 1024};
  private static final int SETTINGS = 5;
  private static final int STEPS = 50;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(RuleMatrix.all());
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void keepsTheBitsOfTheReference(ContractBackend backend, UpdateRule rule) {
    int turn = RuleMatrix.all().indexOf(rule);
    List<ElementType> types = backend.types().stream().filter(type -> !type.isHalf()).toList();
    for (int seed = 0; seed < SETTINGS; seed++) {
      for (int i = 0; i < types.size(); i++) {
        // Of a rule's forms, which follow each other, the types change faster than the backends.
        if (RuleMatrix.IS_FULL || (turn % SETTINGS == seed && turn % types.size() == i)) {
          run(backend.forKernel(rule, types.get(i)), rule, types.get(i), seed);
        }
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
        model.check(optimizer, backend + ", " + drawn + ", " + type + ", seed " + seed);
      }
    }
  }
}
