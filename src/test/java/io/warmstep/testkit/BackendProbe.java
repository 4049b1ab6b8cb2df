package io.warmstep.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.BackendUnavailableException;
import io.warmstep.DeviceReport;
import io.warmstep.Devices;
import io.warmstep.backend.cuda.CudaSim;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A program of its own that reports twice on a backend, asks for it by name and then uses the
 * processor: what a user sees on a machine that lacks a part of what the backend needs.
 */
public final class BackendProbe {
  /**
   * Before the lines that are the program's own, rather than the virtual machine's or a driver's.
   */
  private static final String MARK = "> ";

  /** Enough for a method to be compiled. */
  private static final int DIVISIONS = 100_000;

  /** Never anything else, which the compiler must not know. */
  private static volatile int zero;

  private BackendProbe() {}

  /**
   * The program.
   *
   * @param arguments the backend's name
   */
  public static void main(String[] arguments) {
    String name = arguments[0];
    if (System.getProperty(CudaSim.PROPERTY) != null) {
      CudaSim.load();
    }
    for (int i = 0; i < 2; i++) {
      DeviceReport report =
          Devices.report().stream()
              .filter(one -> one.backend().equals(name))
              .findFirst()
              .orElseThrow();
      print(report.backend() + " " + report.usable() + ": " + report.reason());
    }
    try (var device = Devices.require(name)) {
      print("opened " + device.name());
    } catch (BackendUnavailableException e) {
      print("refused: " + e.getMessage());
    }
    try (var device = Devices.cpu()) {
      print(device.name() + " works");
    }
    int thrown = 0;
    for (int i = 0; i < DIVISIONS; i++) {
      try {
        print("a division by zero gave " + divideByZero(i));
        return;
      } catch (ArithmeticException e) {
        thrown++;
      }
    }
    print(thrown + " divisions by zero threw");
  }

  private static int divideByZero(int dividend) {
    return dividend / zero;
  }

  private static void print(String line) {
    System.out.println(MARK + line);
  }

  /**
   * Runs the program, which must end well.
   *
   * @param backend the backend's name
   * @param arguments the virtual machine's
   * @param environment variables, beside this process's own
   * @return the lines of its own that it printed
   */
  public static List<String> run(
      String backend, List<String> arguments, Map<String, String> environment)
      throws IOException, InterruptedException {
    return output(BackendProbe.class, List.of(backend), arguments, environment)
        .lines()
        .filter(line -> line.startsWith(MARK))
        .map(line -> line.substring(MARK.length()))
        .toList();
  }

  /** Runs a program, which must end well; all that it printed. */
  public static String output(
      Class<?> program,
      List<String> programArguments,
      List<String> arguments,
      Map<String, String> environment)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(arguments);
    command.add(program.getName());
    command.addAll(programArguments);
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    return output;
  }

  /** Twice the same bare reason, an exception with it, and the processor and Java as ever. */
  public static String assertRefused(String backend, String expected, List<String> output) {
    String first = output.get(0);
    assertTrue(first.startsWith(backend + " false: " + expected), first);
    String reason = first.substring((backend + " false: ").length());
    assertEquals(
        List.of(
            first,
            first,
            "refused: " + backend + " cannot be used: " + reason,
            "cpu works",
            DIVISIONS + " divisions by zero threw"),
        output);
    return reason;
  }

  /** Twice that it can be used, and that it was opened, and the processor and Java as ever. */
  public static void assertOpened(String backend, List<String> output) {
    assertEquals(
        List.of(
            backend + " true: ",
            backend + " true: ",
            "opened " + backend,
            "cpu works",
            DIVISIONS + " divisions by zero threw"),
        output);
  }

  /** Arguments for this process's class path. */
  public static List<String> classPath() {
    return List.of("-cp", System.getProperty("java.class.path"));
  }

  /** Arguments for this process's class path, with a folder before all of it. */
  public static List<String> classPathAfter(Path folder) {
    return List.of("-cp", folder + File.pathSeparator + System.getProperty("java.class.path"));
  }

  /** Arguments for this process's class path less the files that begin with a name. */
  public static List<String> classPathWithout(String name) {
    return List.of(
        "-cp",
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(entry -> !Path.of(entry).getFileName().toString().startsWith(name))
            .collect(Collectors.joining(File.pathSeparator)));
  }
}
