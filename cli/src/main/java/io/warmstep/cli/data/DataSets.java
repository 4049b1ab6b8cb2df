package io.warmstep.cli.data;

import io.warmstep.cli.text.FileNames;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The data sets that the command line can train on. */
public final class DataSets {
  /** Those that come with the program, as users name them. */
  public static final List<String> NAMES = List.of("digits", "breast-cancer");

  private DataSets() {}

  /**
   * Finds a data set by what the user wrote: {@code digits}, {@code breast-cancer}, or the path of
   * a CSV file, which may be compressed ({@code .gz}).
   *
   * @param name a name or a path
   * @return the data set
   * @throws IllegalArgumentException if it is neither a known name nor a file
   * @throws DataFormatException if the file is malformed
   * @throws IOException if the file cannot be read
   */
  public static DataSet named(String name) throws IOException {
    switch (name) {
      case "digits":
        return digits();
      case "breast-cancer":
        return breastCancer();
      default:
        return read(existing(name));
    }
  }

  private static Path existing(String name) {
    String problem = FileNames.problem(name);
    if (problem.isEmpty()) {
      Path path = Path.of(name);
      if (Files.isDirectory(path)) {
        problem = "which is a folder";
      } else if (Files.exists(path)) {
        return path;
      } else {
        problem = "which is no file";
      }
    }
    throw new IllegalArgumentException(
        String.format(
            Locale.ROOT,
            "--data is '%s', %s; must be %s, or the path of a CSV file",
            name,
            problem,
            String.join(", ", NAMES)));
  }

  /**
   * Reads the handwritten digits: 1797 grey images of 8x8 pixels, 10 classes.
   *
   * @return the data set
   * @throws IOException if the resource is missing or damaged
   */
  public static DataSet digits() throws IOException {
    return resource("digits", "digits.csv.gz", new CsvTable.Shape(64, 10), Scaling.PIXELS);
  }

  /**
   * Reads the breast cancer table: 569 rows of 30 real features, 2 classes.
   *
   * @return the data set
   * @throws IOException if the resource is missing or damaged
   */
  public static DataSet breastCancer() throws IOException {
    return resource(
        "breast-cancer", "breast_cancer.csv", new CsvTable.Shape(30, 2), Scaling.STANDARDIZE);
  }

  /**
   * Reads a CSV file: separated by commas, an example per row, the features as numbers, then the
   * class in the last column: 0, 1 and so on, none left out, or names, which are numbered in
   * alphabetical order. A first line with the names of the columns is skipped; one of the kind
   * {@code rows,features,class name,class name,…} fixes the counts.
   *
   * @param path the file, which may be a pipe, and may be compressed
   * @return the data set, to be standardized
   * @throws DataFormatException if the file is malformed
   * @throws IOException if the file cannot be read
   */
  public static DataSet read(Path path) throws IOException {
    try (InputStream in = Files.newInputStream(path)) {
      return CsvTable.read(path.toString(), in, null)
          .toDataSet(path.getFileName().toString(), Scaling.STANDARDIZE);
    }
  }

  private static DataSet resource(String name, String file, CsvTable.Shape shape, Scaling scaling)
      throws IOException {
    try (InputStream in = DataSets.class.getResourceAsStream(file)) {
      if (in == null) {
        throw new NoSuchFileException(file, null, "missing from the jar's resources");
      }
      return CsvTable.read(file, in, shape).toDataSet(name, scaling);
    }
  }
}
