package io.warmstep.cli.verify;

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
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The proof by the interpreter can fail: PTX with one instruction changed has not Java's bits, or
 * does what is not allowed, and is found. {@code -Dwarmstep.mutants=N} tries N changes of each kind
 * for every entry; otherwise there is one of some kinds each. {@code -Dwarmstep.mutated=REGEX}
 * takes some entries only.
 */
@Tag("ptxsim")
class InterpretedMutantsTest {
  private static final Integer MUTANTS = Integer.getInteger("warmstep.mutants");
  private static final String ENTRIES = System.getProperty("warmstep.mutated", ".*");
  private static final Logger LOGGER = Logger.getLogger("io.warmstep.backend.cuda");

  @BeforeAll
  static void interprets() throws IOException {
    CudaSim.load();
    assertTrue(CudaSim.interprets(), "this test needs CUDASIM_RUN=ptx: see bin/test");
    Files.createDirectories(folder());
    LOGGER.setLevel(Level.OFF); // that a lost device cannot be closed in order
  }

  @AfterAll
  static void logsAgain() {
    LOGGER.setLevel(null);
  }

  private static Path folder() {
    String folder = System.getenv("CUDASIM_PTX_DIR");
    assertTrue(folder != null, "this test needs CUDASIM_PTX_DIR: see bin/test");
    return Path.of(folder);
  }

  private static List<String> text(String entry) throws IOException {
    return Files.readAllLines(InterpretedEntriesTest.PTX.resolve(entry + ".ptx"));
  }

  private static List<PtxMutants.Mutant> mutants() throws IOException {
    List<PtxMutants.Mutant> chosen = new ArrayList<>();
    int turn = 0;
    for (String entry : InterpretedEntriesTest.entries()) {
      List<String> text = text(entry);
      // What joins a tensor's leaves is the node of global_norm, whose mutants are tried; here it
      // takes a tensor of millions of elements to come to most of it.
      boolean isLeft = MUTANTS == null && entry.startsWith("numbers_");
      SplittableRandom random = new SplittableRandom(entry.hashCode());
      for (PtxMutants.Kind kind : PtxMutants.Kind.values()) {
        List<PtxMutants.Mutant> all = PtxMutants.of(entry, text, kind);
        // One kind in three, other ones for the next entry.
        int count = MUTANTS != null ? MUTANTS : turn++ % 3 == 0 ? 1 : 0;
        for (int i = 0; i < count && !all.isEmpty() && !isLeft && entry.matches(ENTRIES); i++) {
          chosen.add(all.remove(random.nextInt(all.size())));
        }
      }
    }
    return chosen;
  }

  @Test
  void nearlyAllAreFoundOrKnownToBeEquivalent() throws IOException {
    List<PtxMutants.Mutant> mutants = mutants();
    List<String> survivors = new ArrayList<>();
    int found = 0;
    for (PtxMutants.Mutant mutant : mutants) {
      String how = find(mutant);
      System.out.println(mutant + ": " + how);
      if (how.startsWith("not found")) {
        survivors.add(mutant.toString());
      } else if (!how.startsWith("equivalent")) {
        found++;
      }
    }
    System.out.println(mutants.size() + " mutants, " + found + " found");
    // Not yet none: the scenes were made stricter, and not all of what is left was looked at.
    assertTrue(5 * survivors.size() <= mutants.size(), survivors.toString());
    if (ENTRIES.equals(".*")) {
      assertTrue(found >= 40, found + " of " + mutants.size() + " mutants were found");
      assertTrue(mutants.stream().map(PtxMutants.Mutant::entry).distinct().count() >= 10);
    }
  }

  /** How a mutant is found, or why it cannot be. */
  private static String find(PtxMutants.Mutant mutant) throws IOException {
    Optional<String> reason = EquivalentMutants.reason(mutant, text(mutant.entry()));
    if (reason.isPresent() && MUTANTS == null) {
      return "equivalent, " + reason.get();
    }
    Path file = folder().resolve(mutant.entry() + ".ptx");
    Files.writeString(file, mutant.in(text(mutant.entry())));
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
    } finally {
      CudaSim.recover();
      CudaSim.forget(CudaSim.violations() - before);
      Files.delete(file);
    }
    return reason.map(why -> "equivalent, " + why).orElse("not found");
  }
}
