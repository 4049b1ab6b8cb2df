package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.Reference;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A million parameters, as one tensor or cut into many, by any number of threads. */
class SplitTest {
  private static final int LENGTH = 1_000_003;
  private static final int STEPS = 2;
  private static final double RATE = 0.01;

  static Stream<ContractBackend> backends() {
    return ContractBackend.all().stream();
  }

  /** Of rules that work element by element: sums over a tensor change with its cuts. */
  static Stream<Arguments> backendsAndRules() {
    List<UpdateRule> rules =
        RuleMatrix.ofEachShape().stream().filter(rule -> rule.sums().isEmpty()).toList();
    return ContractBackend.inTurn(rules);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void oneTensorAndManyHaveTheBitsOfTheReference(ContractBackend backend, UpdateRule rule) {
    SplittableRandom random = new SplittableRandom(3);
    double[] values = Numbers.ordinary(random, ElementType.FLOAT32, LENGTH);
    double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, LENGTH);
    Reference reference = new Reference(rule, ElementType.FLOAT32, values);
    for (int step = 1; step <= STEPS; step++) {
      reference.step(step, RATE, gradients);
    }

    for (int[] cuts : new int[][] {{}, cuts(random, 2), cuts(random, 60)}) {
      double[] result = run(backend, rule, values, gradients, cuts);
      Bits.assertSame(reference.parameters(), result, () -> cuts.length + " cuts");
    }
  }

  private static int[] cuts(SplittableRandom random, int count) {
    return random.ints(count, 0, LENGTH).sorted().toArray();
  }

  private static double[] run(
      ContractBackend backend, UpdateRule rule, double[] values, double[] gradients, int[] cuts) {
    try (Device device = backend.open();
        TestModel model = new TestModel(device)) {
      for (int i = 0; i <= cuts.length; i++) {
        double[] part = Arrays.copyOfRange(values, start(cuts, i), start(cuts, i + 1));
        Placement placement = i % 3 == 1 ? backend.guarded() : Placement.OWNED;
        model.add("part" + i, ElementType.FLOAT32, placement, part);
      }
      model.parameters();
      for (int i = 0; i <= cuts.length; i++) {
        model.gradients(
            "part" + i, Arrays.copyOfRange(gradients, start(cuts, i), start(cuts, i + 1)));
      }
      try (Optimizer optimizer =
          Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).build()) {
        for (int step = 1; step <= STEPS; step++) {
          optimizer.step();
        }
      }
      double[] result = new double[LENGTH];
      for (int i = 0; i <= cuts.length; i++) {
        double[] part = model.values("part" + i);
        System.arraycopy(part, 0, result, start(cuts, i), part.length);
      }
      return result;
    }
  }

  private static int start(int[] cuts, int part) {
    if (part == 0) {
      return 0;
    }
    return part <= cuts.length ? cuts[part - 1] : LENGTH;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void theNormDoesNotDependOnThreads(ContractBackend backend) {
    double[] first = clipped(ContractBackend.all().get(0));
    double[] own = clipped(backend);

    Bits.assertSame(first, own, () -> "parameters after clipping, then the norm");
  }

  private static double[] clipped(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(5);
    float[] values = new float[LENGTH];
    double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, LENGTH);
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", values).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adam()).learningRate(RATE).clipNorm(1).build()) {
      parameters.get("p").gradients().copyFrom(gradients);
      optimizer.step();
      assertEquals(1, optimizer.stepCount());
      double[] result = Arrays.copyOf(parameters.get("p").values().toDoubles(), LENGTH + 1);
      result[LENGTH] = optimizer.gradientNorm();
      return result;
    }
  }
}
