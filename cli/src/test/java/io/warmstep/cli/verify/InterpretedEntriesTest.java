package io.warmstep.cli.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.backend.cuda.CudaSim;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The shipped PTX, run by the simulator's interpreter, has Java's bits and does nothing wrong: in
 * all scenes of an entry with {@code WARMSTEP_PTX=all}, otherwise in some, others for each entry,
 * of which many go the same ways.
 */
@Tag("ptxsim")
class InterpretedEntriesTest {
  static final Path PTX = Path.of("kernels/ptx");

  private static final int SCENES = 32;

  @BeforeAll
  static void interprets() {
    CudaSim.load();
    assertTrue(CudaSim.interprets(), "this test needs CUDASIM_RUN=ptx: see bin/test");
  }

  /**
   * Those that the property {@code entries} matches if it is given, such as {@code lamb.*}; all
   * entries with {@code WARMSTEP_PTX=all}, otherwise those of Adam and of what rules share, and of
   * each other rule those of one element type, the next in turn.
   */
  static List<String> entries() throws IOException {
    try (Stream<Path> files = Files.list(PTX)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".ptx"))
          .map(name -> name.substring(0, name.length() - ".ptx".length()))
          .filter(InterpretedEntriesTest::isChosen)
          .sorted()
          .toList();
    }
  }

  private static boolean isChosen(String entry) {
    String pattern = System.getProperty("entries");
    if (pattern != null) {
      return entry.matches(pattern);
    }
    return isAll() || isInTurn(entry);
  }

  private static boolean isAll() {
    return "all".equals(System.getenv("WARMSTEP_PTX"));
  }

  private static List<EntryScenes.Scene> scenes(String entry) {
    List<EntryScenes.Scene> scenes = new ArrayList<>(EntryScenes.of(entry));
    if (!isAll() && scenes.size() > SCENES) {
      Collections.shuffle(scenes, new Random(entry.hashCode()));
      return scenes.subList(0, SCENES);
    }
    return scenes;
  }

  private static boolean isInTurn(String entry) {
    List<UpdateRule> rules = Rules.ofEachKernel();
    if (entry.startsWith("mixed_")) { // what differs between them are the rules, shown above
      return entry.equals("mixed_adam") || entry.equals("mixed_sgd");
    }
    for (int i = 0; i < rules.size(); i++) {
      String name = rules.get(i).kernel();
      if (!name.equals("adam") && entry.matches("(sums_|first_)?" + name + "_[a-z]+\\d+")) {
        ElementType type = ElementType.values()[i % ElementType.values().length];
        return entry.endsWith("_" + type);
      }
    }
    return true;
  }

  @ParameterizedTest
  @MethodSource("entries")
  void hasJavasBits(String entry) {
    long violations = CudaSim.violations();
    try (Device device = Devices.require("cuda")) {
      int i = 0;
      for (EntryScenes.Scene scene : scenes(entry)) {
        assertEquals(0, scene.mismatches(device), entry + ", scene " + i++);
      }
    }
    assertEquals(violations, CudaSim.violations(), "violations, printed as cudasim: ...");
  }
}
