package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.warmstep.ElementType;
import io.warmstep.cli.bench.Footprint;
import io.warmstep.cli.bench.Sample;
import io.warmstep.cli.bench.StepBenchmark;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BenchReportTest {
  private static BenchReport report(double fraction, boolean onCpu, boolean convertsHalves) {
    return report(fraction, onCpu, convertsHalves, null);
  }

  private static BenchReport report(
      double fraction, boolean onCpu, boolean convertsHalves, StepBenchmark.Rival rival) {
    return new BenchReport(
        new StepBenchmark.Result(
            15,
            20,
            new Sample(3.1, 3, 3.25),
            9.5,
            new Footprint(
                25_000_000, 2, 400_000_000, 53_125_000, 206_250_000, 150_000_000, 32 << 20),
            "plain Java loop",
            new Sample(fraction, fraction / 2, fraction * 1.5),
            3100,
            0,
            others(rival),
            null),
        onCpu,
        convertsHalves ? ElementType.BFLOAT16 : ElementType.FLOAT32);
  }

  private static Map<StepBenchmark.Other, StepBenchmark.Rival> others(StepBenchmark.Rival all) {
    Map<StepBenchmark.Other, StepBenchmark.Rival> others = new EnumMap<>(StepBenchmark.Other.class);
    for (StepBenchmark.Other other : StepBenchmark.Other.values()) {
      if (all != null) {
        others.put(other, all);
      }
    }
    return others;
  }

  private static String text(BenchReport report) {
    StringWriter text = new StringWriter();
    report.print(new PrintWriter(text, true));
    return text.toString().replace(System.lineSeparator(), "\n");
  }

  @Test
  void showsTheSpreadBesideTheMedian() {
    assertEquals(
        """
          a step                 3.10 ms (3.00 ms to 3.25 ms)
          memory traffic         9.5 GB/s, 14.25 bytes per parameter
          fraction of ceiling    0.800 (0.400 to 1.200) of a plain Java loop
          allocated per step     0.0 bytes
        """,
        text(report(0.8, true, false)));
  }

  @Test
  void showsWhatAFullStepTookTurnsWith() {
    StepBenchmark.Rival rival =
        new StepBenchmark.Rival(new Sample(4.65, 4.5, 5), new Sample(1.5, 1.4, 1.6));
    assertTrue(
        text(report(0.8, true, false, rival))
            .contains(
                """
                  its update alone       4.65 ms, 1.50 times the step (1.40 to 1.60)
                  in separate passes     4.65 ms, 1.50 times the step (1.40 to 1.60)
                  same, in a plain loop  4.65 ms, 1.50 times the step (1.40 to 1.60)
                  uncaptured             4.65 ms, 1.50 times the step (1.40 to 1.60)
                  unreported             4.65 ms, 1.50 times the step (1.40 to 1.60)
                """
                    .indent(0)),
        text(report(0.8, true, false, rival)));
    JsonObject json = new JsonObject();
    report(0.8, true, false, rival).addTo(json);
    assertEquals(
        "{\"ms_per_step\":4.65,\"times_step\":1.5,\"times_step_min\":1.4,\"times_step_max\":1.6}",
        json.get("plain").toString());
    assertEquals(json.get("plain"), json.get("separate"));
    assertEquals(json.get("plain"), json.get("arithmetic"));
    assertEquals(json.get("plain"), json.get("uncaptured"));
    assertEquals(json.get("plain"), json.get("unreported"));
    assertEquals("14.25", json.get("bytes_per_param").toString());
    assertEquals("2.125", json.get("state_bytes_per_param").toString());
  }

  @Test
  void aFractionAboveOneIsCalledNoise() {
    assertTrue(text(report(1.001, true, false)).contains("noise"));
    assertFalse(text(report(1, true, false)).contains("noise"));
  }

  @Test
  void aSlowRuleGetsAHint() {
    assertTrue(text(report(0.19, true, false)).contains("\nhint: far below what memory allows."));
    assertTrue(report(0.299, true, false).hint().contains("A branch per element"));
    assertTrue(report(0.19, true, true).hint().contains("half types do not vectorize"));
    assertTrue(report(0.19, false, true).hint().contains("the launch is the limit"));
    assertNull(report(0.3, true, false).hint());
    assertFalse(text(report(0.3, true, false)).contains("hint"));
    StepBenchmark.Rival rival =
        new StepBenchmark.Rival(new Sample(4.65, 4.5, 5), new Sample(0.5, 0.4, 0.6));
    assertNull(report(0.19, true, false, rival).hint(), "a reported step does more");
  }

  @Test
  void onAGpuTheTimeOfACallIsShown() {
    assertTrue(text(report(0.8, false, false)).contains("  host time of a call    3.10 ms\n"));
  }
}
