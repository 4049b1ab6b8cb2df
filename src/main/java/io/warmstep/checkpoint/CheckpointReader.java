package io.warmstep.checkpoint;

import io.warmstep.checkpoint.JsonReader.MalformedException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * A safetensors file written by this library or another. Opening reads and checks only the header;
 * tensors stay in the file until they are read. Nothing in a file is trusted: sizes are compared
 * with the file's own size before anything is allocated. Used by one thread at a time.
 *
 * <p>{@link #verify()} checks that the data is as it was written, for files with a checksum.
 */
public final class CheckpointReader implements AutoCloseable {
  /** The format of the DJL module's first files, whose checksum covers only the data. */
  static final String DJL_FORMAT = "warmstep-djl-1";

  private final String source;
  private final SeekableByteChannel channel;
  private final boolean isOwned;
  private final long start;
  private final long size;
  private final byte[] header;
  private final SafeTensorsHeader parsed;
  private final Map<String, TensorEntry> byName;
  private final ByteBuffer chunk;

  private CheckpointReader(String source, SeekableByteChannel channel, boolean isOwned)
      throws IOException {
    this.source = source;
    this.channel = channel;
    this.isOwned = isOwned;
    start = channel.position();
    size = channel.size() - start;
    if (size < 8) {
      throw corrupt("it has " + size + " bytes, too few for a header", null);
    }
    long length = readAll(0, ByteBuffer.allocate(8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (length < 2 || length > SafeTensorsHeader.MAX_BYTES || length > size - 8) {
      throw corrupt("its header has " + length + " bytes, the file " + size, null);
    }
    header = readAll(0, ByteBuffer.allocate((int) length + 8)).array();
    try {
      parsed = SafeTensorsHeader.parse(java.util.Arrays.copyOfRange(header, 8, header.length));
    } catch (MalformedException e) {
      throw corrupt("its header is malformed: " + e.getMessage(), e);
    }
    String problem = parsed.problem(size - header.length);
    if (problem != null) {
      throw corrupt(problem, null);
    }
    byName = parsed.entries().stream().collect(Collectors.toMap(TensorEntry::name, entry -> entry));
    checkMark();
    chunk = ElementCopy.chunk(size);
  }

  private void checkMark() throws CorruptCheckpointException {
    String format = parsed.metadata().get(SafeTensorsHeader.FORMAT);
    String digits = parsed.metadata().get(SafeTensorsHeader.CHECKSUM);
    boolean isMarked = format != null && format.startsWith(CheckpointWriter.MARK);
    if (isMarked && (digits == null || !digits.matches("[0-9a-f]{8}"))) {
      throw corrupt("it is of Warmstep and has no checksum of 8 digits (crc32c)", null);
    }
    if (!isMarked && digits != null) {
      throw corrupt("it has a checksum (crc32c), but its format is " + format, null);
    }
    if (isMarked && !isOurs() && !DJL_FORMAT.equals(format)) {
      throw corrupt("its format, " + format + ", is none of this release's", null);
    }
    String version = parsed.metadata().get(CheckpointWriter.VERSION);
    if (isOurs() && !CheckpointWriter.NEWEST_VERSION.equals(version)) {
      throw corrupt(
          "its format version is "
              + version
              + ", this release reads "
              + CheckpointWriter.NEWEST_VERSION
              + ": use the release that wrote it, or a newer one",
          null);
    }
  }

  private CorruptCheckpointException corrupt(String reason, Throwable cause) {
    return new CorruptCheckpointException(source, reason, cause);
  }

  /**
   * Opens a file.
   *
   * @param path a regular file, or a link to one
   * @return a reader, to be closed by the caller
   * @throws CorruptCheckpointException if its header is damaged or missing
   * @throws IOException if it cannot be read, or is a folder, a pipe or a device
   */
  public static CheckpointReader open(Path path) throws IOException {
    BasicFileAttributes there = Files.readAttributes(path, BasicFileAttributes.class);
    if (!there.isRegularFile()) {
      // Opening a pipe would block until there is a writer.
      throw new FileSystemException(
          path.toString(),
          null,
          there.isDirectory()
              ? "this is a folder, the name of a file is needed"
              : "this is a pipe, a device or a socket: open a channel to it, or copy it to a file");
    }
    FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
    try {
      return new CheckpointReader(path.toString(), channel, true);
    } catch (IOException | RuntimeException | Error e) {
      channel.close();
      throw e;
    }
  }

  /**
   * Reads a channel from its position to its end. One that cannot be positioned is first copied to
   * a temporary file, which is deleted when the reader is closed.
   *
   * @param channel left open; its position is undefined afterwards
   * @return a reader, to be closed by the caller
   * @throws CorruptCheckpointException if the header is damaged or missing
   * @throws IOException if it cannot be read
   */
  public static CheckpointReader open(ReadableByteChannel channel) throws IOException {
    if (channel instanceof SeekableByteChannel seekable) {
      return new CheckpointReader("the channel", seekable, false);
    }
    Path copy = Files.createTempFile("warmstep-", ".safetensors");
    FileChannel file =
        FileChannel.open(
            copy,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE);
    try {
      ByteBuffer chunk = ElementCopy.chunk(ElementCopy.CHUNK);
      while (channel.read(chunk) >= 0) {
        chunk.flip();
        while (chunk.hasRemaining()) {
          file.write(chunk);
        }
        chunk.clear();
      }
      file.position(0);
      return new CheckpointReader("the channel", file, true);
    } catch (IOException | RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  /**
   * The source, for messages.
   *
   * @return the path, or a phrase
   */
  public String source() {
    return source;
  }

  /**
   * The file's metadata entries.
   *
   * @return by key, in the file's order; empty if it has none
   */
  public Map<String, String> metadata() {
    return parsed.metadata();
  }

  /**
   * The tensors.
   *
   * @return in the order of their position in the file
   */
  public List<TensorEntry> tensors() {
    return parsed.entries();
  }

  /**
   * A tensor by its name.
   *
   * @param name as in the file
   * @return the entry, or empty if there is none
   */
  public Optional<TensorEntry> tensor(String name) {
    return Optional.ofNullable(byName.get(name));
  }

  /**
   * Whether a {@link CheckpointWriter} wrote the file.
   *
   * @return false for files of other programs, and for the DJL module's first format
   */
  public boolean isOurs() {
    return CheckpointWriter.MARK.equals(parsed.metadata().get(SafeTensorsHeader.FORMAT));
  }

  /**
   * The checksum stored in the file.
   *
   * @return eight hexadecimal digits, or empty for files of other programs
   */
  public Optional<String> checksum() {
    return Optional.ofNullable(parsed.metadata().get(SafeTensorsHeader.CHECKSUM));
  }

  /**
   * Reads the whole file and compares it with its checksum. Does nothing for files without one.
   *
   * @throws CorruptCheckpointException if they differ, or the file ends early
   * @throws IOException if it cannot be read
   */
  public void verify() throws IOException {
    if (checksum().isEmpty()) {
      return;
    }
    Checksum found = new Checksum();
    if (isOurs()) {
      found.updateHeader(header, 8 + parsed.checksumAt());
    }
    for (long at = header.length; at < size; at += chunk.capacity()) {
      chunk.clear().limit((int) Math.min(chunk.capacity(), size - at));
      found.update(readAll(at, chunk));
    }
    if (!found.digits().equals(checksum().get())) {
      throw corrupt("its checksum is " + found.digits() + ", it must be " + checksum().get(), null);
    }
  }

  /**
   * Copies elements of a tensor to an array, as they are stored in the file.
   *
   * @param tensor one of {@link #tensors()}
   * @param from first element
   * @param array of the Java type that holds the elements' bits: {@code float[]} for F32, {@code
   *     double[]} for F64, {@code short[]} for the 16-bit types, {@code byte[]} for those of 8 bits
   *     and BOOL, {@code int[]} and {@code long[]}
   * @param offset first index of the array
   * @param length number of elements
   * @throws IllegalArgumentException if the array has another type
   * @throws IndexOutOfBoundsException if the tensor or the array has fewer elements
   * @throws CorruptCheckpointException if the file has become shorter
   * @throws IOException if it cannot be read
   */
  public void read(TensorEntry tensor, long from, Object array, int offset, int length)
      throws IOException {
    if (!tensor.format().isOf(array)) {
      throw new IllegalArgumentException(
          "array is of " + array.getClass().getSimpleName() + ", which does not hold " + tensor);
    }
    java.util.Objects.checkFromIndexSize(from, length, tensor.count());
    int bytes = tensor.format().bytes();
    int perChunk = chunk.capacity() / bytes;
    for (int done = 0; done < length; ) {
      int n = Math.min(perChunk, length - done);
      chunk.clear().limit(n * bytes);
      readAll(header.length + tensor.begin() + (from + done) * bytes, chunk);
      ElementCopy.get(chunk, array, offset + done, n);
      done += n;
    }
  }

  /** Fills a buffer from a position in the file, and flips it for reading. */
  private ByteBuffer readAll(long at, ByteBuffer to) throws IOException {
    channel.position(start + at);
    while (to.hasRemaining()) {
      if (channel.read(to) < 0) {
        throw corrupt("it ends early", null);
      }
    }
    return to.flip();
  }

  /** Closes the file; a channel that was passed in stays open. Closing twice is fine. */
  @Override
  public void close() throws IOException {
    if (isOwned) {
      channel.close();
    }
  }
}
