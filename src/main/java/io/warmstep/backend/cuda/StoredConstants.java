package io.warmstep.backend.cuda;

import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What rows of a launch have in common, which the module is loaded with as constants: the driver's
 * compiler then leaves out what they rule out. In the PTX those loads bear the names of what they
 * load ({@code grid.cuh}).
 *
 * @param stored how each operand is stored, as {@link io.warmstep.backend.Encoding#code} says, of
 *     {@code mixed_<rule>}; empty where the entry is one for a type, which says it
 * @param hasAverage whether an average of the values is kept
 * @param isFirst whether the launch is of the phase before the update, of a rule with sums
 * @param isMeasured whether the update measures itself
 */
record StoredConstants(
    List<Integer> stored, boolean hasAverage, boolean isFirst, boolean isMeasured) {
  /** Those of the update by an entry for a type. */
  static final StoredConstants OF_TYPE = new StoredConstants(List.of(), false);

  private static final Pattern NAMED =
      Pattern.compile(
          "ld\\.(?:global|param)\\.u\\d+\\s+(%\\w+), \\[[^\\]]*\\];"
              + " // (?:stored (\\d+)|average|(phase)|(rows))");

  StoredConstants {
    stored = List.copyOf(stored);
  }

  /** Whether the rows say how operands are stored. */
  boolean areMixed() {
    return !stored.isEmpty();
  }

  /** Those of the update. */
  StoredConstants(List<Integer> stored, boolean hasAverage) {
    this(stored, hasAverage, false, false);
  }

  /** Those of the update in a measured step. */
  StoredConstants measured() {
    return new StoredConstants(stored, hasAverage, false, true);
  }

  /** Those of the phase before it, which sees nothing of the update. */
  StoredConstants first() {
    return new StoredConstants(stored, hasAverage, true, false);
  }

  /**
   * Puts them in a module's text.
   *
   * @param ptx with the loads
   * @return the text with moves in the place of all, but for the load of an average that there is
   *     and that of where what a measured step sees goes
   */
  String in(String ptx) {
    return NAMED.matcher(ptx).replaceAll(load -> Matcher.quoteReplacement(constant(load)));
  }

  private String constant(MatchResult load) {
    String operand = load.group(2);
    if (operand != null) {
      return "mov.u32 " + load.group(1) + ", " + stored.get(Integer.parseInt(operand)) + ";";
    }
    if (load.group(3) != null) {
      return "mov.u32 " + load.group(1) + ", " + (isFirst ? 1 : 0) + ";";
    }
    boolean isThere = load.group(4) == null ? hasAverage : isMeasured;
    return isThere ? load.group() : "mov.u64 " + load.group(1) + ", 0;";
  }
}
