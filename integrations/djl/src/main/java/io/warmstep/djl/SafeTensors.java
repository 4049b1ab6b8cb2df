package io.warmstep.djl;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/**
 * Files in the safetensors format: the length of a header as 8 bytes, the header as JSON, then the
 * tensors' bytes one after the other, all little-endian. Tensors are {@code float[]} (F32), {@code
 * double[]} (F64) and {@code long[]} (I64), each of one dimension.
 */
record SafeTensors(Map<String, String> metadata, Map<String, Object> tensors) {
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
        ByteBuffer header = header();
        while (header.hasRemaining()) {
          file.write(header);
        }
        for (Object values : tensors.values()) {
          write(file, values);
        }
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

  private ByteBuffer header() {
    JsonObject json = new JsonObject();
    JsonObject about = new JsonObject();
    metadata.forEach(about::addProperty);
    json.add("__metadata__", about);
    long at = 0;
    for (Map.Entry<String, Object> tensor : tensors.entrySet()) {
      JsonObject entry = new JsonObject();
      Kind kind = Kind.of(tensor.getValue());
      long length = java.lang.reflect.Array.getLength(tensor.getValue());
      entry.addProperty("dtype", kind.name());
      entry.add("shape", array(length));
      entry.add("data_offsets", array(at, at + length * kind.bytes));
      json.add(tensor.getKey(), entry);
      at += length * kind.bytes;
    }
    byte[] bytes = json.toString().getBytes(StandardCharsets.UTF_8);
    int padded = (bytes.length + 7) & ~7; // tensors begin at a multiple of 8 bytes
    ByteBuffer header = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(padded).put(bytes);
    while (header.hasRemaining()) {
      header.put((byte) ' ');
    }
    return header.flip();
  }

  private static JsonArray array(long... numbers) {
    JsonArray array = new JsonArray();
    for (long number : numbers) {
      array.add(number);
    }
    return array;
  }

  private static void write(FileChannel file, Object values) throws IOException {
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
    Kind kind = Kind.of(values);
    int length = java.lang.reflect.Array.getLength(values);
    for (int at = 0; at < length; ) {
      int n = Math.min(length - at, CHUNK / kind.bytes);
      chunk.clear().limit(n * kind.bytes);
      kind.put(values, at, n, chunk);
      chunk.rewind();
      while (chunk.hasRemaining()) {
        file.write(chunk);
      }
      at += n;
    }
  }

  /**
   * Reads a file. Lengths are checked against the file's own before anything is allocated.
   *
   * @throws CorruptStateException if it is not such a file
   */
  static SafeTensors read(Path path) throws IOException {
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
      byte[] header = new byte[(int) length];
      read(file, 8, header.length).get(header);
      return parse(path, file, new String(header, StandardCharsets.UTF_8), 8 + length);
    } catch (EOFException e) {
      throw new CorruptStateException(path, "it ends early");
    }
  }

  private static SafeTensors parse(Path path, FileChannel file, String header, long dataStart)
      throws IOException {
    Map<String, String> metadata = new LinkedHashMap<>();
    Map<String, Object> tensors = new LinkedHashMap<>();
    long dataLength = file.size() - dataStart;
    long claimed = 0; // by all tensors: no two may share bytes, or a small file asks for any memory
    try {
      JsonObject json = JsonParser.parseString(header).getAsJsonObject();
      for (Map.Entry<String, JsonElement> member : json.entrySet()) {
        if (member.getKey().equals("__metadata__")) {
          member
              .getValue()
              .getAsJsonObject()
              .asMap()
              .forEach((key, value) -> metadata.put(key, value.getAsString()));
          continue;
        }
        JsonObject entry = member.getValue().getAsJsonObject();
        Kind kind = Kind.valueOf(entry.get("dtype").getAsString());
        long count = 1;
        for (JsonElement dimension : entry.getAsJsonArray("shape")) {
          long factor = dimension.getAsLong();
          if (factor < 0) {
            throw new CorruptStateException(path, member.getKey() + " has a negative dimension");
          }
          count = Math.multiplyExact(count, factor);
        }
        JsonArray offsets = entry.getAsJsonArray("data_offsets");
        long from = offsets.get(0).getAsLong();
        long to = offsets.get(1).getAsLong();
        claimed += Math.max(0, to - from);
        if (offsets.size() != 2
            || claimed > dataLength
            || from < 0
            || to < from
            || to > dataLength
            || to - from != Math.multiplyExact(count, kind.bytes)
            || count > Integer.MAX_VALUE - 8) {
          throw new CorruptStateException(
              path,
              member.getKey() + " has " + count + " elements at " + offsets + " of " + dataLength);
        }
        tensors.put(member.getKey(), values(file, kind, dataStart + from, (int) count));
      }
    } catch (JsonParseException
        | IllegalArgumentException
        | IllegalStateException
        | ArithmeticException
        | IndexOutOfBoundsException
        | UnsupportedOperationException
        | NullPointerException
        | ClassCastException e) {
      throw new CorruptStateException(path, "its header is malformed: " + e.getMessage());
    }
    return new SafeTensors(metadata, tensors);
  }

  private static Object values(FileChannel file, Kind kind, long position, int count)
      throws IOException {
    Object values = kind.create(count);
    for (int at = 0; at < count; ) {
      int n = Math.min(count - at, CHUNK / kind.bytes);
      kind.get(read(file, position + (long) at * kind.bytes, n * kind.bytes), values, at, n);
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

  /** An element type of the format. */
  private enum Kind {
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
