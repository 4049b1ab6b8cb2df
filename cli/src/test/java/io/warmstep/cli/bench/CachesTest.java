package io.warmstep.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.cli.train.Precision;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CachesTest {
  @TempDir Path processors;

  private void cache(int cpu, int index, String type, int level, String size, String shared)
      throws IOException {
    Path folder = processors.resolve("cpu" + cpu + "/cache/index" + index);
    Files.createDirectories(folder);
    Files.writeString(folder.resolve("type"), type + "\n");
    Files.writeString(folder.resolve("level"), level + "\n");
    Files.writeString(folder.resolve("size"), size + "\n");
    Files.writeString(folder.resolve("shared_cpu_list"), shared + "\n");
  }

  @Test
  void sumsTheLastCachesThatThreadsCanUse() throws IOException {
    for (int cpu = 0; cpu < 8; cpu++) {
      cache(cpu, 0, "Data", 1, "32K", String.valueOf(cpu));
      cache(cpu, 1, "Instruction", 1, "64K", String.valueOf(cpu));
      cache(cpu, 2, "Unified", 2, "512K", String.valueOf(cpu));
      cache(cpu, 3, "Unified", 3, cpu < 4 ? "16384K" : "32M", cpu < 4 ? "0-3" : "4-7");
    }
    Files.createDirectories(processors.resolve("cpufreq"));
    assertEquals(32L << 20, Caches.bytes(processors, 1));
    assertEquals(48L << 20, Caches.bytes(processors, 2));
    assertEquals(48L << 20, Caches.bytes(processors, 8));
  }

  @Test
  void assumesABoundWhereNothingIsKnown() throws IOException {
    assertEquals(64L << 20, Caches.bytes(processors.resolve("none"), 4));
    assertEquals(64L << 20, Caches.bytes(processors, 4));
    cache(0, 0, "Unified", 2, "unreadable", "0");
    assertEquals(64L << 20, Caches.bytes(processors, 4));
  }

  private static Footprint footprint(
      UpdateRule rule, ElementType type, long length, long cacheBytes) {
    return Footprint.of(StepWork.update(rule, type, List.of(length)), cacheBytes);
  }

  @Test
  void footprintsCountParametersGradientsAndState() {
    Footprint adam = footprint(Adam.adam(), ElementType.FLOAT32, 1000, 16_000);
    assertEquals(16_000, adam.workingSet());
    assertEquals(28_000, adam.traffic());
    assertTrue(adam.fitsCaches());
    assertEquals(1001, adam.leastBeyondCaches());
    assertFalse(footprint(Adam.adam(), ElementType.FLOAT32, 1001, 16_000).fitsCaches());
    assertEquals(3 * 12, footprint(Adam.adam(), ElementType.BFLOAT16, 3, 0).workingSet());
    assertEquals(0, footprint(Sgd.sgd(), ElementType.FLOAT32, 3, 0).state());
    assertEquals(44, footprint(Lamb.lamb(), ElementType.FLOAT32, 1, 0).traffic());
    assertEquals(3 * 22, footprint(Adam.adam(), ElementType.BFLOAT16, 3, 0).traffic());
  }

  @ParameterizedTest
  @CsvSource({
    "FLOAT32, NONE, FLOAT32, 0.9",
    "FLOAT32, NONE, INT8, 0",
    "BFLOAT16, EXACT, INT8, 0",
    "BFLOAT16, EXACT, BFLOAT16, 0.9",
    "BFLOAT16, BITS_24, INT8, 0",
    "FLOAT16, EXACT, BFLOAT16, 0",
    "FLOAT16, NONE, INT8, 0.9",
  })
  void footprintsCountWhatIsKeptInFewerBits(
      ElementType type, MasterWeights masters, StateType state, double average) {
    Precision precision =
        new Precision(type, type, masters, state, 4096, Rounding.NEAREST, 1, average);
    StepWork work = new StepWork(Adam.adam(), precision, false, List.of(5000L, 4095L));
    double values = 9095;
    double slot =
        switch (state) {
          case FLOAT32 -> 4 * values;
          case BFLOAT16 -> 2 * 5000 + 4 * 4095;
          case INT8 -> 157 * (32 + 2) + 4 * 4095; // whole groups
        };
    double master =
        switch (masters) {
          case NONE -> 0;
          case EXACT -> (type == ElementType.FLOAT16 ? 4 : 2) * values;
          case BITS_24 -> 5000 + 4096; // two to a word
        };
    double averages = average == 0 ? 0 : 4 * values;
    Footprint footprint = Footprint.of(work, 0);
    assertEquals(2 * slot + master + averages, footprint.state());
    assertEquals(footprint.state() + 2 * type.bytes() * values, footprint.workingSet());
    assertEquals(2 * footprint.state() + 3 * type.bytes() * values, footprint.traffic());
    Footprint full = Footprint.of(new StepWork(Adam.adam(), precision, true, work.lengths()), 0);
    assertEquals(2 * type.bytes() * values, full.traffic() - footprint.traffic());
  }

  /** LAMB's phases: the first reads all and writes moments, the second reads these and moves. */
  @Test
  void footprintsOfTwoPhasesCountWhatIsKeptInFewerBits() {
    Precision precision =
        new Precision(
            ElementType.BFLOAT16,
            ElementType.BFLOAT16,
            MasterWeights.EXACT,
            StateType.INT8,
            4096,
            Rounding.NEAREST,
            1,
            0);
    Footprint footprint =
        Footprint.of(new StepWork(Lamb.lamb(), precision, false, List.of(8192L)), 0);
    double moments = 2 * (1 + 2.0 / 32);
    assertEquals(2 + moments, footprint.elementState());
    double norm = 2; // LAMB clips by it
    assertEquals(norm + 4 + 2 + 2 * moments + 4 + moments + 4, footprint.elementTraffic());
    assertEquals((4 + moments) * 8192, footprint.written());
  }
}
