package io.warmstep.storage;

/**
 * Rounds float32 to bfloat16, or to the codes of {@link StateCodes}, up or down at random, each
 * with the probability by which the result is right on average. The random numbers are those of
 * Philox4x32-10 (Salmon et al. 2011), counted by element: of each run of 2048 elements from a
 * parameter's first, the eight that are 256 apart share one output, 16 bits each. Used by one
 * thread at a time.
 */
public final class RandomRounding {
  /** Elements of a run, counted from a parameter's first. */
  public static final int RUN = 2048;

  private static final int APART = 256;

  private final int[][] words = new int[4][APART];
  private int key0;
  private int key1;
  private int counter1;
  private int counter2;
  private int counter3;

  /** Makes room for the random numbers. */
  public RandomRounding() {}

  /**
   * Sets what the random numbers follow from beside the element.
   *
   * @param seed of a run of training
   * @param step of the parameter's group, from 1
   * @param parameter its number, which no other has
   * @param operand what is rounded: 0 for the parameter, 2 and more for its state
   */
  public void counters(long seed, long step, int parameter, int operand) {
    key0 = (int) seed;
    key1 = (int) (seed >>> 32);
    counter1 = operand << 24;
    counter2 = parameter;
    counter3 = (int) step;
  }

  /**
   * Rounds.
   *
   * @param element number of the first element within its parameter
   * @param values the numbers
   * @param from the first index
   * @param bits receives the bfloat16s
   * @param to its first index
   * @param length how many
   */
  public void store(long element, float[] values, int from, short[] bits, int to, int length) {
    for (int done = 0; done < length; ) {
      int start = (int) (element + done) & (RUN - 1);
      int n = Math.min(length - done, RUN - start);
      fill((element + done) / RUN);
      for (int i = 0; i < n; i++) {
        bits[to + done + i] = round(values[from + done + i], bits(start + i));
      }
      done += n;
    }
  }

  /**
   * The random numbers themselves.
   *
   * @param element number of the first element within its parameter
   * @param bits receives 16 bits for each element
   * @param length how many
   */
  public void draw(long element, int[] bits, int length) {
    for (int done = 0; done < length; ) {
      int start = (int) (element + done) & (RUN - 1);
      int n = Math.min(length - done, RUN - start);
      fill((element + done) / RUN);
      for (int i = 0; i < n; i++) {
        bits[done + i] = bits(start + i);
      }
      done += n;
    }
  }

  private int bits(int place) {
    int word = words[place >>> 9][place & (APART - 1)];
    return word >>> ((place >>> 8 & 1) << 4) & 0xffff;
  }

  private static short round(float value, int random) {
    int bits = Float.floatToRawIntBits(value);
    int magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      return (short) (bits >>> 16 | 0x40);
    }
    int rounded = (bits + random) >>> 16;
    // The largest finite number is as far as a finite one goes.
    return (short) (magnitude < 0x7f800000 && (rounded & 0x7fff) == 0x7f80 ? rounded - 1 : rounded);
  }

  /** Computes the random numbers of a run. */
  private void fill(long run) {
    long first = run * APART;
    for (int i = 0; i < APART; i++) {
      int c0 = (int) first + i; // the first is a multiple
      int c1 = counter1 | (int) (first >>> 32);
      int c2 = counter2;
      int c3 = counter3;
      int k0 = key0;
      int k1 = key1;
      for (int round = 0; round < 10; round++) {
        long a = (c0 & 0xffffffffL) * 0xD2511F53L;
        long b = (c2 & 0xffffffffL) * 0xCD9E8D57L;
        c0 = (int) (b >>> 32) ^ c1 ^ k0;
        c1 = (int) b;
        c2 = (int) (a >>> 32) ^ c3 ^ k1;
        c3 = (int) a;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
      }
      words[0][i] = c0;
      words[1][i] = c1;
      words[2][i] = c2;
      words[3][i] = c3;
    }
  }
}
