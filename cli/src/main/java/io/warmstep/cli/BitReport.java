package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.WarmstepException;
import io.warmstep.cli.text.Failures;
import io.warmstep.cli.verify.BitComparison;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** What {@code warmstep verify} shows of the comparison: a table for each backend, or JSON. */
final class BitReport {
  private final PrintWriter out;
  private final boolean json;
  private final JsonArray backends = new JsonArray();
  private final JsonArray unusable = new JsonArray();
  private boolean isClean = true;

  BitReport(PrintWriter out, boolean json) {
    this.out = out;
    this.json = json;
  }

  /** A bar on a terminal, nothing elsewhere. */
  static final class Progress implements BitComparison.Listener, AutoCloseable {
    private final ProgressBar bar;

    private Progress(ProgressBar bar) {
      this.bar = bar;
    }

    @Override
    public void onCase(int done, int total) {
      if (bar != null) {
        bar.maxHint(total);
        bar.stepTo(done);
      }
    }

    @Override
    public void close() {
      if (bar != null) {
        bar.close();
      }
    }
  }

  /** Nothing was in error so far. */
  boolean isClean() {
    return isClean;
  }

  void passOver(DeviceReport report) {
    if (json) {
      JsonObject backend = new JsonObject();
      backend.addProperty("name", report.backend());
      backend.addProperty("reason", report.reason());
      unusable.add(backend);
    } else {
      out.printf(Locale.ROOT, "%s: not usable: %s%n%n", report.backend(), report.reason());
    }
  }

  /** A device that failed: nothing it did before counts. */
  void fail(DeviceReport report, WarmstepException failure) {
    isClean = false;
    if (json) {
      JsonObject backend = entry(report, new BitComparison.Count(0, 0), false);
      backend.addProperty("error", Failures.describe(failure));
      backends.add(backend);
    } else {
      out.printf(Locale.ROOT, "%s: FAILED: %s%n%n", report.backend(), Failures.describe(failure));
    }
  }

  private static JsonObject entry(DeviceReport report, BitComparison.Count total, boolean isExact) {
    JsonObject backend = new JsonObject();
    backend.addProperty("name", report.backend());
    backend.addProperty("device", report.device());
    backend.addProperty("bit_exact", isExact);
    backend.addProperty("values_compared", total.values());
    backend.addProperty("mismatches", total.mismatches());
    return backend;
  }

  Progress begin(DeviceReport report) {
    if (json || !Terminal.isInteractive()) {
      return new Progress(null);
    }
    return new Progress(
        new ProgressBarBuilder()
            .setTaskName(report.backend())
            .setUpdateIntervalMillis(100)
            .setStyle(ProgressBarStyle.UNICODE_BLOCK)
            .clearDisplayOnFinish()
            .build());
  }

  void add(DeviceReport report, BitComparison.Result result) {
    BitComparison.Count total = result.total();
    isClean &= total.mismatches() == 0;
    if (json) {
      backends.add(entry(report, total, total.mismatches() == 0));
      return;
    }
    out.printf(
        Locale.ROOT, "%s: %s (driver %s)%n", report.backend(), report.device(), report.driver());
    out.printf(Locale.ROOT, "  values that differ, by rule and type%n  %-10s", "rule");
    for (ElementType type : ElementType.values()) {
      out.printf(Locale.ROOT, "%22s", type);
    }
    out.println();
    for (Map.Entry<String, Map<ElementType, BitComparison.Count>> rule :
        result.counts().entrySet()) {
      out.printf(Locale.ROOT, "  %-10s", rule.getKey());
      for (ElementType type : ElementType.values()) {
        BitComparison.Count count = rule.getValue().get(type);
        out.printf(
            Locale.ROOT,
            "%22s",
            count == null
                ? "not supported"
                : String.format(Locale.ROOT, "%,d of %,d", count.mismatches(), count.values()));
      }
      out.println();
    }
    result.differences().forEach(difference -> out.printf(Locale.ROOT, "  %s%n", difference));
    out.printf(
        Locale.ROOT,
        "  %s: %,d values compared with Java on one thread, %,d differ%n%n",
        total.mismatches() == 0 ? "bit-exact" : "NOT bit-exact",
        total.values(),
        total.mismatches());
    out.flush();
  }

  void end() {
    if (json) {
      JsonObject object = new JsonObject();
      object.add("backends", backends);
      object.add("unusable", unusable);
      out.println(Json.text(object));
    }
    out.flush();
  }
}
