package io.warmstep.backend.cuda;

import static io.warmstep.testkit.BackendProbe.classPath;
import static io.warmstep.testkit.BackendProbe.classPathAfter;
import static io.warmstep.testkit.BackendProbe.classPathWithout;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.testkit.BackendProbe;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs of their own that lack a part of what CUDA needs, or find a foreign file. */
class CudaMissingTest {
  private static final String LIBRARY = "libJCudaDriver-12.6.0-linux-x86_64.so";

  @TempDir Path folder;

  @Test
  void withoutJcuda() throws Exception {
    assertRefused(
        "JCuda is not on the class path: add org.jcuda:jcuda:12.6.0 and"
            + " org.jcuda:jcuda-natives:12.6.0 with the classifier linux-x86_64",
        run(classPathWithout("jcuda"), Map.of()));
  }

  @Test
  void withoutJcudasNativeLibrary() throws Exception {
    assertRefused(
        "JCuda's native library for Linux on amd64 is not on the class path: add"
            + " org.jcuda:jcuda-natives:12.6.0 with the classifier of this platform",
        run(classPathWithout("jcuda-natives"), Map.of()));
  }

  @Test
  void onAnotherArchitecture() throws Exception {
    List<String> arguments = new ArrayList<>(classPath());
    arguments.add("-Dos.arch=aarch64");
    String reason =
        assertRefused(
            "JCuda's native library for Linux on aarch64 is not on the class path",
            run(arguments, Map.of()));
    assertTrue(reason.contains("(there is one for linux-x86_64)"), reason);
  }

  @Test
  void withATruncatedNativeLibrary() throws Exception {
    for (int length : new int[] {0, 100, 100_000}) {
      plantOnClassPath(Arrays.copyOf(library(), length));
      String reason =
          assertRefused("the native library lib/", run(classPathAfter(folder), Map.of()));
      assertTrue(reason.contains("is damaged: it has " + length + " bytes"), reason);
      assertTrue(reason.endsWith("; download its jar again"), reason);
    }
  }

  /** With a library that asks for a driver of a name that no machine has. */
  @Test
  void withoutDriver() throws Exception {
    String text = new String(library(), StandardCharsets.ISO_8859_1);
    String other = text.replace("libcuda.so.1\0", "libcuda.so.9\0");
    assertTrue(!other.equals(text), "the library asks for libcuda.so.1");
    plantOnClassPath(other.getBytes(StandardCharsets.ISO_8859_1));
    String reason =
        assertRefused(
            "there is no NVIDIA driver on this machine: install that of the GPU",
            run(classPathAfter(folder), Map.of()));
    assertTrue(reason.contains("libcuda.so.9: cannot open shared object file"), reason);
  }

  @Test
  void withADamagedDriver() throws Exception {
    Files.write(folder.resolve("libcuda.so.1"), new byte[100]); // found before the right one
    String reason =
        assertRefused(
            "the NVIDIA driver on this machine cannot be loaded: install it again",
            run(classPath(), Map.of("LD_LIBRARY_PATH", folder.toString())));
    assertTrue(reason.contains("libcuda.so.1: "), reason);
  }

  /** Of a driver that lacks some of JCuda's functions: as the simulated one. */
  @Test
  @Tag("cudasim")
  void withAnOldDriverThatIsBoundAtOnce() throws Exception {
    Path driver = Path.of(System.getProperty(CudaSim.PROPERTY)).toAbsolutePath();
    String reason =
        assertRefused(
            "the NVIDIA driver lacks functions that JCuda 12.6.0 names but that are not used here:"
                + " unset LD_BIND_NOW or update the driver",
            run(
                classPath(),
                Map.of("LD_BIND_NOW", "1", "LD_LIBRARY_PATH", driver.getParent().toString())));
    assertTrue(reason.contains(LIBRARY + ": undefined symbol: cu"), reason);
  }

  /** Whose message has the linker's words among stack traces. */
  @Test
  void withATemporaryFolderThatDoesNotAllowExecution() {
    String said = "/tmp/x/" + LIBRARY + ": failed to map segment from shared object";
    String reason =
        CudaBackend.reason(
            new UnsatisfiedLinkError(
                "Error while loading native library \"JCudaDriver\"\n---(start of nested stack"
                    + " traces)---\njava.lang.UnsatisfiedLinkError: /tmp/x/"
                    + LIBRARY
                    + ": "
                    + said
                    + "\n\tat java.base/jdk.internal\n"));
    assertEquals(
        "the folder of temporary files, "
            + System.getProperty("java.io.tmpdir")
            + ", does not allow execution: set the system property java.io.tmpdir to a folder that"
            + " does; the dynamic linker says: "
            + said,
        reason);
  }

  @Test
  @Tag("cudasim")
  void aFilePlantedInTheTemporaryFolderIsNotLoaded() throws Exception {
    Path planted = folder.resolve(LIBRARY);
    byte[] content = {1, 2, 3};
    Files.write(planted, content);
    List<String> arguments = new ArrayList<>(classPath());
    arguments.add("-Djava.io.tmpdir=" + folder);
    arguments.add("-D" + CudaSim.PROPERTY + "=" + System.getProperty(CudaSim.PROPERTY));
    BackendProbe.assertOpened("cuda", run(arguments, Map.of()));
    assertArrayEquals(content, Files.readAllBytes(planted), "left as it was");
    try (var left = Files.list(folder)) {
      assertEquals(List.of(planted), left.toList(), "nothing of ours is left");
    }
  }

  private byte[] library() throws IOException {
    try (InputStream in = getClass().getClassLoader().getResourceAsStream("lib/" + LIBRARY)) {
      return in.readAllBytes();
    }
  }

  /**
   * Puts JCuda's library into a folder that comes first on the class path of {@link
   * BackendProbe#classPathAfter}.
   */
  private void plantOnClassPath(byte[] library) throws IOException {
    Path lib = Files.createDirectories(folder.resolve("lib"));
    Files.write(lib.resolve(LIBRARY), library);
  }

  private static String assertRefused(String expected, List<String> output) {
    return BackendProbe.assertRefused("cuda", expected, output);
  }

  private static List<String> run(List<String> arguments, Map<String, String> environment)
      throws IOException, InterruptedException {
    return BackendProbe.run("cuda", arguments, environment);
  }
}
