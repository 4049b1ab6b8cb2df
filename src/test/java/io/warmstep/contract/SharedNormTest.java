package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Norm;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.ShardedOptimizer;
import io.warmstep.collective.ShardedRun;
import io.warmstep.collective.Workers;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Workers that share a model clip by its norm and skip together, whatever their devices are. */
class SharedNormTest {
  /** Of which some workers' shares have no float64, and others nothing else. */
  private static final List<ElementType> MIXED =
      List.of(ElementType.FLOAT32, ElementType.FLOAT64, ElementType.BFLOAT16, ElementType.FLOAT16);

  static List<Arguments> backendsRulesAndNorms() {
    List<Arguments> all = new ArrayList<>();
    List<ContractBackend> ways = ContractBackend.all();
    for (Norm norm : Norm.values()) {
      for (UpdateRule rule : List.of(Adam.adamW(), Lamb.lamb())) {
        // Each with each norm on one way, as every worker's device builds its own kernels.
        int turn = all.size() + norm.ordinal();
        for (ContractBackend way :
            RuleMatrix.IS_FULL ? ways : List.of(ways.get(turn % ways.size()))) {
          all.add(Arguments.of(way, rule, norm));
        }
      }
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("backendsRulesAndNorms")
  void isThatOfAll(ContractBackend backend, UpdateRule rule, Norm norm) throws Exception {
    for (List<ElementType> types : List.of(List.of(ElementType.FLOAT32), MIXED)) {
      ShardedRun run =
          new ShardedRun(types, builder -> builder.rule(rule).clipNorm(0.5, norm).clipValue(0.01));
      String expected = run.alone(2);
      for (int size : new int[] {1, 3, 8}) {
        for (String bits : run.shared(Workers.IN_PROCESS, size, 2, rank -> backend.open())) {
          assertEquals(expected, bits, size + " workers");
        }
      }
    }
  }

  static List<ContractBackend> backends() {
    return ContractBackend.all();
  }

  /** One worker's share has a NaN, which is of float64, and another's has no elements at all. */
  @ParameterizedTest
  @MethodSource("backends")
  void skipsEverywhere(ContractBackend backend) throws Exception {
    Workers.IN_PROCESS.run(
        4,
        collective -> {
          try (Device device = backend.open();
              Parameters parameters = model(device);
              ShardedOptimizer optimizer =
                  Optimizer.of(parameters)
                      .rule(Adam.adam())
                      .learningRate(1)
                      .zeroGradients(true)
                      .skipNonFinite(true)
                      .sharded(collective)
                      .build()) {
            take(parameters, optimizer, collective.rank() == 1 ? Double.NaN : 2);
            assertTrue(optimizer.isLastStepSkipped());
            assertEquals(1, optimizer.skippedSteps());
            for (String name : List.of("w", "z")) {
              double[] zeros = new double[(int) parameters.get(name).length()];
              assertArrayEquals(zeros, parameters.get(name).values().toDoubles());
              assertArrayEquals(zeros, parameters.get(name).gradients().toDoubles());
            }
            take(parameters, optimizer, 2);
            assertFalse(optimizer.isLastStepSkipped());
            assertEquals(1, optimizer.stepCount());
            // Gradients of 4 workers: 4096 elements of 4 and one of 8.
            assertEquals(Math.sqrt(4096 * 16 + 64), optimizer.gradientNorm());
            assertEquals(-1, parameters.get("z").values().toDoubles()[0], 1e-6);
          }
          return null;
        });
  }

  private static Parameters model(Device device) {
    ParametersBuilder builder = Parameters.on(device);
    return builder.add("w", new float[4096]).add("z", ElementType.FLOAT64, 1).build();
  }

  private static void take(Parameters parameters, ShardedOptimizer optimizer, double last) {
    float[] gradient = new float[4096];
    Arrays.fill(gradient, 1);
    parameters.get("w").gradients().copyFrom(gradient);
    parameters.get("z").gradients().copyFrom(new double[] {last});
    optimizer.step();
  }
}
