package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.collective.ShardedRun;
import io.warmstep.collective.Workers;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Muon;
import io.warmstep.testkit.ContractBackend;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Workers that each update a part of a parameter draw the random numbers of the whole. */
class SharedRoundingTest {
  static Stream<Arguments> backendsAndRuns() {
    List<ShardedRun> runs =
        List.of(
            run(MasterWeights.NONE, StateType.BFLOAT16),
            run(MasterWeights.BITS_24, StateType.INT8),
            new ShardedRun(
                List.of(ElementType.BFLOAT16),
                builder -> builder.rule(Muon.muon()).rounding(Rounding.STOCHASTIC, 9)));
    return ContractBackend.inTurn(runs);
  }

  private static ShardedRun run(MasterWeights masters, StateType state) {
    return new ShardedRun(
        List.of(ElementType.BFLOAT16, ElementType.BFLOAT16, ElementType.FLOAT32),
        builder ->
            builder
                .rule(Adam.adamW())
                .masterWeights(masters)
                .stateType(state, 0)
                .rounding(Rounding.STOCHASTIC, 9));
  }

  @ParameterizedTest
  @MethodSource("backendsAndRuns")
  void ofAnyBackend(ContractBackend backend, ShardedRun run) throws Exception {
    String expected = run.alone(2);
    for (int size : new int[] {1, 3}) {
      for (String bits : run.shared(Workers.IN_PROCESS, size, 2, rank -> backend.open())) {
        assertEquals(expected, bits, size + " workers");
      }
    }
  }
}
