package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.warmstep.BackendUnavailableException;
import io.warmstep.Devices;
import io.warmstep.backend.BackendReport;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs of their own that lack a part of what OpenCL needs, or find a foreign file. */
class OpenClMissingTest {
  /** Before the lines that are the program's own, rather than the virtual machine's or JOCL's. */
  private static final String MARK = "> ";

  private static final Map<String, String> NONE = Map.of();

  /** JOCL's resource, whose last part is the name of the file that it extracts. */
  private static final String LIBRARY = OpenClBackend.linuxLibrary();

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
        print(report.backend() + " " + report.usable() + ": " + report.reason());
      }
      try (var device = Devices.require("opencl")) {
        print("opened " + device.name());
      } catch (BackendUnavailableException e) {
        print("refused: " + e.getMessage());
      }
      try (var device = Devices.cpu()) {
        print(device.name() + " works");
      }
    }

    private static void print(String line) {
      System.out.println(MARK + line);
    }
  }

  @Test
  void withoutJocl() throws Exception {
    String classPath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(entry -> !entry.contains("jocl"))
            .collect(Collectors.joining(File.pathSeparator));
    assertRefused(
        "JOCL is not on the class path: add org.jocl:jocl:2.0.6",
        run(List.of("-cp", classPath), NONE));
  }

  @Test
  void withATruncatedNativeLibrary() throws Exception {
    byte[] whole;
    try (InputStream in = getClass().getClassLoader().getResourceAsStream(LIBRARY)) {
      whole = in.readAllBytes();
    }
    Path damaged = folder.resolve(LIBRARY);
    Files.createDirectories(damaged.getParent());
    for (int length : new int[] {0, 100, 100_000}) {
      Files.write(damaged, Arrays.copyOf(whole, length));
      String classPath = folder + File.pathSeparator + System.getProperty("java.class.path");
      String reason =
          assertRefused("the native library lib/", run(List.of("-cp", classPath), NONE));
      assertTrue(reason.contains("is damaged: it has " + length + " bytes"), reason);
      assertTrue(reason.endsWith("; download its jar again"), reason);
    }
  }

  @Test
  void withoutLoader() throws Exception {
    Files.createFile(folder.resolve("libOpenCL.so.1")); // found before the right one
    assertRefused(
        "there is no OpenCL loader, libOpenCL.so.1, on this machine: install it (Debian: apt-get"
            + " install ocl-icd-libopencl1) and a driver",
        run(classPath(), Map.of("LD_LIBRARY_PATH", folder.toString())));
  }

  @Test
  @Tag("opencl")
  void withoutDriver() throws Exception {
    Path vendors = Files.createDirectory(folder.resolve("vendors"));
    String what = "no OpenCL driver is registered in " + vendors + " (OCL_ICD_VENDORS): install";
    assertRefused(what, run(classPath(), Map.of("OCL_ICD_VENDORS", vendors.toString())));

    Files.writeString(vendors.resolve("gone.icd"), folder.resolve("nonesuch.so") + "\n");
    String reason =
        assertRefused(what, run(classPath(), Map.of("OCL_ICD_VENDORS", vendors.toString())));
    assertTrue(reason.contains("apt-get install pocl-opencl-icd"), reason);
  }

  @Test
  @Tag("opencl")
  void withADriverThatFindsNoDevice() throws Exception {
    Path pocl = Path.of("/etc/OpenCL/vendors/pocl.icd");
    assumeTrue(Files.exists(pocl), "needs PoCL, which can be told to offer no device");
    Path vendors = Files.createDirectory(folder.resolve("vendors"));
    Files.copy(pocl, vendors.resolve("pocl.icd"));
    assertRefused(
        "the installed OpenCL drivers find no device: check that this user may use the GPU",
        run(
            classPath(),
            Map.of("OCL_ICD_VENDORS", vendors.toString(), "POCL_DEVICES", "nonesuch")));
  }

  @Test
  @Tag("opencl")
  void aFilePlantedInTheTemporaryFolderIsNotLoaded() throws Exception {
    Path planted = folder.resolve(Path.of(LIBRARY).getFileName());
    byte[] content = {1, 2, 3};
    Files.write(planted, content);
    List<String> arguments = new ArrayList<>(classPath());
    arguments.add("-Djava.io.tmpdir=" + folder);
    List<String> output = run(arguments, NONE);
    assertEquals("opencl true: ", output.get(0));
    assertEquals("opened opencl", output.get(2));
    assertArrayEquals(content, Files.readAllBytes(planted), "left as it was");
    try (var left = Files.list(folder)) {
      assertEquals(List.of(planted), left.toList(), "nothing of ours is left");
    }
  }

  /** Twice the same bare reason, an exception with it, and the processor as ever. */
  private static String assertRefused(String expected, List<String> output) {
    String first = output.get(0);
    assertTrue(first.startsWith("opencl false: " + expected), first);
    String reason = first.substring("opencl false: ".length());
    assertEquals(
        List.of(first, first, "refused: opencl cannot be used: " + reason, "cpu works"), output);
    return reason;
  }

  private static List<String> classPath() {
    return List.of("-cp", System.getProperty("java.class.path"));
  }

  private static List<String> run(List<String> arguments, Map<String, String> environment)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(arguments);
    command.add(Program.class.getName());
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    return output
        .lines()
        .filter(line -> line.startsWith(MARK))
        .map(line -> line.substring(MARK.length()))
        .toList();
  }
}
