package io.warmstep.spark;

import java.io.Serializable;
import java.util.Iterator;
import org.apache.spark.api.java.JavaRDD;
import scala.Tuple2;
import scala.jdk.javaapi.CollectionConverters;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;
import scala.runtime.AbstractFunction1;

/** Stages whose tasks all run at the same time, which Spark offers to Scala alone. */
final class Barriers {
  private Barriers() {}

  static <R> JavaRDD<byte[]> mapPartitions(
      JavaRDD<Tuple2<Long, R>> rows, SparkTraining.Task<R> task) {
    ClassTag<byte[]> tag = ClassTag$.MODULE$.apply(byte[].class);
    return JavaRDD.fromRDD(
        rows.rdd().barrier().mapPartitions(new Adapter<>(task), false, tag), tag);
  }

  /** A task as a function of Scala's. */
  private static final class Adapter<R>
      extends AbstractFunction1<
          scala.collection.Iterator<Tuple2<Long, R>>, scala.collection.Iterator<byte[]>>
      implements Serializable {
    private static final long serialVersionUID = 1L;

    private final SparkTraining.Task<R> task;

    Adapter(SparkTraining.Task<R> task) {
      this.task = task;
    }

    @Override
    public scala.collection.Iterator<byte[]> apply(
        scala.collection.Iterator<Tuple2<Long, R>> rows) {
      Iterator<byte[]> results;
      try {
        results = task.run(CollectionConverters.asJava(rows));
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException(e.getMessage(), e);
      }
      return CollectionConverters.asScala(results);
    }
  }
}
