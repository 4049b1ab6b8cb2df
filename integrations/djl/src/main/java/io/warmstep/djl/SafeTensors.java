package io.warmstep.djl;

import io.warmstep.djl.SafeTensorsHeader.Entry;
import java.io.EOFException;
import java.io.IOException;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * Files in the safetensors format: the length of a header as 8 bytes, the header as JSON, then the
 * tensors' bytes one after the other, all little-endian. Tensors are {@code float[]} (F32), {@code
 * double[]} (F64) and {@code long[]} (I64), each of one dimension. The metadata has {@code format}
 * and {@code crc32c}: the CRC-32C of all bytes after the header, as 8 lower-case hexadecimal
 * digits, which writing adds and reading checks.
 */
record SafeTensors(Map<String, String> metadata, Map<String, Object> tensors) {
  private static final String FORMAT = "format";
  private static final String CHECKSUM = "crc32c";

  /** As in the reference implementation. */
  private static final int MAX_HEADER = 100_000_000;

  private static final int CHUNK = 1 << 20;

  /** Writes beside the path, forces it to the disk and renames: a file is whole or not there. */
  void write(Path path) throws IOException {
    Path target = path.toAbsolutePath();
    Path temporary = target.resolveSibling(target.getFileName() + "." + UUID.randomUUID() + "~");
    try {
      try (FileChannel file =
          FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        // The header's length is known now, the checksum in it when the data is written.
        CRC32C checksum = new CRC32C();
        file.position(header(checksum).remaining());
        for (Object values : tensors.values()) {
          write(file, values, checksum);
        }
        file.position(0);
        write(file, header(checksum));
        file.force(true);
      }
      try {
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
      }
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private ByteBuffer header(CRC32C checksum) {
    Map<String, String> about = new LinkedHashMap<>(metadata);
    about.put(CHECKSUM, digits(checksum));
    List<Entry> entries = new ArrayList<>();
    long at = 0;
    for (Map.Entry<String, Object> tensor : tensors.entrySet()) {
      Kind kind = Kind.of(tensor.getValue());
      long count = Array.getLength(tensor.getValue());
      long end = at + count * kind.bytes;
      entries.add(new Entry(tensor.getKey(), kind, count, at, end));
      at = end;
    }
    return new SafeTensorsHeader(about, entries).toBytes();
  }

  private static String digits(CRC32C checksum) {
    return String.format(Locale.ROOT, "%08x", checksum.getValue());
  }

  private static void write(FileChannel file, Object values, CRC32C checksum) throws IOException {
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
    Kind kind = Kind.of(values);
    int length = Array.getLength(values);
    for (int at = 0; at < length; ) {
      int n = Math.min(length - at, CHUNK / kind.bytes);
      chunk.clear().limit(n * kind.bytes);
      kind.put(values, at, n, chunk);
      checksum.update(chunk.rewind());
      write(file, chunk.rewind());
      at += n;
    }
  }

  private static void write(FileChannel file, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      file.write(bytes);
    }
  }

  /**
   * Reads a file. Lengths are checked against the file's own before anything is allocated.
   *
   * @param format what the metadata must have as {@code format}
   * @throws CorruptStateException if it is not such a file, or damaged
   */
  static SafeTensors read(Path path, String format) throws IOException {
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
      long size = file.size();
      if (size < 8) {
        throw new CorruptStateException(path, "it has " + size + " bytes, too few for a header");
      }
      long length = read(file, 0, 8).getLong();
      if (length < 2 || length > MAX_HEADER || length > size - 8) {
        throw new CorruptStateException(
            path, "its header has " + length + " bytes, the file " + size);
      }
      SafeTensorsHeader header = SafeTensorsHeader.parse(path, read(file, 8, (int) length).array());
      if (!format.equals(header.metadata().get(FORMAT))) {
        throw new CorruptStateException(
            path, "its format is " + header.metadata().get(FORMAT) + ", must be " + format);
      }
      header.checkFills(path, size - 8 - length);
      return data(path, file, 8 + length, header);
    } catch (EOFException e) {
      throw new CorruptStateException(path, "it ends early", e);
    }
  }

  private static SafeTensors data(Path path, FileChannel file, long begin, SafeTensorsHeader header)
      throws IOException {
    SafeTensors read = new SafeTensors(header.metadata(), new LinkedHashMap<>());
    String expected = read.required(path, CHECKSUM);
    CRC32C checksum = new CRC32C();
    for (Entry entry : header.entries()) {
      read.tensors.put(entry.name(), values(file, begin, entry, checksum));
    }
    if (!digits(checksum).equals(expected)) {
      throw new CorruptStateException(
          path, "its data has the checksum " + digits(checksum) + ", must have " + expected);
    }
    return read;
  }

  private static Object values(FileChannel file, long begin, Entry entry, CRC32C checksum)
      throws IOException {
    Kind kind = entry.kind();
    int count = (int) entry.count();
    Object values = kind.create(count);
    for (int at = 0; at < count; ) {
      int n = Math.min(count - at, CHUNK / kind.bytes);
      long position = begin + entry.from() + (long) at * kind.bytes;
      ByteBuffer chunk = read(file, position, n * kind.bytes);
      checksum.update(chunk);
      kind.get(chunk.rewind(), values, at, n);
      at += n;
    }
    return values;
  }

  private static ByteBuffer read(FileChannel file, long position, int length) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    while (bytes.hasRemaining()) {
      if (file.read(bytes, position + bytes.position()) < 0) {
        throw new EOFException();
      }
    }
    return bytes.flip();
  }

  /**
   * A text of the metadata.
   *
   * @param path the file, for the message
   * @throws CorruptStateException if it has none of that key
   */
  String required(Path path, String key) throws CorruptStateException {
    String value = metadata.get(key);
    if (value == null) {
      throw new CorruptStateException(path, "it has no " + key + " in its metadata");
    }
    return value;
  }

  /** An element type of the format. */
  enum Kind {
    F32(4),
    F64(8),
    I64(8);

    final int bytes;

    Kind(int bytes) {
      this.bytes = bytes;
    }

    static Kind of(Object values) {
      if (values instanceof float[]) {
        return F32;
      }
      return values instanceof double[] ? F64 : I64;
    }

    Object create(int count) {
      return switch (this) {
        case F32 -> new float[count];
        case F64 -> new double[count];
        case I64 -> new long[count];
      };
    }

    void put(Object values, int at, int n, ByteBuffer target) {
      switch (this) {
        case F32 -> target.asFloatBuffer().put((float[]) values, at, n);
        case F64 -> target.asDoubleBuffer().put((double[]) values, at, n);
        case I64 -> target.asLongBuffer().put((long[]) values, at, n);
      }
    }

    void get(ByteBuffer source, Object values, int at, int n) {
      switch (this) {
        case F32 -> source.asFloatBuffer().get((float[]) values, at, n);
        case F64 -> source.asDoubleBuffer().get((double[]) values, at, n);
        case I64 -> source.asLongBuffer().get((long[]) values, at, n);
      }
    }
  }
}
