package io.warmstep.cli.train;

import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
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
  private final List<Mlp.Parameter> model;
  private final LearningRate rate;
  private final int lanes;
  private final Parameters parameters;
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
   */
  public WorkerUpdate(
      Device device,
      Collective collective,
      int lanes,
      Mlp model,
      UpdateRule rule,
      LearningRate rate,
      Clipping clipping) {
    this.model = model.parameters();
    this.rate = rate;
    this.lanes = lanes;
    ParametersBuilder owned = Parameters.on(device);
    for (Mlp.Parameter parameter : this.model) {
      owned.add(parameter.name(), parameter.values());
    }
    parameters = owned.build();
    try {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(rate.schedule());
      clipping.set(builder);
      optimizer = builder.sharded(collective).lanes(lanes).build();
    } catch (RuntimeException | Error e) {
      parameters.close();
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
      for (Mlp.Parameter parameter : this.model) {
        parameters.get(parameter.name()).gradients().copyFrom(parameter.gradient());
      }
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
    for (Mlp.Parameter parameter : model) {
      parameters.get(parameter.name()).values().copyTo(parameter.values());
    }
    return optimizer.learningRate();
  }

  @Override
  public void report(double trainLoss) {
    if (rate.plateau() != null) {
      rate.plateau().report(trainLoss);
    }
  }

  /** Frees the device memory; the model keeps its last values. */
  @Override
  public void close() {
    optimizer.close();
    parameters.close();
  }
}
