package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.testkit.Snippets;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * All examples in the Javadoc of exported packages compile, and those that the main classes begin
 * with run as they are.
 */
class JavadocExamplesTest {
  private static final Path SOURCES = Path.of("src/main/java");
  private static final Pattern EXAMPLE = Pattern.compile("(?s)<pre>\\{@code\n(.*?)\n *\\* }</pre>");

  /** What Javadoc has of examples in any form. */
  private static final Pattern ANY = Pattern.compile("<pre\\b|\\{@snippet\\b");

  /** How many blocks of a class are no Java, but formulas or messages. */
  private static final Map<String, Integer> NO_JAVA =
      Map.ofEntries(
          Map.entry("io.warmstep.collective.Handshake", 1),
          Map.entry("io.warmstep.rule.AdEmaMix", 2),
          Map.entry("io.warmstep.rule.AdaBelief", 1),
          Map.entry("io.warmstep.rule.Adadelta", 1),
          Map.entry("io.warmstep.rule.Adafactor", 1),
          Map.entry("io.warmstep.rule.Adagrad", 1),
          Map.entry("io.warmstep.rule.Adam", 1),
          Map.entry("io.warmstep.rule.Adamax", 1),
          Map.entry("io.warmstep.rule.Adan", 1),
          Map.entry("io.warmstep.rule.Asgd", 1),
          Map.entry("io.warmstep.rule.Lamb", 1),
          Map.entry("io.warmstep.rule.Lars", 1),
          Map.entry("io.warmstep.rule.Lion", 1),
          Map.entry("io.warmstep.rule.Lookahead", 1),
          Map.entry("io.warmstep.rule.Momentum", 1),
          Map.entry("io.warmstep.rule.Muon", 1),
          Map.entry("io.warmstep.rule.NAdam", 1),
          Map.entry("io.warmstep.rule.NAdamW", 1),
          Map.entry("io.warmstep.rule.NewtonSchulz", 1),
          Map.entry("io.warmstep.rule.NovoGrad", 1),
          Map.entry("io.warmstep.rule.Prodigy", 1),
          Map.entry("io.warmstep.rule.RAdam", 1),
          Map.entry("io.warmstep.rule.RmsProp", 1),
          Map.entry("io.warmstep.rule.Rprop", 1),
          Map.entry("io.warmstep.rule.ScheduleFreeAdamW", 1),
          Map.entry("io.warmstep.rule.ScheduleFreeSgd", 1),
          Map.entry("io.warmstep.rule.Sgd", 1),
          Map.entry("io.warmstep.rule.StableAdamW", 1),
          Map.entry("io.warmstep.rule.UpdateRule", 1));

  private static final String IMPORTS =
      """
      import io.warmstep.*;
      import io.warmstep.checkpoint.*;
      import io.warmstep.collective.*;
      import io.warmstep.rule.*;
      import io.warmstep.schedule.*;
      """;

  /** What examples take for granted: the reader's own variables and functions. */
  private static final String SURROUNDINGS =
      """
      import static jcuda.driver.JCudaDriver.*;
      import java.net.InetAddress;
      import java.nio.FloatBuffer;
      import java.nio.file.Path;
      import java.util.List;
      import java.util.concurrent.ExecutorService;
      import jcuda.driver.*;

      interface Batch {}

      abstract class Surroundings {
        Device device;
        Parameters parameters;
        Parameters newLayers;
        OptimizerBuilder builder;
        Optimizer optimizer;
        UpdateRule rule;
        OneCycle cycle;
        Tensor tensor;
        Path path;

        List<Batch> batches;
        List<Batch> batch; // its micro-batches
        int rowsOfThisMinibatch;
        long step;
        int most;
        double loss;
        double validationLoss;
        double[] trainingLosses;
        double[] validationLosses;
        double[] trainingAccuracies;
        double[] validationAccuracies;
        float[] values;
        float[] weight;
        float[] newGradients;

        Collective collective;
        ExecutorService executor;
        String host;
        int rank;
        String token;

        CUstream stream;
        int mode;
        CUgraph graph;
        CUgraphExec executable;

        abstract Batch nextBatch();
        abstract double backward(Batch batch);
        abstract void backward(Batch batch, Parameters parameters);
        abstract void backward(long step, long microBatch);
        abstract double validate(Parameters parameters);
        abstract void train(Optimizer optimizer);
        abstract void train(Collective worker);
        abstract List<String> handRound(String address);
        abstract void copy(Batch batch, CUstream stream);
        abstract void launchForwardAndBackward(CUstream stream);
        abstract void launchForwardAndBackward(Batch batch, long lossScale, CUstream stream);
      }
      """;

  @TempDir Path folder;

  /** A block of Java in the Javadoc of a class. */
  record Example(String type, int line, String code) {
    /** A name that says where it is, which the compiler's messages begin with. */
    String name() {
      return type.substring(type.lastIndexOf('.') + 1).replace('-', '_') + "Line" + line;
    }
  }

  static List<Path> sources() throws IOException {
    List<Path> sources = new ArrayList<>();
    Matcher exports =
        Pattern.compile("exports (\\S+);")
            .matcher(Files.readString(SOURCES.resolve("module-info.java")));
    while (exports.find()) {
      try (Stream<Path> files = Files.list(SOURCES.resolve(exports.group(1).replace('.', '/')))) {
        files.filter(file -> file.toString().endsWith(".java")).sorted().forEach(sources::add);
      }
    }
    return sources;
  }

  private static String type(Path source) {
    return SOURCES.relativize(source).toString().replaceAll("\\.java$", "").replace('/', '.');
  }

  private static List<Example> examples(Path source) throws IOException {
    String text = Files.readString(source);
    return EXAMPLE
        .matcher(text)
        .results()
        .map(
            found ->
                new Example(
                    type(source),
                    (int) text.substring(0, found.start()).lines().count(),
                    code(found)))
        .toList();
  }

  private static String code(MatchResult found) {
    return found.group(1).replaceAll("(?m)^ *\\* ?", "") + "\n";
  }

  static List<Example> examples() throws IOException {
    List<Example> all = new ArrayList<>();
    for (Path source : sources()) {
      all.addAll(examples(source));
    }
    return all;
  }

  @Test
  void allAreFound() throws IOException {
    Map<String, Integer> others = new TreeMap<>();
    int examples = 0;
    for (Path source : sources()) {
      int any = (int) ANY.matcher(Files.readString(source)).results().count();
      int java = examples(source).size();
      examples += java;
      if (any > java) {
        others.put(type(source), any - java);
      }
    }
    assertEquals(new TreeMap<>(NO_JAVA), others);
    assertTrue(examples >= 30, "only " + examples);
  }

  @ParameterizedTest
  @MethodSource("examples")
  void compiles(Example example) throws IOException {
    Snippets.compile(
        folder,
        example.name(),
        IMPORTS
            + SURROUNDINGS
            + ("abstract class " + example.name() + " extends Surroundings {\n")
            + "  void run() throws Exception {\n"
            + example.code
            + "  }\n}\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"package-info", "Device", "Optimizer", "Parameters", "Tensor"})
  void runs(String type) throws Exception {
    Path source = SOURCES.resolve("io/warmstep/" + type + ".java");
    String text = Files.readString(source);
    Matcher first = EXAMPLE.matcher(text);
    assertTrue(first.find(), type + " begins without an example");
    assertTrue(
        type.equals("package-info") || first.start() < text.indexOf("public final class"),
        type + " has its example further down");
    Snippets.compile(
        folder,
        "Example",
        IMPORTS
            + "public class Example {\n  public static void run() throws Exception {\n"
            + code(first.toMatchResult())
            + "  }\n}\n");
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
      loader.loadClass("Example").getMethod("run").invoke(null);
    }
  }
}
