package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.ParameterGroup;
import io.warmstep.collective.ShardedRun;
import io.warmstep.collective.Workers;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Prodigy;
import io.warmstep.testkit.ContractBackend;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Rules of several phases, whose tensors and groups lie with one worker or with many. */
class SharedRulesTest {
  private static final List<ElementType> TYPES =
      List.of(ElementType.FLOAT32, ElementType.FLOAT64, ElementType.BFLOAT16);

  /** Groups whose types differ from each other; of some of them most workers have nothing. */
  private static ShardedRun groups() {
    return new ShardedRun(
        TYPES,
        builder ->
            builder
                .rule(Prodigy.prodigy().d0(1e-3).useBiasCorrection(true))
                .group(ParameterGroup.matching("p1").learningRateFactor(2))
                .group(ParameterGroup.matching("p4"))
                .group(ParameterGroup.matching("p2"))
                .group(ParameterGroup.matching("p5").rule(Adam.adam()))
                .zeroGradients(true)
                .skipNonFinite(true)
                .clipNorm(1));
  }

  static Stream<Arguments> backendsAndRuns() {
    List<ShardedRun> runs =
        List.of(
            groups(),
            new ShardedRun(List.of(ElementType.FLOAT32), b -> b.rule(Prodigy.prodigy().d0(1e-3))),
            new ShardedRun(TYPES, b -> b.rule(Adafactor.adafactor())),
            new ShardedRun(TYPES, b -> b.rule(Adam.adamW().caution(true)).clipNorm(1)));
    return ContractBackend.inTurn(runs);
  }

  @ParameterizedTest
  @MethodSource("backendsAndRuns")
  void haveTheBitsOfOneWorker(ContractBackend backend, ShardedRun run) throws Exception {
    String expected = run.alone(3);
    for (int size : new int[] {1, 3, 8}) {
      for (String bits : run.shared(Workers.IN_PROCESS, size, 3, rank -> backend.open())) {
        assertEquals(expected, bits, size + " workers");
      }
    }
  }

  /** Workers need not have devices of one kind. */
  @ParameterizedTest
  @MethodSource("backendsAndRuns")
  void mayBeOnDevicesOfSeveralKinds(ContractBackend backend, ShardedRun run) throws Exception {
    String expected = run.alone(3);
    for (String bits :
        run.shared(Workers.IN_PROCESS, 3, 3, rank -> rank == 1 ? backend.open() : Devices.cpu(1))) {
      assertEquals(expected, bits);
    }
  }

  static Stream<Arguments> backendsAndSavedRuns() {
    List<ShardedRun> runs =
        List.of(
            groups(),
            new ShardedRun(TYPES, b -> b.rule(Adafactor.adafactor())),
            new ShardedRun(TYPES, b -> b.rule(Lamb.lamb()).clipNorm(1)));
    return ContractBackend.representatives().stream()
        .flatMap(backend -> runs.stream().map(run -> Arguments.of(backend, run)));
  }

  /** What workers on one backend save, others on another go on with, and the other way round. */
  @ParameterizedTest
  @MethodSource("backendsAndSavedRuns")
  void goOnElsewhere(ContractBackend backend, ShardedRun run, @TempDir Path folder)
      throws Exception {
    String expected = run.alone(4);
    Path first = folder.resolve("first");
    Path second = folder.resolve("second");
    for (String bits :
        run.continued(first, 2, 3, rank -> backend.open(), 4, 2, rank -> Devices.cpu(1))) {
      assertEquals(expected, bits);
    }
    for (String bits :
        run.continued(second, 2, 2, rank -> Devices.cpu(1), 4, 3, rank -> backend.open())) {
      assertEquals(expected, bits);
    }
  }
}
