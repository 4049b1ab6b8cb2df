package io.warmstep.checkpoint;

import io.warmstep.checkpoint.JsonReader.MalformedException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The header of a file in the safetensors format: a JSON object with metadata entries and, for each
 * tensor, its element type, its shape and the position of its bytes after the header.
 *
 * @param metadata entries by key
 * @param entries the tensors in the order of their position in the file
 * @param checksumAt where the value of {@link #CHECKSUM} begins in the JSON, or -1 without one
 */
record SafeTensorsHeader(Map<String, String> metadata, List<TensorEntry> entries, int checksumAt) {
  /** The program that wrote the file. */
  static final String FORMAT = "format";

  /** See {@link Checksum}. */
  static final String CHECKSUM = "crc32c";

  /** Maximum size of a header, as in the reference implementation. */
  static final int MAX_BYTES = 100_000_000;

  private static final String METADATA = "__metadata__";

  SafeTensorsHeader(Map<String, String> metadata, List<TensorEntry> entries) {
    this(metadata, entries, -1);
  }

  /** The bytes of a file before its data: the header's length and the header. */
  byte[] toBytes() {
    Map<String, Object> json = new LinkedHashMap<>();
    if (!metadata.isEmpty()) {
      json.put(METADATA, metadata);
    }
    for (TensorEntry entry : entries) {
      Map<String, Object> tensor = new LinkedHashMap<>();
      tensor.put("dtype", entry.format().name());
      tensor.put("shape", entry.shape());
      tensor.put("data_offsets", List.of(entry.begin(), entry.end()));
      json.put(entry.name(), tensor);
    }
    byte[] bytes = JsonWriter.text(json).getBytes(StandardCharsets.UTF_8);
    int padded = (bytes.length + 7) & ~7; // tensors begin at a multiple of 8 bytes
    if (padded > MAX_BYTES) {
      throw new IllegalArgumentException(
          "a checkpoint's header would have "
              + padded
              + " bytes, may have "
              + MAX_BYTES
              + ": save fewer tensors in one file, or under shorter names");
    }
    ByteBuffer header = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(padded).put(bytes);
    while (header.hasRemaining()) {
      header.put((byte) ' ');
    }
    return header.array();
  }

  /** Parses the JSON of a header. Whether the tensors fill the file is not checked here. */
  static SafeTensorsHeader parse(byte[] json) throws MalformedException {
    return new Parser(json).parse();
  }

  /**
   * Says what is wrong with the tensors' positions: they must fill a file's data without gaps or
   * overlaps. Then they need no more memory than the file has bytes.
   *
   * @return a clause, or null if nothing is
   */
  String problem(long dataLength) {
    long at = 0;
    for (TensorEntry entry : entries) {
      if (entry.begin() != at) {
        return quoted(entry.name()) + " begins at " + entry.begin() + ", must begin at " + at;
      }
      at = entry.end();
    }
    return at == dataLength
        ? null
        : "its tensors have " + at + " bytes, the file " + dataLength + " for them";
  }

  private static String quoted(String name) {
    return "\"" + (name.length() <= 200 ? name : name.substring(0, 200) + "…") + "\"";
  }

  /** Reads one header. */
  private static final class Parser {
    private final JsonReader json;
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final List<TensorEntry> entries = new ArrayList<>();
    private final Set<String> names = new HashSet<>();
    private int checksumAt = -1;

    Parser(byte[] json) {
      this.json = new JsonReader(json);
    }

    SafeTensorsHeader parse() throws MalformedException {
      json.object(
          name -> {
            if (!names.add(name)) {
              throw json.malformed(quoted(name) + " is there twice");
            }
            if (name.equals(METADATA)) {
              json.object(this::text);
            } else {
              entries.add(entry(name));
            }
          });
      json.end();
      entries.sort(
          Comparator.comparingLong(TensorEntry::begin).thenComparingLong(TensorEntry::end));
      return new SafeTensorsHeader(
          Collections.unmodifiableMap(metadata), List.copyOf(entries), checksumAt);
    }

    private void text(String key) throws MalformedException {
      String text = json.string();
      if (metadata.put(key, text) != null) {
        throw json.malformed("the metadata has " + quoted(key) + " twice");
      }
      if (key.equals(CHECKSUM)) {
        checksumAt = json.position() - 1 - text.length(); // of digits, if it is one
      }
    }

    private TensorEntry entry(String name) throws MalformedException {
      if (!json.isNextObject()) {
        throw json.malformed(quoted(name) + " is no tensor");
      }
      Map<String, Object> members = new LinkedHashMap<>();
      json.object(
          key -> {
            if (members.containsKey(key)) {
              throw json.malformed(quoted(name) + " has two of " + quoted(key));
            }
            switch (key) {
              case "dtype" -> members.put(key, format(name, json.string()));
              case "shape", "data_offsets" -> members.put(key, json.integers());
              default -> members.put(key, json.value());
            }
          });
      for (String key : List.of("dtype", "shape", "data_offsets")) {
        if (members.get(key) == null) {
          throw json.malformed(quoted(name) + " has no " + key);
        }
      }
      return entry(
          name,
          (ElementFormat) members.get("dtype"),
          integers(members.get("shape")),
          integers(members.get("data_offsets")));
    }

    @SuppressWarnings("unchecked")
    private static List<Long> integers(Object list) {
      return (List<Long>) list;
    }

    private ElementFormat format(String name, String dtype) throws MalformedException {
      for (ElementFormat format : ElementFormat.values()) {
        if (format.name().equals(dtype)) {
          return format;
        }
      }
      throw json.malformed(quoted(name) + " is of the unknown type " + quoted(dtype));
    }

    private TensorEntry entry(
        String name, ElementFormat format, List<Long> shape, List<Long> offsets)
        throws MalformedException {
      if (offsets.size() != 2) {
        throw json.malformed(quoted(name) + " must have two offsets, not " + offsets.size());
      }
      long begin = offsets.get(0);
      long end = offsets.get(1);
      long bits;
      try {
        bits = format.bits();
        for (long size : shape) {
          bits = Math.multiplyExact(bits, size);
        }
      } catch (ArithmeticException e) {
        throw json.malformed(quoted(name) + " has too many elements");
      }
      if (end < begin || bits % 8 != 0 || end - begin != bits / 8) {
        throw json.malformed(
            String.format(
                Locale.ROOT,
                "%s of %s with %d dimensions has %d bits at bytes %d to %d",
                quoted(name),
                format,
                shape.size(),
                bits,
                begin,
                end));
      }
      return new TensorEntry(name, format, shape, begin, end);
    }
  }
}
