package io.warmstep.file;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Set;

/**
 * Mode, owner and group of a file that is to be replaced, for the one that replaces it.
 *
 * @param attributes of the former file, or null if there was none or the file system has no such
 */
record FileOwnership(PosixFileAttributes attributes) {
  private static final Set<PosixFilePermission> OWNER_ONLY =
      EnumSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);

  static FileOwnership of(Path file) throws IOException {
    PosixFileAttributeView view =
        Files.getFileAttributeView(file, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
    boolean isThere = view != null && Files.exists(file, LinkOption.NOFOLLOW_LINKS);
    return new FileOwnership(isThere ? view.readAttributes() : null);
  }

  /**
   * Refuses to replace a file that this user can neither write to nor owns: that the folder lets it
   * be renamed over does not mean that it may be changed.
   *
   * @param path what was asked for
   * @param target the file there, which may be missing
   * @param ours a file that this process has created
   */
  void requireReplaceable(Path path, Path target, Path ours) throws IOException {
    if (attributes != null
        && !Files.isWritable(target)
        && !attributes.owner().equals(Files.getOwner(ours))) {
      throw new AccessDeniedException(
          path.toString(), null, "this user may not write to the file that is there");
    }
  }

  /** A private file must not be open to others while it is written; a new one goes by the umask. */
  FileAttribute<?>[] whileUnfinished() {
    return attributes == null
        ? new FileAttribute<?>[0]
        : new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(OWNER_ONLY)};
  }

  /** Sets owner and group, as far as this process may, then the mode. */
  void giveTo(Path file) throws IOException {
    if (attributes == null) {
      return;
    }
    PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
    PosixFileAttributes present = view.readAttributes();
    Set<PosixFilePermission> mode = EnumSet.noneOf(PosixFilePermission.class);
    mode.addAll(attributes.permissions());
    if (!present.group().equals(attributes.group())) {
      try {
        view.setGroup(attributes.group());
      } catch (IOException e) {
        limitGroup(mode); // another group must not gain what the former one was given
      }
    }
    if (!present.owner().equals(attributes.owner())) {
      try {
        view.setOwner(attributes.owner());
      } catch (IOException e) {
        // Only root may: the file becomes this user's, as any that this user creates.
      }
    }
    view.setPermissions(mode);
  }

  private static void limitGroup(Set<PosixFilePermission> mode) {
    if (!mode.contains(PosixFilePermission.OTHERS_READ)) {
      mode.remove(PosixFilePermission.GROUP_READ);
    }
    if (!mode.contains(PosixFilePermission.OTHERS_WRITE)) {
      mode.remove(PosixFilePermission.GROUP_WRITE);
    }
    if (!mode.contains(PosixFilePermission.OTHERS_EXECUTE)) {
      mode.remove(PosixFilePermission.GROUP_EXECUTE);
    }
  }
}
