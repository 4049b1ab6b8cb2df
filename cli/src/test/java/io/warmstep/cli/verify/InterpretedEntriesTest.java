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
 * The shipped PTX, run by the simulator's interpreter, has Java's bits and does nothing wrong:
 * every entry, in all of its scenes with {@code WARMSTEP_PTX=all}, otherwise in some of each form
 * of its rule, others for each entry, of which many go the same ways.
 */
@Tag("ptxsim")
class InterpretedEntriesTest {
  static final Path PTX = Path.of("kernels/ptx");

  private static final int SCENES = 24;
  private static final int FEW_SCENES = 6;
  private static final int MIN_PER_PART = 2;

  @BeforeAll
  static void interprets() {
    CudaSim.load();
    assertTrue(CudaSim.interprets(), "this test needs CUDASIM_RUN=ptx: see bin/test");
  }

  /** All, or those that the property {@code entries} matches, such as {@code lamb.*}. */
  static List<String> entries() throws IOException {
    String pattern = System.getProperty("entries", ".*");
    try (Stream<Path> files = Files.list(PTX)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".ptx"))
          .map(name -> name.substring(0, name.length() - ".ptx".length()))
          .filter(entry -> entry.matches(pattern))
          .sorted()
          .toList();
    }
  }

  static boolean isAll() {
    return "all".equals(System.getenv("WARMSTEP_PTX"));
  }

  static List<EntryScenes.Scene> scenes(String entry) {
    if (isAll()) {
      return EntryScenes.of(entry);
    }
    List<List<EntryScenes.Scene>> parts = EntryScenes.parts(entry);
    int each = Math.max(MIN_PER_PART, (isInTurn(entry) ? SCENES : FEW_SCENES) / parts.size());
    List<EntryScenes.Scene> scenes = new ArrayList<>();
    for (List<EntryScenes.Scene> part : parts) {
      List<EntryScenes.Scene> some = new ArrayList<>(part);
      Collections.shuffle(some, new Random(entry.hashCode()));
      scenes.addAll(some.subList(0, Math.min(each, some.size())));
    }
    return scenes;
  }

  /**
   * Whether an entry is one of those that have more scenes, and mutants: Adam's and what rules
   * share, and of each other rule those of one element type.
   */
  static boolean isInTurn(String entry) {
    if (entry.startsWith("mixed_")) { // what differs between them are the rules, shown above
      return entry.equals("mixed_adam") || entry.equals("mixed_sgd");
    }
    for (UpdateRule rule : Rules.ofEachKernel()) {
      String name = rule.kernel();
      if (!name.equals("adam") && entry.matches("(sums_|first_)?" + name + "_[a-z]+\\d+")) {
        // Half types are those of mixed_<rule>, but for rules of one type.
        List<ElementType> types =
            Stream.of(ElementType.values())
                .filter(type -> type == type.arithmetic() || rule.isOfOneType())
                .toList();
        ElementType type = types.get(Math.floorMod(name.hashCode(), types.size()));
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
