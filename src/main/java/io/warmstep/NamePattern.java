package io.warmstep;

/** A name in which {@code *} stands for any characters, or none, and {@code ?} for one. */
final class NamePattern {
  private final String text;

  /** By code point: half of a character outside the basic plane does not match. */
  private final int[] pattern;

  NamePattern(String text) {
    this.text = text;
    this.pattern = text.codePoints().toArray();
  }

  /** The pattern as it was given. */
  String text() {
    return text;
  }

  /** Whether the whole name matches, in time at most linear in pattern times name. */
  boolean matches(String name) {
    int[] given = name.codePoints().toArray();
    int at = 0; // in the pattern
    int next = 0; // in the name
    int afterStar = 0; // the part of the pattern after the last star so far, 0 before any
    int tried = 0; // where in the name that part was tried last
    while (next < given.length) {
      if (at < pattern.length && pattern[at] == '*') {
        at++;
        afterStar = at;
        tried = next;
      } else if (at < pattern.length && (pattern[at] == '?' || pattern[at] == given[next])) {
        at++;
        next++;
      } else if (afterStar > 0) {
        // Only the last star need take more: the first match of the part before it is as good as
        // any.
        tried++;
        at = afterStar;
        next = tried;
      } else {
        return false;
      }
    }
    while (at < pattern.length && pattern[at] == '*') {
      at++;
    }
    return at == pattern.length;
  }
}
