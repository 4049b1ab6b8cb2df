package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is printed of a file of others. */
class InspectCommandTest {
  @TempDir Path folder;
  private Path model;

  /** As transformers saves a language model: several types, {@code format: pt}, no checksum. */
  @BeforeEach
  void writeModel() throws IOException {
    String header =
        "{\"__metadata__\":{\"format\":\"pt\"},"
            + "\"model.embed_tokens.weight\":"
            + "{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
            + "\"model.layers.0.self_attn.q_proj.weight\":"
            + "{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[12,20]},"
            + "\"model.layers.0.input_layernorm.weight\":"
            + "{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[20,36]},"
            + "\"model.position_ids\":"
            + "{\"dtype\":\"I64\",\"shape\":[1,2],\"data_offsets\":[36,52]},"
            + "\"model.scale\":{\"dtype\":\"F8_E4M3\",\"shape\":[],\"data_offsets\":[52,53]},"
            + "\"model.mask\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[53,56]},"
            + "\"model.unused\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[56,56]}}";
    header += " ".repeat(-header.length() & 7); // as the library of Hugging Face aligns
    ByteBuffer file = ByteBuffer.allocate(8 + header.length() + 56).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(header.length()).put(header.getBytes(StandardCharsets.UTF_8));
    for (int bits : new int[] {0x3f80, 0xc000, 0x7fc0, 0x7f80, 0, 0x4040}) {
      file.putShort((short) bits); // 1, -2, NaN, infinity, 0, 3
    }
    for (int bits : new int[] {0x3c00, 0x4200, 0x0001, 0xfc00}) {
      file.putShort((short) bits); // 1, 3, 2^-24, -infinity
    }
    file.putFloat(3).putFloat(-4).putFloat(0).putFloat(12);
    file.putLong(0).putLong(1);
    file.put((byte) 0x38); // 1
    file.put(new byte[] {1, 0, 1});
    model = Files.write(folder.resolve("model.safetensors"), file.array());
  }

  @Test
  void aModelOfOthersIsListed() {
    CommandRun run = CommandRun.run("inspect", model.toString());
    assertEquals(0, run.exitCode(), run.err());
    List<String> lines = run.out().lines().toList();
    assertTrue(lines.get(0).endsWith("7 tensors, 20 elements"), lines.get(0));
    assertEquals("no checksum: not a checkpoint of Warmstep's", lines.get(1));
    assertTrue(run.out().contains("  format: pt"), run.out());
    assertRow(lines, "model.embed_tokens.weight", "BF16 [2, 3] 3.74166 -2 3 1 1");
    assertRow(
        lines, "model.layers.0.self_attn.q_proj.weight", "F16 [2, 2] 3.16228 5.96046e-08 3 0 1");
    assertRow(lines, "model.layers.0.input_layernorm.weight", "F32 [4] 13 -4 12 0 0");
    assertRow(lines, "model.position_ids", "I64 [1, 2] 1 0 1 0 0");
    assertRow(lines, "model.scale", "F8_E4M3 [] 1 1 1 0 0");
    assertRow(lines, "model.unused", "F32 [0, 7] 0 - - 0 0");
  }

  private static void assertRow(List<String> lines, String name, String expected) {
    String row = lines.stream().filter(line -> line.startsWith(name + " ")).findFirst().orElse("");
    assertEquals(expected, row.substring(name.length()).strip().replaceAll(" +", " "));
  }

  @Test
  void theHeaderAloneIsJsonToo() {
    JsonObject json = CommandRun.run("inspect", "--header", "--json", model.toString()).json();
    assertTrue(json.get("checksum").isJsonNull());
    assertFalse(json.get("checksum_verified").getAsBoolean());
    assertEquals("pt", json.getAsJsonObject("metadata").get("format").getAsString());
    JsonArray tensors = json.getAsJsonArray("tensors");
    assertEquals(7, tensors.size());
    assertEquals("BF16", tensors.get(0).getAsJsonObject().get("type").getAsString());
  }

  @Test
  void aDamagedFileIsNamedWithoutATrace() throws IOException {
    byte[] bytes = Files.readAllBytes(model);
    Files.write(model, java.util.Arrays.copyOf(bytes, bytes.length - 1));
    CommandRun run = CommandRun.run("inspect", model.toString());
    assertEquals(1, run.exitCode());
    assertTrue(run.err().contains("is damaged or no checkpoint: "), run.err());
    assertFalse(run.err().contains("\tat "), run.err());
  }
}
