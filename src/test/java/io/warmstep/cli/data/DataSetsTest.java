package io.warmstep.cli.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DataSetsTest {
  @TempDir Path folder;

  @Test
  void digitsAreComplete() throws IOException {
    DataSet digits = DataSets.named("digits");
    assertEquals(1797, digits.rows());
    assertEquals(64, digits.columns());
    assertEquals(10, digits.classes());
    // The first row starts 0,0,5,13,9,1 and is a zero; the last row is an eight.
    assertArrayEquals(new float[] {0, 0, 5, 13, 9, 1}, Arrays.copyOf(digits.features(), 6), 0f);
    assertEquals(0, digits.labels()[0]);
    assertEquals(8, digits.labels()[1796]);
    for (float pixel : digits.features()) {
      assertTrue(pixel >= 0 && pixel <= 16, "pixel " + pixel);
    }
  }

  @Test
  void breastCancerIsComplete() throws IOException {
    DataSet cancer = DataSets.named("breast-cancer");
    assertEquals(569, cancer.rows());
    assertEquals(30, cancer.columns());
    assertEquals(2, cancer.classes());
    assertEquals(17.99f, cancer.features()[0]);
    assertEquals(357, Arrays.stream(cancer.labels()).sum(), "benign rows");
  }

  @Test
  void readsPlainFileWithoutHeader() throws IOException {
    DataSet data = DataSets.named(write("1.5,2,0\n\n-3e2,4,1").toString());
    assertEquals(2, data.rows());
    assertEquals(2, data.columns());
    assertEquals(2, data.classes());
    assertArrayEquals(new float[] {1.5f, 2, -300, 4}, data.features());
    assertArrayEquals(new int[] {0, 1}, data.labels());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "length,width,species\n",
        "\uFEFFlength,width,species\n",
        "\uFEFF",
        "\"petal length, cm\",\"petal width, cm\",\"class\"\r\n",
        ",b,target\n",
        "0,1,target\n",
        "longueur,largeur,\u00e9t\u00e9\n",
        "2,2,no,yes\n",
        "\n\na,b,c\n\n",
      })
  void passesOverNamesOfColumnsAndByteOrderMarks(String start) throws IOException {
    DataSet data = DataSets.named(write(start + "1.5,2,0\n3,4,1\n").toString());
    assertEquals(2, data.classes());
    assertArrayEquals(new float[] {1.5f, 2, 3, 4}, data.features());
    assertArrayEquals(new int[] {0, 1}, data.labels());
  }

  @Test
  void onlyTheFirstLineIsAHeader() throws IOException {
    Path file = write("a,b,c\n1,2,0\na,b,c\n3,4,1\n");
    DataFormatException e = assertThrows(DataFormatException.class, () -> DataSets.read(file));
    assertEquals(3, e.line());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1,2,0;3,4,0            | found 0",
        "1,2,1;3,4,2            | found 1, 2",
        "1,2,0;3,4,2            | found 0, 2",
        "a,b,c;1,2,5            | found 5",
        "1,9;1,8;1,7;1,6;1,5;1,4;1,3;1,2;1,1;1,11;1,12 | found 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, …",
      })
  void classesAreCountedFromZeroWithoutAGap(String content, String found) throws IOException {
    Path file = write(content.replace(';', '\n'));
    DataFormatException e = assertThrows(DataFormatException.class, () -> DataSets.read(file));
    assertEquals(0, e.line());
    assertTrue(
        e.getMessage().startsWith(file + ": the classes (last column) must be 0, 1 and so on"),
        e.getMessage());
    assertTrue(e.getMessage().endsWith(found), e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"a;b;c\n1;2;0\n", "1,5;2,5;0\n", "1\t2\t0\n"})
  void otherSeparatorsAreNamed(String content) throws IOException {
    Path file = write(content);
    DataFormatException e = assertThrows(DataFormatException.class, () -> DataSets.read(file));
    assertEquals(1, e.line());
    assertTrue(e.getMessage().contains("the separator must be a comma"), e.getMessage());
    assertTrue(
        e.getMessage().endsWith(content.contains(";") ? "found a semicolon" : "found a tab"),
        e.getMessage());
  }

  @Test
  void aFolderIsNoDataSet() {
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> DataSets.named(folder.toString()));
    assertEquals(
        "--data is '%s', which is a folder; must be digits, breast-cancer, or the path of a CSV file"
            .formatted(folder),
        e.getMessage());
  }

  @Test
  void unknownNameSaysWhatIsKnown() {
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> DataSets.named("no-such-data"));
    assertTrue(e.getMessage().contains("must be digits, breast-cancer"), e.getMessage());
  }

  /** Each malformed file, the line that is at fault and a part of the message. */
  @ParameterizedTest(name = "{index}: {2}")
  @CsvSource(
      delimiter = '|',
      value = {
        "1,2,0;3,1;5,6,1                 | 2 | expected 3 values separated by commas (the features, then the class), found 2",
        "1,2,0;3,4,1,9                   | 2 | then the class), found 4",
        "1,2,0;3,4,1;5,x,1               | 3 | column 2 is 'x', expected a number",
        "1,2,0;;;3,,1                    | 4 | column 2 is '', expected a number",
        "1,2,0;NaN,4,1                   | 2 | column 1 is 'NaN', expected a finite",
        "1,2,0;3,-Infinity,1             | 2 | expected a finite",
        "1,2,0;3,1e39,1                  | 2 | column 2 is '1e39', expected a finite",
        "1,2,0;3,4,-1                    | 2 | the class (last column) is '-1'",
        "1,2,0;3,4,1.5                   | 2 | the class (last column) is '1.5'",
        "1,2,0;3,4,1000                  | 2 | whole number from 0 to 999",
        "2,2,no,yes;1,2,0;3,4,2          | 3 | whole number from 0 to 1",
        "3,2,no,yes;1,2,0;3,4,1          | 3 | the number of rows is 3, but it is 2",
        "0,2,no,yes;1,2,0                | 1 | must be at least 1",
        "99999999999,2,no,yes;1,2,0      | 1 | too large",
        "a,b,c;1,2,setosa                | 2 | is 'setosa', expected a whole number from 0 to 999: give",
        "1,?,0;3,4,1                     | 1 | column 2 is '?', expected a number",
        "1,x,0;3,4,1                     | 1 | column 2 is 'x', expected a number",
        "1,2,NaN;3,4,1                   | 1 | the class (last column) is 'NaN'",
        "7;8                             | 1 | expected at least 2 values",
        "1 2 0;3 4 1                     | 1 | expected at least 2 values separated by commas",
        "1,2,0;3,\"4,1                   | 1 | cannot be read on",
        "''                              | 1 | the file has no rows",
        ";;                              | 1 | the file has no rows",
      })
  void malformedFileNamesItsLine(String content, long line, String message) throws IOException {
    Path file = write(content.replace(';', '\n'));
    DataFormatException e = assertThrows(DataFormatException.class, () -> DataSets.read(file));
    assertEquals(file.toString(), e.file());
    assertEquals(line, e.line(), e.getMessage());
    assertTrue(e.getMessage().startsWith(file + ", line " + line + ": "), e.getMessage());
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }

  @Test
  void lineNumberCountsCarriageReturnsAndBlankLinesOnce() throws IOException {
    Path file = write("1,2,0\r\n\r\n3,4,1\r\n5,bad,1\r\n");
    assertEquals(4, assertThrows(DataFormatException.class, () -> DataSets.read(file)).line());
  }

  @Test
  void damagedArchiveIsReported() throws IOException {
    Path file = folder.resolve("table.csv.gz");
    Files.write(file, new byte[] {1, 2, 3, 4});
    DataFormatException e = assertThrows(DataFormatException.class, () -> DataSets.read(file));
    assertTrue(e.getMessage().contains("cannot be read on"), e.getMessage());
  }

  private Path write(String content) throws IOException {
    return Files.write(folder.resolve("table.csv"), content.getBytes(StandardCharsets.UTF_8));
  }
}
