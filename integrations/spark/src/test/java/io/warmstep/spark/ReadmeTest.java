package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's program compiles as it stands there, and does what it says. */
class ReadmeTest {
  private static final String NAME = "DigitsOnSpark";
  private static final Path DIGITS =
      Path.of("../../cli/src/main/resources/io/warmstep/cli/data/digits.csv.gz");

  @TempDir Path classes;

  /** The README's one block of Java with a certain text. */
  private static String block(String text) throws Exception {
    List<String> blocks =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("README.md")))
            .results()
            .map(block -> block.group(1))
            .filter(block -> block.contains(text))
            .toList();
    assertEquals(1, blocks.size());
    return blocks.get(0);
  }

  private void compile(String name, String program) throws Exception {
    Path source = Files.writeString(classes.resolve(name + ".java"), program);
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
                System.getProperty("java.class.path"),
                source.toString());
    assertEquals(0, failed, problems.toString(StandardCharsets.UTF_8));
  }

  /** What the program prints; Spark's tasks find its classes by the thread's loader. */
  private String run(String... arguments) throws Exception {
    PrintStream out = System.out;
    ClassLoader former = Thread.currentThread().getContextClassLoader();
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (URLClassLoader loader = new URLClassLoader(new URL[] {classes.toUri().toURL()})) {
      Thread.currentThread().setContextClassLoader(loader);
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      loader
          .loadClass(NAME)
          .getMethod("main", String[].class)
          .invoke(null, (Object) arguments.clone());
    } finally {
      System.setOut(out);
      Thread.currentThread().setContextClassLoader(former);
    }
    return printed.toString(StandardCharsets.UTF_8);
  }

  @Test
  void itsProgramEndsInTheSameBitsForAnyNumberOfWorkers() throws Exception {
    compile(NAME, block("class " + NAME));
    String printed = run(DIGITS.toString());
    Matcher line =
        Pattern.compile("(\\d) workers: mean loss (\\S+), bits ([0-9a-f]{64})\n").matcher(printed);
    String bits = null;
    for (String workers : List.of("1", "2", "4")) {
      assertTrue(line.find(), printed);
      assertEquals(workers, line.group(1));
      double loss = Double.parseDouble(line.group(2));
      assertTrue(loss < 0.2, printed); // it is ln 10 = 2.3 at first
      bits = bits == null ? line.group(3) : bits;
      assertEquals(bits, line.group(3), printed);
    }
  }

  /** What it does is MlpClassifierTest's matter. */
  @Test
  void itsPipelineCompiles() throws Exception {
    compile(
        "Pipelines",
        """
        import io.warmstep.spark.MlpClassifier;
        import org.apache.spark.ml.*;
        import org.apache.spark.ml.feature.*;
        import org.apache.spark.sql.*;

        class Pipelines {
          static void run(Dataset<Row> training, Dataset<Row> test) throws Exception {
        """
            + block("new MlpClassifier()")
            + "}}");
  }
}
