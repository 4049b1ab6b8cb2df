package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.Model;
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
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

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
            Model model, Shape shape, RandomAccessDataset training, Path file) throws Exception {
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

  static Stream<Arguments> sides() {
    return Stream.of(0, 1)
        .flatMap(block -> Stream.of("-", "+").map(side -> Arguments.of(block, side)));
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
  @MethodSource("sides")
  void bothSidesOfTheDiffTrain(int block, String side) throws Exception {
    String before = block == 0 ? "" : blocks("java").get(0) + WITH_OPTIMIZER;
    if (block == 1 && side.equals("-")) {
      // trainer.step() can neither clip by the norm nor find names.
      before = before.replace(".clipNorm(1)", ".names(model.getBlock())");
    }
    String code = side(blocks("diff").get(block), side);
    compile(PROGRAM.replace("BEFORE", before).replace("CODE", code));
    Path file = folder.resolve("optimizer.safetensors");
    try (Model model = Model.newInstance("readme", Device.cpu(), "PyTorch");
        NDManager manager = NDManager.newBaseManager()) {
      model.setBlock(Toy.block());
      run(model, manager, file);
      double[] once = weight(model);
      run(model, manager, file);
      assertFalse(java.util.Arrays.equals(once, weight(model)), "it goes on");
    }
    assertEquals(block == 1 && side.equals("+"), Files.exists(file));
  }

  private void run(Model model, NDManager manager, Path file) throws Exception {
    float[] inputs = new float[64 * Toy.INPUTS];
    float[] labels = new float[64];
    for (int i = 0; i < inputs.length; i++) {
      inputs[i] = (i * 37 % 11) / 11f;
    }
    for (int i = 0; i < labels.length; i++) {
      labels[i] = i % Toy.CLASSES;
    }
    RandomAccessDataset training =
        new ArrayDataset.Builder()
            .setData(manager.create(inputs, new Shape(64, Toy.INPUTS)))
            .optLabels(manager.create(labels))
            .setSampling(16, false)
            .build();
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
      loader
          .loadClass("Program")
          .getMethod("run", Model.class, Shape.class, RandomAccessDataset.class, Path.class)
          .invoke(null, model, new Shape(16, Toy.INPUTS), training, file);
    }
  }

  private static double[] weight(Model model) {
    return Toy.doubles(StateFile.named(model.getBlock()).get("01Linear_weight").getArray());
  }

  private void compile(String source) throws IOException {
    Path file = Files.writeString(folder.resolve("Program.java"), source);
    ByteArrayOutputStream problems = new ByteArrayOutputStream();
    int failed =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                problems,
                "-proc:none",
                "-d",
                folder.toString(),
                "-classpath",
                classPath(),
                file.toString());
    assertEquals(0, failed, problems.toString(StandardCharsets.UTF_8));
    assertTrue(Files.exists(folder.resolve("Program.class")));
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
