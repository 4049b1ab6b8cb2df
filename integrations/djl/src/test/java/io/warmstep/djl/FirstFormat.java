package io.warmstep.djl;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/** Files as the first release of this module wrote them, made from those of now. */
final class FirstFormat {
  private FirstFormat() {}

  /** The same states in the first format, with some texts of the metadata replaced. */
  static byte[] of(Path saved, Map<String, String> replaced) throws IOException {
    byte[] bytes = Files.readAllBytes(saved);
    int length = Math.toIntExact(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong());
    String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
    byte[] data = Arrays.copyOfRange(bytes, 8 + length, bytes.length);
    CRC32C checksum = new CRC32C();
    checksum.update(data);

    JsonObject json = new JsonObject();
    JsonObject former = com.google.gson.JsonParser.parseString(header).getAsJsonObject();
    JsonObject about = new JsonObject();
    about.addProperty("format", "warmstep-djl-1");
    for (String key : List.of("rule", "untrained")) {
      String text = former.getAsJsonObject("__metadata__").get(key).getAsString();
      about.addProperty(key, replaced.getOrDefault(key, text));
    }
    about.addProperty("crc32c", "%08x".formatted(checksum.getValue()));
    json.add("__metadata__", about);
    former.remove("__metadata__");
    former
        .entrySet()
        .forEach(
            entry -> {
              JsonObject tensor = entry.getValue().getAsJsonObject();
              if (tensor.getAsJsonArray("shape").isEmpty()) {
                JsonArray one = new JsonArray();
                one.add(1);
                tensor.add("shape", one);
              }
              json.add(entry.getKey().substring("state.".length()), tensor);
            });
    byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + text.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(text.length)
        .put(text)
        .put(data)
        .array();
  }
}
