package io.warmstep.backend;

/**
 * How an operand's float32 numbers follow from what lies in memory. Kernels know them by {@link
 * #code} and, for plain elements, by their type.
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
  MASTER;

  /**
   * What kernels call it.
   *
   * @param operand that is stored so
   * @return 1 to 6, as {@code WS_STORED_...} in {@code abi.h}
   */
  public static int code(Operand operand) {
    return switch (operand.storage().type()) {
      case FLOAT32 -> 1;
      case FLOAT16 -> operand.encoding() == MASTER ? 6 : 2;
      case BFLOAT16 -> operand.encoding() == MASTER ? 5 : operand.encoding() == STOCHASTIC ? 4 : 3;
      case FLOAT64 -> throw new AssertionError("float64 is stored as it is computed");
    };
  }
}
