package io.warmstep.checkpoint;

import io.warmstep.ElementType;
import io.warmstep.storage.Storage;

/** Converts elements of a file to numbers. */
final class ElementValue {
  private ElementValue() {}

  static double of(ElementFormat format, Object array, int i) {
    return switch (format) {
      case F64 -> ((double[]) array)[i];
      case F32 -> ((float[]) array)[i];
      case F16 -> half(ElementType.FLOAT16, ((short[]) array)[i]);
      case BF16 -> half(ElementType.BFLOAT16, ((short[]) array)[i]);
      case F8_E5M2 -> half(ElementType.FLOAT16, (short) (((byte[]) array)[i] << 8));
      case F8_E4M3 -> fourBitsOfExponent(((byte[]) array)[i]);
      case I64 -> ((long[]) array)[i];
      case U64 -> unsigned(((long[]) array)[i]);
      case I32 -> ((int[]) array)[i];
      case U32 -> Integer.toUnsignedLong(((int[]) array)[i]);
      case I16 -> ((short[]) array)[i];
      case U16 -> Short.toUnsignedInt(((short[]) array)[i]);
      case I8 -> ((byte[]) array)[i];
      case U8, BOOL -> Byte.toUnsignedInt(((byte[]) array)[i]);
      case F4, F6_E2M3, F6_E3M2, F8_E8M0, C64 ->
          throw new IllegalArgumentException(format + " has no numbers that are read here");
    };
  }

  private static double half(ElementType type, short bits) {
    float[] value = new float[1];
    Storage.of(type).load(new short[] {bits}, 0, value, 0, 1);
    return value[0];
  }

  /** Bias 7, no infinities, NaN if all bits but the sign are set. */
  private static double fourBitsOfExponent(byte bits) {
    int exponent = (bits >> 3) & 15;
    int fraction = bits & 7;
    double magnitude =
        exponent == 15 && fraction == 7
            ? Double.NaN
            : exponent == 0 ? fraction * 0x1p-9 : (8 + fraction) * Math.scalb(1.0, exponent - 10);
    return bits < 0 ? -magnitude : magnitude;
  }

  private static double unsigned(long value) {
    return value >= 0 ? value : ((value >>> 1) | (value & 1)) * 2.0;
  }
}
