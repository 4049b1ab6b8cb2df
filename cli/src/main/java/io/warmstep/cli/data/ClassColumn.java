package io.warmstep.cli.data;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The last column of a table, row by row: whole numbers from 0, however written (0, 0.0), or names.
 * Names are numbered in the order of their characters, so that the order of the rows has no
 * influence.
 */
final class ClassColumn {
  private static final int MAX_CLASSES = 1000;

  /** So many of the classes found are shown in a message. */
  private static final int SHOWN_CLASSES = 10;

  private static final Pattern NUMBER =
      Pattern.compile("[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?");

  private static final Pattern NOT_FINITE =
      Pattern.compile("[+-]?(nan|inf|infinity)", Pattern.CASE_INSENSITIVE);

  private final String file;

  /** From the first line, or null. */
  private final List<String> announced;

  /** Names by the order in which they came; with numbers, empty. */
  private final Map<String, Integer> names = new LinkedHashMap<>();

  private int[] labels = new int[1 << 8];
  private int rows;
  private String firstText;
  private long firstLine;

  /**
   * Begins a column.
   *
   * @param file for messages
   * @param announced the names of classes 0, 1 and so on, or null if the rows decide
   */
  ClassColumn(String file, List<String> announced) {
    this.file = file;
    this.announced = announced;
  }

  static boolean isNumber(String text) {
    return NUMBER.matcher(text).matches();
  }

  /** Whether a cell is a NaN or an infinity as programs write them. */
  static boolean isNotFinite(String text) {
    return NOT_FINITE.matcher(text).matches();
  }

  /** Whether a cell is empty or says that there is no value. */
  static boolean isMissing(String text) {
    return text.isEmpty() || text.equals("?") || isNotFinite(text);
  }

  /** Whether the rows so far have names rather than numbers. */
  boolean hasNames() {
    return !names.isEmpty();
  }

  boolean hasName(String name) {
    return names.containsKey(name);
  }

  /** Whether every class found so far has several rows. */
  boolean areRepeated() {
    int[] sorted = Arrays.stream(labels, 0, rows).sorted().toArray();
    return IntStream.range(0, rows)
        .allMatch(
            i ->
                (i > 0 && sorted[i - 1] == sorted[i])
                    || (i + 1 < rows && sorted[i + 1] == sorted[i]));
  }

  void moveLastToFront() {
    int last = labels[rows - 1];
    System.arraycopy(labels, 0, labels, 1, rows - 1);
    labels[0] = last;
  }

  int rows() {
    return rows;
  }

  void add(String text, long line) throws DataFormatException {
    int label = announced == null ? label(text, line) : announcedLabel(text, line);
    if (rows == labels.length) {
      labels = Arrays.copyOf(labels, rows * 2);
    }
    labels[rows++] = label;
  }

  private int announcedLabel(String text, long line) throws DataFormatException {
    int named = announced.indexOf(text);
    int label = named >= 0 ? named : wholeNumber(text);
    if (label < 0 || label >= announced.size()) {
      throw refused(text, line, "a whole number from 0 to %d", announced.size() - 1);
    }
    return label;
  }

  private int label(String text, long line) throws DataFormatException {
    boolean isNumber = isNumber(text);
    if (rows == 0) {
      firstText = text;
      firstLine = line;
    }
    if (isMissing(text) || (isNumber && wholeNumber(text) < 0)) {
      throw refused(text, line, "a whole number from 0 to %d, or a name", MAX_CLASSES - 1);
    }
    if (rows > 0 && isNumber == hasNames()) {
      throw refused(
          text,
          line,
          "%s like '%s' in line %d: use numbers or names in all rows",
          isNumber ? "a name" : "a whole number",
          firstText,
          firstLine);
    }
    if (isNumber) {
      return wholeNumber(text);
    }
    if (text.indexOf('\uFFFD') >= 0) {
      throw refused(text, line, "a name in UTF-8: save the file in that encoding");
    }
    Integer known = names.putIfAbsent(text, names.size());
    if (names.size() > MAX_CLASSES) {
      throw new DataFormatException(
          file, line, "more than " + MAX_CLASSES + " different names of classes (last column)");
    }
    return known == null ? names.size() - 1 : known;
  }

  /** From 0 to the greatest that is allowed, or -1. */
  private static int wholeNumber(String text) {
    if (!isNumber(text)) {
      return -1;
    }
    double value = Double.parseDouble(text);
    return value >= 0 && value < MAX_CLASSES && value == Math.rint(value) ? (int) value : -1;
  }

  private DataFormatException refused(String text, long line, String expected, Object... values) {
    return new DataFormatException(
        file,
        line,
        "the class (last column) is '"
            + text
            + "', expected "
            + String.format(Locale.ROOT, expected, values));
  }

  /**
   * Returns the names of the classes, which for numbers are those, after the last row.
   *
   * @throws DataFormatException if there are fewer than two, or a number between is left out
   */
  List<String> classes() throws DataFormatException {
    if (announced != null) {
      return announced;
    }
    if (hasNames()) {
      if (names.size() < 2) {
        throw new DataFormatException(
            file, "the classes (last column) must be at least two; found " + firstText);
      }
      return names.keySet().stream().sorted().toList();
    }
    int[] found = Arrays.stream(labels, 0, rows).sorted().distinct().toArray();
    if (found[0] != 0 || found[found.length - 1] != found.length - 1 || found.length < 2) {
      String listed =
          Arrays.stream(found)
              .limit(SHOWN_CLASSES)
              .mapToObj(String::valueOf)
              .collect(Collectors.joining(", "));
      throw new DataFormatException(
          file,
          "the classes (last column) must be 0, 1 and so on, at least two and none left out; found "
              + (found.length > SHOWN_CLASSES ? listed + ", …" : listed));
    }
    return numbers(found.length);
  }

  /** The names of classes that have none. */
  static List<String> numbers(int classes) {
    return IntStream.range(0, classes).mapToObj(String::valueOf).toList();
  }

  /**
   * Returns the class of each row, after the last.
   *
   * @param classes as {@link #classes} returned them
   */
  int[] labels(List<String> classes) {
    if (!hasNames()) {
      return Arrays.copyOf(labels, rows);
    }
    int[] numberOf = names.keySet().stream().mapToInt(classes::indexOf).toArray();
    return Arrays.stream(labels, 0, rows).map(label -> numberOf[label]).toArray();
  }
}
