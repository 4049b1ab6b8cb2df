package io.warmstep.backend;

import io.warmstep.ElementType;
import io.warmstep.storage.StateCodes;

/**
 * How an operand's float32 numbers follow from what lies in memory. Kernels know them by {@link
 * #code} or {@link #nameOf} and, for plain elements, by their type.
 */
public enum Encoding {
  /** Elements of the memory's type, rounded to nearest even. */
  PLAIN,
  /** Elements of bfloat16, rounded up or down at random. */
  STOCHASTIC,
  /**
   * A parameter and, beside it, what it lacks of its float32 master: of bfloat16 the lower 16 bits
   * as {@link io.warmstep.storage.Remainders} has them, of float16 the master itself, which counts
   * as long as the parameter is its rounded value.
   */
  MASTER,
  /**
   * A bfloat16 parameter and, beside it, 8 more bits of a master of 24, two corrections to a word
   * of 16 bits, as {@link io.warmstep.storage.Remainders} has them.
   */
  MASTER_24,
  /** The same, rounded up or down at random. */
  STOCHASTIC_MASTER_24,
  /** Moments of either sign as the codes of {@link StateCodes}, in words of 16 bits. */
  MOMENT_CODES,
  /** Averages of squares as such codes. */
  SQUARE_CODES,
  /** The same, rounded up or down at random. */
  STOCHASTIC_SQUARE_CODES;

  /**
   * Whether elements are coded in groups, which no block of a kernel may share with another.
   *
   * @return true of codes
   */
  public boolean isCoded() {
    return this == MOMENT_CODES || isSquares();
  }

  /**
   * Whether it is a master of 24 bits.
   *
   * @return true whichever way it is rounded
   */
  public boolean isMaster24() {
    return this == MASTER_24 || this == STOCHASTIC_MASTER_24;
  }

  /**
   * Whether elements share words of memory with others of their parameter, counted from its first.
   *
   * @return true of codes and masters of 24 bits
   */
  public boolean isPacked() {
    return isCoded() || isMaster24();
  }

  /**
   * Whether codes are those of squares.
   *
   * @return false of those of moments, and of what is not coded
   */
  public boolean isSquares() {
    return this == SQUARE_CODES || this == STOCHASTIC_SQUARE_CODES;
  }

  /**
   * Whether numbers are rounded up or down at random.
   *
   * @return false if always to nearest
   */
  public boolean isRandom() {
    return this == STOCHASTIC || this == STOCHASTIC_MASTER_24 || this == STOCHASTIC_SQUARE_CODES;
  }

  /**
   * What OpenCL's kernels call it.
   *
   * @param operand that is stored so
   * @return a part of names in {@code mixed.h}
   */
  public static String nameOf(Operand operand) {
    String type = operand.storage().type().toString();
    return switch (operand.encoding()) {
      case PLAIN -> type;
      case STOCHASTIC -> type + "_random";
      case MASTER -> type + "_master";
      case MASTER_24 -> type + "_master24";
      case STOCHASTIC_MASTER_24 -> type + "_master24_random";
      case MOMENT_CODES -> "int8_moment";
      case SQUARE_CODES -> "int8_square";
      case STOCHASTIC_SQUARE_CODES -> "int8_square_random";
    };
  }

  /**
   * What CUDA's kernels call it.
   *
   * @param operand that is stored so
   * @return 1 to 11, as {@code WS_STORED_...} in {@code abi.h}
   */
  public static int code(Operand operand) {
    return switch (operand.encoding()) {
      case PLAIN ->
          switch (operand.storage().type()) {
            case FLOAT32 -> 1;
            case FLOAT16 -> 2;
            case BFLOAT16 -> 3;
            case FLOAT64 -> throw new AssertionError("float64 is stored as it is computed");
          };
      case STOCHASTIC -> 4;
      case MASTER -> operand.storage().type() == ElementType.FLOAT16 ? 8 : 5;
      case MASTER_24 -> 6;
      case STOCHASTIC_MASTER_24 -> 7;
      case MOMENT_CODES -> 9;
      case SQUARE_CODES -> 10;
      case STOCHASTIC_SQUARE_CODES -> 11;
    };
  }
}
