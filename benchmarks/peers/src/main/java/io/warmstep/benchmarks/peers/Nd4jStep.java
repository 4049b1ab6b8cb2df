package io.warmstep.benchmarks.peers;

import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.AdaBeliefUpdater;
import org.nd4j.linalg.learning.GradientUpdater;
import org.nd4j.linalg.learning.config.AdaBelief;
import org.nd4j.linalg.learning.config.IUpdater;

/** A step of ND4J as DL4J does it: the updater makes the update of the gradient, in its place. */
final class Nd4jStep implements Turns.Work {
  private final INDArray parameters;
  private final INDArray gradient;
  private final INDArray source;
  private final GradientUpdater<?> updater;
  private int iteration;

  Nd4jStep(IUpdater rule, float[] gradient) {
    this.parameters = Nd4j.zeros(DataType.FLOAT, 1, gradient.length);
    this.source = Nd4j.create(gradient, 1L, gradient.length);
    this.gradient = source.dup();
    long states = rule.stateSize(gradient.length);
    INDArray state = states == 0 ? null : Nd4j.zeros(DataType.FLOAT, 1, states);
    this.updater = updater(rule, state, gradient.length);
  }

  private static GradientUpdater<?> updater(IUpdater rule, INDArray state, long length) {
    if (rule instanceof AdaBelief adaBelief) {
      // Its instantiate() asks a vector for the second dimension, in 1.0.0-M2.1.
      AdaBeliefUpdater updater = new AdaBeliefUpdater(adaBelief);
      updater.setStateViewArray(state, new long[] {1, length}, 'c', true);
      return updater;
    }
    return rule.instantiate(state, true);
  }

  /** Puts the gradient back. */
  @Override
  public void prepare() {
    gradient.assign(source);
  }

  @Override
  public void run() {
    updater.applyUpdater(gradient, iteration++, 0);
    parameters.subi(gradient);
  }
}
