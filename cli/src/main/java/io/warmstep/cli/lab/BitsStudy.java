package io.warmstep.cli.lab;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.DeviceReport;
import io.warmstep.Devices;
import io.warmstep.WarmstepException;
import io.warmstep.cli.train.Clipping;

/** The same run on every backend of this machine: the final parameters' bits must be equal. */
final class BitsStudy implements Study {
  private final Bench bench;

  BitsStudy(Bench bench) {
    this.bench = bench;
  }

  @Override
  public String name() {
    return "the same bits everywhere";
  }

  @Override
  public long steps() {
    return (long) bench.plan().steps() * Devices.report().size();
  }

  @Override
  public Section run() {
    Section section =
        new Section("bits", "Reproducibility")
            .say(
                "The run at the suggested rate with seed "
                    + bench.task().seed()
                    + " ends in parameters whose bits have the SHA-256 "
                    + bench.findings().bits
                    + ". Equal settings give these bits on every machine and every bit-exact"
                    + " device; lab.json repeats byte for byte. What depends on the machine stands"
                    + " apart, in timings.json, and is marked below.");
    JsonArray backends = new JsonArray();
    for (DeviceReport report : Devices.report()) {
      backends.add(check(report));
      bench.work().onStep().accept(bench.plan().steps());
    }
    bench.timings().add("backends", backends);
    return section.set("command", LabCommandLine.of(bench)).set("machine", true);
  }

  private JsonObject check(DeviceReport report) {
    JsonObject backend = new JsonObject();
    backend.addProperty("name", report.backend());
    backend.addProperty("device", report.device());
    if (!report.usable()) {
      backend.addProperty("result", "not usable: " + report.reason());
      return backend;
    }
    RunSetup setup = bench.task().setup(bench.findings().rate, bench.plan().steps());
    try (Device device = Devices.require(report.backend());
        Run run = new Run(device, setup, Clipping.NONE, null)) {
      run.advance(bench.plan().steps(), 1, steps -> bench.work().onStep().accept(0));
      boolean isEqual = Bits.hash(run.bits()).equals(bench.findings().bits);
      backend.addProperty("result", isEqual ? "the same bits" : "OTHER BITS");
    } catch (WarmstepException e) {
      backend.addProperty("result", "failed: " + e.getMessage());
    }
    return backend;
  }
}
