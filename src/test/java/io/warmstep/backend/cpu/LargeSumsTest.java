package io.warmstep.backend.cpu;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Reference;
import io.warmstep.testkit.RuleMatrix;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Sums over ten million elements, against plain loops. The elements repeat, so that the loops are
 * short, but at a length by which leaves differ from each other. Smaller sums are those of
 * TensorSumsTest and GroupSumsTest, which also compare nearly seventeen million on every backend.
 */
class LargeSumsTest {
  private static final int PERIOD = 4_000;
  private static final int REPEATS = 2_500;
  private static final double RATE = 0.0123;
  private static final int STEPS = 2;

  /** Those over a tensor; the iteration on matrices is beside its norm and has tests of its own. */
  static List<UpdateRule> rules() {
    return RuleMatrix.rich().stream()
        .filter(rule -> rule.sums().isPresent() && rule.matrix().isEmpty())
        .toList();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rules")
  void tenMillionElements(UpdateRule rule) {
    SplittableRandom random = new SplittableRandom(12);
    double[] values = Numbers.ordinary(random, ElementType.FLOAT32, PERIOD);
    Reference reference = Reference.repeated(rule, ElementType.FLOAT32, values, REPEATS);
    try (Device device = Devices.cpu(3);
        Parameters parameters =
            Parameters.on(device).add("p", ElementType.FLOAT32, PERIOD * REPEATS).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(RATE).build()) {
      fill(parameters.get("p").values(), values);
      for (int step = 1; step <= STEPS; step++) {
        double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, PERIOD);
        fill(parameters.get("p").gradients(), gradients);
        optimizer.step();
        reference.step(step, RATE, gradients);
        compare(reference.parameters(), parameters.get("p").values(), rule + ", step " + step);
        for (int slot = 0; slot < rule.stateSlots().size(); slot++) {
          StateSlot its = rule.stateSlots().get(slot);
          if (reference.has(slot)) {
            Tensor state = optimizer.state("p", its.name());
            compare(reference.state(slot), state, rule + ", " + its.name() + ", step " + step);
          }
        }
      }
    }
  }

  private static void fill(Tensor tensor, double[] period) {
    float[] all = new float[(int) tensor.length()];
    float[] one = Numbers.floats(period);
    for (int i = 0; i < all.length; i++) {
      all[i] = one[i % one.length];
    }
    tensor.copyFrom(all);
  }

  private static void compare(double[] period, Tensor tensor, String where) {
    for (long from = 0; from < tensor.length(); from += period.length) {
      double[] part = tensor.slice(from, period.length).toDoubles();
      if (!Arrays.equals(period, part)) { // much quicker than the comparison with a message
        long at = from;
        Bits.assertSame(period, part, () -> where + ", from " + at);
      }
    }
  }
}
