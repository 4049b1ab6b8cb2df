package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.testkit.Snippets;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The README's code and commands work as they stand there. */
class ReadmeTest {
  private static List<String> blocks(String language) throws IOException {
    String readme = Files.readString(Path.of("README.md"));
    Matcher matcher =
        Pattern.compile("```" + language + "\n(.*?)```", Pattern.DOTALL).matcher(readme);
    return matcher.results().map(result -> result.group(1)).toList();
  }

  static Stream<String> commands() throws IOException {
    return blocks("sh").stream()
        .flatMap(String::lines)
        .filter(line -> line.startsWith("bin/warmstep "));
  }

  @Test
  void theCodeCompilesAndTrains(@TempDir Path folder) throws Exception {
    Snippets.compile(folder, "Example", blocks("java").get(0));

    PrintStream console = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      loader
          .loadClass("Example")
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[0]);
    } finally {
      System.setOut(console);
    }
    Matcher output =
        Pattern.compile("weight (\\S+), (\\S+)\\s+steps 300\\s+")
            .matcher(printed.toString(StandardCharsets.UTF_8));
    assertTrue(output.matches(), printed.toString(StandardCharsets.UTF_8));
    assertEquals(0, Double.parseDouble(output.group(1)), 0.05);
    assertEquals(0, Double.parseDouble(output.group(2)), 0.05);
  }

  static Stream<String> parts() throws IOException {
    return blocks("java").stream().skip(1);
  }

  /** The parts of programs, with what they leave to the reader as arguments. */
  @ParameterizedTest
  @MethodSource("parts")
  void thePartsCompile(String code, @TempDir Path folder) throws Exception {
    Snippets.compile(
        folder,
        "Part",
        "import io.warmstep.*;\nimport java.nio.file.*;\nimport io.warmstep.rule.*;\n"
            + "import io.warmstep.schedule.*;\nclass Part {\n"
            + "  void part(Optimizer optimizer, long context, long stream, long pointer,"
            + " long queue, long buffer, long offset, long length,"
            + " jcuda.driver.CUcontext cuContext, jcuda.driver.CUstream cuStream,"
            + " jcuda.Pointer devicePointer, org.jocl.cl_context clContext,"
            + " org.jocl.cl_command_queue clQueue, org.jocl.cl_mem clBuffer,"
            + " io.warmstep.collective.Collective collective, Path folder,"
            + " Parameters parameters, Parameters newLayers) throws Exception {\n"
            + code
            + "  }\n}\n");
  }

  @ParameterizedTest
  @MethodSource("commands")
  void theCommandsSucceed(String line) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] arguments = line.substring("bin/warmstep ".length()).split(" ");
    int exitCode =
        Main.commandLine()
            .setOut(new PrintWriter(out, true))
            .setErr(new PrintWriter(err, true))
            .execute(arguments);
    assertEquals(0, exitCode, line + ": " + err);
    assertTrue(out.toString().length() > 20, line + " prints its result: " + out);
  }
}
