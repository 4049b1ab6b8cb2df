package io.warmstep.cli.train;

import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;

/**
 * How an optimizer stores what it trains, and whether it averages it.
 *
 * @param type of parameters
 * @param gradients type of gradients
 * @param masters what is kept of parameters of 16 bits
 * @param state type of the moments of large tensors
 * @param smallTensor how many elements a tensor must have at least for that
 * @param rounding to bfloat16
 * @param seed of random rounding
 * @param averageDecay what an average of the parameters keeps of itself, or 0 for none
 */
public record Precision(
    ElementType type,
    ElementType gradients,
    MasterWeights masters,
    StateType state,
    long smallTensor,
    Rounding rounding,
    long seed,
    double averageDecay) {
  /** The library's own bound. */
  public static final long SMALL_TENSOR = 4096;

  /** All in float32. */
  public static final Precision FLOAT32 = of(ElementType.FLOAT32);

  /**
   * A type without anything kept besides.
   *
   * @param type of parameters and gradients
   * @return with state as it is computed
   */
  public static Precision of(ElementType type) {
    return new Precision(
        type, type, MasterWeights.NONE, StateType.FLOAT32, SMALL_TENSOR, Rounding.NEAREST, 0, 0);
  }

  /**
   * Whether all is of one type, and nothing kept besides.
   *
   * @param all the type
   * @return true also where a bound or a seed is given that this leaves without effect
   */
  public boolean isOf(ElementType all) {
    return equals(
        new Precision(
            all,
            all,
            MasterWeights.NONE,
            StateType.FLOAT32,
            smallTensor,
            Rounding.NEAREST,
            seed,
            0));
  }

  /**
   * Has an optimizer store so.
   *
   * @param builder of the optimizer
   */
  public void set(OptimizerBuilder builder) {
    builder.masterWeights(masters).stateType(state, smallTensor).rounding(rounding, seed);
    if (averageDecay != 0) {
      builder.average(averageDecay);
    }
  }
}
