package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.BackendUnavailableException;
import io.warmstep.Devices;
import io.warmstep.backend.BackendReport;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs of their own that lack a part of what OpenCL needs, or find a foreign file. */
class OpenClMissingTest {
  @TempDir Path folder;

  /** What the other program does: report twice, ask by name, and take the fastest. */
  public static final class Program {
    private Program() {}

    public static void main(String[] arguments) {
      for (int i = 0; i < 2; i++) {
        BackendReport report =
            Devices.report().stream()
                .filter(one -> one.backend().equals("opencl"))
                .findFirst()
                .orElseThrow();
        System.out.println(report.backend() + " " + report.usable() + ": " + report.reason());
      }
      try (var device = Devices.require("opencl")) {
        System.out.println("opened " + device.name());
      } catch (BackendUnavailableException e) {
        System.out.println("refused: " + e.getMessage());
      }
      try (var device = Devices.cpu()) {
        System.out.println(device.name() + " works");
      }
    }
  }

  @Test
  void withoutJocl() throws Exception {
    String classPath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(entry -> !entry.contains("jocl"))
            .collect(Collectors.joining(File.pathSeparator));
    List<String> output = run(List.of("-cp", classPath), "/etc/OpenCL/vendors");
    String reason = "JOCL is not on the class path: add org.jocl:jocl:2.0.6";
    assertEquals("opencl false: " + reason, output.get(0));
    assertEquals(output.get(0), output.get(1));
    assertEquals("refused: opencl cannot be used: " + reason, output.get(2));
    assertEquals("cpu works", output.get(3));
  }

  @Test
  @Tag("opencl")
  void withoutDriver() throws Exception {
    Path vendors = Files.createDirectory(folder.resolve("vendors"));
    List<String> output = run(classPath(), vendors.toString());
    assertTrue(output.get(0).contains("no OpenCL driver is registered in " + vendors), output + "");
    assertTrue(output.get(0).contains("apt-get install pocl-opencl-icd"), output + "");
    assertEquals(output.get(0), output.get(1));
    assertTrue(output.get(2).startsWith("refused: opencl cannot be used: no OpenCL driver"));
    assertEquals("cpu works", output.get(3));
  }

  @Test
  @Tag("opencl")
  void aFilePlantedInTheTemporaryFolderIsNotLoaded() throws Exception {
    Path planted = folder.resolve("libJOCL_2_0_6-linux-x86_64.so");
    Files.write(planted, new byte[] {1, 2, 3});
    List<String> arguments = new ArrayList<>(classPath());
    arguments.add("-Djava.io.tmpdir=" + folder);
    List<String> output = run(arguments, null);
    assertEquals("opencl true: ", output.get(0));
    assertEquals("opened opencl", output.get(2));
    try (var left = Files.list(folder)) {
      List<Path> others =
          left.filter(path -> path.getFileName().toString().startsWith("warmstep")).toList();
      assertEquals(List.of(), others, "nothing of ours is left");
    }
  }

  private static List<String> classPath() {
    return List.of("-cp", System.getProperty("java.class.path"));
  }

  private static List<String> run(List<String> arguments, String vendors)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(arguments);
    command.add(Program.class.getName());
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    if (vendors != null) {
      builder.environment().put("OCL_ICD_VENDORS", vendors);
    }
    Process process = builder.start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    return output.lines().filter(line -> !line.startsWith("WARNING")).toList();
  }
}
