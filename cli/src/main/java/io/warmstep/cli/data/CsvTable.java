package io.warmstep.cli.data;

import io.warmstep.cli.text.Failures;
import java.io.BufferedReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;

/**
 * A CSV file on its way to a {@link DataSet}: features, then the class in the last column.
 *
 * <p>The first line may be a header, whose last cell is a name: the names of columns are skipped; a
 * header of the kind {@code 569,30,malignant,benign} fixes the number of rows, of features and the
 * names of the classes. Where classes are names too, a first line of numbers and a name is a row,
 * unless its numbers are those of the columns.
 */
final class CsvTable {
  /** Some programs begin a file in UTF-8 with this character. */
  private static final int BYTE_ORDER_MARK = 0xFEFF;

  private static final CSVFormat FORMAT =
      CSVFormat.DEFAULT.builder().setIgnoreEmptyLines(true).setTrim(true).get();

  /** What the rows must look like. */
  record Shape(int features, int classes) {}

  private final String file;
  private final Shape required;
  private int columns;
  private ClassColumn classes;
  private boolean begun;
  private long announcedRows = -1;
  private float[] features = new float[1 << 14];

  /** The first line if it may be a row or a header, which later rows decide, and its number. */
  private CSVRecord undecided;

  private long undecidedLine;

  private CsvTable(String file, Shape required) {
    this.file = file;
    this.required = required;
    this.columns = required == null ? 0 : required.features();
    this.classes =
        new ClassColumn(file, required == null ? null : ClassColumn.numbers(required.classes()));
  }

  /**
   * Reads and checks a whole table.
   *
   * @param file the file's name for messages; compressed if it ends in {@code .gz}
   * @param in its bytes, which may be compressed whatever its name is
   * @param shape what the rows must look like, or null to take it from the first line
   */
  static CsvTable read(String file, InputStream in, Shape shape) throws IOException {
    CsvTable table = new CsvTable(file, shape);
    long line = 1;
    try (SequentialInput bytes = new SequentialInput(in);
        InputStream plain = isCompressed(file, bytes) ? new GZIPInputStream(bytes) : bytes;
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
      throw new DataFormatException(file, line, "cannot be read on: " + reason(e));
    }
    table.decide();
    table.requireComplete(line);
    return table;
  }

  private static boolean isCompressed(String file, SequentialInput in) throws IOException {
    return in.isCompressed() || file.endsWith(".gz");
  }

  private static String reason(Exception e) {
    Throwable cause = e instanceof UncheckedIOException ? e.getCause() : e;
    return cause instanceof EOFException
        ? "the compressed data ends too early, the file may have been cut off"
        : Failures.describe(cause);
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
        if (row.size() > 1 && cells(row).allMatch(i -> ClassColumn.isNumber(row.get(i)))) {
          undecided = row;
          undecidedLine = line;
        }
        return;
      }
    }
    add(row, line);
  }

  private void add(CSVRecord row, long line) throws DataFormatException {
    if (columns == 0) {
      columns = row.size() - 1;
    }
    if (row.size() != columns + 1 || row.size() < 2) {
      throw new DataFormatException(
          file,
          line,
          String.format(
              Locale.ROOT,
              "expected %s values separated by commas (the features, then the class), found %d",
              columns < 1 ? "at least 2" : columns + 1,
              row.size()));
    }
    int start = Math.multiplyExact(classes.rows(), columns);
    int needed = Math.addExact(start, columns);
    if (needed > features.length) {
      features = Arrays.copyOf(features, Math.max(needed, features.length * 2));
    }
    for (int i = 0; i < columns; i++) {
      features[start + i] = number(row.get(i), line, i + 1);
    }
    classes.add(row.get(columns), line);
  }

  /** The numbers of the cells before the class. */
  private static IntStream cells(CSVRecord row) {
    return IntStream.range(0, row.size() - 1);
  }

  /** Adds the first line to the rows, before the others, if it is one. */
  private void decide() throws DataFormatException {
    if (undecided == null || (classes.rows() > 0 && !classes.hasNames())) {
      return;
    }
    boolean isNumbered = cells(undecided).allMatch(i -> undecided.get(i).equals(String.valueOf(i)));
    if (isNumbered
        && classes.areRepeated()
        && !classes.hasName(undecided.get(undecided.size() - 1))) {
      return;
    }
    add(undecided, undecidedLine);
    int end = (classes.rows() - 1) * columns;
    float[] row = Arrays.copyOfRange(features, end, end + columns);
    System.arraycopy(features, 0, features, columns, end);
    System.arraycopy(row, 0, features, 0, columns);
    classes.moveLastToFront();
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
    return cell.chars().anyMatch(Character::isLetter)
        && !ClassColumn.isMissing(cell)
        && !ClassColumn.isNumber(cell);
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
    if (required != null && !required.equals(announced)) {
      throw new DataFormatException(
          file,
          line,
          String.format(
              Locale.ROOT,
              "announces features: %d, classes: %d; expected %d and %d",
              announced.features(),
              announced.classes(),
              required.features(),
              required.classes()));
    }
    columns = announced.features();
    classes = new ClassColumn(file, row.stream().skip(2).toList());
  }

  private float number(String text, long line, int column) throws DataFormatException {
    boolean isNumber = ClassColumn.isNumber(text);
    float value = isNumber ? Float.parseFloat(text) : Float.NaN;
    if (!Float.isFinite(value)) {
      throw new DataFormatException(
          file,
          line,
          String.format(
              Locale.ROOT,
              "column %d is '%s', expected a %s",
              column,
              text,
              isNumber || ClassColumn.isNotFinite(text) ? "finite float32 number" : "number"));
    }
    return value;
  }

  private void requireComplete(long lastLine) throws DataFormatException {
    int rows = classes.rows();
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
  }

  DataSet toDataSet(String name, Scaling scaling) throws DataFormatException {
    List<String> names = classes.classes();
    return new DataSet(
        name,
        columns,
        names,
        Arrays.copyOf(features, classes.rows() * columns),
        classes.labels(names),
        scaling);
  }
}
