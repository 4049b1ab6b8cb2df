package io.warmstep.cli.data;

import static java.util.stream.Collectors.joining;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
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
        "1,2,1.0;3,4,2.0        | found 1, 2",
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

  /** Rows, the names of the classes by number, and the class of each row. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1,2,0.0;3,4,1.0;5,6,1.           | 0,1             | 0,1,1",
        "1,2,1e0;3,4,+0;5,6,.0            | 0,1             | 1,0,0",
        "a,b,c;1,2,1.0;3,4,0              | 0,1             | 1,0",
        "a,b,c;1,2,dog;3,4,cat;5,6,dog    | cat,dog         | 1,0,1",
        "1,2,dog;3,4,cat;5,6,dog          | cat,dog         | 1,0,1",
        "1,2,dog;3,4,cat                  | cat,dog         | 1,0",
        "1,2,Dog;3,4,cat;5,6,dog          | Dog,cat,dog     | 0,1,2",
        "1,2,+;3,4,-                      | +,-             | 0,1",
        "1,2,<=50K;3,4,>50K               | <=50K,>50K      | 0,1",
        "1,2,3D;3,4,2D;5,6,1e             | 1e,2D,3D        | 2,1,0",
        "1,2,\"a b\";3,4, \u00e9t\u00e9   | a b,\u00e9t\u00e9 | 0,1",
        "1,2,True;3,4,False               | False,True      | 1,0",
        "4,2,no,yes;1,2,yes;3,4,no;5,6,1;7,8,0 | no,yes     | 1,0,1,0",
        // Numbers and a name in the first line: names of columns, or a row?
        "0,1,target;1,2,0;3,4,1           | 0,1             | 0,1",
        "400,500,species;1,2,0;3,4,1      | 0,1             | 0,1",
        "0,1,species;1,2,a;3,4,b;5,6,a;7,8,b | a,b          | 0,1,0,1",
        "0,1,b;1,0,b;0,0,a;1,1,a          | a,b             | 1,1,0,0",
        "0,1,b;1,0,a                      | a,b             | 1,0",
        "400,500,oak;1,2,elm;3,4,elm      | elm,oak         | 1,0,0",
      })
  void classesAreNumbersHoweverWrittenOrNames(String content, String names, String labels)
      throws IOException {
    DataSet data = DataSets.read(write(content.replace(';', '\n')));
    assertEquals(List.of(names.split(",")), data.classNames());
    assertEquals(names.matches("[0-9,]+"), !data.hasClassNames());
    assertEquals(
        labels, Arrays.stream(data.labels()).mapToObj(String::valueOf).collect(joining(",")));
  }

  @Test
  void aFirstRowWithANameStaysTheFirst() throws IOException {
    DataSet data = DataSets.read(write("1.5,2,dog\n3,4,cat\n5,6,cat\n"));
    assertArrayEquals(new float[] {1.5f, 2, 3, 4, 5, 6}, data.features());
    assertArrayEquals(new int[] {1, 0, 0}, data.labels());
  }

  @Test
  void namesOfClassesAreLimited() throws IOException {
    StringBuilder rows = new StringBuilder("feature,class\n");
    for (int i = 0; i <= 1000; i++) {
      rows.append("1,name").append(i).append('\n');
    }
    Path file = write(rows.toString());
    DataFormatException e = assertThrows(DataFormatException.class, () -> DataSets.read(file));
    assertEquals(1002, e.line());
    assertTrue(e.getMessage().contains("more than 1000 different names"), e.getMessage());
  }

  @Test
  void oneNameIsNoClassification() throws IOException {
    Path file = write("1,2,cat\n3,4,cat\n");
    DataFormatException e = assertThrows(DataFormatException.class, () -> DataSets.read(file));
    assertTrue(e.getMessage().endsWith("must be at least two; found cat"), e.getMessage());
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
        "1,2,0;3,4,setosa                | 2 | is 'setosa', expected a whole number like '0' in line 1: use",
        "a,b,c;1,2,cat;3,4,dog;5,6,7.0   | 4 | is '7.0', expected a name like 'cat' in line 2: use",
        "1,2,cat;3,4,1.5                 | 2 | is '1.5', expected a whole number from 0 to 999, or a name",
        "1,2,cat;3,4,                    | 2 | the class (last column) is ''",
        "1,2,cat;3,4,?                   | 2 | the class (last column) is '?'",
        "1,2,cat;3,4,nan                 | 2 | the class (last column) is 'nan'",
        "1,2,cat;3,4,caf\uFFFD           | 2 | expected a name in UTF-8: save the file",
        "2,2,no,yes;1,2,no;3,4,maybe     | 3 | is 'maybe', expected a whole number from 0 to 1",
        "1,2,0;3,1f,1                    | 2 | column 2 is '1f', expected a number",
        "1,2,0;3,0x1p3,1                 | 2 | column 2 is '0x1p3', expected a number",
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

  /** The checksum and the length after the data are missing, or a part of them. */
  @ParameterizedTest
  @ValueSource(ints = {1, 4, 7, 8, 9, 20, 40})
  void archiveThatWasCutOffIsReported(int missing) throws IOException {
    byte[] whole = compressed("1,2,0\n3,4,1\n5,6,0\n7,8,1\n");
    Path file = folder.resolve("table.csv.gz");
    Files.write(file, Arrays.copyOf(whole, Math.max(0, whole.length - missing)));
    DataFormatException e = assertThrows(DataFormatException.class, () -> DataSets.read(file));
    assertTrue(e.getMessage().contains("the compressed data ends too early"), e.getMessage());
  }

  /** As a shell passes them: {@code cat f.csv | … --data /dev/stdin}, {@code <(cat f.csv)}. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  @EnabledOnOs({OS.LINUX, OS.MAC})
  void pipesAreRead(boolean isCompressed) throws Exception {
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    // More than a pipe holds and, compressed, in two parts with a pause: the second is not there
    // yet
    // when the first ends.
    String rows = "1.5,2,0\n3,4,1\n".repeat(20_000);
    CompletableFuture<Void> writer =
        CompletableFuture.runAsync(
            () -> {
              try (OutputStream out = Files.newOutputStream(pipe)) {
                for (int part = 0; part < 2; part++) {
                  out.write(
                      isCompressed ? compressed(rows) : rows.getBytes(StandardCharsets.UTF_8));
                  out.flush();
                  Thread.sleep(200);
                }
              } catch (IOException | InterruptedException e) {
                throw new IllegalStateException(e);
              }
            });
    DataSet data = DataSets.named(pipe.toString());
    writer.get();
    assertEquals(80_000, data.rows());
    assertEquals(40_000, Arrays.stream(data.labels()).sum());
  }

  private static byte[] compressed(String text) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(bytes)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    return bytes.toByteArray();
  }

  private Path write(String content) throws IOException {
    return Files.write(folder.resolve("table.csv"), content.getBytes(StandardCharsets.UTF_8));
  }
}
