package io.warmstep.rule;

import io.warmstep.check.Arguments;

/**
 * A Newton-Schulz iteration on whole matrices, between a rule's first phase and its update. One of
 * the rule's slots, which the first phase wrote, is taken as a matrix whose rows are the
 * parameter's first dimension, divided by the tensor's first number and, if it has more rows than
 * columns, transposed. Then, {@code steps} times,
 *
 * <pre>
 * A = X Xᵀ
 * X = a * X + (b * A + c * A A) X
 * </pre>
 *
 * and the update finds the result, transposed back, in the slot. Each element of a product is one
 * chain of multiply-adds over the inner index in ascending order, and so has the same bits however
 * a device blocks it.
 *
 * @param slot index of the slot among those with a value per element
 * @param a factor of X
 * @param b factor of A
 * @param c factor of A A
 * @param steps how many times, at least 1
 */
public record NewtonSchulz(int slot, double a, double b, double c, int steps) {
  /**
   * Checks the values.
   *
   * @param slot index of the slot among those with a value per element
   * @param a factor of X
   * @param b factor of A
   * @param c factor of A A
   * @param steps how many times, at least 1
   */
  public NewtonSchulz {
    Arguments.requireAtLeast("steps", steps, 1, "pass how often to iterate");
  }
}
