package io.warmstep.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Sgd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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

  @Test
  void footprintsCountParametersGradientsAndState() {
    Footprint adam = Footprint.of(1000, ElementType.FLOAT32, Adam.adam(), 16_000);
    assertEquals(16_000, adam.workingSet());
    assertEquals(28_000, adam.traffic());
    assertTrue(adam.fitsCaches());
    assertEquals(1001, adam.leastBeyondCaches());
    assertFalse(Footprint.of(1001, ElementType.FLOAT32, Adam.adam(), 16_000).fitsCaches());
    assertEquals(3 * 12, Footprint.of(3, ElementType.BFLOAT16, Adam.adam(), 0).workingSet());
    assertEquals(0, Footprint.of(3, ElementType.FLOAT32, Sgd.sgd(), 0).stateBytes());
    assertEquals(40, Footprint.of(1, ElementType.FLOAT32, Lamb.lamb(), 0).traffic());
    assertEquals(3 * 22, Footprint.of(3, ElementType.BFLOAT16, Adam.adam(), 0).traffic());
  }
}
