package io.warmstep.rule;

/**
 * Which of an element's operands a phase of a rule reads and writes, as sets of bits: {@link
 * #PARAMETER}, {@link #GRADIENT} and {@link #state}. A backend loads and stores no others.
 *
 * @param reads what the phase needs
 * @param writes what it changes
 */
public record Access(int reads, int writes) {
  /** The parameter. */
  public static final int PARAMETER = 1;

  /** The gradient. */
  public static final int GRADIENT = 2;

  /** Everything, as a rule of a single phase has it. */
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
