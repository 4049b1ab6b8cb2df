package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which names a group's pattern matches. */
class ParameterGroupTest {
  private static final String FACE = "\uD83D\uDE00";
  private static final String HIGH = FACE.substring(0, 1);
  private static final String LOW = FACE.substring(1);

  private static boolean matches(String pattern, String name) {
    return ParameterGroup.matching(pattern).matches(name);
  }

  @ParameterizedTest
  @CsvSource({
    "a.bias, a.bias, true",
    "a.bias, a_bias, false",
    "a.bias, a.bias2, false",
    "a.bias, b.a.bias, false",
    "*, a, true",
    "*, '', true",
    "**, '', true",
    "?, '', false",
    "?, a, true",
    "?, ab, false",
    "*?, '', false",
    "*?*, a, true",
    "*.bias, a.bias, true",
    "*.bias, .bias, true",
    "*.bias, a.bias.b, false",
    "*.bias, a.bias.bias, true",
    "layer?.*, layer1.weight, true",
    "layer?.*, layer10.weight, false",
    "layer?.*, layer1, false",
    "a*b*c, abc, true",
    "a*b*c, abcbc, true",
    "a*b*c, acb, false",
    "*ab, aab, true",
    "*aab*, aaab, true",
    "a*, *, false",
    "*, *, true",
    "[ab], a, false",
    "[ab], [ab], true",
    "a\\Q.b, a\\Q.b, true",
    "(a|b)+, a, false"
  })
  void wholeNamesAreCompared(String pattern, String name, boolean isMatch) {
    assertEquals(isMatch, matches(pattern, name));
  }

  @Test
  void aQuestionMarkIsOneCharacterWhateverItsEncoding() {
    assertTrue(matches("?", FACE));
    assertFalse(matches("??", FACE));
    assertTrue(matches("a?*b", "a" + FACE + "b"));
    assertTrue(matches("?", "\n"));
    assertTrue(matches("a?b", "a\rb"));
  }

  @Test
  void halvesOfACharacterDoNotMatchIt() {
    assertFalse(matches("*" + LOW, FACE));
    assertFalse(matches(HIGH + "*", FACE));
    assertTrue(matches("*" + LOW, HIGH + "x" + LOW));
    assertTrue(matches(HIGH + "*", HIGH + "x" + LOW));
    assertTrue(matches("?", HIGH));
    assertTrue(matches("??", LOW + HIGH));
    assertTrue(matches("*" + FACE + "*", "a" + FACE));
  }

  @Test
  void linesAreNoBorder() {
    assertTrue(matches("*", "a\nb\r\nc\u2028d\u0085"));
    assertTrue(matches("a*d", "a\nb\nd"));
    assertFalse(matches("a", "a\n"));
    assertFalse(matches("b", "a\nb"));
  }

  @Test
  void manyStarsAndLongPatterns() {
    int length = 100_000;
    String name = "a".repeat(length);
    assertFalse(matches("*a*a*a*a*a*b", name));
    assertFalse(matches("*a".repeat(1000) + "*b", name));
    assertTrue(matches("*a".repeat(length), name));
    assertTrue(matches("*".repeat(length), name));
    assertTrue(matches("?".repeat(length), name));
    assertFalse(matches("?".repeat(length + 1), name));
    assertFalse(matches("?".repeat(length - 1), name));
    assertTrue(matches(name, name));
    assertTrue(matches("*" + FACE.repeat(length), FACE.repeat(length + 1)));
  }

  /** The definition: whether each beginning of the pattern matches each beginning of the name. */
  private static boolean byDefinition(int[] pattern, int[] name) {
    boolean[][] match = new boolean[pattern.length + 1][name.length + 1];
    match[0][0] = true;
    for (int i = 1; i <= pattern.length; i++) {
      for (int j = 0; j <= name.length; j++) {
        match[i][j] =
            pattern[i - 1] == '*'
                ? match[i - 1][j] || (j > 0 && match[i][j - 1])
                : j > 0
                    && match[i - 1][j - 1]
                    && (pattern[i - 1] == '?' || pattern[i - 1] == name[j - 1]);
      }
    }
    return match[pattern.length][name.length];
  }

  private static String text(SplittableRandom random, String[] alphabet, int length) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append(alphabet[random.nextInt(alphabet.length)]);
    }
    return text.toString();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 77, 424_242})
  void randomPatternsMatchByTheDefinition(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    String[] inPatterns = {"*", "*", "?", "a", "b", FACE, HIGH};
    String[] inNames = {"a", "a", "b", FACE, HIGH, LOW, "*", "\n"};
    int matching = 0;
    for (int i = 0; i < 20_000; i++) {
      String pattern = text(random, inPatterns, 1 + random.nextInt(8));
      String name = text(random, inNames, random.nextInt(10));
      boolean expected = byDefinition(pattern.codePoints().toArray(), name.codePoints().toArray());
      assertEquals(
          expected, matches(pattern, name), "seed " + seed + ": " + pattern + " and " + name);
      matching += expected ? 1 : 0;
    }
    assertTrue(matching > 1000, matching + " matches are too few to show anything");
  }
}
