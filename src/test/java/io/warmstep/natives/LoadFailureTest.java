package io.warmstep.natives;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.warmstep.DeviceException;
import io.warmstep.testkit.BackendProbe;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What keeps a native library from being loaded and lies in how Java runs is reported for what it
 * is, with the remedy: by programs of their own, of which each lacks something.
 */
class LoadFailureTest {
  private static final String OTHER_FOLDER =
      ": set the system property java.io.tmpdir to a folder that can be written to";

  @TempDir Path folder;

  private static void assertRefused(
      String backend, String reason, Map<String, String> environment, String... options)
      throws Exception {
    List<String> arguments = new ArrayList<>(BackendProbe.classPath());
    arguments.addAll(List.of(options));
    List<String> output = BackendProbe.run(backend, arguments, environment);
    assertEquals(reason, BackendProbe.assertRefused(backend, reason, output));
  }

  @ParameterizedTest
  @ValueSource(strings = {"cuda", "opencl"})
  void aTemporaryFolderThatIsNone(String backend) throws Exception {
    Path none = folder.resolve("nonesuch");
    assertRefused(
        backend,
        "the folder of temporary files, "
            + none
            + ", takes no native libraries, since it does not exist"
            + OTHER_FOLDER,
        Map.of(),
        "-Djava.io.tmpdir=" + none);
    Path file = Files.createFile(folder.resolve("file"));
    assertRefused(
        backend,
        "the folder of temporary files, "
            + file
            + ", takes no native libraries, since the system says: Not a directory"
            + OTHER_FOLDER,
        Map.of(),
        "-Djava.io.tmpdir=" + file);
  }

  /** Whose name is there but cannot be read, which Java reports by an error without a message. */
  @ParameterizedTest
  @ValueSource(strings = {"cuda", "opencl"})
  void aTemporaryFolderWithANameInAnotherLocale(String backend) throws Exception {
    // The launcher takes the bytes of such a file as they are, whatever this process's locale.
    Path options = folder.resolve("options");
    Files.write(options, "-Djava.io.tmpdir=/tmp/\u00fc".getBytes(StandardCharsets.UTF_8));
    List<String> arguments = new ArrayList<>(BackendProbe.classPath());
    arguments.add("@" + options);
    String reason =
        BackendProbe.assertRefused(
            backend,
            "the folder of temporary files, /tmp/",
            BackendProbe.run(backend, arguments, Map.of("LC_ALL", "POSIX")));
    String end =
        ", has a name that Java cannot encode in this locale: start it with LC_ALL=C.UTF-8 in its"
            + " environment, or set the system property java.io.tmpdir to a folder of another name";
    assertEquals(end, reason.substring(Math.max(0, reason.length() - end.length())));
  }

  /** As a runtime image that was made without it. */
  @ParameterizedTest
  @CsvSource({"cuda, JCuda", "opencl, JOCL"})
  void aRuntimeWithoutLogging(String backend, String binding) throws Exception {
    assertRefused(
        backend,
        "this Java lacks the class java.util.logging.Logger, which "
            + binding
            + " needs: make its runtime image with the module that has it, jlink --add-modules"
            + " java.logging",
        Map.of(),
        "--limit-modules=java.base");
  }

  @ParameterizedTest
  @CsvSource({"cuda, JCuda", "opencl, JOCL"})
  void nativeAccessThatIsDenied(String backend, String binding) throws Exception {
    assumeTrue(Runtime.version().feature() >= 24, "needs a JDK that can deny it, 24 or newer");
    assertRefused(
        backend, denied(binding, "ALL-UNNAMED"), Map.of(), "--illegal-native-access=deny");
  }

  private static String denied(String binding, String module) {
    return "Java was started so that "
        + binding
        + " may not load its native library: add --enable-native-access="
        + module
        + " to its options";
  }

  /** What a binding throws, with the stack traces of its two attempts. */
  private static Throwable nested(String thrown) {
    return new UnsatisfiedLinkError(
        "Error while loading native library \"JCudaDriver\"\nOperating system name: Linux\n"
            + "---(start of nested stack traces)---\n"
            + "Stack trace from the attempt to load the library as a file:\n"
            + "java.lang.UnsatisfiedLinkError: no JCudaDriver in java.library.path: /usr/lib\n"
            + "\tat java.base/java.lang.ClassLoader.loadLibrary(ClassLoader.java:2429)\n"
            + "Stack trace from the attempt to load the library as a resource:\n"
            + thrown
            + "\n\tat jcuda.LibUtils.loadLibrary(LibUtils.java:183)\n"
            + "---(end of nested stack traces)---\n");
  }

  /** Who comes second learns only that there was a first. */
  private static Throwable second(Throwable first) {
    Throwable e = new NoClassDefFoundError("Could not initialize class jcuda.driver.JCudaDriver");
    e.initCause(new ExceptionInInitializerError("Exception " + first + " [in thread \"main\"]"));
    return e;
  }

  private static void assertReason(String expected, String thrown) {
    for (Throwable e : List.of(nested(thrown), second(nested(thrown)))) {
      assertEquals(Optional.ofNullable(expected), LoadFailure.reason(e, "JCuda"));
    }
  }

  @Test
  void everyWayToSayThatAccessIsDenied() {
    String what = "java.lang.IllegalCallerException: Illegal native access from";
    assertReason(denied("JCuda", "ALL-UNNAMED"), what + " an unnamed module (file:/a/jcuda.jar)");
    assertReason(denied("JCuda", "ALL-UNNAMED"), what + ": unnamed module @3d71d552");
    assertReason(denied("JCuda", "jcuda"), what + " module jcuda");
    assertReason(denied("JCuda", "org.jocl"), what + ": module org.jocl");
  }

  @Test
  void aFullFolder() {
    assertReason(
        "the folder of temporary files, "
            + System.getProperty("java.io.tmpdir")
            + ", has no room for JCuda's native library (No space left on device): make room or set"
            + " the system property java.io.tmpdir to a folder with some",
        "java.io.IOException: No space left on device");
  }

  /** Of which nothing is known, what was said last is reported instead of a guess. */
  @Test
  void anotherFailure() {
    String said = "/tmp/x/libJCudaDriver.so: /tmp/x/libJCudaDriver.so: invalid ELF header";
    String thrown = "java.lang.UnsatisfiedLinkError: " + said;
    assertReason(null, thrown);
    assertEquals(said, LoadFailure.innermost(nested(thrown)));
    assertEquals(said, LoadFailure.innermost(second(nested(thrown))));
    Throwable suppressing = new UnsatisfiedLinkError("Unable to load library 'libcuda.so.1':\n");
    suppressing.addSuppressed(new UnsatisfiedLinkError(said));
    assertEquals(said, LoadFailure.innermost(suppressing));
    assertEquals(
        "java.lang.IllegalStateException", LoadFailure.innermost(new IllegalStateException()));
  }

  @Test
  void whyAFolderIsNotWritten() {
    assertEquals("it does not exist", PrivateNatives.why(new NoSuchFileException("/a")));
    assertEquals(
        "this user may not write to it", PrivateNatives.why(new AccessDeniedException("/a")));
    assertEquals(
        "the system says: Read-only file system",
        PrivateNatives.why(new FileSystemException("/a", null, "Read-only file system")));
    assertEquals(
        "Java says: java.io.IOException: gone", PrivateNatives.why(new IOException("gone")));
    assertEquals("Java says: java.io.IOException", PrivateNatives.why(new IOException()));
  }

  /** A message that is null, or nothing but a name, says nothing by itself. */
  @Test
  void aFailureIsNeverNull() {
    assertEquals("all is said", LoadFailure.describe(new DeviceException("all is said", null)));
    assertEquals(
        "all is said", LoadFailure.describe(new NativesUnavailableException("all is said", null)));
    assertEquals(
        "java.lang.NullPointerException", LoadFailure.describe(new NullPointerException()));
    assertEquals(
        "java.lang.NoClassDefFoundError: a/B",
        LoadFailure.describe(new NoClassDefFoundError("a/B")));
    assertEquals(
        "java.nio.file.NoSuchFileException: /a",
        LoadFailure.describe(new ExceptionInInitializerError(new NoSuchFileException("/a"))));
    assertEquals(
        "java.lang.Error: first line", LoadFailure.describe(new Error("first line\nsecond line")));
  }
}
