package io.warmstep.cli.verify;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Changes of a PTX text by which it computes something else, or goes wrong: one at a time. */
final class PtxMutants {
  /** A change of one line. */
  record Mutant(String entry, Kind kind, int line, String before, String after) {
    /**
     * What the simulator is to put in the text that the library gives it, which of {@code
     * mixed_<rule>} has constants in other lines.
     */
    String change() {
      return line + " " + after.strip() + "\n";
    }

    @Override
    public String toString() {
      return "%s line %d, %s: \"%s\" became \"%s\""
          .formatted(entry, line, kind, before.strip(), after.strip());
    }
  }

  /** What is done. */
  enum Kind {
    /** A product and a sum of it, rounded once instead of twice. */
    CONTRACTED,
    /** A fused multiply-add, rounded twice instead of once. */
    SPLIT,
    /** Rounded toward zero. */
    ROUNDED_TO_ZERO,
    /** An access that begins where it should end: one element, or one vector, further on. */
    OFFSET,
    /** A barrier that is not there. */
    NO_BARRIER,
    /** A store that is not there. */
    NO_STORE,
    /** A store of a vector without its last element. */
    SHORT_STORE,
    /** Two operands that changed places. */
    SWAPPED,
    /** Below instead of at most, and the like. */
    COMPARED,
    /** The other way at a branch. */
    BRANCH
  }

  private static final String REGISTER = "(%\\w+)";
  private static final String ANY = "([^,;]+)";

  private static final Pattern PRODUCT =
      Pattern.compile("\\s*mul\\.rn\\.f(?:32|64)\\s+" + REGISTER + ", " + ANY + ", " + ANY + ";");
  private static final Pattern SUM =
      Pattern.compile(
          "(\\s*)add\\.rn\\.(f32|f64)(\\s+)" + REGISTER + ", " + ANY + ", " + ANY + ";");
  private static final Pattern FMA =
      Pattern.compile(
          "(\\s*)fma\\.rn\\.(f32|f64)(\\s+)"
              + REGISTER
              + ", "
              + ANY
              + ", "
              + ANY
              + ", "
              + ANY
              + ";");
  private static final Pattern ROUNDED =
      Pattern.compile("(\\s*(?:add|fma|div|sqrt|mul))\\.rn(\\.f(?:32|64)\\s.*)");

  /** Also without a state space: nvcc chooses among a launch's arrays that way. */
  private static final Pattern ACCESS =
      Pattern.compile(
          "(\\s*(?:@!?%p\\d+ )?(?:ld|st)\\.)(?!param)(\\S*)(\\s.*\\[%\\w+)(?:\\+(-?\\d+))?(\\].*)");

  private static final Pattern VECTOR_STORE =
      Pattern.compile(
          "(\\s*)st\\.((?:global\\.|shared\\.)?)v[24]\\.(\\w+)\\s+"
              + "\\[(%\\w+)(?:\\+(-?\\d+))?\\], \\{(.*)\\};");

  private static final Pattern ORDERED =
      Pattern.compile(
          "(\\s*(?:div\\.rn|sub|selp)\\.\\w+\\s+%\\w+, )" + ANY + ", " + ANY + "([,;].*)");
  private static final Pattern COMPARISON = Pattern.compile("(\\s*setp\\.)(lt|le|gt|ge)(\\..*)");
  private static final Pattern CONDITION = Pattern.compile("(\\s*@)(!?)(%p\\d+ bra.*)");

  private PtxMutants() {}

  /** All of a kind. */
  static List<Mutant> of(String entry, List<String> text, Kind kind) {
    BiFunction<List<String>, Integer, String> change =
        switch (kind) {
          case CONTRACTED -> PtxMutants::contracted;
          case SPLIT -> PtxMutants::split;
          case ROUNDED_TO_ZERO -> by(ROUNDED, m -> m.group(1) + ".rz" + m.group(2));
          case OFFSET -> by(ACCESS, PtxMutants::moved);
          case NO_BARRIER -> by(Pattern.compile("\\s*bar\\.sync.*"), m -> "");
          case NO_STORE -> by(Pattern.compile("\\s*st\\..*"), m -> "");
          case SHORT_STORE -> by(VECTOR_STORE, PtxMutants::shortened);
          case SWAPPED ->
              by(ORDERED, m -> m.group(1) + m.group(3) + ", " + m.group(2) + m.group(4));
          case COMPARED -> by(COMPARISON, m -> m.group(1) + other(m.group(2)) + m.group(3));
          case BRANCH ->
              by(CONDITION, m -> m.group(1) + (m.group(2).isEmpty() ? "!" : "") + m.group(3));
        };
    List<Mutant> mutants = new ArrayList<>();
    for (int i = 0; i < text.size(); i++) {
      String after = change.apply(text, i);
      if (after != null) {
        mutants.add(new Mutant(entry, kind, i + 1, text.get(i), after));
      }
    }
    return mutants;
  }

  private static BiFunction<List<String>, Integer, String> by(
      Pattern pattern, java.util.function.Function<Matcher, String> change) {
    return (text, i) -> {
      Matcher matcher = pattern.matcher(text.get(i));
      return matcher.matches() ? change.apply(matcher) : null;
    };
  }

  private static String other(String comparison) {
    return switch (comparison) {
      case "lt" -> "le";
      case "le" -> "lt";
      case "gt" -> "ge";
      default -> "gt";
    };
  }

  /** The sum of a product that some line above makes; registers are written once. */
  private static String contracted(List<String> text, int i) {
    Matcher sum = SUM.matcher(text.get(i));
    if (!sum.matches()) {
      return null;
    }
    for (int k = i - 1; k >= 0; k--) {
      Matcher product = PRODUCT.matcher(text.get(k));
      if (product.matches()) {
        for (int operand : new int[] {5, 6}) {
          if (product.group(1).equals(sum.group(operand))) {
            return "%sfma.rn.%s%s%s, %s, %s, %s;"
                .formatted(
                    sum.group(1),
                    sum.group(2),
                    sum.group(3),
                    sum.group(4),
                    product.group(2),
                    product.group(3),
                    sum.group(11 - operand));
          }
        }
      }
    }
    return null;
  }

  private static String split(List<String> text, int i) {
    Matcher m = FMA.matcher(text.get(i));
    if (!m.matches() || m.group(4).equals(m.group(7))) {
      return null;
    }
    return "%1$smul.rn.%2$s %3$s, %4$s, %5$s; add.rn.%2$s %3$s, %3$s, %6$s;"
        .formatted(m.group(1), m.group(2), m.group(4), m.group(5), m.group(6), m.group(7));
  }

  private static String moved(Matcher m) {
    Matcher form = Pattern.compile("(?:[a-z]+\\.)*(?:v([24])\\.)?([a-z]\\d+)").matcher(m.group(2));
    if (!form.matches()) {
      throw new AssertionError("no type in " + m.group());
    }
    int elements = form.group(1) == null ? 1 : Integer.parseInt(form.group(1));
    int offset = m.group(4) == null ? 0 : Integer.parseInt(m.group(4));
    offset += elements * bytes(form.group(2));
    return m.group(1) + m.group(2) + m.group(3) + "+" + offset + m.group(5);
  }

  private static String shortened(Matcher m) {
    String[] values = m.group(6).split(", ", -1);
    int offset = m.group(5) == null ? 0 : Integer.parseInt(m.group(5));
    StringBuilder stores = new StringBuilder(m.group(1));
    for (int i = 0; i < values.length - 1; i++) {
      stores.append(
          "st.%s%s [%s+%d], %s; "
              .formatted(
                  m.group(2), m.group(3), m.group(4), offset + i * bytes(m.group(3)), values[i]));
    }
    return stores.toString();
  }

  /** Of a type such as {@code u16}. */
  private static int bytes(String type) {
    return Integer.parseInt(type.substring(1)) / Byte.SIZE;
  }
}
