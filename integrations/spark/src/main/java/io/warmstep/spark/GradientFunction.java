package io.warmstep.spark;

import java.io.Serializable;
import java.util.List;

/**
 * Computes gradients of a model for rows. Each task has its own copy, which is used by one thread
 * and may keep what it needs between calls in transient fields.
 *
 * @param <R> the rows
 */
@FunctionalInterface
public interface GradientFunction<R> extends Serializable {
  /**
   * Computes the gradients of the sum of the losses of some rows.
   *
   * @param rows at least one, in their order
   * @param model has the values, and receives the gradients, which are zeros
   * @return the sum of the losses
   */
  double gradients(List<R> rows, ModelParameters model);
}
