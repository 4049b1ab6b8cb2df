package io.warmstep.checkpoint;

import java.util.Iterator;
import java.util.Map;

/** Writes JSON: maps with string keys, collections, strings, numbers, booleans and null. */
final class JsonWriter {
  private JsonWriter() {}

  static String text(Object value) {
    StringBuilder text = new StringBuilder();
    write(value, text);
    return text.toString();
  }

  private static void write(Object value, StringBuilder to) {
    if (value instanceof Map<?, ?> map) {
      to.append('{');
      Iterator<? extends Map.Entry<?, ?>> members = map.entrySet().iterator();
      while (members.hasNext()) {
        Map.Entry<?, ?> member = members.next();
        quote((String) member.getKey(), to);
        to.append(':');
        write(member.getValue(), to);
        to.append(members.hasNext() ? "," : "");
      }
      to.append('}');
    } else if (value instanceof Iterable<?> elements) {
      to.append('[');
      String separator = "";
      for (Object element : elements) {
        to.append(separator);
        write(element, to);
        separator = ",";
      }
      to.append(']');
    } else if (value instanceof String text) {
      quote(text, to);
    } else if (value instanceof Double number && !Double.isFinite(number)) {
      throw new IllegalArgumentException(number + " is no number of JSON: write it as a text");
    } else if (value == null || value instanceof Number || value instanceof Boolean) {
      to.append(value);
    } else {
      throw new IllegalArgumentException("JSON has no " + value.getClass().getName());
    }
  }

  private static void quote(String text, StringBuilder to) {
    to.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        to.append('\\').append(c);
      } else if (c < ' ' || c == '\u2028' || c == '\u2029') {
        to.append(String.format(java.util.Locale.ROOT, "\\u%04x", (int) c));
      } else {
        to.append(c);
      }
    }
    to.append('"');
  }
}
