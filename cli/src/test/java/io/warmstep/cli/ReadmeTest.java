package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.testkit.RuleMatrix;
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
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The README's code and commands work; those that take long are shortened by an option. */
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

  /**
   * What a command that takes long is given besides, unless the matrix is full: {@code
   * LabCommandTest} has a whole lab, and others have longer runs.
   */
  private static final Map<String, String> SHORTER =
      Map.of(
          "lab", "--quick",
          "train --lr 1e-4,1e-3,1e-2", "--epochs 5",
          "bench --rule adam --size 100000", "--rounds 3",
          "bench --rule adam --model resnet50", "--rounds 1",
          "bench --full-step", "--size 1000000 --rounds 3");

  private static String[] arguments(String line) {
    String command = line.substring("bin/warmstep ".length());
    String more =
        SHORTER.keySet().stream()
            .filter(start -> !RuleMatrix.IS_FULL && command.startsWith(start))
            .map(start -> " " + SHORTER.get(start))
            .filter(options -> !command.contains(options))
            .collect(Collectors.joining());
    return (command + more).split(" ");
  }

  @Test
  void everyCommandThatIsShortenedIsThere() throws IOException {
    List<String> all = commands().toList();
    SHORTER
        .keySet()
        .forEach(
            start ->
                assertTrue(
                    all.stream().anyMatch(line -> line.startsWith("bin/warmstep " + start)),
                    start));
  }

  @ParameterizedTest
  @MethodSource("commands")
  void theCommandsSucceed(String line) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int exitCode =
        Main.commandLine()
            .setOut(new PrintWriter(out, true))
            .setErr(new PrintWriter(err, true))
            .execute(arguments(line));
    assertEquals(0, exitCode, line + ": " + err);
    assertTrue(out.toString().length() > 20, line + " prints its result: " + out);
  }
}
