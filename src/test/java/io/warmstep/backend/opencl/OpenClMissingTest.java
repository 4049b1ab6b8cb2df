package io.warmstep.backend.opencl;

import static io.warmstep.testkit.BackendProbe.classPath;
import static io.warmstep.testkit.BackendProbe.classPathAfter;
import static io.warmstep.testkit.BackendProbe.classPathWithout;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.testkit.BackendProbe;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jocl.CL;
import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs of their own that lack a part of what OpenCL needs, or find a foreign file. */
class OpenClMissingTest {
  private static final Map<String, String> NONE = Map.of();

  /** JOCL's resource, whose last part is the name of the file that it extracts. */
  private static final String LIBRARY = OpenClBackend.linuxLibrary();

  @TempDir Path folder;

  @Test
  void withoutJocl() throws Exception {
    assertRefused(
        "JOCL is not on the class path: add org.jocl:jocl:2.0.6",
        run(classPathWithout("jocl"), NONE));
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
      String reason = assertRefused("the native library lib/", run(classPathAfter(folder), NONE));
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
    assertRefused(
        "the installed OpenCL drivers find no device: check that this user may use the GPU",
        run(
            classPath(),
            Map.of("OCL_ICD_VENDORS", onlyPocl().toString(), "POCL_DEVICES", "nonesuch")));
  }

  @Test
  @Tag("opencl")
  void aFilePlantedInTheTemporaryFolderIsNotLoaded() throws Exception {
    Path planted = folder.resolve(Path.of(LIBRARY).getFileName());
    byte[] content = {1, 2, 3};
    Files.write(planted, content);
    List<String> arguments = new ArrayList<>(classPath());
    arguments.add("-Djava.io.tmpdir=" + folder);
    BackendProbe.assertOpened("opencl", run(arguments, NONE));
    assertArrayEquals(content, Files.readAllBytes(planted), "left as it was");
    try (var left = Files.list(folder)) {
      assertEquals(List.of(planted), left.toList(), "nothing of ours is left");
    }
  }

  /** Unless the JVM was started so that it keeps its handlers of signals. */
  @Test
  @Tag("opencl")
  void aDriverThatTakesTheHandlersOfSignalsIsNotLoaded() throws Exception {
    Map<String, String> onlyPocl = Map.of("OCL_ICD_VENDORS", onlyPocl().toString());
    Map<String, String> unprepared = new HashMap<>(onlyPocl);
    unprepared.put("LD_PRELOAD", "");
    String reason =
        assertRefused(
            "no OpenCL device can be used: Portable Computing Language: its compiler replaces the"
                + " JVM's handlers of signals",
            run(classPath(), unprepared));

    Matcher advice = Pattern.compile("LD_PRELOAD=(\\S+)").matcher(reason);
    assertTrue(advice.find(), reason);
    Map<String, String> prepared = new HashMap<>(onlyPocl);
    prepared.put("LD_PRELOAD", advice.group(1));
    BackendProbe.assertOpened("opencl", run(classPath(), prepared));
  }

  /** A device that the caller opened is used all the same. */
  @Test
  @Tag("opencl")
  void aDriverThatHasTakenTheHandlersOfSignalsIsWarnedOf() throws Exception {
    String output =
        BackendProbe.output(
            Wrapper.class,
            List.of(),
            classPath(),
            Map.of("OCL_ICD_VENDORS", onlyPocl().toString(), "LD_PRELOAD", ""));
    assertTrue(output.contains("Portable Computing Language is in use, but its"), output);
    assertTrue(output.contains("LD_PRELOAD="), output);
    assertTrue(output.contains("wrapped opencl"), output);
  }

  /** A program with a context of its own. */
  public static final class Wrapper {
    private Wrapper() {}

    public static void main(String[] arguments) {
      new OpenClBackend().report(); // loads JOCL
      cl_device_id[] devices = new cl_device_id[1];
      cl_platform_id platform = OpenClDevices.platforms()[0];
      OpenCl.check(
          () -> CL.clGetDeviceIDs(platform, CL.CL_DEVICE_TYPE_ALL, 1, devices, null),
          "clGetDeviceIDs",
          "this machine");
      try (OpenClContext own = OpenClContext.create(DeviceInfo.of(devices[0], 0));
          Device device =
              Devices.wrapOpenCl(own.context.getNativePointer(), own.queue.getNativePointer())) {
        System.out.println("wrapped " + device.name());
      }
    }
  }

  private Path onlyPocl() throws IOException {
    Path pocl = Path.of("/etc/OpenCL/vendors/pocl.icd");
    assumeTrue(Files.exists(pocl), "needs PoCL");
    Path vendors = Files.createDirectory(folder.resolve("vendors"));
    Files.copy(pocl, vendors.resolve("pocl.icd"));
    return vendors;
  }

  private static String assertRefused(String expected, List<String> output) {
    return BackendProbe.assertRefused("opencl", expected, output);
  }

  private static List<String> run(List<String> arguments, Map<String, String> environment)
      throws IOException, InterruptedException {
    return BackendProbe.run("opencl", arguments, environment);
  }
}
