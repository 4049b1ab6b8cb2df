package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.rule.Asgd;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A parameter that is trained later than others shares their step number. */
class LateParameterTest {
  private static final String LATE = "03Linear_bias";
  private static final int STEPS = 4;

  /** ASGD averages from step t0 on, which is over: its average begins at the values, not at 0. */
  @ParameterizedTest
  @EnumSource
  void anAverageBeginsAtTheValues(Mode mode) {
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Asgd.asgd().t0(1)).learningRate(0.1).build();
    try (Toy toy = new Toy(optimizer)) {
      toy.array(LATE).addi(1);
      toy.parameters().get(LATE).freeze(true);
      mode.with(
          toy,
          optimizer,
          step -> {
            for (int i = 1; i <= STEPS; i++) {
              toy.backward(i);
              Mode.step(toy, step);
            }
            toy.parameters().get(LATE).freeze(false);
            double[] before = toy.values(LATE);
            toy.backward(STEPS + 1);
            Mode.step(toy, step);
            assertEquals(STEPS + 1, optimizer.stepCount());
            double[] after = toy.values(LATE);
            double[] average = optimizer.state(toy.model.getBlock(), LATE, "ax");
            double mu = 1.0 / (STEPS - 1);
            for (int i = 0; i < before.length; i++) {
              assertEquals(before[i] + mu * (after[i] - before[i]), average[i], 1e-6);
            }
          });
    }
  }
}
