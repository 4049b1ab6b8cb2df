package io.warmstep.rule;

import io.warmstep.check.Arguments;

/**
 * What a rule does with whole matrices between its first phase and the update: a Newton-Schulz
 * iteration. A slot of the rule's, which the first phase wrote, is taken as a matrix whose rows are
 * those of the parameter's first dimension, divided by the tensor's first number and, where it has
 * more rows than columns, transposed. Then, so many times,
 *
 * <pre>
 * A = X Xᵀ
 * X = a * X + (b * A + c * A A) X
 * </pre>
 *
 * and what comes of it, transposed back, is what the update finds in the slot. Each element of a
 * product is one chain of multiply-adds over the inner index from the first on, and so has the same
 * bits however a device blocks it.
 *
 * @param slot index of the slot among those of elements
 * @param a factor of X
 * @param b factor of A
 * @param c factor of A A
 * @param steps how many times, at least 1
 */
public record NewtonSchulz(int slot, double a, double b, double c, int steps) {
  /**
   * Checks.
   *
   * @param slot index of the slot among those of elements
   * @param a factor of X
   * @param b factor of A
   * @param c factor of A A
   * @param steps how many times, at least 1
   */
  public NewtonSchulz {
    Arguments.requireAtLeast("steps", steps, 1, "pass how often to iterate");
  }
}
