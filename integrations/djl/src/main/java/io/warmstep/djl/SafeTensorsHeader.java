package io.warmstep.djl;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of a file in the safetensors format: a JSON object with texts about the file and, for
 * each tensor, its element type, its shape and where its bytes are among those after the header.
 *
 * @param metadata texts by key
 * @param entries the tensors in the order of their bytes
 */
record SafeTensorsHeader(Map<String, String> metadata, List<Entry> entries) {
  private static final String METADATA = "__metadata__";

  /** A tensor: its elements lie from a byte, included, to another, excluded. */
  record Entry(String name, SafeTensors.Kind kind, long count, long from, long to) {}

  /** The bytes of a file before its data: the header's length and the header. */
  ByteBuffer toBytes() {
    JsonObject json = new JsonObject();
    JsonObject about = new JsonObject();
    metadata.forEach(about::addProperty);
    json.add(METADATA, about);
    for (Entry entry : entries) {
      JsonObject tensor = new JsonObject();
      tensor.addProperty("dtype", entry.kind.name());
      tensor.add("shape", array(entry.count));
      tensor.add("data_offsets", array(entry.from, entry.to));
      json.add(entry.name, tensor);
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

  /**
   * Understands a header. Tensors may have several dimensions; only how many elements they have is
   * kept.
   *
   * @param path the file, for messages
   * @param bytes the JSON
   * @throws CorruptStateException if it is no such header
   */
  static SafeTensorsHeader parse(Path path, byte[] bytes) throws CorruptStateException {
    Map<String, String> metadata = new LinkedHashMap<>();
    List<Entry> entries = new ArrayList<>();
    try {
      JsonObject json = json(new String(bytes, StandardCharsets.UTF_8)).getAsJsonObject();
      for (Map.Entry<String, JsonElement> member : json.entrySet()) {
        if (member.getKey().equals(METADATA)) {
          Map<String, JsonElement> texts = member.getValue().getAsJsonObject().asMap();
          texts.forEach((key, value) -> metadata.put(key, value.getAsString()));
        } else {
          entries.add(entry(member.getKey(), member.getValue()));
        }
      }
    } catch (JsonParseException
        | IllegalArgumentException
        | IllegalStateException
        | ArithmeticException
        | UnsupportedOperationException e) {
      throw new CorruptStateException(path, "its header is malformed: " + e.getMessage(), e);
    }
    entries.sort(Comparator.comparingLong(Entry::from).thenComparingLong(Entry::to));
    return new SafeTensorsHeader(metadata, entries);
  }

  /**
   * Reads JSON as the standard has it, where Gson's default lets comments and bare words pass.
   *
   * @throws JsonParseException if it is no JSON, or something follows it
   */
  static JsonElement json(String text) {
    JsonReader reader = new JsonReader(new StringReader(text));
    reader.setStrictness(Strictness.STRICT);
    try {
      JsonElement json = JsonParser.parseReader(reader);
      if (reader.peek() == JsonToken.END_DOCUMENT) {
        return json;
      }
    } catch (JsonParseException | IOException e) {
      throw new JsonParseException("it is not JSON", e); // Gson's message advises to be lenient
    }
    throw new JsonParseException("something follows it");
  }

  private static Entry entry(String name, JsonElement json) {
    if (!json.isJsonObject()) {
      throw new IllegalArgumentException(name + " is no tensor but " + json);
    }
    SafeTensors.Kind kind = SafeTensors.Kind.valueOf(member(name, json, "dtype").getAsString());
    long count = 1;
    JsonArray shape = member(name, json, "shape").getAsJsonArray();
    for (JsonElement dimension : shape) {
      long factor = integer(dimension);
      if (factor < 0) {
        throw new IllegalArgumentException(name + " has a negative dimension: " + shape);
      }
      count = Math.multiplyExact(count, factor);
    }
    JsonArray offsets = member(name, json, "data_offsets").getAsJsonArray();
    if (offsets.size() != 2) {
      throw new IllegalArgumentException(name + " must have two offsets, not " + offsets);
    }
    long from = integer(offsets.get(0));
    long to = integer(offsets.get(1));
    long bytes = Math.multiplyExact(count, kind.bytes);
    if (from < 0 || to < from || to - from != bytes || count > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          name + " has " + count + " elements of " + bytes + " bytes at " + offsets);
    }
    return new Entry(name, kind, count, from, to);
  }

  private static JsonElement member(String name, JsonElement tensor, String key) {
    JsonElement value = tensor.getAsJsonObject().get(key);
    if (value == null) {
      throw new IllegalArgumentException(name + " has no " + key);
    }
    return value;
  }

  private static long integer(JsonElement number) {
    return number.getAsBigDecimal().longValueExact();
  }

  /**
   * Checks that the tensors fill a file's data, with no byte between them and none shared: then
   * they need no more memory than the file has bytes.
   */
  void checkFills(Path path, long dataLength) throws CorruptStateException {
    long at = 0;
    for (Entry entry : entries) {
      if (entry.from != at) {
        throw new CorruptStateException(
            path, entry.name + " begins at " + entry.from + ", must begin at " + at);
      }
      at = entry.to;
    }
    if (at != dataLength) {
      throw new CorruptStateException(
          path, "its tensors have " + at + " bytes, the file " + dataLength + " for them");
    }
  }
}
