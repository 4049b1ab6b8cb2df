package io.warmstep.cli.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.WarmstepException;
import io.warmstep.backend.cuda.CudaSim;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The shipped PTX, run by the simulator's interpreter, has Java's bits; and the proof can fail: with
 * one instruction changed it has not, or does what is not allowed.
 *
 * <p>{@code -Dwarmstep.mutants=N} tries N changes of each kind for every entry; otherwise there is
 * one of some kinds each.
 */
@Tag("ptxsim")
class InterpretedEntriesTest {
  private static final Path PTX = Path.of("kernels/ptx");
  private static final Integer MUTANTS = Integer.getInteger("warmstep.mutants");

  /** Changes without an effect, and why. */
  private static final List<String> EQUIVALENT = List.of();

  @BeforeAll
  static void interprets() {
    CudaSim.load();
    assertTrue(CudaSim.interprets(), "this test needs CUDASIM_RUN=ptx: see bin/test");
  }

  static List<String> entries() throws IOException {
    try (Stream<Path> files = Files.list(PTX)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".ptx"))
          .map(name -> name.substring(0, name.length() - ".ptx".length()))
          .sorted()
          .toList();
    }
  }

  private static Path folder() {
    String folder = System.getenv("CUDASIM_PTX_DIR");
    assertTrue(folder != null, "this test needs CUDASIM_PTX_DIR: see bin/test");
    return Path.of(folder);
  }

  @ParameterizedTest
  @MethodSource("entries")
  void hasJavasBits(String entry) {
    long violations = CudaSim.violations();
    try (Device device = Devices.require("cuda")) {
      int i = 0;
      for (EntryScenes.Scene scene : EntryScenes.of(entry)) {
        assertEquals(0, scene.mismatches(device), entry + ", scene " + i++);
      }
    }
    assertEquals(violations, CudaSim.violations(), "violations, printed as cudasim: ...");
  }

  private static List<PtxMutants.Mutant> mutants() throws IOException {
    List<PtxMutants.Mutant> chosen = new ArrayList<>();
    PtxMutants.Kind[] kinds = PtxMutants.Kind.values();
    int turn = 0;
    for (String entry : entries()) {
      List<String> text = Files.readAllLines(PTX.resolve(entry + ".ptx"));
      SplittableRandom random = new SplittableRandom(entry.hashCode());
      for (PtxMutants.Kind kind : kinds) {
        List<PtxMutants.Mutant> all = PtxMutants.of(entry, text, kind);
        // One kind in three, another for the next entry.
        int count = MUTANTS != null ? MUTANTS : turn++ % 3 == 0 ? 1 : 0;
        for (int i = 0; i < count && !all.isEmpty(); i++) {
          chosen.add(all.remove(random.nextInt(all.size())));
        }
      }
    }
    return chosen;
  }

  @Test
  void everyMutantIsFound() throws IOException {
    List<PtxMutants.Mutant> mutants = mutants();
    assertTrue(mutants.size() >= 40, mutants.size() + " mutants");
    assertTrue(mutants.stream().map(PtxMutants.Mutant::entry).distinct().count() >= 10);
    List<String> survivors = new ArrayList<>();
    for (PtxMutants.Mutant mutant : mutants) {
      String how = find(mutant);
      System.out.println(mutant + ": " + how);
      if (how.isEmpty()) {
        survivors.add(mutant.toString());
      }
    }
    assertEquals(EQUIVALENT, survivors);
  }

  /** How a mutant is found, or nothing. */
  private static String find(PtxMutants.Mutant mutant) throws IOException {
    Path file = folder().resolve(mutant.entry() + ".ptx");
    Files.createDirectories(folder());
    Files.writeString(file, mutant.in(Files.readAllLines(PTX.resolve(mutant.entry() + ".ptx"))));
    long before = CudaSim.violations();
    try (Device device = Devices.require("cuda")) {
      for (EntryScenes.Scene scene : EntryScenes.of(mutant.entry())) {
        long mismatches = 0;
        try {
          mismatches = scene.mismatches(device);
        } catch (WarmstepException e) {
          if (CudaSim.violations() == before) {
            throw e;
          }
        }
        if (CudaSim.violations() > before) {
          return "violation " + CudaSim.fault();
        }
        if (mismatches > 0) {
          return mismatches + " differences";
        }
      }
      return "";
    } finally {
      CudaSim.recover();
      CudaSim.forget(CudaSim.violations() - before);
      Files.delete(file);
    }
  }
}
