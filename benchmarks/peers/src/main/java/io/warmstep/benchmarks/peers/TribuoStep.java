package io.warmstep.benchmarks.peers;

import org.tribuo.math.LinearParameters;
import org.tribuo.math.StochasticGradientOptimiser;
import org.tribuo.math.la.DenseMatrix;
import org.tribuo.math.la.Tensor;

/** A step of Tribuo as its trainers do it: the optimizer makes the update of the gradient. */
final class TribuoStep implements Turns.Work {
  private static final int ROWS = 25;

  private final LinearParameters parameters;
  private final StochasticGradientOptimiser optimizer;
  private final double[][] source;
  private Tensor[] gradients;

  TribuoStep(StochasticGradientOptimiser optimizer, float[] gradient) {
    int columns = gradient.length / ROWS;
    this.source = new double[ROWS][columns];
    for (int i = 0; i < ROWS * columns; i++) {
      source[i / columns][i % columns] = gradient[i];
    }
    this.parameters = new LinearParameters(new DenseMatrix(ROWS, columns));
    this.optimizer = optimizer;
    optimizer.initialise(parameters);
  }

  /** How many elements there are. */
  static int length(int atMost) {
    return atMost / ROWS * ROWS;
  }

  /** Makes the gradient anew, which a step overwrites. */
  @Override
  public void prepare() {
    gradients = new Tensor[] {DenseMatrix.createDenseMatrix(source)};
  }

  @Override
  public void run() {
    parameters.update(optimizer.step(gradients, 1));
  }
}
