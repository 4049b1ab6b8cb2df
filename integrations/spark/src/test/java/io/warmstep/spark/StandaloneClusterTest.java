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
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/** Training on a cluster of several processes, of which some are lost. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class StandaloneClusterTest {
  private static final Perceptron NETWORK = new Perceptron(64, 16, 10);

  @TempDir static Path home;
  private static SparkCluster cluster;

  @BeforeAll
  static void start() throws Exception {
    cluster = SparkCluster.start(home.resolve("spark"));
  }

  @AfterAll
  static void stop() throws IOException {
    if (cluster != null) {
      cluster.close();
    }
  }

  private static List<Example> digits() throws IOException {
    DataSet data = DataSets.named("digits");
    List<Example> rows = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      float[] features = Arrays.copyOfRange(data.features(), 64 * i, 64 * i + 64);
      rows.add(new Example(1, data.labels()[i], features));
    }
    return rows;
  }

  /** Of 30 steps; an epoch has 10. */
  private static SparkTraining<Example> training(JavaSparkContext spark) throws IOException {
    return SparkTraining.of(spark.parallelize(digits(), 3), row -> row)
        .parameters(NETWORK.initial(1))
        .gradients(NETWORK)
        .optimizer(builder -> builder.rule(Adam.adamW()).learningRate(0.01).clipNorm(1))
        .limit(Duration.ofSeconds(60))
        .steps(30);
  }

  private static String expected; // of one worker on a processor

  private static String expected() throws IOException {
    if (expected == null) {
      expected = training(cluster.spark()).train().parameters().bits();
    }
    return expected;
  }

  private static void assumeNamespaces() throws InterruptedException {
    String problem = SparkCluster.namespacesProblem();
    assumeTrue(problem == null, () -> "network namespaces are not possible here: " + problem);
  }

  @Test
  void severalExecutorsHaveTheSameBits() throws Exception {
    assertEquals(expected(), training(cluster.spark()).workers(2).train().parameters().bits());
  }

  /** Of so many elements that a phase of a step takes milliseconds; 40 steps are an epoch. */
  private static SparkTraining<Integer> longTraining() {
    List<Integer> rows = IntStream.range(0, 40 * KilledExecutors.BATCH).boxed().toList();
    return KilledExecutors.training(cluster.spark().parallelize(rows, 2));
  }

  @Test
  void executorsThatAreKilledAreReplacedAndTrainingGoesOn(@TempDir Path folder) throws Exception {
    String whole = longTraining().train().parameters().bits();
    Path notes = Files.createDirectory(folder.resolve("notes"));
    StageEvents events = new StageEvents(() -> {});
    TrainedModel model =
        events.during(
            cluster.spark(),
            longTraining()
                .gradients(new KilledExecutors(notes))
                .workers(2)
                .checkpoint(folder.resolve("run"), KilledExecutors.EVERY));
    assertEquals(whole, model.parameters().bits());
    assertEquals(40, model.steps());
    int phases = KilledExecutors.Phase.values().length;
    List<String> kills = events.removals().stream().filter(r -> r.contains("137")).toList();
    assertEquals(phases, kills.size(), events.removals().toString());
    for (int i = 0; i < phases; i++) {
      KilledExecutors.Notes before = KilledExecutors.Notes.of(notes, i);
      KilledExecutors.Notes after = KilledExecutors.Notes.of(notes, i + 1);
      int saved = before.last() / KilledExecutors.EVERY * KilledExecutors.EVERY;
      assertTrue(saved > before.first(), before.toString());
      assertEquals(saved, after.first(), "after " + KilledExecutors.Phase.values()[i]);
    }
  }

  @Test
  void aLinkThatIsCutEndsTheStageAndTrainingGoesOn(@TempDir Path folder) throws Exception {
    assumeNamespaces();
    String whole = expected();
    Path notes = Files.createDirectory(folder.resolve("notes"));
    Thread cutter =
        new Thread(
            () -> {
              try {
                CutLink.await(notes, CutLink.REACHED);
                SparkCluster.link(false);
                Files.createFile(notes.resolve(CutLink.CUT));
              } catch (InterruptedException e) {
                return; // the training failed before it came to that
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    cutter.start();
    try {
      StageEvents events = new StageEvents(() -> SparkCluster.link(true));
      TrainedModel model =
          events.during(
              cluster.spark(),
              training(cluster.spark())
                  .gradients(new CutLink(NETWORK, notes))
                  .workers(2)
                  .limit(Duration.ofSeconds(6))
                  .checkpoint(folder.resolve("run"), 8));
      assertEquals(whole, model.parameters().bits());
      events.assertFailed(Set.of(0), "CollectiveTimeoutException");
      assertEquals(List.of(), events.removals(), "Spark itself lost nobody");
      List<Integer> hashes = digits().stream().sorted().map(Example::hashCode).toList();
      assertEquals(hashes.size(), hashes.stream().distinct().count());
      int saved = (16 - 10) * 32; // the checkpoint has 16 steps, and an epoch 10
      assertEquals(0, hashes.indexOf(CutLink.first(notes, 0, 0)));
      assertEquals(16, hashes.indexOf(CutLink.first(notes, 0, 1)));
      assertEquals(saved, hashes.indexOf(CutLink.first(notes, 1, 0)));
      assertEquals(saved + 16, hashes.indexOf(CutLink.first(notes, 1, 1)));
    } finally {
      cutter.interrupt();
      cutter.join();
      SparkCluster.link(true);
    }
  }

  /** As when a run of tests is interrupted. */
  @Test
  void noNamespaceOutlivesItsProcess() throws Exception {
    assumeNamespaces();
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

  /** On four simulated GPUs. Takes a context of its own, so it comes last. */
  @Test
  @Order(Integer.MAX_VALUE)
  @Tag("cudasim")
  void aTaskTrainsOnTheGpuThatSparkGaveIt(@TempDir Path folder) throws Exception {
    Path simulator = Path.of(System.getProperty("warmstep.cudasim")).toAbsolutePath();
    assertTrue(Files.exists(simulator), simulator.toString());
    String onProcessors = expected();
    JavaSparkContext spark = cluster.sparkOnGpus(simulator);
    TrainedModel model =
        training(spark)
            .gradients(new OnGpus(NETWORK, folder))
            .optimizer(new OnGpus.Choice(folder))
            .workers(4)
            .train();
    assertEquals(onProcessors, model.parameters().bits());
    List<OnGpus.Task> tasks = new ArrayList<>();
    for (int worker = 0; worker < 4; worker++) {
      tasks.add(OnGpus.Task.of(folder, worker));
    }
    for (OnGpus.Task task : tasks) {
      List<OnGpus.Task> neighbours =
          tasks.stream().filter(other -> other.executor().equals(task.executor())).toList();
      assertEquals(2, neighbours.size(), tasks.toString());
      assertEquals(
          neighbours.stream().map(OnGpus.Task::device).sorted().toList(),
          task.inUse(),
          "by the driver: " + tasks);
    }
    List<String> gpus = SparkCluster.GPUS.stream().flatMap(List::stream).toList();
    assertEquals(
        IntStream.range(0, 4).boxed().toList(),
        tasks.stream().map(task -> gpus.indexOf(task.address())).sorted().toList(),
        "one for each: " + tasks);
    for (OnGpus.Task task : tasks) {
      assertEquals(gpus.indexOf(task.address()), task.device(), tasks.toString());
    }
    List<String> errors = cluster.errors();
    assertFalse(errors.isEmpty(), "executors log what they do");
    assertEquals(List.of(), errors.stream().filter(line -> line.startsWith("cudasim:")).toList());
  }
}
