package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.rule.Adam;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The layout that the documentation promises, read without this module's reader. */
class StateFileTest {
  private static final String WEIGHT = "01Linear_weight";

  private final WarmstepOptimizer optimizer =
      WarmstepOptimizer.of(Adam.adam()).learningRate(0.1).build();
  private final Toy toy = new Toy(optimizer);

  @TempDir Path folder;
  private Path file;
  private byte[] bytes;
  private String header;
  private int dataStart;

  @BeforeEach
  void save() throws IOException {
    toy.parameters().get("03Linear_bias").freeze(true);
    for (int i = 1; i <= 2; i++) {
      toy.backward(i);
      toy.trainer.step();
    }
    file = folder.resolve("state.safetensors");
    optimizer.save(file, toy.model.getBlock());
    bytes = Files.readAllBytes(file);
    int length = Math.toIntExact(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong());
    header = new String(bytes, 8, length, StandardCharsets.UTF_8);
    dataStart = 8 + length;
  }

  @AfterEach
  void close() {
    toy.close();
  }

  @Test
  void theMetadataSaysWhatTheFileIs() {
    assertTrue(
        header.startsWith("{\"__metadata__\":{\"format\":\"warmstep\",\"version\":\"1\","), header);
    String about = ",\"rule\":\"adam\",\"untrained\":\"[\\\"03Linear_bias\\\"]\"}";
    assertTrue(header.contains(about), header);
  }

  @Test
  void theTensorsAreWhereTheHeaderSays() {
    assertEquals(0, dataStart % 8);
    String step =
        "\"state.01Linear_weight.step\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}";
    assertTrue(header.contains(step), header);
    String average =
        "\"state.01Linear_weight.exp_avg\":{\"dtype\":\"F32\",\"shape\":[128],\"data_offsets\":[24,536]}";
    assertTrue(header.contains(average), header);
    ByteBuffer data = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).position(dataStart);
    assertEquals(2, data.getLong());
    data.position(dataStart + 24);
    for (double expected : optimizer.state(toy.model.getBlock(), WEIGHT, "exp_avg")) {
      assertEquals(expected, data.getFloat());
    }
  }

  @Test
  void noTemporaryFileIsLeft() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(file), files.toList());
    }
  }
}
