package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.DeviceReport;
import io.warmstep.Devices;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code warmstep devices}: what can run steps on this machine. */
@Command(
    name = "devices",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    description =
        "Lists the backends: which can be used here, and why others cannot. A GPU takes the"
            + " self-test first.")
final class DevicesCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(
      names = "--json",
      description =
          "Print one JSON object and nothing else: backends (each with backend, usable, device,"
              + " driver, memory_bytes, bit_exact, reason) and fastest.")
  private boolean json;

  @Override
  public void run() {
    PrintWriter out = spec.commandLine().getOut();
    String fastest;
    try (Device device = Devices.fastest()) {
      fastest = device.name();
    }
    List<DeviceReport> reports = Devices.report(); // after the self-test, whose result it tells
    if (json) {
      out.println(Json.text(toJson(reports, fastest)));
    } else {
      reports.forEach(report -> print(report, out));
      out.printf(Locale.ROOT, "%nDevices.fastest() opens %s%n", fastest);
    }
    out.flush();
  }

  private static void print(DeviceReport report, PrintWriter out) {
    if (!report.usable()) {
      out.printf(Locale.ROOT, "%-8s not usable: %s%n", report.backend(), report.reason());
      return;
    }
    out.printf(Locale.ROOT, "%-8s %s%n", report.backend(), report.device());
    out.printf(Locale.ROOT, "%-8s driver %s%n", "", report.driver());
    out.printf(
        Locale.ROOT, "%-8s memory %.1f GiB%n", "", report.memoryBytes() / (1024.0 * 1024 * 1024));
    out.printf(
        Locale.ROOT,
        "%-8s %s%n",
        "",
        report.bitExact() ? "bit-exact" : "not bit-exact: " + report.reason());
  }

  private static JsonObject toJson(List<DeviceReport> reports, String fastest) {
    JsonArray backends = new JsonArray();
    for (DeviceReport report : reports) {
      JsonObject backend = new JsonObject();
      backend.addProperty("backend", report.backend());
      backend.addProperty("usable", report.usable());
      backend.addProperty("device", report.device());
      backend.addProperty("driver", report.driver());
      backend.addProperty("memory_bytes", report.memoryBytes());
      backend.addProperty("bit_exact", report.bitExact());
      backend.addProperty("reason", report.reason());
      backends.add(backend);
    }
    JsonObject object = new JsonObject();
    object.add("backends", backends);
    object.addProperty("fastest", fastest);
    return object;
  }
}
