package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.testkit.Snippets;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
    Snippets.compile(
        folder,
        "Example",
        "import io.warmstep.*;\nimport io.warmstep.rule.*;\nimport io.warmstep.schedule.*;\n"
            + "public class Example {\n  public static void run() throws Exception {\n"
            + code
            + "  }\n}\n");
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
      loader.loadClass("Example").getMethod("run").invoke(null);
    }
  }
}
