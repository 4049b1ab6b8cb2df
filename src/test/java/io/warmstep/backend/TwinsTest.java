package io.warmstep.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Code that exists for float32 and for float64, because a compiler makes better loops of two
 * classes than of one: the text of one is that of the other after substitution.
 */
class TwinsTest {
  private static final Path SOURCES = Path.of("src/main/java/io/warmstep");

  /** What makes float64 of float32, in this order. */
  private static final Map<String, String> SUBSTITUTIONS = new LinkedHashMap<>();

  static {
    SUBSTITUTIONS.put("Float.intBitsToFloat\\(\\(exponent \\+ 127\\) << 23\\)", "POWER");
    SUBSTITUTIONS.put("Double.longBitsToDouble\\(\\(exponent \\+ 1023L\\) << 52\\)", "POWER");
    // State in fewer bits is float32's alone.
    SUBSTITUTIONS.put("(?s) {4}if \\(span\\.movesRoundedState\\) \\{.*?\\n {4}\\}\\n", "");
    SUBSTITUTIONS.put("(?s) {2}@Override\\n {2}void codes\\(.*?\\n {2}\\}\\n", "");
    SUBSTITUTIONS.put("0x1p(-?)64f", "0x1p$1512");
    SUBSTITUTIONS.put("0x1p127f", "0x1p1023");
    SUBSTITUTIONS.put("\\(float\\) ", "");
    SUBSTITUTIONS.put("float32", "float64");
    SUBSTITUTIONS.put("2 KiB", "4 KiB");
    SUBSTITUTIONS.put("Float", "Double");
    SUBSTITUTIONS.put("float(?!64)", "double");
    SUBSTITUTIONS.put("(?<![\\w.])(\\d+)f\\b", "$1.0");
    SUBSTITUTIONS.put("(?<![\\w.])(\\d+\\.\\d+)f\\b", "$1");
    // Long names and casts make the formatter break lines elsewhere.
    SUBSTITUTIONS.put("\\s*\\n\\s*", " ");
    SUBSTITUTIONS.put("\\( ", "(");
  }

  private static String asFloat64(String text) {
    for (Map.Entry<String, String> substitution : SUBSTITUTIONS.entrySet()) {
      text = text.replaceAll(substitution.getKey(), substitution.getValue());
    }
    return text;
  }

  static List<String> classes() {
    return List.of(
        "rule/%sBlock",
        "rule/%sSums",
        "backend/cpu/Cpu%sBlock",
        "backend/cpu/Cpu%sSums",
        "backend/cpu/%sWork",
        "backend/cpu/%sLeaves",
        "backend/cpu/%sTreeSum",
        "backend/cpu/%sTileSums",
        "backend/cpu/%sFactors",
        "backend/cpu/%sProduct",
        "backend/cpu/%sMatrices");
  }

  @ParameterizedTest
  @MethodSource("classes")
  void classesDifferInTheTypeAlone(String name) throws IOException {
    String floats = Files.readString(SOURCES.resolve(name.formatted("Float") + ".java"));
    String doubles = Files.readString(SOURCES.resolve(name.formatted("Double") + ".java"));
    // Each takes the spans of its type.
    floats = floats.replace("!span.isDouble", "span.isDouble");
    assertEquals(asFloat64(doubles), asFloat64(floats), name);
  }

  static List<Path> rules() throws IOException {
    try (Stream<Path> files = Files.walk(SOURCES)) {
      return files
          .filter(file -> file.toString().endsWith(".java"))
          .filter(TwinsTest::hasLoops)
          .sorted()
          .toList();
    }
  }

  private static boolean hasLoops(Path file) {
    try {
      return Files.readString(file).contains("public void update(FloatBlock block) {");
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @MethodSource("rules")
  void loopsOfRulesDifferInTheTypeAlone(Path file) throws IOException {
    String text = Files.readString(file);
    List<String> floats = loops(text, "Float");
    assertEquals(
        loops(text, "Double").stream().map(TwinsTest::asFloat64).toList(),
        floats.stream().map(TwinsTest::asFloat64).toList(),
        file.toString());
    assertEquals(true, floats.size() >= 1, file.toString());
  }

  /** The methods over blocks and sums: everything up to the brace that ends the method. */
  private static List<String> loops(String text, String type) {
    return Pattern.compile(
            "\\n( +)((?:public|private)(?: static)? \\w+ \\w+\\([^)]*\\b"
                + type
                + "(?:Block|Sums)\\b[^)]*\\) \\{\\n.*?)\\n\\1\\}\\n",
            Pattern.DOTALL)
        .matcher(text)
        .results()
        .map(method -> method.group(2))
        .toList();
  }

  /** One class prepares gradients of both types; multiplying them first is float32's alone. */
  @Test
  void loopsOverGradientsDifferInTheTypeAlone() throws IOException {
    String text = Files.readString(SOURCES.resolve("backend/cpu/GroupGradients.java"));
    List<String> loops =
        Pattern.compile("(?s)private static void clip\\(.*?\\n {2}\\}\\n")
            .matcher(text)
            .results()
            .map(MatchResult::group)
            .toList();
    assertEquals(2, loops.size());
    assertEquals(asFloat64(loops.get(1)), asFloat64(loops.get(0)));
  }

  @Test
  void aDifferenceIsFound() {
    assertEquals("double a = (b + 1.0) * c;", asFloat64("float a = (b + 1f) * c;"));
    assertEquals("double a = 0.5 * b;", asFloat64("float a = 0.5f * b;"));
    assertEquals("Math.sqrt(v)", asFloat64("(float) Math.sqrt(v)"));
    assertEquals(false, asFloat64("a + b").equals(asFloat64("a - b")));
    String helper = "\n  private static float floor(FloatBlock block) {\n    return 1f;\n  }\n";
    assertEquals(
        List.of("private static double floor(DoubleBlock block) {\n    return 1.0;"),
        loops(
            helper.replace("float", "double").replace("Float", "Double").replace("1f", "1.0"),
            "Double"));
    assertEquals(1, loops(helper, "Float").size());
  }
}
