package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.rule.Adam;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Digits on a cluster of several processes, of which one is lost. */
class StandaloneClusterTest {
  private static final Perceptron NETWORK = new Perceptron(64, 16, 10);

  private static List<Example> digits() throws IOException {
    DataSet data = DataSets.named("digits");
    List<Example> rows = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      float[] features = Arrays.copyOfRange(data.features(), 64 * i, 64 * i + 64);
      rows.add(new Example(1, data.labels()[i], features));
    }
    return rows;
  }

  private static SparkTraining<Example> training(JavaSparkContext spark) throws IOException {
    return SparkTraining.of(spark.parallelize(digits(), 3), row -> row)
        .parameters(NETWORK.initial(1))
        .gradients(NETWORK)
        .optimizer(builder -> builder.rule(Adam.adamW()).learningRate(0.01).clipNorm(1))
        .limit(Duration.ofSeconds(60))
        .steps(30);
  }

  private static String expected; // of one worker, whichever cluster it is on

  private static synchronized String expected(JavaSparkContext spark) throws IOException {
    if (expected == null) {
      expected = training(spark).train().parameters().bits();
    }
    return expected;
  }

  /**
   * Ends the process of worker 1 in its first attempt, as {@code kill -9} does, in step 22. Each
   * task writes a file of its own in which row it began with.
   */
  private static final class Killed implements GradientFunction<Example> {
    private static final long serialVersionUID = 1L;

    private final String folder;
    private int calls;

    Killed(Path folder) {
      this.folder = folder.toString();
    }

    @Override
    public double gradients(List<Example> rows, ModelParameters model) {
      TaskContext context = TaskContext.get();
      int attempt = context.stageAttemptNumber();
      int worker = context.partitionId();
      if (calls++ == 0) {
        try {
          Files.writeString(begun(Path.of(folder), attempt, worker), rows.get(0).hashCode() + "");
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
      if (worker == 1 && attempt == 0 && calls == 22 * 4 + 2) { // it has four lanes
        Runtime.getRuntime().halt(137);
      }
      return NETWORK.gradients(rows, model);
    }

    static Path begun(Path folder, int attempt, int worker) {
      return folder.resolve("attempt" + attempt + "-worker" + worker);
    }

    /** The number of that row, among all in their order. */
    static int firstRow(Path folder, int attempt, int worker) throws IOException {
      int hash = Integer.parseInt(Files.readString(begun(folder, attempt, worker)));
      List<Integer> hashes = digits().stream().sorted().map(Example::hashCode).toList();
      assertEquals(hashes.size(), hashes.stream().distinct().count());
      return hashes.indexOf(hash);
    }
  }

  @Test
  void aLostExecutorIsReplacedAndTrainingGoesOn(@TempDir Path folder) throws Exception {
    Path begun = Files.createDirectories(folder.resolve("begun"));
    try (SparkCluster cluster = SparkCluster.onLoopback(folder.resolve("spark"))) {
      String one = expected(cluster.spark());
      TrainedModel model =
          training(cluster.spark())
              .gradients(new Killed(begun))
              .workers(2)
              .checkpoint(folder.resolve("run"), 8)
              .train();
      assertEquals(one, model.parameters().bits());
      assertEquals(30, model.steps());
      assertEquals(0, Killed.firstRow(begun, 0, 0));
      assertEquals(16, Killed.firstRow(begun, 0, 1));
      int next = (16 - 10) * 32; // the checkpoint has 16 steps, and an epoch 10
      assertEquals(next, Killed.firstRow(begun, 1, 0));
      assertEquals(next + 16, Killed.firstRow(begun, 1, 1));
    }
  }

  /** As when a run of tests is interrupted. */
  @Test
  void noNamespaceOutlivesItsProcess() throws Exception {
    String problem = SparkCluster.namespacesProblem();
    assumeTrue(problem == null, () -> "network namespaces are not possible here: " + problem);
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                SparkCluster.class.getName())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader said = process.inputReader(StandardCharsets.UTF_8)) {
      List<String> names = List.of(said.readLine().split(" "));
      assertEquals(2, names.size());
      for (String name : names) {
        assertTrue(Files.exists(Path.of("/run/netns", name)), name);
      }
      process.destroy();
      process.waitFor();
      for (String name : names) {
        assertFalse(Files.exists(Path.of("/run/netns", name)), name);
      }
    } finally {
      process.destroy();
    }
  }

  @Test
  void hostsOfTheirOwnHaveTheSameBits(@TempDir Path folder) throws Exception {
    String problem = SparkCluster.namespacesProblem();
    assumeTrue(problem == null, () -> "network namespaces are not possible here: " + problem);
    try (SparkCluster cluster = SparkCluster.inNamespaces(folder.resolve("spark"))) {
      assertEquals(
          expected(cluster.spark()),
          training(cluster.spark()).workers(2).train().parameters().bits());
    }
  }
}
