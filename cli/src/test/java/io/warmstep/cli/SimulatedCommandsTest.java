package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.warmstep.backend.cuda.CudaSim;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands on the simulated CUDA driver. Their times are none of a GPU. */
@Tag("cudasim")
class SimulatedCommandsTest {
  @BeforeAll
  static void load() {
    CudaSim.load();
  }

  private static CommandRun bench(String options) {
    List<String> all = new ArrayList<>(List.of("bench", "--backend=cuda", "--rounds=1"));
    all.addAll(List.of(options.split(" ")));
    return CommandRun.run(all.toArray(String[]::new));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--rule sgd",
        "--full-step",
        "--full-step --dtype bfloat16 --master --state int8",
        "--adaptive-clip 0.01",
      })
  void capturedStepsTakeTurnsWithOthers(String options) {
    long violations = CudaSim.violations();
    JsonObject result = bench("--captured --size 5000 --json " + options).json();
    boolean isFull = options.startsWith("--full-step");
    assertTrue(result.get("captured").getAsBoolean());
    assertTrue(result.get("ms_per_step").getAsDouble() > 0, result.toString());
    assertTrue(result.get("host_us_per_step").getAsDouble() > 0, result.toString());
    assertTrue(
        result.getAsJsonObject("uncaptured").get("times_step").getAsDouble() > 0,
        result.toString());
    assertEquals(!isFull, result.get("plain").isJsonNull(), result.toString());

    JsonObject plain = bench("--size 5000 --json " + options).json();
    assertFalse(plain.get("captured").getAsBoolean());
    assertTrue(plain.get("uncaptured").isJsonNull(), plain.toString());
    assertEquals(plain.get("bytes_per_param"), result.get("bytes_per_param"));
    assertEquals(violations, CudaSim.violations(), "violations, printed as cudasim: ...");
  }

  @Test
  void theHeadSaysThatStepsAreCaptured() {
    String text = bench("--captured --size 5000 --full-step").out();
    assertTrue(text.startsWith("captured full step of adamw, float32, 5,000"), text);
    assertTrue(text.contains("\n  uncaptured "), text);
    assertTrue(bench("--captured --size 5000").out().startsWith("captured step of adam, "));
  }

  /** Every rule in one table: none refuses to be captured. */
  @Test
  void everyRuleIsCaptured() {
    CommandRun run = bench("--captured --size 5000 --rule all");
    assertEquals(0, run.exitCode(), run.err());
  }

  @Test
  void devicesReportsWhatKeepsTheDriverFromKeepingKernels(@TempDir Path folder) throws IOException {
    String home = System.getProperty("user.home");
    Path file = Files.writeString(folder.resolve("file"), "");
    try {
      System.setProperty("user.home", folder.toString());
      String none = System.getenv("CUDA_CACHE_PATH");
      assertEquals(null, none, "CUDA_CACHE_PATH decides in the place of the home folder");
      assertFalse(CommandRun.run("devices").out().contains("CUDA_CACHE_PATH"));
      System.setProperty("user.home", file.toString());
      CommandRun run = CommandRun.run("devices");
      String note = "the driver cannot keep the kernels that it has translated in " + file;
      assertTrue(run.out().lines().anyMatch(line -> line.strip().startsWith(note)), run.out());
      assertTrue(run.out().contains("set CUDA_CACHE_PATH to a folder"), run.out());
      JsonObject cuda =
          CommandRun.run("devices", "--json").json().getAsJsonArray("devices").asList().stream()
              .map(device -> device.getAsJsonObject())
              .filter(device -> device.get("name").getAsString().equals("cuda:0"))
              .findFirst()
              .orElseThrow();
      assertTrue(cuda.get("note").getAsString().startsWith(note), cuda.toString());
    } finally {
      System.setProperty("user.home", home);
    }
  }
}
