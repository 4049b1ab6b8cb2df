package io.warmstep.testkit;

/** A float32 number as one whose lower 8 bits are 0, by the distances to its neighbours. */
public final class Reference24 {
  private Reference24() {}

  /** The nearest, of two as near the one whose last bit is 0; beyond the largest lies 2^128. */
  public static float nearest(float value) {
    if (!Float.isFinite(value)) {
      return value;
    }
    int below = Float.floatToRawIntBits(value) & 0xffffff00;
    double down = Math.abs((double) Float.intBitsToFloat(below));
    float next = Math.abs(Float.intBitsToFloat(below + 0x100));
    double up = Float.isInfinite(next) ? 0x1p128 : next;
    double magnitude = Math.abs((double) value);
    boolean isOdd = (below & 0x100) != 0;
    boolean goesUp =
        magnitude - down > up - magnitude || (magnitude - down == up - magnitude && isOdd);
    return Float.intBitsToFloat(goesUp ? below + 0x100 : below);
  }

  /** The one below or above in magnitude, by 8 random bits, the lower ones. */
  public static float random(float value, int bits) {
    if (!Float.isFinite(value)) {
      return value;
    }
    int below = Float.floatToRawIntBits(value) & 0xffffff00;
    int lost = Float.floatToRawIntBits(value) & 0xff;
    float up = Float.intBitsToFloat(below + 0x100);
    return lost + (bits & 0xff) > 0xff && Float.isFinite(up) ? up : Float.intBitsToFloat(below);
  }
}
