package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.warmstep.DeviceReport;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

class DevicesCommandTest {
  private static final String NOTE = "it is slow: set CUDA_CACHE_PATH to a folder that stays";

  private static DeviceReport report(String uuid, String note) {
    return new DeviceReport("cuda", 0, true, "a GPU", "a driver", 3L << 30, true, "", uuid, note);
  }

  private static String text(DeviceReport report) {
    StringWriter text = new StringWriter();
    DevicesCommand.print(report, new PrintWriter(text, true));
    return text.toString().replace(System.lineSeparator(), "\n");
  }

  @Test
  void whatSlowsADeviceDownIsPrinted() {
    String plain =
        """
        cuda:0    a GPU
                  driver a driver
                  memory 3.0 GiB
                  bit-exact
        """;
    assertEquals(plain, text(report("", "")));
    assertEquals(
        plain + "          GPU-8932\n          " + NOTE + "\n", text(report("GPU-8932", NOTE)));
    JsonObject json = DevicesCommand.toJson(List.of(report("", NOTE)), "cuda:0", 1.5);
    JsonObject cuda = json.getAsJsonArray("devices").get(0).getAsJsonObject();
    assertEquals(NOTE, cuda.get("note").getAsString());
    assertEquals("cuda:0", json.get("fastest").getAsString());
    assertEquals(1.5, json.get("fastest_ms").getAsDouble());
  }

  @Test
  void theTimeOfTheSelfTestIsMeasured() {
    JsonObject json = CommandRun.run("devices", "--json").json();
    double millis = json.get("fastest_ms").getAsDouble();
    assertTrue(millis > 0 && millis < 600_000, json.toString());
  }
}
