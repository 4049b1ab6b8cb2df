package io.warmstep.natives;

import java.io.File;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Loads bindings that extract their native library to a fixed name in the folder of temporary
 * files, and would load whatever lies there already. They get an empty folder that only this user
 * can write to, and it is removed again.
 */
public final class PrivateNatives {
  private static final String FOLDER_PROPERTY = "java.io.tmpdir";

  /** How a message goes on that advises another folder. */
  static final String OTHER_FOLDER = "set the system property " + FOLDER_PROPERTY + " to a folder";

  private PrivateNatives() {}

  /**
   * Initializes a class whose static initializer extracts and loads a native library. A failure
   * that the virtual machine has is passed on as it is, once: later attempts to use the class give
   * NoClassDefFoundError, so the caller keeps the first.
   *
   * @param className the class
   * @param libraries resources that it extracts, looked at beforehand if they are there
   * @throws ClassNotFoundException if there is no such class
   * @throws NativesUnavailableException if a library is damaged, whose loading would kill the
   *     process, or if there is no folder to extract it to
   */
  public static synchronized void initialize(String className, String... libraries)
      throws ClassNotFoundException {
    for (String library : libraries) {
      NativeLibraryFile.check(library);
    }
    String shared = System.getProperty(FOLDER_PROPERTY);
    Path folder = create(shared);
    pinSharedFolder();
    System.setProperty(FOLDER_PROPERTY, folder.toString());
    try {
      ClassLoader loader = PrivateNatives.class.getClassLoader();
      // Whose module may be the class path's, which no descriptor can require.
      Module binding = Class.forName(className, false, loader).getModule();
      PrivateNatives.class.getModule().addReads(binding);
      Class.forName(className, true, loader);
    } finally {
      System.setProperty(FOLDER_PROPERTY, shared);
      delete(folder);
    }
  }

  /**
   * The JDK keeps the folder that it finds at the first temporary file of the process: that must
   * not become ours, which is removed. Whether this file can be made is of no matter.
   */
  private static void pinSharedFolder() {
    try {
      Files.delete(File.createTempFile("warmstep-", null).toPath());
    } catch (IOException e) {
      return;
    }
  }

  /** The folder that bindings would use, as messages name it. */
  static String folder() {
    return "the folder of temporary files, " + System.getProperty(FOLDER_PROPERTY) + ",";
  }

  /** For this user alone. */
  private static Path create(String shared) {
    try {
      if (shared == null) {
        throw unavailable("there is no folder of temporary files", " that can be written to", null);
      }
      return Files.createTempDirectory(Path.of(shared).toAbsolutePath(), "warmstep-");
    } catch (InvalidPathException e) {
      throw unavailable(
          folder()
              + " has a name that Java cannot encode in this locale: start it with LC_ALL="
              + "C.UTF-8 in its environment",
          " of another name",
          e);
    } catch (IOException e) {
      throw unavailable(
          folder() + " takes no native libraries, since " + why(e), " that can be written to", e);
    }
  }

  private static NativesUnavailableException unavailable(
      String what, String which, Throwable cause) {
    String link = cause instanceof InvalidPathException ? ", or " : ": ";
    return new NativesUnavailableException(what + link + OTHER_FOLDER + which, cause);
  }

  /** In words: the messages of these exceptions may be nothing but the path. */
  static String why(IOException e) {
    if (e instanceof NoSuchFileException) {
      return "it does not exist";
    }
    if (e instanceof AccessDeniedException) {
      return "this user may not write to it";
    }
    if (e instanceof FileSystemException file && file.getReason() != null) {
      return "the system says: " + file.getReason();
    }
    return "Java says: " + LoadFailure.describe(e);
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
