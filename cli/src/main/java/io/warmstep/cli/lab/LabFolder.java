package io.warmstep.cli.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** The folder that a lab writes: a new one, an empty one, or that of an earlier lab. */
public final class LabFolder {
  private static final List<String> OWN =
      List.of("index.html", "lab.json", "timings.json", "csv", "events");

  private final Path folder;

  private LabFolder(Path folder) {
    this.folder = folder;
  }

  /**
   * Checks a folder before the work begins, and creates it.
   *
   * @param folder where to write
   * @return the folder
   * @throws IllegalArgumentException if it cannot be written, or holds something other than a lab
   */
  public static LabFolder at(Path folder) {
    if (folder.toString().isEmpty()) {
      throw refused(folder, "must be the name of a folder, such as target/lab", null);
    }
    if (Files.exists(folder) && !Files.isDirectory(folder)) {
      throw refused(folder, "but this is a file; give the name of a folder", null);
    }
    try {
      Files.createDirectories(folder);
      try (Stream<Path> files = Files.list(folder)) {
        List<String> names = files.map(file -> file.getFileName().toString()).sorted().toList();
        if (!names.isEmpty() && !names.contains("lab.json")) {
          throw refused(
              folder,
              "but it has files that are no lab's, such as "
                  + names.get(0)
                  + "; give an empty folder or a new name",
              null);
        }
      }
      Files.delete(Files.createTempFile(folder, "lab", ".tmp")); // permissions alone do not show it
    } catch (IOException e) {
      throw refused(folder, "but nothing can be written there; give another folder", e);
    }
    return new LabFolder(folder);
  }

  private static IllegalArgumentException refused(Path folder, String reason, IOException cause) {
    return new IllegalArgumentException("--out is '" + folder + "', " + reason, cause);
  }

  /** Removes what an earlier lab left; anything else stays. */
  void clear() throws IOException {
    for (String name : OWN) {
      Path file = folder.resolve(name);
      if (Files.exists(file)) {
        try (Stream<Path> all = Files.walk(file)) {
          for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
            Files.delete(one);
          }
        }
      }
    }
  }

  Path file(String name) {
    return folder.resolve(name);
  }

  /**
   * The page to open.
   *
   * @return index.html in the folder
   */
  public Path page() {
    return file("index.html");
  }
}
