package io.warmstep.checkpoint;

import io.warmstep.file.AtomicFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Collects tensors and writes them to a safetensors file. Their elements are read from the source a
 * chunk at a time. The writer adds to the metadata
 *
 * <ul>
 *   <li>{@code format}: {@code warmstep},
 *   <li>{@code version}: of the meaning of names and metadata, {@code 1},
 *   <li>{@code crc32c}: the CRC-32C of the whole file, with these eight hexadecimal digits taken as
 *       zeros.
 * </ul>
 */
public final class CheckpointWriter {
  static final String MARK = "warmstep";
  static final String VERSION = "version";
  static final String NEWEST_VERSION = "1";

  private static final Set<String> RESERVED =
      Set.of(SafeTensorsHeader.FORMAT, VERSION, SafeTensorsHeader.CHECKSUM);

  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final List<Part> parts = new ArrayList<>();
  private final Set<String> names = new HashSet<>();

  /** A tensor and its elements. */
  private record Part(TensorEntry entry, TensorSource source) {}

  /** Creates a writer without tensors. */
  public CheckpointWriter() {
    metadata.put(SafeTensorsHeader.FORMAT, MARK);
    metadata.put(VERSION, NEWEST_VERSION);
    metadata.put(SafeTensorsHeader.CHECKSUM, Checksum.ZEROS);
  }

  /**
   * Adds a metadata entry.
   *
   * @param key its name
   * @param text any text; write other values as JSON
   * @return this writer
   * @throws IllegalArgumentException if the writer sets the key itself
   */
  public CheckpointWriter metadata(String key, String text) {
    if (RESERVED.contains(key)) {
      throw new IllegalArgumentException(
          "metadata \"" + key + "\" is set by the writer: choose another key");
    }
    metadata.put(key, text);
    return this;
  }

  /**
   * Adds a tensor.
   *
   * @param name unique in the file
   * @param format of its elements
   * @param shape the size of each dimension, empty for a single number
   * @param source supplies the elements, in row-major order, when the file is written
   * @return this writer
   * @throws IllegalArgumentException if the name is taken, or a size is negative
   */
  public CheckpointWriter tensor(
      String name, ElementFormat format, List<Long> shape, TensorSource source) {
    long bytes = format.bytes();
    for (long size : shape) {
      if (size < 0) {
        throw new IllegalArgumentException(
            "tensor \"" + name + "\" has the shape " + shape + ", must be of sizes of at least 0");
      }
      bytes = Math.multiplyExact(bytes, size);
    }
    if (!names.add(name) || name.equals("__metadata__")) {
      throw new IllegalArgumentException(
          "a tensor \"" + name + "\" is in the file already: rename one of the two");
    }
    parts.add(new Part(new TensorEntry(name, format, shape, 0, bytes), source));
    return this;
  }

  /**
   * Adds a number, as a tensor without dimensions.
   *
   * @param name unique in the file
   * @param value of float64
   * @return this writer
   */
  public CheckpointWriter number(String name, double value) {
    return tensor(name, ElementFormat.F64, List.of(), TensorSource.of(new double[] {value}));
  }

  /**
   * Adds a whole number, as a tensor without dimensions.
   *
   * @param name unique in the file
   * @param value of int64
   * @return this writer
   */
  public CheckpointWriter number(String name, long value) {
    return tensor(name, ElementFormat.I64, List.of(), TensorSource.of(new long[] {value}));
  }

  /**
   * Adds a boolean, as a tensor without dimensions.
   *
   * @param name unique in the file
   * @param value true or false
   * @return this writer
   */
  public CheckpointWriter flag(String name, boolean value) {
    return tensor(
        name, ElementFormat.BOOL, List.of(), TensorSource.of(new byte[] {(byte) (value ? 1 : 0)}));
  }

  /**
   * Writes a file, which appears whole or not at all: it is written next to the target, forced to
   * disk and renamed. Links are followed, an existing file keeps its mode, and targets that are not
   * regular files are rejected.
   *
   * @param path the file, replaced if it exists
   * @throws IOException if it cannot be written; an existing file stays
   */
  public void write(Path path) throws IOException {
    AtomicFile.write(path, this::write);
  }

  /**
   * Writes to a channel, from its position on. If it cannot be positioned, all tensors are read
   * twice: the checksum comes before the data.
   *
   * @param channel left open
   * @throws IOException as the channel does
   */
  public void write(WritableByteChannel channel) throws IOException {
    List<Part> laidOut = laidOut();
    byte[] header =
        new SafeTensorsHeader(metadata, laidOut.stream().map(Part::entry).toList()).toBytes();
    int digitsAt = digitsAt(header);
    if (channel instanceof SeekableByteChannel seekable) {
      long start = seekable.position();
      Checksum checksum = new Checksum();
      checksum.update(header);
      writeAll(seekable, ByteBuffer.wrap(header));
      copy(laidOut, seekable, checksum);
      long end = seekable.position();
      seekable.position(start + digitsAt);
      writeAll(seekable, ascii(checksum.digits()));
      seekable.position(end);
    } else {
      Checksum checksum = new Checksum();
      checksum.update(header);
      copy(laidOut, null, checksum);
      System.arraycopy(ascii(checksum.digits()).array(), 0, header, digitsAt, 8);
      writeAll(channel, ByteBuffer.wrap(header));
      copy(laidOut, channel, new Checksum());
    }
  }

  /** Larger elements first, so that each tensor begins at a multiple of its elements' size. */
  private List<Part> laidOut() {
    List<Part> sorted = new ArrayList<>(parts);
    sorted.sort(Comparator.comparingInt(part -> -part.entry().format().bits()));
    List<Part> laidOut = new ArrayList<>(sorted.size());
    long at = 0;
    for (Part part : sorted) {
      TensorEntry entry = part.entry();
      long end = Math.addExact(at, entry.bytes());
      laidOut.add(
          new Part(
              new TensorEntry(entry.name(), entry.format(), entry.shape(), at, end),
              part.source()));
      at = end;
    }
    return laidOut;
  }

  /** The writer's own keys come first, so no entry of the caller's can be mistaken for this one. */
  private static int digitsAt(byte[] header) {
    String key = "\"" + SafeTensorsHeader.CHECKSUM + "\":\"";
    int length = Math.min(header.length, 200);
    String text = new String(header, 0, length, StandardCharsets.ISO_8859_1);
    return text.indexOf(key) + key.length();
  }

  private static ByteBuffer ascii(String text) {
    return ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static void copy(List<Part> parts, WritableByteChannel to, Checksum checksum)
      throws IOException {
    long largest = parts.stream().mapToLong(part -> part.entry().bytes()).max().orElse(0);
    ByteBuffer chunk = ElementCopy.chunk(Math.max(largest, Long.BYTES));
    Map<Class<?>, Object> arrays = new LinkedHashMap<>();
    for (Part part : parts) {
      ElementFormat format = part.entry().format();
      int perChunk = chunk.capacity() / format.bytes();
      long count = part.entry().count();
      for (long at = 0; at < count; at += perChunk) {
        int length = (int) Math.min(perChunk, count - at);
        Object array = array(arrays, format, length);
        part.source().read(at, array, 0, length);
        chunk.clear().limit(length * format.bytes());
        ElementCopy.put(array, 0, length, chunk);
        checksum.update(chunk);
        if (to != null) {
          writeAll(to, chunk.rewind());
        }
      }
    }
  }

  /** An array that is long enough, reused if possible. */
  private static Object array(Map<Class<?>, Object> arrays, ElementFormat format, int length) {
    Object small = ElementCopy.array(format, 0);
    Object present = arrays.get(small.getClass());
    if (present == null || java.lang.reflect.Array.getLength(present) < length) {
      present = ElementCopy.array(format, length);
      arrays.put(small.getClass(), present);
    }
    return present;
  }

  private static void writeAll(WritableByteChannel to, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      to.write(bytes);
    }
  }
}
