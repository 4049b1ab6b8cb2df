package io.warmstep.spark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.apache.spark.ml.classification.ProbabilisticClassificationModel;
import org.apache.spark.ml.linalg.DenseVector;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader$;
import org.apache.spark.ml.util.DefaultParamsWriter$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import scala.Option;
import scala.Tuple3;

/**
 * What {@link MlpClassifier} has trained. {@code transform} adds MLlib's columns: the prediction,
 * the probability of each class, and the scores before the softmax.
 */
public final class MlpClassificationModel
    extends ProbabilisticClassificationModel<Vector, MlpClassificationModel> implements MLWritable {
  static final int MAX_CLASSES = 1 << 20;
  private static final long serialVersionUID = 1L;
  private static final StructType COLUMNS =
      new StructType()
          .add("name", DataTypes.StringType)
          .add("inputs", DataTypes.IntegerType) // 0 for a bias
          .add("outputs", DataTypes.IntegerType)
          .add("values", DataTypes.createArrayType(DataTypes.FloatType));

  private String uid; // has no initializer: it is set while the superclass is constructed
  private final int[] sizes;
  private final float[][] weights;
  private final float[][] biases;
  private final Perceptron network;

  MlpClassificationModel(String uid, int[] sizes, Function<String, float[]> values) {
    this(new Held(StageUid.hold(uid)), sizes, values);
  }

  private MlpClassificationModel(Held held, int[] sizes, Function<String, float[]> values) {
    super();
    this.uid = held.uid;
    this.sizes = sizes.clone();
    this.network = new Perceptron(sizes);
    int layers = sizes.length - 1;
    weights = new float[layers][];
    biases = new float[layers][];
    for (int layer = 0; layer < layers; layer++) {
      weights[layer] = values.apply(Perceptron.weight(layer)).clone();
      biases[layer] = values.apply(Perceptron.bias(layer)).clone();
    }
  }

  /** Has a uid be held before the superclass is constructed. */
  private record Held(String uid) {}

  /**
   * Reads what {@link #write} has written.
   *
   * @return a reader
   */
  public static MLReader<MlpClassificationModel> read() {
    return new Reader();
  }

  /**
   * Loads a model.
   *
   * @param path of what {@code save} has written
   * @return an equal model
   */
  public static MlpClassificationModel load(String path) {
    return read().load(path);
  }

  @Override
  public MLWriter write() {
    return new Writer(this);
  }

  @Override
  public String uid() {
    return uid == null ? StageUid.held() : uid;
  }

  @Override
  public MlpClassificationModel copy(ParamMap extra) {
    MlpClassificationModel copy =
        copyValues(new MlpClassificationModel(uid, sizes, values()::get), extra);
    copy.setParent(parent());
    return copy;
  }

  /**
   * Sizes of the input, of each hidden layer, and how many classes there are.
   *
   * @return a copy
   */
  public int[] layers() {
    return sizes.clone();
  }

  /**
   * The trained values by name: {@code dense1.weight}, which is inputs times outputs in row-major
   * order, {@code dense1.bias}, {@code dense2.weight}, …
   *
   * @return copies
   */
  public Map<String, float[]> values() {
    Map<String, float[]> values = new HashMap<>();
    for (int layer = 0; layer < weights.length; layer++) {
      values.put(Perceptron.weight(layer), weights[layer].clone());
      values.put(Perceptron.bias(layer), biases[layer].clone());
    }
    return values;
  }

  @Override
  public int numFeatures() {
    return sizes[0];
  }

  @Override
  public int numClasses() {
    return sizes[sizes.length - 1];
  }

  @Override
  public Vector predictRaw(Vector features) {
    if (features.size() != numFeatures()) {
      throw new IllegalArgumentException(
          "a row has "
              + features.size()
              + " features, must have "
              + numFeatures()
              + " like those that the model was trained on");
    }
    float[] scores = network.scores(weights, biases, floats(features));
    double[] raw = new double[scores.length];
    for (int i = 0; i < raw.length; i++) {
      raw[i] = scores[i];
    }
    return Vectors.dense(raw);
  }

  @Override
  public Vector raw2probabilityInPlace(Vector raw) {
    double[] values = ((DenseVector) raw).values();
    double highest = Double.NEGATIVE_INFINITY;
    for (double value : values) {
      highest = Math.max(highest, value);
    }
    double sum = 0;
    for (int i = 0; i < values.length; i++) {
      values[i] = StrictMath.exp(values[i] - highest);
      sum += values[i];
    }
    for (int i = 0; i < values.length; i++) {
      values[i] /= sum;
    }
    return raw;
  }

  /**
   * Is of training summaries, which this model has none of. MLlib's two superclasses declare it
   * with types that only Scala takes for one another, so that Java needs it spelled out.
   */
  @Override
  @SuppressWarnings({"rawtypes", "unchecked"})
  public Tuple3 findSummaryModel() {
    return new Tuple3(this, getProbabilityCol(), getPredictionCol());
  }

  @Override
  public String toString() {
    return "MlpClassificationModel: uid=" + uid + ", layers=" + Arrays.toString(sizes);
  }

  /** In float32, which the network works in. */
  static float[] floats(Vector vector) {
    double[] values = vector.toArray();
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  /** Metadata as MLlib's, and a table with a row for each parameter. */
  private static final class Writer extends MLWriter {
    private final MlpClassificationModel model;

    Writer(MlpClassificationModel model) {
      this.model = model;
    }

    @Override
    public void saveImpl(String path) {
      DefaultParamsWriter$.MODULE$.saveMetadata(model, path, sparkSession());
      List<Row> rows = new ArrayList<>();
      for (int layer = 0; layer < model.weights.length; layer++) {
        int outputs = model.sizes[layer + 1];
        rows.add(
            RowFactory.create(
                Perceptron.weight(layer), model.sizes[layer], outputs, model.weights[layer]));
        rows.add(RowFactory.create(Perceptron.bias(layer), 0, outputs, model.biases[layer]));
      }
      sparkSession().createDataFrame(rows, COLUMNS).coalesce(1).write().parquet(data(path));
    }
  }

  private static String data(String path) {
    return path + "/data";
  }

  /** Reads what the writer writes. */
  private static final class Reader extends MLReader<MlpClassificationModel> {
    @Override
    public MlpClassificationModel load(String path) {
      var metadata =
          DefaultParamsReader$.MODULE$.loadMetadata(
              path, sparkSession(), MlpClassificationModel.class.getName());
      Map<String, Row> rows = new HashMap<>();
      for (Row row : sparkSession().read().parquet(data(path)).collectAsList()) {
        rows.put(row.getAs("name"), row);
      }
      int[] sizes = new int[rows.size() / 2 + 1];
      Map<String, float[]> values = new HashMap<>();
      for (int layer = 0; layer < sizes.length - 1; layer++) {
        Row weight = rows.get(Perceptron.weight(layer));
        Row bias = rows.get(Perceptron.bias(layer));
        if (weight == null || bias == null) {
          throw new IllegalArgumentException(
              path + " lacks layer " + (layer + 1) + " of its model: it is damaged");
        }
        sizes[layer] = weight.getAs("inputs");
        sizes[layer + 1] = weight.getAs("outputs");
        put(values, weight, sizes[layer] * sizes[layer + 1], path);
        put(values, bias, sizes[layer + 1], path);
      }
      MlpClassificationModel model = new MlpClassificationModel(metadata.uid(), sizes, values::get);
      metadata.getAndSetParams(model, Option.empty());
      return model;
    }

    private static void put(Map<String, float[]> values, Row row, int count, String path) {
      String name = row.getAs("name");
      List<Float> read = row.getList(row.fieldIndex("values"));
      if (read.size() != count) {
        throw new IllegalArgumentException(
            path
                + " has "
                + read.size()
                + " values of "
                + name
                + ", must have "
                + count
                + ": it is damaged");
      }
      float[] array = new float[count];
      for (int i = 0; i < count; i++) {
        array[i] = read.get(i);
      }
      values.put(name, array);
    }
  }
}
