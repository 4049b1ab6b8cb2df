package io.warmstep.spark;

import io.warmstep.OptimizerBuilder;
import java.io.Serializable;

/** Chooses rule, learning rate and options of the optimizer, at each task. */
@FunctionalInterface
public interface OptimizerChoice extends Serializable {
  /**
   * Makes the choices.
   *
   * @param builder of the optimizer, which divides gradients by the rows of a batch
   * @return the same builder
   */
  OptimizerBuilder choose(OptimizerBuilder builder);
}
