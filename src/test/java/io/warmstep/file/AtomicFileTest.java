package io.warmstep.file;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AtomicFileTest {
  private static final int NOBODY = 65534;

  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void name() {
    file = folder.resolve("state.safetensors");
  }

  private static void write(Path path, String text) throws IOException {
    AtomicFile.write(path, channel -> channel.write(bytes(text)));
  }

  private static ByteBuffer bytes(String text) {
    return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  private static void setMode(Path path, String mode) throws IOException {
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
  }

  private static boolean isRoot() {
    return "root".equals(System.getProperty("user.name"));
  }

  @Test
  void replacesAFileAndLeavesNoOther() throws IOException {
    write(file, "first, which is longer");
    write(file, "second");
    assertEquals("second", Files.readString(file));
    assertEquals(List.of(file), files());
  }

  @Test
  void aRelativePathIsOfTheWorkingFolder() throws IOException {
    Path relative = Path.of("target/atomic-file-test-" + ProcessHandle.current().pid());
    try {
      write(relative, "here");
      assertEquals("here", Files.readString(relative.toAbsolutePath()));
    } finally {
      Files.deleteIfExists(relative);
    }
  }

  @Test
  void whenWritingFailsTheFormerFileStays() throws IOException {
    write(file, "former");
    IOException cause = new IOException("No space left on device");
    FileSystemException e =
        assertThrows(
            FileSystemException.class,
            () ->
                AtomicFile.write(
                    file,
                    channel -> {
                      channel.write(bytes("half of it"));
                      throw cause;
                    }));
    assertEquals(file + ": cannot be written: No space left on device", e.getMessage());
    assertEquals(cause, e.getCause());
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFile.write(
                file,
                channel -> {
                  throw new IllegalStateException("a closed tensor");
                }));
    assertEquals("former", Files.readString(file));
    assertEquals(List.of(file), files());
  }

  /** Nothing of the file is to be seen before it is whole. */
  @Test
  void theFormerFileIsThereUntilTheNewOneIsWhole() throws IOException {
    write(file, "former");
    AtomicFile.write(
        file,
        channel -> {
          channel.write(bytes("new"));
          assertEquals("former", Files.readString(file));
        });
    assertEquals("new", Files.readString(file));
  }

  @Test
  void linksAreFollowedAndStay() throws IOException {
    Path target = Files.createDirectory(folder.resolve("runs")).resolve("7.safetensors");
    Path second = Files.createSymbolicLink(folder.resolve("second"), Path.of("runs/7.safetensors"));
    Path first = Files.createSymbolicLink(folder.resolve("first"), Path.of("second"));
    write(first, "to a target that is not there yet");
    assertEquals("to a target that is not there yet", Files.readString(target));
    write(first, "to one that is");
    assertEquals("to one that is", Files.readString(target));
    assertEquals(Path.of("second"), Files.readSymbolicLink(first));
    assertEquals(Path.of("runs/7.safetensors"), Files.readSymbolicLink(second));
    assertEquals(List.of(first, folder.resolve("runs"), second), files());
  }

  /** {@code ..} after a link is the folder above the link's target. */
  @Test
  void aLinkThroughALinkedFolderLeadsWhereTheSystemSaysItDoes() throws IOException {
    Path deep = Files.createDirectories(folder.resolve("a/b"));
    Files.createSymbolicLink(folder.resolve("shortcut"), deep);
    Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("shortcut/../state"));
    write(link, "in a");
    assertEquals("in a", Files.readString(folder.resolve("a/state")));
    write(link, "again");
    assertEquals("again", Files.readString(folder.resolve("a/state")));
  }

  @Test
  void aCircleOfLinksAndAMissingFolderAreRefused() throws IOException {
    Path one = Files.createSymbolicLink(folder.resolve("one"), Path.of("two"));
    Files.createSymbolicLink(folder.resolve("two"), Path.of("one"));
    refused(one, one + ": this symbolic link leads to itself");
    Path lost = Files.createSymbolicLink(folder.resolve("lost"), Path.of("gone/state"));
    refused(lost, lost + ": the folder " + folder.resolve("gone") + " does not exist");
    Path missing = folder.resolve("missing/state");
    refused(missing, missing + ": the folder " + folder.resolve("missing") + " does not exist");
    Path within = Files.writeString(file, "a file").resolve("state");
    refused(within, within + ": ");
    assertEquals(3, files().stream().filter(Files::isSymbolicLink).count());
  }

  private static FileSystemException refused(Path path, String message) {
    FileSystemException e = assertThrows(FileSystemException.class, () -> write(path, "never"));
    assertTrue(e.getMessage().contains(message), e.getMessage());
    FileSystemException checked =
        assertThrows(FileSystemException.class, () -> AtomicFile.check(path));
    assertEquals(e.getMessage(), checked.getMessage());
    return e;
  }

  @Test
  void whatIsNoFileIsRefusedAndStays() throws Exception {
    refused(folder, folder + ": this is a folder, the name of a file is needed");
    refused(Path.of("/"), "this is a folder");
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    refused(pipe, pipe + ": this is a pipe, a device or a socket");
    Path toPipe = Files.createSymbolicLink(folder.resolve("to-pipe"), pipe);
    refused(toPipe, toPipe + ": this is a pipe, a device or a socket");
    refused(Path.of("/dev/null"), "/dev/null: this is a pipe, a device or a socket");
    assertTrue(
        Files.readAttributes(pipe, java.nio.file.attribute.BasicFileAttributes.class).isOther());
    assertEquals(List.of(pipe, toPipe), files());
  }

  @ParameterizedTest
  @ValueSource(strings = {"r--------", "rw-------", "rw-rw-r--", "rwxr-x---", "r--r--r--"})
  void theModeStays(String mode) throws IOException {
    write(file, "former");
    setMode(file, mode);
    AtomicFile.check(file);
    write(file, "new");
    assertEquals("new", Files.readString(file));
    assertEquals(mode, mode(file));
  }

  /** A file that is private must not be open to others for a moment. */
  @Test
  void anUnfinishedFileIsPrivateWhereTheFormerOneIs() throws IOException {
    write(file, "former");
    setMode(file, "r--------");
    AtomicFile.write(
        file,
        channel -> {
          for (Path path : files()) {
            assertTrue(mode(path).endsWith("------"), path + " " + mode(path));
          }
        });
  }

  @Test
  void aNewFileHasTheModeOfAnyNewFile() throws IOException {
    write(file, "new");
    assertEquals(mode(Files.createFile(folder.resolve("other"))), mode(file));
  }

  @Test
  void aLongNameIsAllowed() throws IOException {
    Path ascii = folder.resolve("n".repeat(255));
    Path wide = folder.resolve("\uD83D\uDE00".repeat(63)); // 252 bytes, two chars each
    write(ascii, "long");
    write(wide, "wide");
    assertEquals(List.of("long", "wide"), List.of(Files.readString(ascii), Files.readString(wide)));
  }

  @Test
  void checkingLeavesNoTrace() throws IOException {
    AtomicFile.check(file);
    assertEquals(List.of(), files());
    write(file, "kept");
    AtomicFile.check(file);
    assertEquals("kept", Files.readString(file));
    assertEquals(List.of(file), files());
  }

  @Test
  void whatAKilledProcessLeftIsRemoved() throws IOException {
    String name = "state.safetensors.0123abcd-0123-0123-0123-0123456789ab~";
    FileTime old = FileTime.fromMillis(System.currentTimeMillis() - TimeUnit.MINUTES.toMillis(5));
    Path abandoned = Files.writeString(folder.resolve(name), "half");
    Files.setLastModifiedTime(abandoned, old);
    Path recent = Files.writeString(folder.resolve(name.replace("abcd", "abce")), "half");
    Path other = Files.writeString(folder.resolve(name.replace("state", "other")), "of another");
    Files.setLastModifiedTime(other, old);
    Path unrelated = Files.writeString(folder.resolve("state.safetensors.bak~"), "a user's");
    Files.setLastModifiedTime(unrelated, old);
    write(file, "whole");
    assertEquals(Stream.of(file, recent, other, unrelated).sorted().toList(), files());
  }

  /** A slow writer in another thread or process must not lose its file. */
  @Test
  void whatIsStillWrittenIsLeftAlone() throws IOException {
    FileTime old = FileTime.fromMillis(System.currentTimeMillis() - TimeUnit.MINUTES.toMillis(5));
    AtomicFile.write(
        file,
        channel -> {
          for (Path path : files()) {
            Files.setLastModifiedTime(path, old);
          }
          write(file, "by a second writer");
          channel.write(bytes("by the first"));
        });
    assertEquals("by the first", Files.readString(file));
    assertEquals(List.of(file), files());
  }

  @Test
  void whatAnotherProcessHasLockedIsLeftAlone() throws Exception {
    Path foreign =
        Files.writeString(
            folder.resolve("state.safetensors.0123abcd-0123-0123-0123-0123456789ab~"), "");
    Process other = java("lock", foreign).start();
    try {
      assertEquals('l', other.getInputStream().read());
      Files.setLastModifiedTime(foreign, FileTime.fromMillis(0));
      write(file, "mine");
      assertTrue(Files.exists(foreign));
    } finally {
      other.destroyForcibly().waitFor();
    }
    write(file, "mine");
    assertFalse(Files.exists(foreign));
  }

  /** A limit on the size of files stands for a full disk: both end in a failed write. */
  @Test
  void aDiskThatIsFullKeepsTheFormerFile() throws Exception {
    write(file, "former");
    List<String> command = new ArrayList<>(List.of("bash", "-c", "ulimit -f 64; exec \"$@\"", "-"));
    command.addAll(java("fill", file).command());
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.startsWith(file + ": cannot be written: File too large"), output);
    assertEquals("former", Files.readString(file));
    assertEquals(List.of(file), files());
  }

  @Test
  void rootKeepsOwnerAndGroup() throws IOException {
    assumeTrue(isRoot(), "only root may give files away");
    write(file, "former");
    setMode(file, "rw-r-----");
    Files.setAttribute(file, "unix:uid", NOBODY);
    Files.setAttribute(file, "unix:gid", 1);
    write(file, "new");
    assertEquals(NOBODY, Files.getAttribute(file, "unix:uid"));
    assertEquals(1, Files.getAttribute(file, "unix:gid"));
    assertEquals("rw-r-----", mode(file));
  }

  /** Runs a write as a user without rights; the folder is that user's. */
  private String asNobody(Path path) throws Exception {
    assumeTrue(isRoot(), "only root can become another user");
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/setpriv")), "setpriv of util-linux is missing");
    Files.setAttribute(folder, "unix:uid", NOBODY);
    setMode(folder, "rwxr-xr-x");
    List<String> command =
        new ArrayList<>(
            List.of("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"));
    command.addAll(java("write", path).command());
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    return output.strip();
  }

  @Test
  void aReadOnlyFileOfTheUsersIsReplaced() throws Exception {
    write(file, "former");
    setMode(file, "r--------");
    if (isRoot()) {
      Files.setAttribute(file, "unix:uid", NOBODY);
      Files.setAttribute(file, "unix:gid", NOBODY);
    }
    assertEquals("written", asNobody(file));
    assertEquals("by another process", Files.readString(file));
    assertEquals("r--------", mode(file));
  }

  @Test
  void anotherUsersFileIsReplacedOnlyWhereItMayBeWritten() throws Exception {
    write(file, "root's");
    setMode(file, "rw-r--r--");
    String refusal = file + ": this user may not write to the file that is there";
    assertEquals(refusal, asNobody(file));
    assertEquals("root's", Files.readString(file));
    // The group cannot be kept, so what it alone was allowed nobody's group must not get.
    setMode(file, "rw-rw--w-");
    assertEquals("written", asNobody(file));
    assertEquals("rw--w--w-", mode(file));
  }

  @Test
  void aFolderThatMayNotBeWrittenToIsNamed() throws Exception {
    Path closed = Files.createDirectory(folder.resolve("closed"));
    setMode(closed, "rwxr-xr-x");
    Path inside = closed.resolve("state");
    String expected = inside + ": this user may not create files in the folder " + closed;
    assertEquals(expected, asNobody(inside));
  }

  private static ProcessBuilder java(String task, Path path) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-XX:-UsePerfData");
    command.add("-cp");
    command.add(location(AtomicFile.class) + java.io.File.pathSeparator + location(Other.class));
    command.add(Other.class.getName());
    command.add(task);
    command.add(path.toString());
    return new ProcessBuilder(command);
  }

  private static String location(Class<?> type) throws Exception {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  /** What another process does. */
  static final class Other {
    private Other() {}

    public static void main(String[] arguments) throws Exception {
      Path path = Path.of(arguments[1]);
      try {
        switch (arguments[0]) {
          case "lock" -> {
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
              channel.lock();
              System.out.print("l");
              System.out.flush();
              Thread.sleep(TimeUnit.MINUTES.toMillis(10));
            }
          }
          case "fill" ->
              AtomicFile.write(
                  path,
                  channel -> {
                    while (true) {
                      channel.write(ByteBuffer.allocate(1 << 16));
                    }
                  });
          default -> {
            write(path, "by another process");
            System.out.println("written");
          }
        }
      } catch (IOException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
