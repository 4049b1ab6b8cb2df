package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.dataset.RandomAccessDataset;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the README shows compiles and trains, before the change and after. */
class ReadmeTest {
  private static final String PROGRAM =
      """
      import ai.djl.*;
      import ai.djl.ndarray.types.Shape;
      import ai.djl.training.*;
      import ai.djl.training.dataset.*;
      import ai.djl.training.loss.Loss;
      import ai.djl.training.optimizer.Optimizer;
      import ai.djl.training.tracker.Tracker;
      import io.warmstep.ParameterGroup;
      import io.warmstep.djl.*;
      import io.warmstep.rule.Adam;
      import io.warmstep.schedule.Schedules;
      import java.nio.file.*;
      public class Program {
        public static void run(
            Model model, Shape shape, RandomAccessDataset training, Path folder) throws Exception {
          Tracker tracker = Tracker.fixed(0.01f);
          BEFORE
          CODE
        }
      }
      """;

  /** What the second change takes as given. */
  private static final String WITH_OPTIMIZER =
      """
      TrainingConfig config =
          new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss()).optOptimizer(optimizer);
      """;

  @TempDir Path classes;
  @TempDir Path folder;

  private static List<String> blocks(String language) {
    try {
      String readme = Files.readString(Path.of("README.md"));
      return Pattern.compile("```" + language + "\n(.*?)```", Pattern.DOTALL)
          .matcher(readme)
          .results()
          .map(result -> result.group(1))
          .toList();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** One side of a diff: lines in common and its own. */
  private static String side(String diff, String side) {
    return diff.lines()
        .filter(line -> line.startsWith(" ") || line.startsWith(side))
        .map(line -> line.substring(1))
        .collect(Collectors.joining("\n"));
  }

  @Test
  void hasTheseBlocks() {
    assertEquals(2, blocks("diff").size());
    assertEquals(1, blocks("java").size());
  }

  @ParameterizedTest
  @CsvSource({"0, -", "0, +", "1, -"})
  void bothSidesOfTheDiffTrain(int block, String side) throws Exception {
    String before = block == 0 ? "" : blocks("java").get(0) + WITH_OPTIMIZER;
    // trainer.step() can neither clip by the norm nor find names.
    compile(before.replace(".clipNorm(1)", ".names(model.getBlock())"), block, side);
    try (Model model = model(1)) {
      run(model, 1, folder);
      Map<String, double[]> once = values(model);
      run(model, 1, folder);
      assertNotEquals(Set.of(), differing(once, values(model)), "it goes on");
    }
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(), files.toList());
    }
  }

  /** A run that goes on in another model, which begins with other values, is as one in one go. */
  @Test
  void theModelStepGoesOnFromItsFiles() throws Exception {
    compile(blocks("java").get(0) + WITH_OPTIMIZER, 1, "+");
    Map<String, double[]> inOneGo = trained(1, 2, folder.resolve("one"));
    Map<String, double[]> other = trained(2, 2, folder.resolve("other"));
    assertNotEquals(Set.of(), differing(inOneGo, other), "other seeds begin with other values");

    Path two = folder.resolve("two");
    Map<String, double[]> half = trained(1, 1, two);
    assertNotEquals(Set.of(), differing(inOneGo, half), "the second half matters");
    assertEquals(Set.of(), differing(inOneGo, trained(2, 1, two)));
  }

  /** The names of those parameters that have other values there. */
  private static Set<String> differing(Map<String, double[]> values, Map<String, double[]> others) {
    Set<String> differing = new TreeSet<>(values.keySet());
    differing.removeIf(name -> Arrays.equals(values.get(name), others.get(name)));
    return differing;
  }

  /** A new model's values after training. */
  private Map<String, double[]> trained(int seed, int epochs, Path files) throws Exception {
    try (Model model = model(seed)) {
      run(model, epochs, Files.createDirectories(files));
      return values(model);
    }
  }

  /** A model whose values, once they are initialized, depend on the seed. */
  private static Model model(int seed) {
    Model model = Model.newInstance("readme", Device.cpu(), "PyTorch");
    model.setBlock(Toy.block());
    Engine.getInstance().setRandomSeed(seed);
    return model;
  }

  private static Map<String, double[]> values(Model model) {
    Map<String, double[]> values = new TreeMap<>();
    BlockParameters.named(model.getBlock())
        .forEach((name, parameter) -> values.put(name, Toy.doubles(parameter.getArray())));
    return values;
  }

  /** Runs the program on data that has the same rows once for each epoch. */
  private void run(Model model, int epochs, Path files) throws Exception {
    int rows = 64;
    float[] inputs = new float[epochs * rows * Toy.INPUTS];
    float[] labels = new float[epochs * rows];
    for (int i = 0; i < inputs.length; i++) {
      inputs[i] = (i % (rows * Toy.INPUTS) * 37 % 11) / 11f;
    }
    for (int i = 0; i < labels.length; i++) {
      labels[i] = i % rows % Toy.CLASSES;
    }
    try (NDManager manager = NDManager.newBaseManager();
        URLClassLoader loader =
            new URLClassLoader(new URL[] {classes.toUri().toURL()}, getClass().getClassLoader())) {
      RandomAccessDataset training =
          new ArrayDataset.Builder()
              .setData(manager.create(inputs, new Shape(labels.length, Toy.INPUTS)))
              .optLabels(manager.create(labels))
              .setSampling(16, false)
              .build();
      loader
          .loadClass("Program")
          .getMethod("run", Model.class, Shape.class, RandomAccessDataset.class, Path.class)
          .invoke(null, model, new Shape(16, Toy.INPUTS), training, files);
    }
  }

  /** Compiles one side of a diff with what comes before it. */
  private void compile(String before, int block, String side) throws IOException {
    String code = side(blocks("diff").get(block), side);
    String source = PROGRAM.replace("BEFORE", before).replace("CODE", code);
    Path file = Files.writeString(classes.resolve("Program.java"), source);
    ByteArrayOutputStream problems = new ByteArrayOutputStream();
    int failed =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                problems,
                "-proc:none",
                "-d",
                classes.toString(),
                "-classpath",
                classPath(),
                file.toString());
    assertEquals(0, failed, problems.toString(StandardCharsets.UTF_8));
    assertTrue(Files.exists(classes.resolve("Program.class")));
  }

  /** Surefire puts the class path into a manifest, so it is taken from where classes come from. */
  private static String classPath() {
    return Stream.of(
            io.warmstep.Device.class,
            WarmstepOptimizer.class,
            Model.class,
            ai.djl.pytorch.engine.PtNDArray.class)
        .map(
            type -> {
              try {
                return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI())
                    .toString();
              } catch (java.net.URISyntaxException e) {
                throw new IllegalStateException(e);
              }
            })
        .collect(Collectors.joining(java.io.File.pathSeparator));
  }
}
