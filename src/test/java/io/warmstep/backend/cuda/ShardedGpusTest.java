package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Norm;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.ShardedOptimizer;
import io.warmstep.StateType;
import io.warmstep.collective.ShardedRun;
import io.warmstep.collective.Workers;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Workers of one process with a GPU each, whose gradients have one norm. Simulated. */
class ShardedGpusTest extends SimulatedTest {
  private static final int DEVICES = 4;
  private static final List<ElementType> TYPES =
      List.of(ElementType.FLOAT32, ElementType.FLOAT64, ElementType.BFLOAT16, ElementType.FLOAT16);

  @BeforeEach
  void several() {
    CudaSim.devices(DEVICES);
  }

  @AfterEach
  void restore() {
    CudaSim.recover();
    CudaSim.devices(1);
  }

  private static void assertSame(ShardedRun run, int steps) throws Exception {
    assertSame(Workers.IN_PROCESS, run, steps);
  }

  private static void assertSame(Workers workers, ShardedRun run, int steps) throws Exception {
    String expected = run.alone(steps);
    for (int size : new int[] {2, DEVICES}) {
      for (String bits :
          run.shared(workers, size, steps, rank -> Devices.require("cuda:" + rank))) {
        assertEquals(expected, bits, size + " workers");
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Norm.class)
  void clipByTheNormOfAll(Norm norm) throws Exception {
    assertSame(new ShardedRun(TYPES, builder -> builder.rule(Adam.adamW()).clipNorm(0.5, norm)), 2);
    assertSame(
        new ShardedRun(
            List.of(ElementType.FLOAT32), builder -> builder.rule(Lamb.lamb()).clipNorm(0.5, norm)),
        1);
  }

  @Test
  void areReachedOverTcp() throws Exception {
    assertSame(
        Workers.TCP, new ShardedRun(TYPES, builder -> builder.rule(Adam.adamW()).clipNorm(0.5)), 2);
  }

  @Test
  void keepTheRowsAndColumnsOfTheirMatrices() throws Exception {
    assertSame(new ShardedRun(TYPES, builder -> builder.rule(Adafactor.adafactor())), 2);
  }

  @ParameterizedTest
  @EnumSource
  void keepTheMastersOfTheirShares(MasterWeights masters) throws Exception {
    assertSame(
        new ShardedRun(
            List.of(ElementType.BFLOAT16, ElementType.BFLOAT16, ElementType.FLOAT32),
            builder ->
                builder
                    .rule(Adam.adamW())
                    .masterWeights(masters)
                    .stateType(StateType.INT8)
                    .average(0.9)),
        2);
  }

  @ParameterizedTest
  @EnumSource
  void roundAtRandomAsOneDoes(MasterWeights masters) throws Exception {
    assertSame(
        new ShardedRun(
            List.of(ElementType.BFLOAT16, ElementType.BFLOAT16, ElementType.FLOAT32),
            builder ->
                builder
                    .rule(Adam.adamW())
                    .masterWeights(masters)
                    .stateType(masters == MasterWeights.NONE ? StateType.BFLOAT16 : StateType.INT8)
                    .rounding(Rounding.STOCHASTIC, 3)
                    .clipNorm(1)),
        2);
  }

  @Test
  void skipTogether() throws Exception {
    Workers.IN_PROCESS.run(
        DEVICES,
        collective -> {
          try (Device device = Devices.require("cuda:" + collective.rank());
              Parameters parameters = Parameters.on(device).add("w", new float[20_000]).build();
              ShardedOptimizer optimizer =
                  Optimizer.of(parameters)
                      .rule(Adam.adam())
                      .learningRate(1)
                      .skipNonFinite(true)
                      .sharded(collective)
                      .build()) {
            float[] gradient = new float[20_000];
            gradient[7] = collective.rank() == 2 ? Float.NaN : 1;
            parameters.get("w").gradients().copyFrom(gradient);
            optimizer.step();
            assertTrue(optimizer.isLastStepSkipped());
            assertArrayEquals(new float[20_000], parameters.get("w").values().toFloats());
            gradient[7] = 1;
            parameters.get("w").gradients().copyFrom(gradient);
            optimizer.step();
            assertFalse(optimizer.isLastStepSkipped());
            assertEquals(1, optimizer.stepCount());
            assertEquals(4, optimizer.gradientNorm());
          }
          return null;
        });
  }
}
