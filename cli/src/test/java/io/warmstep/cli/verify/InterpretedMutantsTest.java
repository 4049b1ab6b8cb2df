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
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The proof by the interpreter can fail: PTX with one instruction changed has not Java's bits, or
 * does what is not allowed, and is found; or it is known to be equivalent. {@code
 * -Dwarmstep.mutants=N} tries N changes of each kind for every entry, of which one in twenty may be
 * neither; otherwise there is one of some kinds each. {@code -Dwarmstep.mutated=REGEX} takes some
 * entries only. What becomes of each is printed.
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

  static Path folder() {
    String folder = System.getenv("CUDASIM_PTX_DIR");
    assertTrue(folder != null, "this test needs CUDASIM_PTX_DIR: see bin/test");
    return Path.of(folder);
  }

  static List<String> text(String entry) throws IOException {
    return Files.readAllLines(InterpretedEntriesTest.PTX.resolve(entry + ".ptx"));
  }

  static List<PtxMutants.Mutant> mutants() throws IOException {
    List<PtxMutants.Mutant> chosen = new ArrayList<>();
    for (String entry : InterpretedEntriesTest.entries()) {
      // What joins a tensor's leaves is the node of global_norm, whose mutants are tried; here it
      // takes a tensor of millions of elements to come to most of it.
      boolean isLeft = MUTANTS == null && entry.startsWith("numbers_");
      boolean isTried = MUTANTS != null || InterpretedEntriesTest.isInTurn(entry);
      if (isTried && !isLeft && entry.matches(ENTRIES)) {
        chosen.addAll(mutants(entry));
      }
    }
    return chosen;
  }

  /** By its name and its text alone, so that the choice stays when other entries change. */
  private static List<PtxMutants.Mutant> mutants(String entry) throws IOException {
    List<PtxMutants.Mutant> chosen = new ArrayList<>();
    for (PtxMutants.Kind kind : PtxMutants.Kind.values()) {
      boolean isInTurn = Math.floorMod(entry.hashCode() - kind.ordinal(), 3) == 0;
      int count = MUTANTS != null ? MUTANTS : isInTurn ? 1 : 0;
      List<PtxMutants.Mutant> all = PtxMutants.of(entry, text(entry), kind);
      SplittableRandom random = new SplittableRandom((entry + kind).hashCode());
      for (int i = 0; i < count && !all.isEmpty(); i++) {
        chosen.add(all.remove(random.nextInt(all.size())));
      }
    }
    return chosen;
  }

  @Test
  void eachIsFoundOrKnownToBeEquivalent() throws IOException {
    List<PtxMutants.Mutant> mutants = mutants();
    List<String> notFound = new ArrayList<>();
    List<String> notEquivalent = new ArrayList<>();
    List<PtxMutants.Mutant> found = new ArrayList<>();
    for (PtxMutants.Mutant mutant : mutants) {
      Optional<String> reason = EquivalentMutants.reason(mutant, text(mutant.entry()));
      Optional<String> how = find(mutant, reason.isPresent());
      String result =
          mutant
              + ": "
              + how.orElse("not found")
              + reason.map(why -> ", equivalent: " + why).orElse("");
      System.out.println(result);
      if (how.isPresent()) {
        found.add(mutant);
        reason.ifPresent(why -> notEquivalent.add(result));
      } else if (reason.isEmpty()) {
        notFound.add(result);
      }
    }
    System.out.println(
        mutants.size() + " mutants, " + found.size() + " found, " + notFound.size() + " not found");
    assertEquals(List.of(), notEquivalent, "listed as equivalent, and found");
    if (MUTANTS == null) {
      assertEquals(List.of(), notFound, "neither found nor listed as equivalent");
    } else {
      assertTrue(20 * notFound.size() <= mutants.size(), notFound.toString());
    }
    if (ENTRIES.equals(".*")) {
      assertEquals(
          EnumSet.allOf(PtxMutants.Kind.class),
          found.stream()
              .map(PtxMutants.Mutant::kind)
              .collect(Collectors.toCollection(() -> EnumSet.noneOf(PtxMutants.Kind.class))));
      assertTrue(found.size() >= 40, found.size() + " of " + mutants.size() + " were found");
      assertTrue(found.stream().map(PtxMutants.Mutant::entry).distinct().count() >= 10);
    }
  }

  /** How a mutant is found, if it is: in all of the entry's scenes, or in some. */
  static Optional<String> find(PtxMutants.Mutant mutant, boolean inFew) throws IOException {
    Path file = folder().resolve(mutant.entry() + ".line");
    Files.writeString(file, mutant.change());
    long before = CudaSim.violations();
    try (Device device = Devices.require("cuda")) {
      for (EntryScenes.Scene scene :
          inFew ? InterpretedEntriesTest.scenes(mutant.entry()) : EntryScenes.of(mutant.entry())) {
        long mismatches = 0;
        try {
          mismatches = scene.mismatches(device);
        } catch (WarmstepException e) {
          if (CudaSim.violations() == before) {
            throw e;
          }
        }
        if (CudaSim.violations() > before) {
          return Optional.of("violation " + CudaSim.fault());
        }
        if (mismatches > 0) {
          return Optional.of(mismatches + " differences");
        }
      }
    } finally {
      CudaSim.recover();
      CudaSim.forget(CudaSim.violations() - before);
      Files.delete(file);
    }
    return Optional.empty();
  }
}
