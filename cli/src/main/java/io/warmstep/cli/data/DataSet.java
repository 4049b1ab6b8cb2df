package io.warmstep.cli.data;

import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * A table of examples for classification. The arrays are shared, not copied: treat them as
 * read-only.
 *
 * @param name what the user calls it
 * @param columns the number of features of a row, at least 1
 * @param classNames the name of each class, at least 2; the class's number if it has no name
 * @param features the features, row after row: {@code rows() * columns} values
 * @param labels the class of each row, 0 to {@code classes() - 1}
 * @param scaling how the features are brought to a common scale before training
 */
public record DataSet(
    String name,
    int columns,
    List<String> classNames,
    float[] features,
    int[] labels,
    Scaling scaling) {

  /**
   * Checks that the parts fit each other.
   *
   * @param name what the user calls it
   * @param columns the number of features of a row
   * @param classNames the name of each class
   * @param features the features, row after row
   * @param labels the class of each row
   * @param scaling how the features are brought to a common scale
   * @throws IllegalArgumentException if the number of features is not rows times columns, or a size
   *     is out of range
   */
  public DataSet {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(scaling, "scaling");
    classNames = List.copyOf(classNames);
    if (columns < 1 || classNames.size() < 2) {
      throw new IllegalArgumentException(
          "a data set needs at least 1 column and 2 classes, got "
              + columns
              + " and "
              + classNames.size());
    }
    if (features.length != (long) labels.length * columns) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "features has %d values, but %d rows of %d columns need %d",
              features.length,
              labels.length,
              columns,
              (long) labels.length * columns));
    }
  }

  /**
   * Creates a data set whose classes have no names.
   *
   * @param name what the user calls it
   * @param columns the number of features of a row
   * @param classes the number of classes
   * @param features the features, row after row
   * @param labels the class of each row
   * @param scaling how the features are brought to a common scale
   * @throws IllegalArgumentException if the number of features is not rows times columns, or a size
   *     is out of range
   */
  public DataSet(
      String name, int columns, int classes, float[] features, int[] labels, Scaling scaling) {
    this(name, columns, ClassColumn.numbers(classes), features, labels, scaling);
  }

  /**
   * Returns the number of classes.
   *
   * @return at least 2
   */
  public int classes() {
    return classNames.size();
  }

  /**
   * Says whether the classes have names that are more than their numbers.
   *
   * @return whether they do
   */
  public boolean hasClassNames() {
    return !classNames.equals(ClassColumn.numbers(classes()));
  }

  /**
   * Returns the number of examples.
   *
   * @return the number of rows
   */
  public int rows() {
    return labels.length;
  }

  /**
   * Copies some rows, in the given order.
   *
   * @param rows row numbers, from 0
   * @return a data set of these rows
   */
  DataSet select(int[] rows) {
    float[] selected = new float[rows.length * columns];
    int[] selectedLabels = new int[rows.length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(features, rows[i] * columns, selected, i * columns, columns);
      selectedLabels[i] = labels[rows[i]];
    }
    return new DataSet(name, columns, classNames, selected, selectedLabels, scaling);
  }

  /**
   * Copies the first rows.
   *
   * @param count how many at most, at least 1
   * @return a data set of these rows, or this one if it has no more
   */
  public DataSet first(int count) {
    return count >= rows() ? this : select(Split.range(count));
  }
}
