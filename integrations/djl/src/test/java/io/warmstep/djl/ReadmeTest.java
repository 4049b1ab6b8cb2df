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
import org.junit.jupiter.params.provider.ValueSource;

/** The programs that the README changes compile and train, before the change and after. */
class ReadmeTest {
  private static final Path PROGRAMS = Path.of("src/test/java/io/warmstep/djl/examples");
  private static final List<String> NAMES = List.of("TrainByFit", "TrainByLoop");

  /** How the second program makes its optimizer, which the README's blocks of Java do as well. */
  private static final String OPTIMIZER =
      "WarmstepOptimizer optimizer ="
          + " WarmstepOptimizer.of(Adam.adamW()).learningRate(0.01).build();";

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

  /** One side of a part of a diff: lines in common and its own. */
  private static String side(String hunk, String side) {
    return hunk.lines()
        .filter(line -> line.startsWith(" ") || line.startsWith(side))
        .map(line -> line.substring(1) + "\n")
        .collect(Collectors.joining());
  }

  /** A program before the change or after; each part of the diff must be found in it once. */
  private static String program(int block, String side) throws IOException {
    String program = Files.readString(PROGRAMS.resolve(NAMES.get(block) + ".java"));
    for (String hunk : blocks("diff").get(block).split("@@\n", -1)) {
      String before = side(hunk, "-");
      int at = program.indexOf(before);
      assertTrue(at >= 0, "the program has not: " + before);
      assertEquals(at, program.lastIndexOf(before));
      program = program.replace(before, side(hunk, side));
    }
    return program;
  }

  /** The second program with one of the README's blocks of Java. */
  private static String withBlock(int block) throws IOException {
    String program = program(1, "+");
    String saving = "      model.save(folder, \"net\");\n";
    assertTrue(program.contains(OPTIMIZER), program);
    assertTrue(program.contains(saving), program);
    String java = blocks("java").get(block);
    program =
        java.startsWith("WarmstepOptimizer optimizer =")
            ? program.replace(OPTIMIZER, java)
            : program
                .replace("Adam.adamW()", "ScheduleFreeAdamW.scheduleFreeAdamW()")
                .replace(saving, "RandomAccessDataset validation = training;\n" + java + saving);
    return program.replace(
        "import io.warmstep.djl.ModelStep;",
        """
        import io.warmstep.ParameterGroup;
        import io.warmstep.StateType;
        import io.warmstep.rule.Muon;
        import io.warmstep.rule.ScheduleFreeAdamW;
        import io.warmstep.schedule.Schedules;
        import io.warmstep.djl.ModelStep;
        """);
  }

  @Test
  void hasTheseBlocks() throws IOException {
    assertEquals(2, blocks("diff").size());
    assertEquals(3, blocks("java").size());
    for (String name : NAMES) {
      String readme = Files.readString(Path.of("README.md"));
      assertTrue(readme.contains("(" + PROGRAMS + "/" + name + ".java)"), name);
    }
  }

  @ParameterizedTest
  @CsvSource({"0, -", "0, +", "1, -", "1, +"})
  void bothSidesOfTheDiffTrain(int block, String side) throws Exception {
    compile(NAMES.get(block), program(block, side));
    try (Model model = model(1)) {
      run(NAMES.get(block), model, 1, folder);
      Map<String, double[]> once = values(model);
      run(NAMES.get(block), model, 1, folder);
      assertNotEquals(Set.of(), differing(once, values(model)), "it goes on");
    }
    try (Stream<Path> files = Files.list(folder)) {
      List<String> saved = files.map(file -> file.getFileName().toString()).sorted().toList();
      assertEquals(side.equals("+") && block == 1, saved.contains("optimizer.safetensors"));
      assertEquals(block == 0, saved.isEmpty());
    }
  }

  /** As a reader starts them: each makes its own model and data. */
  @ParameterizedTest
  @CsvSource({"0, -", "0, +", "1, -", "1, +"})
  void aReaderCanRunThem(int block, String side) throws Exception {
    compile(NAMES.get(block), program(block, side));
    try (URLClassLoader loader = loader()) {
      loader
          .loadClass("io.warmstep.djl.examples." + NAMES.get(block))
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[] {folder.toString()});
    }
  }

  /** A run that goes on in another model, which begins with other values, is as one in one go. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void theModelStepGoesOnFromItsFiles(int block) throws Exception {
    compile(NAMES.get(1), withBlock(block));
    Map<String, double[]> inOneGo = trained(1, 2, folder.resolve("one"));
    Map<String, double[]> other = trained(2, 2, folder.resolve("other"));
    assertNotEquals(Set.of(), differing(inOneGo, other), "other seeds begin with other values");

    Path two = folder.resolve("two");
    Map<String, double[]> half = trained(1, 1, two);
    assertNotEquals(Set.of(), differing(inOneGo, half), "the second half matters");
    assertEquals(Set.of(), differing(inOneGo, trained(2, 1, two)));
    assertEquals(block == 2, Files.exists(two.resolve("best-0000.params")));
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
      run(NAMES.get(1), model, epochs, Files.createDirectories(files));
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
  private void run(String program, Model model, int epochs, Path files) throws Exception {
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
        URLClassLoader loader = loader()) {
      RandomAccessDataset training =
          new ArrayDataset.Builder()
              .setData(manager.create(inputs, new Shape(labels.length, Toy.INPUTS)))
              .optLabels(manager.create(labels))
              .setSampling(16, false)
              .build();
      loader
          .loadClass("io.warmstep.djl.examples." + program)
          .getMethod("train", Model.class, Shape.class, RandomAccessDataset.class, Path.class)
          .invoke(null, model, new Shape(16, Toy.INPUTS), training, files);
    }
  }

  /** Finds what this test has compiled before what the build has. */
  private URLClassLoader loader() throws IOException {
    return new URLClassLoader(
        new URL[] {classes.toUri().toURL(), testClasses().toUri().toURL()},
        new ClassLoader(getClass().getClassLoader()) {
          @Override
          protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (name.startsWith("io.warmstep.djl.examples.")) {
              throw new ClassNotFoundException(name);
            }
            return super.loadClass(name, resolve);
          }
        });
  }

  private static Path testClasses() {
    return location(ReadmeTest.class);
  }

  private void compile(String name, String source) throws IOException {
    Path file = Files.writeString(classes.resolve(name + ".java"), source);
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
  }

  /** Surefire puts the class path into a manifest, so it is taken from where classes come from. */
  private static String classPath() {
    return Stream.of(
            io.warmstep.Device.class,
            WarmstepOptimizer.class,
            Model.class,
            ai.djl.pytorch.engine.PtNDArray.class,
            ReadmeTest.class)
        .map(type -> location(type).toString())
        .collect(Collectors.joining(java.io.File.pathSeparator));
  }

  private static Path location(Class<?> type) {
    try {
      return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (java.net.URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
