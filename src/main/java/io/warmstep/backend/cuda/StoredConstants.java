package io.warmstep.backend.cuda;

import java.util.List;
import java.util.Set;
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

  /**
   * Arrays of random bits, of what codes stand for, and of sums in the phase before the update. The
   * compiler puts the length of their names before them.
   */
  private static final Pattern SHARED =
      Pattern.compile("(\\.shared \\.align \\d+ \\.b8 \\w+\\d(random|table|scratch))\\[\\d+\\];");

  /* As abi.h numbers them. */
  private static final int FLOAT32 = 1;
  private static final int FLOAT16 = 2;
  private static final int BFLOAT16 = 3;
  private static final Set<Integer> RANDOM = Set.of(4, 7, 11);
  private static final Set<Integer> CODED = Set.of(9, 10, 11);

  private static final Pattern BLOCKS = Pattern.compile("\n\t// blocks of 16 bits: (\\d)\n");

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
    String text = NAMED.matcher(ptx).replaceAll(load -> Matcher.quoteReplacement(constant(load)));
    if (areMixed()) {
      text = SHARED.matcher(text).replaceAll(array -> Matcher.quoteReplacement(array(array)));
    }
    return isPlainHalf() ? fitted(text) : text;
  }

  /**
   * With as many blocks to a multiprocessor as the module says for such types. Without being asked,
   * assemblers take a few registers more, and one block less fits.
   */
  private static String fitted(String text) {
    Matcher blocks = BLOCKS.matcher(text);
    if (!blocks.find()) {
      throw new IllegalArgumentException("the module does not say how many blocks are to fit");
    }
    return text.replace(".minnctapersm 2\n", ".minnctapersm " + blocks.group(1) + "\n");
  }

  /** An array of shared memory, which assemblers do not leave out where nothing reaches it. */
  private String array(MatchResult array) {
    boolean isReached =
        switch (array.group(2)) {
          case "random" -> stored.stream().anyMatch(RANDOM::contains);
          case "table" -> stored.stream().anyMatch(CODED::contains);
          default -> isFirst;
        };
    return isReached ? array.group() : array.group(1) + "[16];";
  }

  /**
   * Whether the launch is an update of parameters with gradients of their 16-bit type and nothing
   * beside but float32 state.
   */
  private boolean isPlainHalf() {
    if (!areMixed() || hasAverage || isFirst || isMeasured) {
      return false;
    }
    int values = stored.get(0);
    return (values == FLOAT16 || values == BFLOAT16)
        && stored.get(1) == values
        && stored.stream().skip(2).allMatch(code -> code == FLOAT32 || code == 0);
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
