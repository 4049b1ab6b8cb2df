package io.warmstep.spark;

import static org.apache.spark.sql.functions.col;

import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.rule.Adam;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.ml.attribute.Attribute;
import org.apache.spark.ml.attribute.AttributeType;
import org.apache.spark.ml.attribute.NominalAttribute;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.storage.StorageLevel;

/**
 * A classifier on a column of vectors: a multi-layer perceptron with ReLU and softmax, trained in
 * float32 with AdamW by the tasks of a barrier stage. An {@code Estimator} of MLlib's, which can
 * stand in a {@code Pipeline}, with MLlib's columns and parameters of its own:
 *
 * <pre>{@code
 * MlpClassificationModel model =
 *     new MlpClassifier().setHiddenLayers(new int[] {64}).setWorkers(4).fit(training);
 * Dataset<Row> predictions = model.transform(test); // prediction, probability, rawPrediction
 * }</pre>
 *
 * <p>Sizes of the input and of the output follow from the rows. Features are to be of about unit
 * scale, as MLlib's {@code StandardScaler} makes them. The model's bits depend neither on the
 * number of workers nor on the order or the partitions of the rows. For other networks, rules and
 * schedules there is {@link SparkTraining}.
 */
public final class MlpClassifier extends MlpClassifierParams implements DefaultParamsWritable {
  private static final long serialVersionUID = 1L;

  private String uid; // has no initializer: it is set while the superclass is constructed

  /** With a random uid. */
  public MlpClassifier() {
    this(StageUid.random("warmstepMlp"));
  }

  /**
   * With a uid of its own.
   *
   * @param uid distinguishes this stage from others
   */
  public MlpClassifier(String uid) {
    this(new Held(StageUid.hold(uid)));
  }

  private MlpClassifier(Held held) {
    super();
    this.uid = held.uid;
  }

  /** Has a uid be held before the superclass is constructed. */
  private record Held(String uid) {}

  /**
   * Reads what {@link #write} has written.
   *
   * @return a reader
   */
  public static MLReader<MlpClassifier> read() {
    return new DefaultParamsReader<>();
  }

  /**
   * Loads a classifier with its parameters.
   *
   * @param path of what {@code save} has written
   * @return an equal classifier
   */
  public static MlpClassifier load(String path) {
    return read().load(path);
  }

  @Override
  public MLWriter write() {
    return new DefaultParamsWriter(this);
  }

  @Override
  public String uid() {
    return uid == null ? StageUid.held() : uid;
  }

  @Override
  public MlpClassifier copy(ParamMap extra) {
    return defaultCopy(extra);
  }

  /**
   * Sets the sizes of the hidden layers.
   *
   * @param sizes each at least 1; empty for a linear classifier
   * @return this classifier
   */
  public MlpClassifier setHiddenLayers(int[] sizes) {
    return with(set(hiddenLayers(), sizes.clone()));
  }

  /**
   * Sets the passes over the rows.
   *
   * @param epochs at least 1
   * @return this classifier
   */
  public MlpClassifier setEpochs(int epochs) {
    return with(set(epochs(), epochs));
  }

  /**
   * Sets the rows of a step.
   *
   * @param rows at least 1
   * @return this classifier
   */
  public MlpClassifier setBatchSize(int rows) {
    return with(set(batchSize(), rows));
  }

  /**
   * Sets the highest learning rate.
   *
   * @param rate above 0
   * @return this classifier
   */
  public MlpClassifier setLearningRate(double rate) {
    return with(set(learningRate(), rate));
  }

  /**
   * Sets in which share of the steps the learning rate rises.
   *
   * @param share from 0 to 1
   * @return this classifier
   */
  public MlpClassifier setWarmUp(double share) {
    return with(set(warmUp(), share));
  }

  /**
   * Sets the weight decay.
   *
   * @param decay at least 0
   * @return this classifier
   */
  public MlpClassifier setWeightDecay(double decay) {
    return with(set(weightDecay(), decay));
  }

  /**
   * Sets the seed.
   *
   * @param seed of the first weights and of the order in which rows are taken
   * @return this classifier
   */
  public MlpClassifier setSeed(long seed) {
    return with(set(seed(), seed));
  }

  /**
   * Sets how many tasks train together.
   *
   * @param workers at least 1, and at most as many as lanes
   * @return this classifier
   */
  public MlpClassifier setWorkers(int workers) {
    return with(set(workers(), workers));
  }

  /**
   * Sets the parts of a batch.
   *
   * @param lanes at least as many as workers
   * @return this classifier
   */
  public MlpClassifier setLanes(int lanes) {
    return with(set(lanes(), lanes));
  }

  /**
   * Sets where checkpoints of the training are kept.
   *
   * @param folder that all executors see, or the empty text for none
   * @return this classifier
   */
  public MlpClassifier setCheckpointFolder(String folder) {
    return with(set(checkpointFolder(), folder));
  }

  /**
   * Sets the epochs between two checkpoints.
   *
   * @param epochs at least 1
   * @return this classifier
   */
  public MlpClassifier setCheckpointInterval(int epochs) {
    return with(set(checkpointInterval(), epochs));
  }

  private MlpClassifier with(@SuppressWarnings("unused") Object changed) {
    return this;
  }

  /**
   * Trains; {@code fit} calls it.
   *
   * @param dataset with the columns of features and labels; labels are 0, 1, 2, …
   * @return the trained model
   * @throws IllegalArgumentException if there are no rows, or fewer lanes than workers. What is
   *     wrong with a row is the cause of Spark's exception
   */
  @Override
  public MlpClassificationModel train(Dataset<?> dataset) {
    long rowSeed = (Long) getOrDefault(seed());
    JavaRDD<Example> rows =
        dataset
            .select(col(getFeaturesCol()), col(getLabelCol()).cast("double"))
            .javaRDD()
            .map(row -> example(rowSeed, row));
    boolean persists = dataset.storageLevel().equals(StorageLevel.NONE());
    if (persists) {
      rows.persist(StorageLevel.MEMORY_AND_DISK());
    }
    try {
      return train(rows, declaredClasses(dataset.schema().apply(getLabelCol())));
    } finally {
      if (persists) {
        rows.unpersist(false);
      }
    }
  }

  private MlpClassificationModel train(JavaRDD<Example> rows, int declaredClasses) {
    Table table = rows.aggregate(Table.EMPTY, Table::with, Table::and);
    if (table.rows == 0) {
      throw new IllegalArgumentException(
          "there are no rows to train on: pass a dataset with at least one");
    }
    int[] hidden = getOrDefault(hiddenLayers());
    int[] sizes = new int[hidden.length + 2];
    sizes[0] = table.features;
    System.arraycopy(hidden, 0, sizes, 1, hidden.length);
    sizes[sizes.length - 1] = Math.max(2, Math.max(declaredClasses, table.classes));
    Perceptron network = new Perceptron(sizes);
    int batch = (Integer) getOrDefault(batchSize());
    long batches = (table.rows + batch - 1) / batch;
    long steps = batches * (Integer) getOrDefault(epochs());
    SparkTraining<Example> training =
        SparkTraining.of(rows, row -> row)
            .parameters(network.initial((Long) getOrDefault(seed())))
            .gradients(network)
            .optimizer(
                choice(
                    (Double) getOrDefault(learningRate()),
                    (Double) getOrDefault(weightDecay()),
                    steps,
                    (long) ((Double) getOrDefault(warmUp()) * steps)))
            .workers((Integer) getOrDefault(workers()))
            .lanes((Integer) getOrDefault(lanes()))
            .batch(batch)
            .steps(steps);
    if (!getOrDefault(checkpointFolder()).isEmpty()) {
      training.checkpoint(
          Path.of(getOrDefault(checkpointFolder())),
          batches * (Integer) getOrDefault(checkpointInterval()));
    }
    ModelParameters trained = training.train().parameters();
    return new MlpClassificationModel(
        StageUid.random("warmstepMlpModel"), sizes, name -> trained.values(name));
  }

  private static OptimizerChoice choice(
      double learningRate, double weightDecay, long steps, long warmUp) {
    return (OptimizerBuilder builder) -> {
      Schedule schedule = Schedules.cosine(learningRate, Math.max(1, steps - warmUp));
      return builder
          .rule(Adam.adamW().weightDecay(weightDecay))
          .group(ParameterGroup.matching("*.bias").weightDecay(0))
          .learningRate(warmUp == 0 ? schedule : schedule.warmUp(warmUp));
    };
  }

  private static Example example(long seed, Row row) {
    if (row.isNullAt(0) || row.isNullAt(1)) {
      throw new IllegalArgumentException("features or label of a row are null: leave it out");
    }
    double label = row.getDouble(1);
    if (label < 0 || label != Math.rint(label) || label > MlpClassificationModel.MAX_CLASSES) {
      throw new IllegalArgumentException(
          "label is "
              + label
              + ", must be a whole number from 0 to "
              + MlpClassificationModel.MAX_CLASSES
              + ": index the classes, as StringIndexer does");
    }
    float[] features = MlpClassificationModel.floats(row.<Vector>getAs(0));
    if (!IntStream.range(0, features.length).allMatch(i -> Float.isFinite(features[i]))) {
      throw new IllegalArgumentException(
          "features of a row are not finite in float32: leave it out, or impute and scale them");
    }
    return new Example(seed, (int) label, features);
  }

  /** How many classes the column says it has, or 0. */
  private static int declaredClasses(StructField column) {
    Attribute attribute = Attribute.fromStructField(column);
    if (attribute.attrType().equals(AttributeType.Nominal())) {
      Object count = ((NominalAttribute) attribute).getNumValues().getOrElse(() -> 0);
      return (Integer) count;
    }
    return 0;
  }

  /** What training has to know of all rows. */
  private static final class Table implements Serializable {
    static final Table EMPTY = new Table(0, 0, 0);
    private static final long serialVersionUID = 1L;

    final long rows;
    final int features;
    final int classes;

    Table(long rows, int features, int classes) {
      this.rows = rows;
      this.features = features;
      this.classes = classes;
    }

    Table with(Example row) {
      return and(new Table(1, row.features().length, row.label() + 1));
    }

    Table and(Table other) {
      if (rows > 0 && other.rows > 0 && features != other.features) {
        throw new IllegalArgumentException(
            "rows have "
                + features
                + " and "
                + other.features
                + " features, must have equally many: see how the vectors are made");
      }
      return new Table(
          rows + other.rows, Math.max(features, other.features), Math.max(classes, other.classes));
    }
  }
}
