package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.StepFailedException;
import io.warmstep.cli.verify.BitComparison;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BitReportTest {
  private static final DeviceReport DEVICE =
      new DeviceReport("opencl", 0, true, "a GPU", "a driver", 1, true, "", "", "");

  private final StringWriter out = new StringWriter();

  private BitReport report(boolean json) {
    return new BitReport(new PrintWriter(out, true), json);
  }

  private static BitComparison.Result result(long mismatches) {
    Map<ElementType, BitComparison.Count> counts =
        Map.of(ElementType.FLOAT32, new BitComparison.Count(1_234_567, mismatches));
    return new BitComparison.Result(
        Map.of("adam", counts), mismatches == 0 ? List.of() : List.of("adam, element 3: 0x1p0"));
  }

  @Test
  void agreementIsClean() {
    BitReport report = report(false);
    report.add(DEVICE, result(0));
    report.end();
    assertTrue(report.isClean());
    String text = out.toString();
    assertTrue(text.startsWith("opencl: a GPU (driver a driver)"), text);
    assertTrue(text.contains("0 of 1,234,567") && text.contains("not supported"), text);
    assertTrue(text.contains("  bit-exact: 1,234,567 values compared"), text);
  }

  @Test
  void aDifferenceIsNot() {
    BitReport report = report(false);
    report.add(DEVICE, result(2));
    report.add(DEVICE, result(0));
    report.end();
    assertFalse(report.isClean());
    assertTrue(out.toString().contains("2 of 1,234,567"), out.toString());
    assertTrue(out.toString().contains("adam, element 3: 0x1p0"), out.toString());
    assertTrue(out.toString().contains("NOT bit-exact"), out.toString());
  }

  @Test
  void jsonHasFailuresAndWhatCannotBeUsed() {
    BitReport report = report(true);
    report.passOver(DeviceReport.unusable("cuda", "no driver"));
    report.fail(DEVICE, new StepFailedException("lost", null));
    report.add(DEVICE, result(2));
    report.end();
    assertFalse(report.isClean());
    JsonObject json = JsonParser.parseString(out.toString()).getAsJsonObject();
    JsonObject unusable = json.getAsJsonArray("unusable").get(0).getAsJsonObject();
    assertEquals("no driver", unusable.get("reason").getAsString());
    JsonObject failed = json.getAsJsonArray("backends").get(0).getAsJsonObject();
    assertEquals("lost", failed.get("error").getAsString());
    assertFalse(failed.get("bit_exact").getAsBoolean());
    JsonObject wrong = json.getAsJsonArray("backends").get(1).getAsJsonObject();
    assertFalse(wrong.get("bit_exact").getAsBoolean());
    assertEquals(2, wrong.get("mismatches").getAsLong());
    assertEquals(1_234_567, wrong.get("values_compared").getAsLong());
  }
}
