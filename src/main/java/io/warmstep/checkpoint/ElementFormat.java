package io.warmstep.checkpoint;

/** How the elements of a tensor in a file are stored: the {@code dtype} of safetensors. */
public enum ElementFormat {
  /** True or false, one byte each. */
  BOOL(8),
  /** 4-bit floats, two per byte. */
  F4(4),
  /** 6-bit floats, 2 bits of exponent. */
  F6_E2M3(6),
  /** 6-bit floats, 3 bits of exponent. */
  F6_E3M2(6),
  /** Unsigned bytes. */
  U8(8),
  /** Signed bytes. */
  I8(8),
  /** 8-bit floats, 5 bits of exponent. */
  F8_E5M2(8),
  /** 8-bit floats, 4 bits of exponent. */
  F8_E4M3(8),
  /** Powers of two. */
  F8_E8M0(8),
  /** Signed 16-bit integers. */
  I16(16),
  /** Unsigned 16-bit integers. */
  U16(16),
  /** IEEE half precision. */
  F16(16),
  /** The upper half of float32. */
  BF16(16),
  /** Signed 32-bit integers. */
  I32(32),
  /** Unsigned 32-bit integers. */
  U32(32),
  /** float32. */
  F32(32),
  /** Complex numbers of two float32. */
  C64(64),
  /** float64. */
  F64(64),
  /** Signed 64-bit integers. */
  I64(64),
  /** Unsigned 64-bit integers. */
  U64(64);

  private final int bits;

  ElementFormat(int bits) {
    this.bits = bits;
  }

  /**
   * Bits of an element.
   *
   * @return 4 to 64
   */
  public int bits() {
    return bits;
  }

  /** Bytes of an element, for formats of whole bytes. */
  int bytes() {
    return bits / 8;
  }

  /** Whether elements can be copied between files and the given Java array as they are. */
  boolean isOf(Object array) {
    return switch (this) {
      case F32 -> array instanceof float[];
      case F64 -> array instanceof double[];
      case I64, U64 -> array instanceof long[];
      case I32, U32 -> array instanceof int[];
      case F16, BF16, I16, U16 -> array instanceof short[];
      case BOOL, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0 -> array instanceof byte[];
      case F4, F6_E2M3, F6_E3M2, C64 -> false;
    };
  }
}
