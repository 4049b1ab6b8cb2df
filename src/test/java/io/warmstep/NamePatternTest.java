package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which names a pattern matches: whole ones, by code point. */
class NamePatternTest {
  @ParameterizedTest
  @CsvSource({
    "'', '', true",
    "'', a, false",
    "a, a, true",
    "a, '', false",
    "a, ab, false",
    "a, ba, false", // no part of a name without a star
    "ab, xab, false",
    "ab, aab, false",
    "a?c, abc, true",
    "a?c, ac, false",
    "?, \uD83D\uDE00, true",
    "??, \uD83D\uDE00, false",
    "*, '', true",
    "*, abc, true",
    "a*, a, true",
    "a*, ba, false",
    "*a, ba, true",
    "*a, ab, false",
    "*ab, aab, true",
    "a*b*c, aXbXbXc, true",
    "a*b*c, aXbXcX, false",
    "*a*b, aabab, true",
    "**b, ab, true",
    "a**, a, true",
    "a*?, a, false",
    "a*?, abc, true"
  })
  void matchesWholeNames(String pattern, String name, boolean matches) {
    NamePattern its = new NamePattern(pattern);
    assertEquals(matches, its.matches(name));
    assertEquals(pattern, its.text());
  }
}
