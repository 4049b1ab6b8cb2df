package io.warmstep.testkit;

import java.math.BigInteger;

/** Philox4x32-10 as the paper defines it (Salmon et al. 2011), and what rounding makes of it. */
public final class ReferenceRandom {
  private static final BigInteger M0 = BigInteger.valueOf(0xD2511F53L);
  private static final BigInteger M1 = BigInteger.valueOf(0xCD9E8D57L);

  private ReferenceRandom() {}

  /** Four words of output for four of a counter and two of a key. */
  public static int[] philox(int[] counter, int[] key) {
    int[] c = counter.clone();
    int[] k = key.clone();
    for (int round = 0; round < 10; round++) {
      BigInteger a = unsigned(c[0]).multiply(M0);
      BigInteger b = unsigned(c[2]).multiply(M1);
      int high0 = a.shiftRight(32).intValue();
      int high1 = b.shiftRight(32).intValue();
      c = new int[] {high1 ^ c[1] ^ k[0], b.intValue(), high0 ^ c[3] ^ k[1], a.intValue()};
      k[0] += 0x9E3779B9;
      k[1] += 0xBB67AE85;
    }
    return c;
  }

  private static BigInteger unsigned(int word) {
    return BigInteger.valueOf(word & 0xffffffffL);
  }

  /** The 16 random bits of an element. */
  public static int bits(long seed, long step, int parameter, int operand, long element) {
    long block = element / 2048 * 256 + element % 256;
    int place = (int) (element / 256 % 8);
    int[] counter = {(int) block, operand << 24 | (int) (block >> 32), parameter, (int) step};
    int[] words = philox(counter, new int[] {(int) seed, (int) (seed >> 32)});
    return (place % 2 == 0 ? words[place / 2] : words[place / 2] >>> 16) & 0xffff;
  }

  /** The bfloat16 number below or above a float32 one in magnitude, by 16 random bits. */
  public static double round(float value, int bits) {
    if (!Float.isFinite(value)) {
      return value;
    }
    int down = Float.floatToRawIntBits(value) & 0xffff0000;
    int lost = Float.floatToRawIntBits(value) & 0xffff;
    float up = Float.intBitsToFloat(down + 0x10000);
    return lost + bits > 0xffff && Float.isFinite(up) ? up : Float.intBitsToFloat(down);
  }
}
