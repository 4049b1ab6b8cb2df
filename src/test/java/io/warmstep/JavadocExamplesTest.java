package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The examples that the Javadoc begins with compile and run. */
class JavadocExamplesTest {
  private static final Pattern EXAMPLE = Pattern.compile("(?s)<pre>\\{@code\n(.*?) \\* }</pre>");

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"package-info", "Device", "Optimizer", "Parameters", "Tensor"})
  void compileAndRun(String type) throws Exception {
    String source = Files.readString(Path.of("src/main/java/io/warmstep", type + ".java"));
    Matcher example = EXAMPLE.matcher(source);
    assertTrue(example.find(), type + " begins without an example");
    assertTrue(
        type.equals("package-info") || example.start() < source.indexOf("public final class"),
        type + " has its example further down");
    String code = example.group(1).replaceAll("(?m)^ \\* ?", "");
    Path program =
        Files.writeString(
            folder.resolve("Example.java"),
            "import io.warmstep.*;\nimport io.warmstep.rule.*;\nimport io.warmstep.schedule.*;\n"
                + "public class Example {\n  public static void run() throws Exception {\n"
                + code
                + "  }\n}\n");
    ByteArrayOutputStream problems = new ByteArrayOutputStream();
    int failed =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                problems,
                "-d",
                folder.toString(),
                "-classpath",
                System.getProperty("java.class.path"),
                program.toString());
    assertEquals(0, failed, problems.toString(StandardCharsets.UTF_8));
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
      loader.loadClass("Example").getMethod("run").invoke(null);
    }
  }
}
