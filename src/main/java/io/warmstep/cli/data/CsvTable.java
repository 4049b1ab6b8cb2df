package io.warmstep.cli.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import java.util.zip.GZIPInputStream;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;

/** A CSV file on its way to a {@link DataSet}: features, then the class in the last column. */
final class CsvTable {
  private static final int MAX_CLASSES = 1000;
  private static final CSVFormat FORMAT =
      CSVFormat.DEFAULT.builder().setIgnoreEmptyLines(true).setTrim(true).get();

  /** What the rows must look like. */
  record Shape(int features, int classes) {}

  private final String file;
  private Shape shape;
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
        CSVParser parser =
            CSVParser.parse(new InputStreamReader(plain, StandardCharsets.UTF_8), FORMAT)) {
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

  private void accept(CSVRecord row, long line) throws DataFormatException {
    if (rows == 0 && announcedRows < 0 && isHeader(row)) {
      readHeader(row, line);
      return;
    }
    if (shape == null) {
      shape = new Shape(row.size() - 1, 0);
    }
    if (row.size() != shape.features() + 1 || row.size() < 2) {
      throw new DataFormatException(
          file,
          line,
          "expected %d values (%d features and the class), found %d"
              .formatted(
                  Math.max(2, shape.features() + 1), Math.max(1, shape.features()), row.size()));
    }
    ensureRoom();
    int start = rows * shape.features();
    for (int i = 0; i < shape.features(); i++) {
      features[start + i] = number(row.get(i), line, i + 1);
    }
    labels[rows++] = label(row.get(shape.features()), line);
  }

  /** A first line such as {@code 569,30,malignant,benign}: counts, then names. */
  private static boolean isHeader(CSVRecord row) {
    return row.size() >= 4
        && !row.get(row.size() - 1).isEmpty()
        && Character.isLetter(row.get(row.size() - 1).charAt(0))
        && !row.get(row.size() - 1).matches("(?i)nan|infinity|inf");
  }

  private void readHeader(CSVRecord row, long line) throws DataFormatException {
    Shape announced;
    try {
      announcedRows = Integer.parseInt(row.get(0));
      announced = new Shape(Integer.parseInt(row.get(1)), row.size() - 2);
    } catch (NumberFormatException e) {
      throw new DataFormatException(
          file,
          line,
          "a first line with names must read rows,features,class name,class name,…; found "
              + String.join(",", row));
    }
    if (announcedRows < 1 || announced.features() < 1) {
      throw new DataFormatException(
          file, line, "the counts of rows and features must be at least 1");
    }
    if (shape != null && !shape.equals(announced)) {
      throw new DataFormatException(
          file,
          line,
          "announces %d features and %d classes, expected %d and %d"
              .formatted(
                  announced.features(), announced.classes(), shape.features(), shape.classes()));
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
        "the class (last column) is '%s', expected a whole number from 0 to %d"
            .formatted(text, classes - 1));
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
          "the file ends after %d rows, but its first line announces %d"
              .formatted(rows, announcedRows));
    }
    if (shape.classes() == 0) {
      int highest = Arrays.stream(labels, 0, rows).max().getAsInt();
      if (highest < 1) {
        throw new DataFormatException(
            file, lastLine, "every row is of class 0; at least two classes are needed");
      }
      shape = new Shape(shape.features(), highest + 1);
    }
    return this;
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
