package io.warmstep;

import java.util.Locale;

/**
 * How one element is stored. Arithmetic is done in float64 for {@link #FLOAT64} and in float32 for
 * every other type; the half types are widened exactly on load and rounded to nearest even on
 * store.
 */
public enum ElementType {
  /** IEEE 754 binary32, a Java {@code float}. */
  FLOAT32(4),
  /** IEEE 754 binary64, a Java {@code double}. */
  FLOAT64(8),
  /** IEEE 754 binary16; its bits travel in a Java {@code short}. */
  FLOAT16(2),
  /** The upper half of a binary32; its bits travel in a Java {@code short}. */
  BFLOAT16(2);

  private final int bytes;

  ElementType(int bytes) {
    this.bytes = bytes;
  }

  /**
   * Size of one element.
   *
   * @return bytes per element: 2, 4 or 8
   */
  public int bytes() {
    return bytes;
  }

  /**
   * The type that update rules compute in, and in which state is stored unless {@link StateType}
   * says otherwise.
   *
   * @return {@link #FLOAT64} for itself, {@link #FLOAT32} for the rest
   */
  public ElementType arithmetic() {
    return this == FLOAT64 ? FLOAT64 : FLOAT32;
  }

  /**
   * Whether elements are 16 bits wide.
   *
   * @return true for {@link #FLOAT16} and {@link #BFLOAT16}
   */
  public boolean isHalf() {
    return bytes == 2;
  }

  /**
   * Finds a type by name.
   *
   * @param name one of float32, float64, float16, bfloat16, in any case
   * @return the type
   * @throws IllegalArgumentException if there is no type of that name
   */
  public static ElementType parse(String name) {
    for (ElementType type : values()) {
      if (type.name().equalsIgnoreCase(name)) {
        return type;
      }
    }
    throw new IllegalArgumentException(
        "unknown element type \"" + name + "\": use float32, float64, float16 or bfloat16");
  }

  /** The name in lower case, as used on the command line and in the documentation. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
