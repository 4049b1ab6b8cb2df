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
        "Lists the devices: which can be used here, by the name for --backend, and why others"
            + " cannot. A GPU takes the self-test first.")
final class DevicesCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(
      names = "--json",
      description =
          "Print one JSON object and nothing else: devices (each with name, backend, index, usable,"
              + " device, driver, memory_bytes, bit_exact, reason, uuid, note), fastest, and"
              + " fastest_ms, the milliseconds that Devices.fastest() took, self-test included.")
  private boolean json;

  @Override
  public void run() {
    PrintWriter out = spec.commandLine().getOut();
    String fastest;
    long begin = System.nanoTime();
    double millis;
    try (Device device = Devices.fastest()) {
      millis = (System.nanoTime() - begin) / 1e6;
      fastest = device.report().name();
    }
    List<DeviceReport> reports = Devices.all(); // after the self-test, whose result it includes
    if (json) {
      out.println(Json.text(toJson(reports, fastest, millis)));
    } else {
      reports.forEach(report -> print(report, out));
      out.printf(Locale.ROOT, "%nDevices.fastest() opens %s%n", fastest);
    }
    out.flush();
  }

  static void print(DeviceReport report, PrintWriter out) {
    if (!report.usable()) {
      String name = report.device().isEmpty() ? "" : report.device() + ", ";
      out.printf(Locale.ROOT, "%-9s %snot usable: %s%n", report.name(), name, report.reason());
      return;
    }
    out.printf(Locale.ROOT, "%-9s %s%n", report.name(), report.device());
    out.printf(Locale.ROOT, "%-9s driver %s%n", "", report.driver());
    out.printf(
        Locale.ROOT, "%-9s memory %.1f GiB%n", "", report.memoryBytes() / (1024.0 * 1024 * 1024));
    out.printf(
        Locale.ROOT,
        "%-9s %s%n",
        "",
        report.bitExact() ? "bit-exact" : "not bit-exact: " + report.reason());
    for (String line : List.of(report.uuid(), report.note())) {
      if (!line.isEmpty()) {
        out.printf(Locale.ROOT, "%-9s %s%n", "", line);
      }
    }
  }

  static JsonObject toJson(List<DeviceReport> reports, String fastest, double millis) {
    JsonArray devices = new JsonArray();
    for (DeviceReport report : reports) {
      JsonObject device = new JsonObject();
      device.addProperty("name", report.name());
      device.addProperty("backend", report.backend());
      device.addProperty("index", report.index() < 0 ? null : report.index());
      device.addProperty("usable", report.usable());
      device.addProperty("device", report.device());
      device.addProperty("driver", report.driver());
      device.addProperty("memory_bytes", report.memoryBytes());
      device.addProperty("bit_exact", report.bitExact());
      device.addProperty("reason", report.reason());
      device.addProperty("uuid", report.uuid());
      device.addProperty("note", report.note());
      devices.add(device);
    }
    JsonObject object = new JsonObject();
    object.add("devices", devices);
    object.addProperty("fastest", fastest);
    object.addProperty("fastest_ms", millis);
    return object;
  }
}
