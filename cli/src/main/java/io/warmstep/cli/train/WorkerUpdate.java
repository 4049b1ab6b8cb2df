package io.warmstep.cli.train;

import io.warmstep.Device;
import io.warmstep.ShardedOptimizer;
import io.warmstep.collective.Collective;
import io.warmstep.rule.UpdateRule;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * One worker's part in training a model that all workers have: of each minibatch it takes the rows
 * of its lanes, and of the optimizer its share.
 */
public final class WorkerUpdate implements Trainer.Update, AutoCloseable {
  private final DeviceModel model;
  private final LearningRate rate;
  private final int lanes;
  private final ShardedOptimizer optimizer;
  private float[] features = {};
  private int[] labels = {};

  /**
   * Copies a model's parameters to a device and prepares this worker's share of their optimizer.
   *
   * @param device where this worker's steps run
   * @param collective what connects the workers
   * @param lanes into how many parts a minibatch is cut
   * @param model what is trained
   * @param rule how it is updated
   * @param rate the learning rate of each step, this worker's own
   * @param clipping how gradients are clipped
   * @param precision how parameters and state are stored
   */
  public WorkerUpdate(
      Device device,
      Collective collective,
      int lanes,
      Mlp model,
      UpdateRule rule,
      LearningRate rate,
      Clipping clipping,
      Precision precision) {
    this.model = new DeviceModel(device, model, precision);
    this.rate = rate;
    this.lanes = lanes;
    try {
      optimizer =
          this.model
              .optimizer(rule, rate, clipping, precision, false)
              .sharded(collective)
              .lanes(lanes)
              .build();
      this.model.readValues(); // rounded to their type
    } catch (RuntimeException | Error e) {
      this.model.close();
      throw e;
    }
  }

  @Override
  public double computeGradients(Mlp model, float[] allFeatures, int[] allLabels, int rows) {
    double[] losses = new double[lanes];
    int columns = allFeatures.length / allLabels.length;
    for (int lane = 0; lane < lanes; lane++) {
      int from = (int) ((long) rows * lane / lanes);
      int count = (int) ((long) rows * (lane + 1) / lanes) - from;
      if (count == 0 || !optimizer.isMine(lane)) {
        continue;
      }
      if (labels.length < count) {
        features = new float[count * columns];
        labels = new int[count];
      }
      System.arraycopy(allFeatures, from * columns, features, 0, count * columns);
      System.arraycopy(allLabels, from, labels, 0, count);
      losses[lane] = model.computeGradients(features, labels, count, rows);
      this.model.writeGradients();
      optimizer.accumulate(lane);
    }
    return sum(losses);
  }

  /**
   * The sum over all lanes, in their order, so that it too is the same for any number of workers.
   */
  private double sum(double[] losses) {
    ByteBuffer own = ByteBuffer.allocate(lanes * Double.BYTES);
    own.asDoubleBuffer().put(losses);
    List<byte[]> all = optimizer.collective().exchange(own.array());
    double sum = 0;
    for (int lane = 0; lane < lanes; lane++) {
      double loss = 0; // all but one worker have 0
      for (byte[] bytes : all) {
        loss += ByteBuffer.wrap(bytes).getDouble(lane * Double.BYTES);
      }
      sum += loss;
    }
    return sum;
  }

  @Override
  public double step() {
    optimizer.step();
    model.readValues();
    return optimizer.learningRate();
  }

  @Override
  public void report(double trainLoss) {
    if (rate.plateau() != null) {
      rate.plateau().report(trainLoss);
    }
  }

  /** All workers come here, as they evaluate after the same steps. */
  @Override
  public void eval() {
    model.exchange(optimizer::eval, optimizer::isTraining);
  }

  @Override
  public void train() {
    model.exchange(optimizer::train, optimizer::isTraining);
  }

  /** Frees the device memory; the model keeps its last values. */
  @Override
  public void close() {
    optimizer.close();
    model.close();
  }
}
