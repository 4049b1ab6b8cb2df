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

/** Ten thousand steps: bias corrections run out, compiled code takes over from the interpreter. */
class LongRunTest {
  private static final int STEPS = 10_000;
  private static final int LENGTH = 37;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(RuleMatrix.ofEachShape());
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void keepsTheBitsOfTheReference(ContractBackend backend, UpdateRule rule) {
    SplittableRandom random = new SplittableRandom(10_000);
    try (Device device = backend.open();
        TestModel model = new TestModel(device)) {
      for (ElementType type : backend.types()) {
        double[] values = Numbers.ordinary(random, type, LENGTH);
        model.add(type.toString(), type, Placement.OWNED, values);
      }
      model.follow(rule);
      try (Optimizer optimizer =
          Optimizer.of(model.parameters())
              .rule(rule)
              .learningRate(step -> 1e-2 / Math.sqrt(step))
              .build()) {
        // Elsewhere it is about the scalars of a step, which do not depend on the backend.
        int steps = backend.takesArrays() || RuleMatrix.IS_FULL ? STEPS : STEPS / 10;
        for (int step = 1; step <= steps; step++) {
          for (ElementType type : backend.types()) {
            double[] gradients = Numbers.ordinary(random, type, LENGTH);
            model.gradients(type.toString(), gradients);
            model.reference(type.toString()).step(step, 1e-2 / Math.sqrt(step), gradients);
          }
          optimizer.step();
        }
        model.check(optimizer, "long run");
      }
    }
  }
}
