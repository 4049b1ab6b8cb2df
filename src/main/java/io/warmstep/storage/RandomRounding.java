package io.warmstep.storage;

import java.util.Arrays;
import java.util.stream.IntStream;

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

  private static final int INFINITE = 0x7f800000;
  private static final int MAGNITUDE = 0x7fffffff;

  /** 0 and up, which a loop adds faster than its index. */
  private static final int[] INDICES = IntStream.range(0, APART).toArray();

  private final int[] word0 = new int[APART];
  private final int[] word1 = new int[APART];
  private final int[] word2 = new int[APART];
  private final int[] word3 = new int[APART];
  private final int[] run = new int[RUN];
  private final int[] drawn = new int[RUN];
  private final int[] rounded = new int[RUN];
  private final FloatBits copies = new FloatBits(RUN);
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
      int n = Math.min(length - done, RUN);
      draw(element + done, drawn, n);
      copies.toInts(values, from + done, rounded, n);
      round(n);
      for (int i = 0; i < n; i++) {
        bits[to + done + i] = (short) rounded[i];
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
      System.arraycopy(run, start, bits, done, n);
      done += n;
    }
  }

  /** Replaces bits of float32 by those of bfloat16, without branches, so that C2 vectorizes it. */
  private void round(int n) {
    int[] bits = rounded;
    int[] random = drawn;
    for (int i = 0; i < n; i++) {
      int before = bits[i];
      int magnitude = before & MAGNITUDE;
      int ifNan = (INFINITE - magnitude) >> 31;
      int ifFinite = (magnitude - INFINITE) >> 31;
      int sum = before + (random[i] & ~ifNan);
      // The largest finite number is as far as a finite one goes.
      int ifBeyond = ifFinite & ~(((sum & MAGNITUDE) - INFINITE) >> 31);
      bits[i] = ((sum - (ifBeyond & 0x10000)) >>> 16) | (ifNan & 0x40);
    }
  }

  /** Computes the random numbers of a run. */
  private void fill(long number) {
    long first = number * APART;
    int[] w0 = word0;
    for (int i = 0; i < APART; i++) {
      w0[i] = (int) first + INDICES[i]; // the first is a multiple
    }
    Arrays.fill(word1, counter1 | (int) (first >>> 32));
    Arrays.fill(word2, counter2);
    Arrays.fill(word3, counter3);
    int k0 = key0;
    int k1 = key1;
    for (int round = 0; round < 10; round++) {
      round(k0, k1);
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    halves(word0, 0);
    halves(word1, 2 * APART);
    halves(word2, 4 * APART);
    halves(word3, 6 * APART);
  }

  /**
   * A round of Philox. The upper halves of products come from products of 16 bits, which C2
   * vectorizes on all processors, where long products need AVX-512.
   */
  private void round(int k0, int k1) {
    int[] w0 = word0;
    int[] w1 = word1;
    int[] w2 = word2;
    int[] w3 = word3;
    for (int i = 0; i < APART; i++) {
      int a = w0[i];
      int aLow = a & 0xffff;
      int aHigh = a >>> 16;
      int aMiddle = aHigh * 0x1F53 + ((aLow * 0x1F53) >>> 16);
      int aRest = aLow * 0xD251 + (aMiddle & 0xffff);
      int b = w2[i];
      int bLow = b & 0xffff;
      int bHigh = b >>> 16;
      int bMiddle = bHigh * 0x8D57 + ((bLow * 0x8D57) >>> 16);
      int bRest = bLow * 0xCD9E + (bMiddle & 0xffff);
      w0[i] = (bHigh * 0xCD9E + (bMiddle >>> 16) + (bRest >>> 16)) ^ w1[i] ^ k0;
      w1[i] = b * 0xCD9E8D57;
      w2[i] = (aHigh * 0xD251 + (aMiddle >>> 16) + (aRest >>> 16)) ^ w3[i] ^ k1;
      w3[i] = a * 0xD2511F53;
    }
  }

  /** Splits words: the lower halves belong to some elements, the upper ones to those after them. */
  private void halves(int[] words, int place) {
    int[] bits = run;
    for (int i = 0; i < APART; i++) {
      bits[place + i] = words[i] & 0xffff;
    }
    for (int i = 0; i < APART; i++) {
      bits[place + APART + i] = words[i] >>> 16;
    }
  }
}
