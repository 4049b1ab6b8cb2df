package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * How far state in fewer bits is from the reference's over the golden streams: the table of
 * docs/MIXED_PRECISION.md, digit by digit, since every backend has these bits.
 */
class StateErrorTest {
  private static final long SEED = 1;

  /** A way to store moments. */
  private enum Kind {
    FLOAT32(StateType.FLOAT32, Rounding.NEAREST),
    BFLOAT16(StateType.BFLOAT16, Rounding.NEAREST),
    STOCHASTIC_BFLOAT16(StateType.BFLOAT16, Rounding.STOCHASTIC),
    INT8(StateType.INT8, Rounding.NEAREST),
    STOCHASTIC_INT8(StateType.INT8, Rounding.STOCHASTIC);

    private final StateType type;
    private final Rounding rounding;

    Kind(StateType type, Rounding rounding) {
      this.type = type;
      this.rounding = rounding;
    }

    /** Whether an optimizer of the rule takes it. */
    boolean fits(UpdateRule rule) {
      boolean rounds =
          rule.stateSlots().stream()
              .anyMatch(
                  slot ->
                      slot.isAverage()
                          && (type == StateType.BFLOAT16
                              || slot.content() == StateSlot.Content.SQUARE));
      return rounding == Rounding.NEAREST || rounds;
    }
  }

  /** Mean square of errors as a share of the mean square of what they are errors of. */
  private static final class Share {
    private double sum;
    private int count;

    /** Of one tensor's slot over the snapshots of a case. */
    void add(double errors, double squares) {
      sum += errors / squares;
      count++;
    }

    double root() {
      return Math.sqrt(sum / count);
    }
  }

  /** The sums of one case. */
  private static final class Sums {
    private double errors;
    private double squares;

    void add(double[] expected, double[] actual) {
      for (int i = 0; i < expected.length; i++) {
        double error = actual[i] - expected[i];
        errors += error * error;
        squares += expected[i] * expected[i];
      }
    }
  }

  private static boolean isNarrow(UpdateRule rule) {
    return !rule.isOfOneType() && rule.stateSlots().stream().anyMatch(StateSlot::isAverage);
  }

  /** By rule and slot, in the order of the kinds; of the parameters as well. */
  private static Map<String, Map<Kind, Share>> measure() {
    Map<String, Map<Kind, Share>> shares = new TreeMap<>();
    for (GoldenCase golden : OptimizerGoldenTest.cases()) {
      UpdateRule rule = golden.rule();
      for (Kind kind : Kind.values()) {
        if (isNarrow(rule) && kind.fits(rule)) {
          Map<String, Sums> sums = new TreeMap<>();
          OptimizerGoldenTest.run(
              Devices::cpu,
              golden,
              ElementType.FLOAT32,
              builder -> builder.stateType(kind.type, 0).rounding(kind.rounding, SEED),
              (snapshot, tensor, actual) -> {
                for (StateSlot slot : rule.stateSlots()) {
                  double[] expected = snapshot.values().get(tensor).get(slot.name());
                  if (slot.isAverage() && expected != null) {
                    sums.computeIfAbsent(tensor + " " + slot.name(), name -> new Sums())
                        .add(expected, actual.get(slot.name()));
                  }
                }
              });
          sums.forEach(
              (name, sum) ->
                  shares
                      .computeIfAbsent(
                          "| " + rule.name() + " | `" + name.substring(name.indexOf(' ') + 1) + "`",
                          row -> new TreeMap<>())
                      .computeIfAbsent(kind, k -> new Share())
                      .add(sum.errors, sum.squares));
        }
      }
    }
    return shares;
  }

  private static String row(String start, Map<Kind, Share> shares) {
    StringBuilder row = new StringBuilder(start);
    for (Kind kind : Kind.values()) {
      if (kind != Kind.FLOAT32) {
        Share share = shares.get(kind);
        row.append(" | ");
        row.append(share == null ? "" : String.format(Locale.ROOT, "%.2g %%", 100 * share.root()));
      }
    }
    return row.append(" |").toString();
  }

  @Test
  void theTableIsWhatIsMeasured() throws IOException {
    Map<String, Map<Kind, Share>> shares = measure();
    shares.forEach(
        (name, kinds) ->
            assertTrue(
                kinds.get(Kind.FLOAT32).root() < 1e-6, name + kinds.get(Kind.FLOAT32).root()));
    String measured =
        shares.entrySet().stream()
            .map(entry -> row(entry.getKey(), entry.getValue()))
            .collect(Collectors.joining("\n"));
    String page = Files.readString(Path.of("docs/MIXED_PRECISION.md"));
    String header = "| rule | slot | bfloat16 | stochastic | int8 | stochastic |";
    List<String> lines = page.lines().toList();
    String written =
        lines.stream()
            .skip(lines.indexOf(header) + 2L)
            .takeWhile(line -> line.startsWith("|"))
            .collect(Collectors.joining("\n"));
    assertEquals(measured, written);
  }
}
