package io.warmstep.cli.data;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Training and test rows of a data set, scaled. No row is in both.
 *
 * @param train the rows to train on
 * @param test the rows that training never sees
 */
public record Split(DataSet train, DataSet test) {

  /**
   * Splits at random, class by class (stratified), so that both parts hold the classes in the same
   * proportion. Every class has at least one training row, and one test row if it has two rows. The
   * same data, fraction and seed give the same split.
   *
   * @param data the whole data set; it is not changed
   * @param trainFraction the share of the rows to train on, between 0 and 1, both excluded
   * @param seed the seed of the shuffle
   * @return the two parts, scaled by {@link DataSet#scaling()} as fitted on the training part
   * @throws IllegalArgumentException if the fraction is out of range, or leaves no test row
   */
  public static Split of(DataSet data, double trainFraction, long seed) {
    if (!(trainFraction > 0 && trainFraction < 1)) {
      throw new IllegalArgumentException(
          "--train-fraction is " + trainFraction + ", must be between 0 and 1 (both excluded)");
    }
    SplittableRandom random = new SplittableRandom(seed);
    int[] order = range(data.rows());
    shuffle(order, random);

    int[] quota = new int[data.classes()];
    for (int label : data.labels()) {
      quota[label]++;
    }
    for (int label = 0; label < quota.length; label++) {
      int most = Math.max(1, quota[label] - 1);
      int wanted = (int) Math.round(quota[label] * trainFraction);
      quota[label] = Math.max(1, Math.min(most, wanted));
    }

    int[] trainRows = new int[data.rows()];
    int[] testRows = new int[data.rows()];
    int trainCount = 0;
    int testCount = 0;
    for (int row : order) {
      if (quota[data.labels()[row]]-- > 0) {
        trainRows[trainCount++] = row;
      } else {
        testRows[testCount++] = row;
      }
    }
    if (testCount == 0) {
      throw new IllegalArgumentException(
          data.name() + " has too few rows to keep some for the test: every class has one row");
    }
    DataSet train = data.select(Arrays.copyOf(trainRows, trainCount));
    DataSet test = data.select(Arrays.copyOf(testRows, testCount));
    data.scaling().apply(train, test);
    return new Split(train, test);
  }

  /**
   * Returns the numbers 0 to {@code count - 1}.
   *
   * @param count how many
   * @return a new array
   */
  public static int[] range(int count) {
    int[] numbers = new int[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = i;
    }
    return numbers;
  }

  /**
   * Shuffles in place (Fisher and Yates).
   *
   * @param numbers what to shuffle
   * @param random where the order comes from
   */
  public static void shuffle(int[] numbers, SplittableRandom random) {
    for (int i = numbers.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = numbers[i];
      numbers[i] = numbers[j];
      numbers[j] = swapped;
    }
  }
}
