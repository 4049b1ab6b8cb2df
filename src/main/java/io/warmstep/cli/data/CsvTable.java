package io.warmstep.cli.data;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;

/**
 * A CSV file on its way to a {@link DataSet}: features, then the class in the last column.
 *
 * <p>The first line may be a header, which is told by its last cell being a name and no number.
 * Names of columns are passed over; a header of the kind {@code 569,30,malignant,benign} fixes the
 * number of rows, of features and of classes.
 */
final class CsvTable {
  private static final int MAX_CLASSES = 1000;

  /** So many of the classes found are shown in a message. */
  private static final int SHOWN_CLASSES = 10;

  /** Some programs begin a file in UTF-8 with this character. */
  private static final int BYTE_ORDER_MARK = 0xFEFF;

  private static final CSVFormat FORMAT =
      CSVFormat.DEFAULT.builder().setIgnoreEmptyLines(true).setTrim(true).get();

  /** What the rows must look like. */
  record Shape(int features, int classes) {}

  private final String file;
  private Shape shape;
  private boolean begun;
  private long announcedRows = -1;
  private int rows;
  private float[] features = new float[1 << 14];
  private int[] labels = new int[1 << 8];

  private CsvTable(String file, Shape shape) {
    this.file = file;
    this.shape = shape;
  }

  /**
   * Reads and checks a whole table.
   *
   * @param file the file's name for messages; compressed if it ends in {@code .gz}
   * @param in its bytes
   * @param shape what the rows must look like, or null to take it from the first line
   */
  static CsvTable read(String file, InputStream in, Shape shape) throws IOException {
    CsvTable table = new CsvTable(file, shape);
    long line = 1;
    try (InputStream plain = file.endsWith(".gz") ? new GZIPInputStream(in) : in;
        CSVParser parser = CSVParser.parse(text(plain), FORMAT)) {
      Iterator<CSVRecord> records = parser.iterator();
      while (records.hasNext()) {
        CSVRecord row = records.next();
        line = parser.getCurrentLineNumber();
        table.accept(row, line);
      }
    } catch (DataFormatException e) {
      throw e;
    } catch (IOException | UncheckedIOException e) {
      // A damaged archive or an open quote: the reader fails at or after the last good line.
      Throwable cause = e instanceof UncheckedIOException ? e.getCause() : e;
      throw new DataFormatException(file, line, "cannot be read on: " + cause.getMessage());
    }
    return table.checkComplete(line);
  }

  private static Reader text(InputStream in) throws IOException {
    Reader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    reader.mark(1);
    if (reader.read() != BYTE_ORDER_MARK) {
      reader.reset();
    }
    return reader;
  }

  private void accept(CSVRecord row, long line) throws DataFormatException {
    boolean first = !begun;
    begun = true;
    if (first) {
      requireCommas(row, line);
      if (announcesCounts(row)) {
        readCounts(row, line);
        return;
      }
      if (isName(row.get(row.size() - 1))) {
        return;
      }
    }
    if (shape == null) {
      shape = new Shape(row.size() - 1, 0);
    }
    if (row.size() != shape.features() + 1 || row.size() < 2) {
      throw new DataFormatException(
          file,
          line,
          String.format(
              Locale.ROOT,
              "expected %s values separated by commas (the features, then the class), found %d",
              shape.features() < 1 ? "at least 2" : shape.features() + 1,
              row.size()));
    }
    ensureRoom();
    int start = rows * shape.features();
    for (int i = 0; i < shape.features(); i++) {
      features[start + i] = number(row.get(i), line, i + 1);
    }
    labels[rows++] = label(row.get(shape.features()), line);
  }

  private void requireCommas(CSVRecord row, long line) throws DataFormatException {
    for (String cell : row) {
      if (cell.indexOf(';') >= 0 || cell.indexOf('\t') >= 0) {
        throw new DataFormatException(
            file,
            line,
            "the separator must be a comma (and the decimal mark a point), found a "
                + (cell.indexOf(';') >= 0 ? "semicolon" : "tab"));
      }
    }
  }

  /** Whether a cell of the first line is a name: it has a letter, and is no number. */
  private static boolean isName(String cell) {
    if (cell.matches("(?i)[+-]?(nan|infinity|inf)")
        || cell.chars().noneMatch(Character::isLetter)) {
      return false;
    }
    try {
      Float.parseFloat(cell);
      return false;
    } catch (NumberFormatException e) {
      return true;
    }
  }

  /** A first line such as {@code 569,30,malignant,benign}: two counts, then names. */
  private static boolean announcesCounts(CSVRecord row) {
    return row.size() >= 4
        && row.stream().limit(2).allMatch(cell -> cell.matches("[0-9]+"))
        && row.stream().skip(2).allMatch(CsvTable::isName);
  }

  private void readCounts(CSVRecord row, long line) throws DataFormatException {
    Shape announced;
    try {
      announcedRows = Integer.parseInt(row.get(0));
      announced = new Shape(Integer.parseInt(row.get(1)), row.size() - 2);
    } catch (NumberFormatException e) {
      throw new DataFormatException(file, line, "the counts of rows and features are too large");
    }
    if (announcedRows < 1 || announced.features() < 1) {
      throw new DataFormatException(
          file, line, "the counts of rows and features must be at least 1");
    }
    if (shape != null && !shape.equals(announced)) {
      throw new DataFormatException(
          file,
          line,
          String.format(
              Locale.ROOT,
              "announces features: %d, classes: %d; expected %d and %d",
              announced.features(),
              announced.classes(),
              shape.features(),
              shape.classes()));
    }
    shape = announced;
  }

  private float number(String text, long line, int column) throws DataFormatException {
    float value;
    try {
      value = Float.parseFloat(text);
    } catch (NumberFormatException e) {
      throw new DataFormatException(
          file, line, "column " + column + " is '" + text + "', expected a number");
    }
    if (!Float.isFinite(value)) {
      throw new DataFormatException(
          file, line, "column " + column + " is '" + text + "', expected a finite float32 number");
    }
    return value;
  }

  private int label(String text, long line) throws DataFormatException {
    int classes = shape.classes() > 0 ? shape.classes() : MAX_CLASSES;
    try {
      int label = Integer.parseInt(text);
      if (label >= 0 && label < classes) {
        return label;
      }
    } catch (NumberFormatException e) {
      // Falls through to the same message: not a class number either way.
    }
    throw new DataFormatException(
        file,
        line,
        String.format(
            Locale.ROOT,
            "the class (last column) is '%s', expected a whole number from 0 to %d%s",
            text,
            classes - 1,
            isName(text) ? ": give each class name a number" : ""));
  }

  private void ensureRoom() {
    int needed = Math.multiplyExact(rows + 1, shape.features());
    if (needed > features.length) {
      features = Arrays.copyOf(features, Math.max(needed, features.length * 2));
    }
    if (rows == labels.length) {
      labels = Arrays.copyOf(labels, rows * 2);
    }
  }

  private CsvTable checkComplete(long lastLine) throws DataFormatException {
    if (rows == 0) {
      throw new DataFormatException(file, lastLine, "the file has no rows");
    }
    if (announcedRows >= 0 && rows != announcedRows) {
      throw new DataFormatException(
          file,
          lastLine,
          String.format(
              Locale.ROOT,
              "the first line says that the number of rows is %d, but it is %d",
              announcedRows,
              rows));
    }
    if (shape.classes() == 0) {
      shape = new Shape(shape.features(), countClasses());
    }
    return this;
  }

  /** Without names of the classes, each from 0 to the highest must be there. */
  private int countClasses() throws DataFormatException {
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
    return found.length;
  }

  DataSet toDataSet(String name, Scaling scaling) {
    return new DataSet(
        name,
        shape.features(),
        shape.classes(),
        Arrays.copyOf(features, rows * shape.features()),
        Arrays.copyOf(labels, rows),
        scaling);
  }
}
