package io.warmstep.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.RuleMatrix;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The README's bytes of each rule are those that bench counts. */
class ReadmeBytesTest {
  private static final Pattern ROW =
      Pattern.compile(
          "^\\| ([^|]+) \\| (\\d+)((?:, [^|]*)?) \\| [^|]+ \\| [^|]+ \\|$", Pattern.MULTILINE);

  /** What a row has bytes of besides. */
  private static final Pattern FORM = Pattern.compile("with (?:its )?(?:default )?(\\w+) (\\d+)");

  private static final Map<String, Map<String, Object>> FORMS =
      Map.of(
          "caution", Map.of("caution", true),
          "clipping", Map.of("maxGradNorm", 1.0),
          "momentum", Map.of("momentum", 0.9));

  private static long bytes(UpdateRule rule) {
    StepWork work = StepWork.update(rule, ElementType.FLOAT32, List.of(25_000_000L));
    return (long) Footprint.of(work, 0).elementTraffic(); // a matrix's factors are a fraction
  }

  @Test
  void readmeHasTheBytesThatAStepMoves() throws IOException {
    Set<String> missing = new HashSet<>(NamedRules.names());
    missing.remove("nesterov"); // a form of momentum
    for (MatchResult row : ROW.matcher(Files.readString(Path.of("README.md"))).results().toList()) {
      for (String name : row.group(1).split(", ", -1)) {
        String plain = name.replaceAll("[- ]", "").toLowerCase(Locale.ROOT);
        if (!NamedRules.names().contains(plain)) {
          continue;
        }
        assertTrue(missing.remove(plain), name + " has two rows");
        UpdateRule rule = RuleMatrix.unclipped(NamedRules.named(plain));
        assertEquals(Long.parseLong(row.group(2)), bytes(rule), name);
        for (MatchResult form : FORM.matcher(row.group(3)).results().toList()) {
          Map<String, Object> settings = FORMS.get(form.group(1));
          if (row.group(1).endsWith(name)) { // Adam itself has no caution
            assertEquals(
                Long.parseLong(form.group(2)),
                bytes(RuleSettings.with(rule, settings)),
                name + " " + form.group());
          }
        }
      }
    }
    assertEquals(Set.of(), missing, "rules without a row");
  }
}
