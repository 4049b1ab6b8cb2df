package io.warmstep.backend;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Loads bindings that extract their native library to a fixed name in the folder of temporary
 * files, and would load whatever lies there already. They get an empty folder that only this user
 * can write to, and it is removed again.
 */
public final class PrivateNatives {
  private static final String FOLDER_PROPERTY = "java.io.tmpdir";

  /** What the dynamic linker says of a file that must not be executed. */
  private static final Pattern MAPPING_FAILURE =
      Pattern.compile("(\\S+: failed to map segment from shared object.*)");

  private PrivateNatives() {}

  /**
   * Initializes a class whose static initializer extracts and loads a native library. A failure
   * that the virtual machine has is passed on as it is, once: later attempts to use the class give
   * NoClassDefFoundError, so the caller keeps the first.
   *
   * @param className the class
   * @param libraries resources that it extracts, looked at beforehand if they are there
   * @throws ClassNotFoundException if there is no such class
   * @throws IllegalStateException if a library is damaged; loading it would kill the process
   */
  public static synchronized void initialize(String className, String... libraries)
      throws ClassNotFoundException {
    for (String library : libraries) {
      NativeLibraryFile.check(library);
    }
    String shared = System.getProperty(FOLDER_PROPERTY);
    Path folder = create();
    pinSharedFolder();
    System.setProperty(FOLDER_PROPERTY, folder.toString());
    try {
      Class.forName(className, true, PrivateNatives.class.getClassLoader());
    } finally {
      System.setProperty(FOLDER_PROPERTY, shared);
      delete(folder);
    }
  }

  /**
   * The JDK keeps the folder that it finds at the first temporary file of the process: that must
   * not become ours, which is removed.
   */
  private static void pinSharedFolder() {
    try {
      Files.delete(File.createTempFile("warmstep-", null).toPath());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write to the folder of temporary files", e);
    }
  }

  /**
   * What to do where the dynamic linker may not map a library that was extracted, as in a folder
   * that is mounted noexec.
   *
   * @param message of the failure to load it
   * @return the reason and what to do, or nothing if it is another one
   */
  public static Optional<String> noExecution(String message) {
    Matcher mapping = MAPPING_FAILURE.matcher(message);
    return mapping.find()
        ? Optional.of(
            "the folder of temporary files, "
                + System.getProperty(FOLDER_PROPERTY)
                + ", does not allow execution: set -D"
                + FOLDER_PROPERTY
                + " to a folder that does; the dynamic linker says: "
                + mapping.group(1))
        : Optional.empty();
  }

  private static Path create() {
    try {
      return Files.createTempDirectory("warmstep-"); // for this user alone
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot create a folder for native libraries in "
              + System.getProperty(FOLDER_PROPERTY)
              + ": set the system property "
              + FOLDER_PROPERTY
              + " to one that can be written to",
          e);
    }
  }

  /** A loaded library stays usable after its file is gone; where it cannot go, it goes at exit. */
  private static void delete(Path folder) {
    List<Path> files;
    try (Stream<Path> entries = Files.list(folder)) {
      files = entries.toList();
    } catch (IOException e) {
      files = List.of();
    }
    folder.toFile().deleteOnExit(); // registered first, so removed last
    for (Path file : files) {
      if (!file.toFile().delete()) {
        file.toFile().deleteOnExit();
      }
    }
    folder.toFile().delete();
  }
}
