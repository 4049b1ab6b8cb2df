package io.warmstep.spark;

import java.io.Serializable;
import java.util.Arrays;
import org.apache.spark.ml.classification.ProbabilisticClassifier;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntArrayParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamValidators;
import scala.runtime.AbstractFunction1;

/** What can be chosen for a {@link MlpClassifier}, beside the columns. */
public abstract class MlpClassifierParams
    extends ProbabilisticClassifier<Vector, MlpClassifier, MlpClassificationModel> {
  private static final long serialVersionUID = 1L;

  private final IntArrayParam hiddenLayers =
      new IntArrayParam(this, "hiddenLayers", "sizes of the hidden layers, >= 1", new Sizes());
  private final IntParam epochs = atLeastOne("epochs", "passes over the rows, >= 1");
  private final IntParam batchSize = atLeastOne("batchSize", "rows of a step, >= 1");
  private final DoubleParam learningRate =
      new DoubleParam(
          this, "learningRate", "highest learning rate of AdamW, > 0", ParamValidators.gt(0));
  private final DoubleParam warmUp =
      new DoubleParam(
          this,
          "warmUp",
          "share of the steps in which the learning rate rises, from 0 to 1",
          ParamValidators.inRange(0, 1));
  private final DoubleParam weightDecay =
      new DoubleParam(
          this, "weightDecay", "decoupled weight decay of AdamW, >= 0", ParamValidators.gtEq(0));
  private final LongParam seed = new LongParam(this, "seed", "of the weights and the rows' order");
  private final IntParam workers = atLeastOne("workers", "tasks that train together, >= 1");
  private final IntParam lanes =
      atLeastOne("lanes", "parts of a batch, >= workers; the result's bits depend on it");
  private final Param<String> checkpointFolder =
      new Param<>(this, "checkpointFolder", "that all executors see; empty for no checkpoints");
  private final IntParam checkpointInterval =
      atLeastOne("checkpointInterval", "epochs between two checkpoints, >= 1");

  MlpClassifierParams() {
    setDefault(hiddenLayers, new int[] {64});
    setDefault(epochs, 50);
    setDefault(batchSize, 32);
    setDefault(learningRate, 0.01);
    setDefault(warmUp, 0.05);
    setDefault(weightDecay, 0.01);
    setDefault(seed, 1L);
    setDefault(workers, 1);
    setDefault(lanes, 8);
    setDefault(checkpointFolder, "");
    setDefault(checkpointInterval, 1);
  }

  private IntParam atLeastOne(String name, String doc) {
    return new IntParam(this, name, doc, ParamValidators.gtEq(1));
  }

  /** Sizes of layers. */
  private static final class Sizes extends AbstractFunction1<int[], Object>
      implements Serializable {
    private static final long serialVersionUID = 1L;

    @Override
    public Object apply(int[] sizes) {
      return Arrays.stream(sizes).allMatch(size -> size >= 1);
    }
  }

  /**
   * Sizes of the hidden layers, from the input on.
   *
   * @return each at least 1; {64} by default, and empty for a linear classifier
   */
  public IntArrayParam hiddenLayers() {
    return hiddenLayers;
  }

  /**
   * Passes over the rows.
   *
   * @return at least 1; 50 by default
   */
  public IntParam epochs() {
    return epochs;
  }

  /**
   * Rows of a step, of all workers together.
   *
   * @return at least 1; 32 by default
   */
  public IntParam batchSize() {
    return batchSize;
  }

  /**
   * The highest learning rate, from which a cosine leads to 0.
   *
   * @return above 0; 0.01 by default
   */
  public DoubleParam learningRate() {
    return learningRate;
  }

  /**
   * The share of the steps in which the learning rate rises linearly.
   *
   * @return from 0 to 1; 0.05 by default
   */
  public DoubleParam warmUp() {
    return warmUp;
  }

  /**
   * Decoupled weight decay of the weights; biases have none.
   *
   * @return at least 0; 0.01 by default
   */
  public DoubleParam weightDecay() {
    return weightDecay;
  }

  /**
   * Seed of the first weights and of the order in which rows are taken.
   *
   * @return any number; 1 by default
   */
  public LongParam seed() {
    return seed;
  }

  /**
   * Tasks that train together, for which there must be free slots.
   *
   * @return at least 1; 1 by default
   */
  public IntParam workers() {
    return workers;
  }

  /**
   * Parts of a batch. The result's bits depend on it, and not on the number of workers.
   *
   * @return at least as many as workers, and at most 1024; 8 by default
   */
  public IntParam lanes() {
    return lanes;
  }

  /**
   * A folder that all executors see, for checkpoints of the training: a stage that failed goes on
   * from the last one, and so does a later {@code fit} with the same folder.
   *
   * @return a path, or the empty text for none, which is the default
   */
  public Param<String> checkpointFolder() {
    return checkpointFolder;
  }

  /**
   * Epochs between two checkpoints.
   *
   * @return at least 1; 1 by default
   */
  public IntParam checkpointInterval() {
    return checkpointInterval;
  }
}
