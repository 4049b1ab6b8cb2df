package io.warmstep.checkpoint;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads JSON (RFC 8259) from UTF-8, strictly and value by value: a result is no larger than the
 * input read so far. Errors name the byte.
 */
final class JsonReader {
  /** Deeper values are rejected rather than followed. */
  private static final int MAX_DEPTH = 64;

  private final byte[] bytes;
  private int at;

  JsonReader(byte[] bytes) {
    this.bytes = bytes;
  }

  /** An error and its position. */
  static final class MalformedException extends Exception {
    private static final long serialVersionUID = 1L;

    MalformedException(String reason) {
      super(reason);
    }
  }

  /** Handles the value of a member of an object. */
  interface Member {
    void read(String key) throws MalformedException;
  }

  MalformedException malformed(String reason) {
    return new MalformedException(reason + " at byte " + at);
  }

  /** Bytes read so far. */
  int position() {
    return at;
  }

  /** The next byte that is not a space, which stays unread; -1 at the end. */
  private int peek() {
    while (at < bytes.length
        && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t')) {
      at++;
    }
    return at < bytes.length ? bytes[at] : -1;
  }

  private void expect(char expected) throws MalformedException {
    if (peek() != expected) {
      throw malformed("there is no '" + expected + "'");
    }
    at++;
  }

  private boolean skips(char present) {
    boolean isThere = peek() == present;
    at += isThere ? 1 : 0;
    return isThere;
  }

  boolean isNextObject() {
    return peek() == '{';
  }

  /** Rejects anything but space after the value. */
  void end() throws MalformedException {
    if (peek() != -1) {
      throw malformed("something follows");
    }
  }

  void object(Member member) throws MalformedException {
    expect('{');
    if (skips('}')) {
      return;
    }
    do {
      String key = string();
      expect(':');
      member.read(key);
    } while (skips(','));
    expect('}');
  }

  List<Long> integers() throws MalformedException {
    List<Long> integers = new ArrayList<>();
    expect('[');
    if (skips(']')) {
      return integers;
    }
    do {
      integers.add(integer());
    } while (skips(','));
    expect(']');
    return integers;
  }

  /** A whole number of at least 0, without fraction or exponent. */
  private long integer() throws MalformedException {
    peek();
    int start = at;
    while (at < bytes.length && bytes[at] >= '0' && bytes[at] <= '9') {
      at++;
    }
    boolean isMore =
        at < bytes.length && (bytes[at] == '.' || bytes[at] == 'e' || bytes[at] == 'E');
    boolean hasZero = at - start > 1 && bytes[start] == '0';
    if (start == at || isMore || hasZero || at - start > 19) {
      throw malformed("there is no whole number from 0 to " + Long.MAX_VALUE);
    }
    try {
      return Long.parseLong(new String(bytes, start, at - start, StandardCharsets.ISO_8859_1));
    } catch (NumberFormatException e) {
      throw malformed("there is no whole number from 0 to " + Long.MAX_VALUE);
    }
  }

  String string() throws MalformedException {
    expect('"');
    StringBuilder text = null;
    int start = at;
    while (true) {
      if (at >= bytes.length) {
        throw malformed("a text has no end");
      }
      byte b = bytes[at];
      if (b == '"' || b == '\\') {
        String part = decoded(start, at++);
        if (b == '"' && text == null) {
          return part;
        }
        text = (text == null ? new StringBuilder() : text).append(part);
        if (b == '"') {
          return text.toString();
        }
        escape(text);
        start = at;
      } else if (b >= 0 && b < ' ') {
        throw malformed("a text has a control character");
      } else {
        at++;
      }
    }
  }

  private String decoded(int from, int to) throws MalformedException {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, from, to - from))
          .toString();
    } catch (CharacterCodingException e) {
      throw malformed("a text is not UTF-8");
    }
  }

  private void escape(StringBuilder text) throws MalformedException {
    int kind = at < bytes.length ? bytes[at++] : -1;
    switch (kind) {
      case '"', '\\', '/' -> text.append((char) kind);
      case 'b' -> text.append('\b');
      case 'f' -> text.append('\f');
      case 'n' -> text.append('\n');
      case 'r' -> text.append('\r');
      case 't' -> text.append('\t');
      case 'u' -> {
        char first = unit();
        text.append(first);
        if (Character.isHighSurrogate(first)
            && at + 1 < bytes.length
            && bytes[at] == '\\'
            && bytes[at + 1] == 'u') {
          at += 2;
          char second = unit();
          text.append(second);
          if (Character.isLowSurrogate(second)) {
            return;
          }
        }
        if (Character.isSurrogate(first)) {
          throw malformed("a text has half a surrogate pair");
        }
      }
      default -> throw malformed("a text has an unknown escape");
    }
  }

  private char unit() throws MalformedException {
    int unit = 0;
    for (int i = 0; i < 4; i++) {
      int digit = at < bytes.length ? Character.digit(bytes[at++], 16) : -1;
      if (digit < 0) {
        throw malformed("an escape has no four hexadecimal digits");
      }
      unit = unit * 16 + digit;
    }
    return (char) unit;
  }

  /** Any value: a map, list, string, {@link Long}, {@link Double}, {@link Boolean} or null. */
  Object value() throws MalformedException {
    return value(0);
  }

  private Object value(int depth) throws MalformedException {
    if (depth > MAX_DEPTH) {
      throw malformed("values are more than " + MAX_DEPTH + " deep");
    }
    switch (peek()) {
      case '{' -> {
        Map<String, Object> members = new LinkedHashMap<>();
        object(
            key -> {
              if (members.containsKey(key)) {
                throw malformed("\"" + key + "\" is there twice");
              }
              members.put(key, value(depth + 1));
            });
        return members;
      }
      case '[' -> {
        List<Object> elements = new ArrayList<>();
        at++;
        if (!skips(']')) {
          do {
            elements.add(value(depth + 1));
          } while (skips(','));
          expect(']');
        }
        return elements;
      }
      case '"' -> {
        return string();
      }
      default -> {
        return literal();
      }
    }
  }

  private Object literal() throws MalformedException {
    int start = at;
    while (at < bytes.length
        && (Character.isLetterOrDigit(bytes[at]) || "+-.".indexOf(bytes[at]) >= 0)) {
      at++;
    }
    String text = new String(bytes, start, at - start, StandardCharsets.ISO_8859_1);
    switch (text) {
      case "true" -> {
        return true;
      }
      case "false" -> {
        return false;
      }
      case "null" -> {
        return null;
      }
      default -> {
        if (!text.matches("-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?")) {
          throw malformed("there is no value");
        }
        try {
          return text.matches("-?[0-9]+") ? (Object) Long.valueOf(text) : Double.valueOf(text);
        } catch (NumberFormatException e) { // beyond a long
          return Double.valueOf(text);
        }
      }
    }
  }
}
