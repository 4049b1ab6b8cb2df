package io.warmstep.cli;

import com.google.gson.JsonObject;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Option;

/** The forms of a rule that {@code warmstep train} and {@code bench} offer. */
final class RuleForm {
  private static final String CAUTION = "caution";
  private static final String NONE = "none";
  private static final Pattern K_AND_ALPHA =
      Pattern.compile("(\\d{1,18}),([-+]?\\d*\\.?\\d+(?:[eE][-+]?\\d+)?)");

  @Option(
      names = "--caution",
      paramLabel = "BOOLEAN",
      hideParamSyntax = true,
      arity = "0..1",
      defaultValue = "false",
      fallbackValue = "true",
      completionCandidates = Cautious.class,
      description =
          "Update only elements whose gradient agrees in sign with the update: for"
              + " ${COMPLETION-CANDIDATES}.")
  boolean caution;

  @Option(
      names = "--lookahead",
      paramLabel = "K,ALPHA",
      arity = "0..1",
      defaultValue = NONE,
      fallbackValue = "5,0.5",
      description =
          "After every K steps move the parameters to ALPHA times themselves and 1 - ALPHA times"
              + " slow weights, which follow them; without numbers 5,0.5. Default: ${DEFAULT-VALUE}")
  String lookahead = NONE;

  /** The rule in the form that was asked for. */
  UpdateRule of(String name, UpdateRule rule) {
    return withLookahead(withCaution(name, rule));
  }

  private UpdateRule withCaution(String name, UpdateRule rule) {
    if (!caution) {
      return rule;
    }
    if (!RuleSettings.has(rule, CAUTION)) {
      throw new IllegalArgumentException(
          "--caution is not for rule " + name + ", but for " + String.join(", ", new Cautious()));
    }
    return Options.named(
        "\\w+: " + CAUTION, "--caution", () -> RuleSettings.with(rule, Map.of(CAUTION, true)));
  }

  private UpdateRule withLookahead(UpdateRule rule) {
    if (lookahead.equals(NONE)) {
      return rule;
    }
    Matcher numbers = K_AND_ALPHA.matcher(lookahead);
    if (!numbers.matches()) {
      throw new IllegalArgumentException(
          "--lookahead is '"
              + lookahead
              + "', must be none, or a number of steps and a weight such as 5,0.5");
    }
    long k = Long.parseLong(numbers.group(1));
    double alpha = Double.parseDouble(numbers.group(2));
    return Options.named(
        "lookahead: ", "--lookahead: ", () -> Lookahead.around(rule).k(k).alpha(alpha));
  }

  /** Such as {@code with caution, Lookahead 5,0.5}; empty for a rule as it is. */
  String text() {
    List<String> all = new ArrayList<>();
    if (caution) {
      all.add(CAUTION);
    }
    if (!lookahead.equals(NONE)) {
      all.add("Lookahead " + lookahead);
    }
    return all.isEmpty() ? "" : " with " + String.join(", ", all);
  }

  void addTo(JsonObject json) {
    json.addProperty("caution", caution);
    json.addProperty("lookahead", lookahead);
  }

  /** The rules that have caution, for the help text. */
  static final class Cautious extends NameList {
    Cautious() {
      super(
          NamedRules.all().entrySet().stream()
              .filter(rule -> isPossible(rule.getValue()))
              .map(Map.Entry::getKey));
    }

    private static boolean isPossible(UpdateRule rule) {
      try {
        RuleSettings.with(rule, Map.of(CAUTION, true));
        return true;
      } catch (IllegalArgumentException e) { // it has none, or not with these hyperparameters
        return false;
      }
    }
  }
}
