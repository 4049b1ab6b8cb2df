package io.warmstep.spark;

import io.warmstep.check.Arguments;
import io.warmstep.collective.LaneTree;
import java.io.Serializable;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.Partitioner;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.sql.Dataset;
import scala.Tuple2;

/**
 * Trains one model by the tasks of one barrier stage. Rows are sorted and numbered once, so that
 * the result's bits depend neither on the number of workers nor on how Spark had partitioned the
 * rows.
 *
 * <pre>{@code
 * TrainedModel model =
 *     SparkTraining.of(rows, Row::id)
 *         .parameters(new TreeMap<>(Map.of("weight", new float[64], "bias", new float[1])))
 *         .gradients((batch, parameters) -> backward(batch, parameters))
 *         .optimizer(builder -> builder.rule(Adam.adamW()).learningRate(1e-3))
 *         .workers(4)
 *         .batch(256)
 *         .steps(10_000)
 *         .train();
 * }</pre>
 *
 * <p>Spark needs as many free task slots as there are workers. A task uses the GPU that Spark has
 * given it, if it has given one, else the processor. Tasks connect with each other at the address
 * of their executor, as {@link io.warmstep.collective.TcpEndpoint} says.
 *
 * <p>If a task fails or hangs, the others learn of it, and Spark starts the stage anew; with {@link
 * #checkpoint} it goes on from the last whole checkpoint. The tasks of the stage that failed are
 * interrupted, whatever {@code spark.job.interruptOnCancel} says.
 *
 * @param <R> the rows, which Spark can serialize
 */
public final class SparkTraining<R> {
  private static final String INTERRUPTS = "spark.job.interruptOnCancel";

  private final JavaRDD<R> rows;
  private final Function<R, ? extends Comparable<?>> key;
  private final LinkedHashMap<String, float[]> parameters = new LinkedHashMap<>();
  private GradientFunction<R> gradients;
  private OptimizerChoice optimizer;
  private int workers = 1;
  private int lanes = 8;
  private int batch = 32;
  private long steps;
  private Duration limit = Duration.ofMinutes(5);
  private String checkpoint;
  private long every;

  private SparkTraining(JavaRDD<R> rows, Function<R, ? extends Comparable<?>> key) {
    this.rows = rows;
    this.key = key;
  }

  /**
   * Starts a training.
   *
   * @param <R> the rows
   * @param <K> what they are sorted by
   * @param rows to train on
   * @param key what rows are sorted by: another one for each row, such as a number or a hash. Only
   *     rows that are equal may have equal ones
   * @return a training in which nothing is chosen yet
   */
  public static <R, K extends Comparable<K> & Serializable> SparkTraining<R> of(
      JavaRDD<R> rows, Function<R, K> key) {
    Arguments.requirePresent("rows", rows, "pass those to train on");
    Arguments.requirePresent("key", key, "pass what rows are sorted by");
    return new SparkTraining<>(rows, key);
  }

  /**
   * Starts a training on the rows of a dataset, as on those of an RDD.
   *
   * @param <R> the rows
   * @param <K> what they are sorted by
   * @param rows to train on
   * @param key what rows are sorted by: another one for each row, such as an id's column. Only rows
   *     that are equal may have equal ones
   * @return a training in which nothing is chosen yet
   */
  public static <R, K extends Comparable<K> & Serializable> SparkTraining<R> of(
      Dataset<R> rows, Function<R, K> key) {
    Arguments.requirePresent("rows", rows, "pass those to train on");
    return of(rows.javaRDD(), key);
  }

  /**
   * Sets the parameters. Required.
   *
   * @param initial their first values by name. Their order is that of the map, and the bits of a
   *     step that clips by norm depend on it: so pass one that has an order, such as a {@link
   *     java.util.LinkedHashMap}
   * @return this training
   */
  public SparkTraining<R> parameters(Map<String, float[]> initial) {
    parameters.clear();
    initial.forEach((name, values) -> parameters.put(name, values.clone()));
    return this;
  }

  /**
   * Sets what computes gradients. Required.
   *
   * @param function from rows and parameters to gradients
   * @return this training
   */
  public SparkTraining<R> gradients(GradientFunction<R> function) {
    gradients = function;
    return this;
  }

  /**
   * Chooses rule, learning rate and options. Required.
   *
   * @param choice made at each task
   * @return this training
   */
  public SparkTraining<R> optimizer(OptimizerChoice choice) {
    optimizer = choice;
    return this;
  }

  /**
   * Sets how many tasks train.
   *
   * @param workers at least 1 and at most as many as lanes; 1 unless called
   * @return this training
   */
  public SparkTraining<R> workers(int workers) {
    this.workers = workers;
    return this;
  }

  /**
   * Sets into how many parts a batch is cut. The result's bits depend on it.
   *
   * @param lanes at least as many as workers; 8 unless called
   * @return this training
   */
  public SparkTraining<R> lanes(int lanes) {
    this.lanes = lanes;
    return this;
  }

  /**
   * Sets how many rows a step takes, of all workers together.
   *
   * @param rows at least 1; 32 unless called
   * @return this training
   */
  public SparkTraining<R> batch(int rows) {
    Arguments.requireAtLeast("batch", rows, 1, "pass the rows of a step");
    batch = rows;
    return this;
  }

  /**
   * Sets how many steps are taken. Required.
   *
   * @param steps at least 1
   * @return this training
   */
  public SparkTraining<R> steps(long steps) {
    Arguments.requireAtLeast("steps", steps, 1, "pass how many to take");
    this.steps = steps;
    return this;
  }

  /**
   * Sets how long the workers wait for each other in any one operation.
   *
   * @param limit above 0 and at most a day; five minutes unless called
   * @return this training
   */
  public SparkTraining<R> limit(Duration limit) {
    this.limit = limit;
    return this;
  }

  /**
   * Saves the run after every so many steps, and goes on from there where it finds a checkpoint.
   *
   * @param folder that all executors see
   * @param every steps between two checkpoints, at least 1
   * @return this training
   */
  public SparkTraining<R> checkpoint(Path folder, long every) {
    Arguments.requireAtLeast("every", every, 1, "pass the steps between two checkpoints");
    checkpoint = folder.toAbsolutePath().toString();
    this.every = every;
    return this;
  }

  /**
   * Trains.
   *
   * @return the parameters that all workers have at the end
   * @throws IllegalStateException if something required is missing, or there are no rows
   * @throws IllegalArgumentException if there are fewer lanes than workers, or rows that differ
   *     have equal keys
   */
  public TrainedModel train() {
    if (parameters.isEmpty() || gradients == null || optimizer == null || steps == 0) {
      throw new IllegalStateException(
          "parameters(...), gradients(...), optimizer(...) and steps(...) are required: set all"
              + " four");
    }
    new LaneTree(lanes, workers);
    JavaRDD<R> sorted = rows.sortBy(key, true, Math.max(1, rows.getNumPartitions()));
    RowOrder order = new RowOrder(count(sorted), batch, lanes);
    if (order.rows() == 0) {
      throw new IllegalStateException("there are no rows to train on: pass at least one");
    }
    JavaPairRDD<Long, R> numbered = sorted.zipWithIndex().mapToPair(Tuple2::swap);
    JavaRDD<Tuple2<Long, R>> placed =
        numbered.partitionBy(new ByWorker(order, workers)).mapPartitions(its -> its, true);
    WorkerTask<R> task =
        new WorkerTask<>(
            order, parameters, gradients, optimizer, steps, limit, checkpoint, every, token());
    // By way of another stage: Spark does not start a barrier stage anew that is a job's last.
    JavaRDD<byte[]> results = Barriers.mapPartitions(placed, task).repartition(1);
    return TrainedModel.read(collectWithInterrupts(results).get(0));
  }

  /** How many rows there are, once it is sure that their order is no chance. */
  private long count(JavaRDD<R> sorted) {
    SortedRows<R> check = new SortedRows<>(key);
    long count = 0;
    for (Tuple2<Long, String> part : sorted.mapPartitions(check).collect()) {
      if (part._2() != null) {
        throw new IllegalArgumentException(
            "several rows have the key "
                + part._2()
                + ", so their order would be chance: pass a key that is another one for each row,"
                + " such as a number");
      }
      count += part._1();
    }
    return count;
  }

  /**
   * Has Spark interrupt the tasks that are left of a stage which failed. Without that, one that
   * waits or sleeps would keep its slot, and the stage that is tried again might find too few.
   */
  private static List<byte[]> collectWithInterrupts(JavaRDD<byte[]> results) {
    SparkContext context = results.context();
    String former = context.getLocalProperty(INTERRUPTS);
    context.setLocalProperty(INTERRUPTS, "true");
    try {
      return results.collect();
    } finally {
      context.setLocalProperty(INTERRUPTS, former);
    }
  }

  private static String token() {
    byte[] bytes = new byte[32];
    new SecureRandom().nextBytes(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  /** Each row to the worker that needs it. */
  private static final class ByWorker extends Partitioner {
    private static final long serialVersionUID = 1L;

    private final RowOrder order;
    private final int workers;

    ByWorker(RowOrder order, int workers) {
      this.order = order;
      this.workers = workers;
    }

    @Override
    public int numPartitions() {
      return workers;
    }

    @Override
    public int getPartition(Object row) {
      return order.worker((Long) row, workers);
    }
  }

  /**
   * Counts rows that are sorted, of which those with equal keys are neighbours: gives how many
   * there are, and a key that two have which differ, or null.
   */
  private static final class SortedRows<R>
      implements FlatMapFunction<Iterator<R>, Tuple2<Long, String>> {
    private static final long serialVersionUID = 1L;

    private final Function<R, ? extends Comparable<?>> key;

    SortedRows(Function<R, ? extends Comparable<?>> key) {
      this.key = key;
    }

    @Override
    public Iterator<Tuple2<Long, String>> call(Iterator<R> rows) throws Exception {
      long count = 0;
      R former = null;
      Object formerKey = null;
      while (rows.hasNext()) {
        R row = rows.next();
        Comparable<?> rowKey = key.call(row);
        if (count++ > 0 && compare(rowKey, formerKey) == 0 && !row.equals(former)) {
          return List.of(new Tuple2<>(count, rowKey.toString())).iterator();
        }
        former = row;
        formerKey = rowKey;
      }
      return List.of(new Tuple2<Long, String>(count, null)).iterator();
    }

    /** Keys are of one type, which compares with itself: {@link SparkTraining#of} asks for it. */
    @SuppressWarnings("unchecked")
    private static <K> int compare(Comparable<K> one, Object other) {
      return one.compareTo((K) other);
    }
  }

  /** What a task does with its rows; one of them gives the model's bytes. */
  interface Task<R> extends Serializable {
    Iterator<byte[]> run(Iterator<Tuple2<Long, R>> rows) throws Exception;
  }
}
