package io.warmstep.rule;

/**
 * The operands of an element that a phase of a rule reads and writes, as sets of bits: {@link
 * #PARAMETER}, {@link #GRADIENT} and {@link #state}. A backend loads and stores only these.
 *
 * @param reads the operands that the phase needs
 * @param writes the operands that it changes
 */
public record Access(int reads, int writes) {
  /** The parameter. */
  public static final int PARAMETER = 1;

  /** The gradient. */
  public static final int GRADIENT = 2;

  /** All operands, as for a rule with a single phase. */
  public static final Access ALL = new Access(~0, ~GRADIENT);

  /**
   * A slot of state.
   *
   * @param slot its index among the slots that hold a value for each element
   * @return its bit
   */
  public static int state(int slot) {
    return 4 << slot;
  }

  /**
   * Whether an operand is read.
   *
   * @param operand its place: 0 the parameter, 1 the gradient, 2 the first slot and so on
   * @return true if it is
   */
  public boolean reads(int operand) {
    return (reads >> operand & 1) != 0;
  }

  /**
   * Whether an operand is written.
   *
   * @param operand its place: 0 the parameter, 1 the gradient, 2 the first slot and so on
   * @return true if it is
   */
  public boolean writes(int operand) {
    return (writes >> operand & 1) != 0;
  }
}
