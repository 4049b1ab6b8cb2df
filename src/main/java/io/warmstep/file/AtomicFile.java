package io.warmstep.file;

import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Writes a file that appears whole or not at all: beside the target, forced to the disk, renamed.
 * Whatever goes wrong before the rename, the former file stays.
 *
 * <p>Symbolic links are followed, to a target that does not exist yet too, and stay links. Only
 * regular files are replaced: a folder, a pipe or a device is refused. A file that is replaced
 * keeps its mode, and its owner and group where the system lets this process set them. A read-only
 * file of this user's is replaced, for renaming takes the folder's permission and not the file's;
 * one of another user's that this one cannot write to is refused.
 *
 * <p>A process that is killed leaves its unfinished file, {@code <name>.<uuid>~}. The next write of
 * the same target removes it once it is a minute old.
 */
public final class AtomicFile {
  /** As many links as Linux follows. */
  private static final int MAX_LINKS = 40;

  /** Characters of the target's name in the temporary one, which must not become too long. */
  private static final int NAME_CHARS = 40;

  private static final long ABANDONED_MILLIS = 60_000;

  /** Unfinished files of this process, whose locks it cannot ask for. */
  private static final Set<Path> UNFINISHED = ConcurrentHashMap.newKeySet();

  private AtomicFile() {}

  /** Produces a file's content. */
  @FunctionalInterface
  public interface Content {
    /**
     * Writes the content.
     *
     * @param file empty and open for reading and writing, at position 0
     * @throws IOException if it cannot be written
     */
    void writeTo(FileChannel file) throws IOException;
  }

  /**
   * Writes a file, replacing the one that is there.
   *
   * @param path the file, or a link to it
   * @param content what to write
   * @throws FileSystemException if the path is no place for a file, or the file cannot be replaced;
   *     its reason says why; what was there stays
   * @throws IOException if the content cannot be written; what was there stays
   */
  public static void write(Path path, Content content) throws IOException {
    Path target = target(path);
    removeAbandoned(target);
    Path temporary = target.resolveSibling(prefix(target) + UUID.randomUUID() + "~");
    FileOwnership former = FileOwnership.of(target);
    UNFINISHED.add(temporary);
    try {
      try (FileChannel file = create(path, temporary, former)) {
        lock(file);
        former.requireReplaceable(path, target, temporary);
        content.writeTo(file);
        former.giveTo(temporary);
        file.force(true);
        // With the lock still held, so that nobody takes the file for abandoned.
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      }
      forceFolder(target);
    } catch (FileSystemException e) {
      throw e;
    } catch (IOException e) {
      // Such as "No space left on device", which does not say where.
      throw named(refused(path, "cannot be written: " + reason(e)), e);
    } finally {
      Files.deleteIfExists(temporary);
      UNFINISHED.remove(temporary);
    }
  }

  /**
   * Checks that a file can be written, before what takes long. Creates one beside it for a moment.
   *
   * @param path the file, or a link to it
   * @throws FileSystemException if not; its reason says why
   * @throws IOException if that cannot be found out
   */
  public static void check(Path path) throws IOException {
    Path target = target(path);
    Path temporary = target.resolveSibling(prefix(target) + UUID.randomUUID() + "~");
    FileOwnership former = FileOwnership.of(target);
    create(path, temporary, former).close();
    try {
      former.requireReplaceable(path, target, temporary);
    } finally {
      Files.delete(temporary);
    }
  }

  /** Where the file is to be, links followed; it is a regular file or there is none. */
  private static Path target(Path path) throws IOException {
    Path target = path.toAbsolutePath();
    if (target.getFileName() == null) {
      throw refused(path, "this is a folder, the name of a file is needed");
    }
    if (Files.exists(target)) {
      BasicFileAttributes there = Files.readAttributes(target, BasicFileAttributes.class);
      if (there.isDirectory()) {
        throw refused(path, "this is a folder, the name of a file is needed");
      }
      if (!there.isRegularFile()) {
        throw refused(
            path, "this is a pipe, a device or a socket, the name of a regular file is needed");
      }
      return target.toRealPath();
    }
    for (int i = 0; Files.isSymbolicLink(target); i++) {
      if (i == MAX_LINKS) {
        throw refused(path, "this symbolic link leads to itself, or through too many others");
      }
      target = target.resolveSibling(Files.readSymbolicLink(target));
    }
    requireFolder(path, target.getParent());
    return target;
  }

  private static void requireFolder(Path path, Path folder) throws IOException {
    try {
      if (!Files.readAttributes(folder, BasicFileAttributes.class).isDirectory()) {
        throw refused(path, folder + " is no folder");
      }
    } catch (NoSuchFileException e) {
      throw named(refused(path, "the folder " + folder + " does not exist"), e);
    } catch (AccessDeniedException e) {
      throw named(refused(path, "this user may not enter the folder " + folder), e);
    }
  }

  private static FileSystemException refused(Path path, String reason) {
    return new FileSystemException(path.toString(), null, reason);
  }

  private static FileChannel create(Path path, Path temporary, FileOwnership former)
      throws IOException {
    Path folder = temporary.getParent();
    try {
      return FileChannel.open(temporary, Set.of(CREATE_NEW, READ, WRITE), former.whileUnfinished());
    } catch (AccessDeniedException e) {
      throw named(
          new AccessDeniedException(
              path.toString(), null, "this user may not create files in the folder " + folder),
          e);
    } catch (FileSystemException e) { // such as one that is mounted read-only, or /proc
      String reason = e.getReason() == null ? "" : ": " + e.getReason();
      throw named(refused(path, "no file can be created in " + folder + reason), e);
    }
  }

  private static <E extends Exception> E named(E named, Exception cause) {
    named.initCause(cause);
    return named;
  }

  private static String reason(IOException e) {
    if (e instanceof FileSystemException system && system.getReason() != null) {
      return system.getReason();
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  /** Says, until it is closed, that a file is not abandoned; not every file system can. */
  private static void lock(FileChannel file) {
    try {
      file.tryLock();
    } catch (IOException | UnsupportedOperationException e) {
      // Then only its age protects it.
    }
  }

  /** Makes the rename last through a loss of power; not every system lets a folder be opened. */
  private static void forceFolder(Path target) {
    try (FileChannel folder = FileChannel.open(target.getParent(), READ)) {
      folder.force(true);
    } catch (IOException e) {
      // The file is there, whole; only when it reaches the disk is left to the system.
    }
  }

  private static String prefix(Path target) {
    String name = target.getFileName().toString();
    int end = Math.min(name.length(), NAME_CHARS);
    if (end < name.length() && Character.isHighSurrogate(name.charAt(end - 1))) {
      end--;
    }
    return name.substring(0, end) + ".";
  }

  /** What killed processes left is removed: it is old, and nobody holds its lock. */
  private static void removeAbandoned(Path target) {
    String prefix = prefix(target);
    long now = System.currentTimeMillis();
    try (var files =
        Files.newDirectoryStream(target.getParent(), file -> isUnfinished(file, prefix))) {
      for (Path file : files) {
        if (!UNFINISHED.contains(file)
            && now - Files.getLastModifiedTime(file).toMillis() > ABANDONED_MILLIS) {
          removeUnlocked(file);
        }
      }
    } catch (IOException | java.nio.file.DirectoryIteratorException e) {
      // Tidying up is no reason to fail: what does not work here is reported when writing.
    }
  }

  private static boolean isUnfinished(Path file, String prefix) {
    String name = file.getFileName().toString();
    return name.startsWith(prefix)
        && name.substring(prefix.length()).matches("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}~")
        && Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS);
  }

  private static void removeUnlocked(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, WRITE);
        FileLock lock = channel.tryLock()) {
      if (lock != null) {
        Files.deleteIfExists(file);
      }
    }
  }
}
