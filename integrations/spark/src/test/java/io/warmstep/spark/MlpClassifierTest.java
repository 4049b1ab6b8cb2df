package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.evaluation.MulticlassClassificationEvaluator;
import org.apache.spark.ml.feature.StandardScaler;
import org.apache.spark.ml.feature.StringIndexer;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The classifier on digits and on cell nuclei, on a Spark of this process that has Kryo. */
class MlpClassifierTest {
  private static SparkSession spark;
  private static Dataset<Row> digits;
  private static Dataset<Row> digitsToTest;

  /** Where it does not matter how well a model has learnt. */
  private static Dataset<Row> few;

  @BeforeAll
  static void start() throws IOException {
    spark =
        SparkSession.builder()
            .master("local[4]")
            .appName("warmstep")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.codegen.wholeStage", "false") // compiling takes longer than it saves
            .config("spark.sql.adaptive.enabled", "false")
            .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
            .getOrCreate();
    spark.sparkContext().setLogLevel("ERROR");
    Dataset<Row>[] parts = table("digits").randomSplit(new double[] {0.8, 0.2}, 7);
    digits = parts[0].cache();
    digitsToTest = parts[1].cache();
    few = spark.createDataFrame(parts[1].takeAsList(200), parts[1].schema()).repartition(2).cache();
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  /** Features, divided by their greatest, and labels with their names. */
  private static Dataset<Row> table(String name) throws IOException {
    DataSet data = DataSets.named(name);
    int columns = data.features().length / data.rows();
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < data.rows(); i++) {
      double[] features = new double[columns];
      for (int j = 0; j < columns; j++) {
        features[j] = data.features()[i * columns + j];
      }
      rows.add(
          RowFactory.create(
              Vectors.dense(features).compressed(),
              (double) data.labels()[i],
              "class " + data.labels()[i]));
    }
    StructType schema =
        new StructType()
            .add("features", SQLDataTypes.VectorType())
            .add("label", DataTypes.DoubleType)
            .add("name", DataTypes.StringType);
    return spark.createDataFrame(rows, schema);
  }

  private static double accuracy(Dataset<Row> predictions, String label) {
    return new MulticlassClassificationEvaluator()
        .setLabelCol(label)
        .setMetricName("accuracy")
        .evaluate(predictions);
  }

  private static void assertSame(MlpClassificationModel expected, MlpClassificationModel actual) {
    Map<String, float[]> values = new TreeMap<>(expected.values());
    assertEquals(values.keySet(), new TreeMap<>(actual.values()).keySet());
    values.forEach((name, array) -> assertArrayEquals(array, actual.values().get(name), name));
  }

  private static MlpClassifier small() {
    return new MlpClassifier().setEpochs(2).setHiddenLayers(new int[] {16, 8});
  }

  @Test
  void learnsDigits() {
    MlpClassificationModel model = new MlpClassifier().setEpochs(20).setWorkers(2).fit(digits);
    assertArrayEquals(new int[] {64, 64, 10}, model.layers());
    Dataset<Row> predictions = model.transform(digitsToTest);
    double accuracy = accuracy(predictions, "label");
    assertTrue(accuracy > 0.95, "accuracy " + accuracy);
    for (Row row : predictions.limit(50).collectAsList()) {
      double[] probabilities = row.<Vector>getAs("probability").toArray();
      assertEquals(1, Arrays.stream(probabilities).sum(), 1e-12);
      double prediction = row.getAs("prediction");
      assertEquals(
          Arrays.stream(probabilities).max().orElseThrow(), probabilities[(int) prediction]);
      assertEquals(prediction, row.<Vector>getAs("rawPrediction").argmax());
    }
  }

  @Test
  void bitsDependNeitherOnWorkersNorOnTheRowsOrder() {
    MlpClassificationModel one = small().fit(few);
    assertSame(one, small().setWorkers(2).fit(few.repartition(5)));
    assertSame(one, small().setWorkers(4).fit(few.orderBy(functions.rand(3))));
    assertThrows(
        AssertionError.class, () -> assertSame(one, small().setSeed(2).fit(few)), "other seed");
  }

  @Test
  void goesOnFromItsCheckpoint(@TempDir Path folder) {
    MlpClassifier checkpointed =
        small().setCheckpointFolder(folder.toString()).setCheckpointInterval(1);
    MlpClassificationModel model = checkpointed.fit(few);
    assertSame(small().fit(few), model);
    assertTrue(folder.resolve("checkpoint.safetensors").toFile().isFile());
    // Starting over, another seed would end in another model; here no step is left to take.
    assertSame(model, checkpointed.setWorkers(2).setSeed(2).fit(few));
    assertThrows(
        AssertionError.class, () -> assertSame(model, small().setSeed(2).fit(few)), "other seed");
  }

  @Test
  void stagesAreSavedAndLoaded(@TempDir Path folder) throws Exception {
    MlpClassifier classifier =
        small().setLearningRate(0.02).setPredictionCol("digit").setThresholds(ten());
    String path = folder.resolve("classifier").toString();
    classifier.write().overwrite().save(path);
    MlpClassifier loaded = MlpClassifier.load(path);
    assertEquals(classifier.uid(), loaded.uid());
    for (Param<?> param : classifier.params()) {
      assertTrue(
          Objects.deepEquals(
              classifier.getOrDefault(param), loaded.getOrDefault(loaded.getParam(param.name()))),
          param.name());
      assertEquals(classifier.isSet(param), loaded.isSet(loaded.getParam(param.name())));
    }
    MlpClassificationModel model = loaded.fit(few);
    String modelPath = folder.resolve("model").toString();
    model.save(modelPath);
    MlpClassificationModel back = MlpClassificationModel.load(modelPath);
    assertSame(model, back);
    assertEquals(model.uid(), back.uid());
    assertEquals("digit", back.getPredictionCol());
    assertArrayEquals(ten(), back.getThresholds());
    assertEquals(
        model.transform(few).select("digit").collectAsList(),
        back.transform(few).select("digit").collectAsList());
    assertSame(model, model.copy(ParamMap.empty()));
  }

  private static double[] ten() {
    return new double[] {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
  }

  @Test
  void standsInPipelines(@TempDir Path folder) throws Exception {
    Dataset<Row>[] parts = table("breast-cancer").randomSplit(new double[] {0.7, 0.3}, 3);
    Pipeline pipeline =
        new Pipeline()
            .setStages(
                new PipelineStage[] {
                  new StringIndexer().setInputCol("name").setOutputCol("indexed"),
                  new StandardScaler()
                      .setWithMean(true)
                      .setInputCol("features")
                      .setOutputCol("scaled"),
                  new MlpClassifier()
                      .setFeaturesCol("scaled")
                      .setLabelCol("indexed")
                      .setEpochs(10)
                      .setWorkers(2)
                });
    String path = folder.resolve("pipeline").toString();
    pipeline.save(path);
    PipelineModel model = Pipeline.load(path).fit(parts[0]);
    Dataset<Row> predictions = model.transform(parts[1]);
    double accuracy = accuracy(predictions, "indexed");
    assertTrue(accuracy > 0.93, "accuracy " + accuracy);
    String modelPath = folder.resolve("model").toString();
    model.save(modelPath);
    assertEquals(
        predictions.select("probability").collectAsList(),
        PipelineModel.load(modelPath).transform(parts[1]).select("probability").collectAsList());
  }

  @Test
  void aParamMapOverridesWhatWasSet() {
    MlpClassifier classifier = new MlpClassifier().setEpochs(1);
    ParamMap map = new ParamMap().put(classifier.hiddenLayers(), new int[] {5});
    assertArrayEquals(new int[] {64, 5, 10}, classifier.fit(few, map).layers());
    assertArrayEquals(new int[] {64, 10}, small().setHiddenLayers(new int[0]).fit(few).layers());
  }

  @Test
  void whatIsWrongIsSaid() {
    assertThrows(IllegalArgumentException.class, () -> new MlpClassifier().setEpochs(0));
    assertThrows(
        IllegalArgumentException.class, () -> new MlpClassifier().setHiddenLayers(new int[] {0}));
    assertThrows(IllegalArgumentException.class, () -> small().fit(few.limit(0)));
    assertThrows(IllegalArgumentException.class, () -> small().setWorkers(9).fit(few));
    assertFails("label is 0.5", few.withColumn("label", functions.lit(0.5)));
    assertFails("null", few.withColumn("label", functions.lit(null).cast("double")));
    Dataset<Row> shorter =
        spark.createDataFrame(
            List.of(RowFactory.create(Vectors.dense(1, 2), 0.0, "x")), few.schema());
    assertFails("must have equally many", few.union(shorter));
    Dataset<Row> infinite =
        spark.createDataFrame(
            List.of(RowFactory.create(Vectors.dense(1e300), 0.0, "x")), few.schema());
    assertFails("not finite", infinite);
    MlpClassificationModel model = small().setEpochs(1).fit(few);
    String message =
        assertThrows(IllegalArgumentException.class, () -> model.predictRaw(Vectors.dense(1, 2)))
            .getMessage();
    assertTrue(message.contains("must have 64"), message);
  }

  private static void assertFails(String reason, Dataset<Row> rows) {
    Throwable thrown = assertThrows(Exception.class, () -> small().fit(rows));
    StringBuilder messages = new StringBuilder();
    for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
      messages.append(cause).append('\n');
    }
    assertTrue(messages.toString().contains(reason), messages.toString());
  }
}
