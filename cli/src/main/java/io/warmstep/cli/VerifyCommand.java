package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.DeviceReport;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.WarmstepException;
import io.warmstep.cli.verify.BitComparison;
import io.warmstep.cli.verify.GoldenFile;
import io.warmstep.cli.verify.GoldenReplay;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code warmstep verify}: compares devices with Java bit for bit, or replays a golden file. */
@Command(
    name = "verify",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    abbreviateSynopsis = true,
    sortOptions = false,
    description = {
      "Proves this machine right: runs every rule with every option and type on each backend, on"
          + " ordinary values, special ones (denormals, infinities, NaN, zeros, the largest numbers)"
          + " and random bits, and compares parameters, gradients and state with the Java reference,"
          + " bit for bit. Exits with 0 only if none differ.",
      "With --golden, replays a golden file instead, in which a reference (PyTorch) recorded"
          + " optimizer trajectories, and prints the worst relative error of each case over"
          + " parameters and state: the error divided by the largest magnitude that the value has"
          + " had so far or, in files of several tensors, that any value of the tensor has had."
          + " Exits with 0 only if all cases that ran pass."
    })
final class VerifyCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--golden",
      paramLabel = "FILE",
      description = "A golden file, JSON, to be replayed.")
  private Path golden;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      defaultValue = "all",
      description =
          "A backend, a device such as cuda:1, or all backends that can be used. Default:"
              + " ${DEFAULT-VALUE}")
  private String backend;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description = {
        "With --golden: float64, which passes up to "
            + GoldenReplay.FLOAT64_TOLERANCE
            + ", or float32, which passes up to "
            + GoldenReplay.FLOAT32_TOLERANCE
            + ". Default: float64"
      })
  private String dtype;

  @Option(
      names = "--quick",
      description =
          "Compare fewer cases, in which every two choices of rule, options, type, values and what"
              + " else a step does still come together.")
  private boolean isQuick;

  @Option(
      names = "--json",
      description =
          "Print one JSON object and nothing else: backends (each with name, device, bit_exact,"
              + " values_compared, mismatches, error if it failed) and unusable (name, reason);"
              + " with --golden, cases (name, backend, dtype, max_relative_error, passed) and"
              + " skipped (names).")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    return golden == null ? compareBits() : replay();
  }

  private int compareBits() {
    if (dtype != null) {
      throw new ParameterException(
          spec.commandLine(), "--dtype needs --golden: without it, every type is compared");
    }
    PrintWriter out = spec.commandLine().getOut();
    List<DeviceReport> reports = reports();
    BitReport report = new BitReport(out, json);
    for (DeviceReport one : reports) {
      if (!one.usable()) {
        report.passOver(one);
        continue;
      }
      try (Device device = Devices.require(one.name());
          BitReport.Progress progress = report.begin(device.report())) {
        report.add(device.report(), BitComparison.run(device, isQuick, progress));
      } catch (WarmstepException e) {
        report.fail(one, e);
      }
    }
    report.end();
    return report.isClean() ? 0 : 1;
  }

  private int replay() throws IOException {
    if (isQuick) {
      throw new ParameterException(
          spec.commandLine(), "--quick is without --golden: of a file, every case is replayed");
    }
    ElementType type = type();
    GoldenFile file = GoldenFile.read(golden);
    List<GoldenReplay.Outcome> outcomes = new ArrayList<>();
    Set<GoldenReplay.Skipped> skipped = new LinkedHashSet<>();
    for (DeviceReport report : reports()) {
      if (!report.usable()) {
        continue;
      }
      try (Device device = Devices.require(report.name())) {
        GoldenReplay replay = GoldenReplay.run(file, device, type);
        outcomes.addAll(replay.outcomes());
        skipped.addAll(replay.skipped());
      }
    }
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.text(toJson(outcomes, skipped)));
    } else {
      print(outcomes, skipped, out);
    }
    out.flush();
    if (outcomes.isEmpty()) {
      throw new IllegalStateException(golden + ": no case that this version can replay");
    }
    return outcomes.stream().allMatch(GoldenReplay.Outcome::passed) ? 0 : 1;
  }

  private ElementType type() {
    if (dtype == null) {
      return ElementType.FLOAT64;
    }
    for (ElementType type : List.of(ElementType.FLOAT64, ElementType.FLOAT32)) {
      if (type.toString().equals(dtype)) {
        return type;
      }
    }
    throw new ParameterException(
        spec.commandLine(), "--dtype is '" + dtype + "', must be float64 or float32");
  }

  /** Of all backends, or of the one that was asked for, which must be usable. */
  private List<DeviceReport> reports() {
    if (backend.equals("all")) {
      return Devices.report();
    }
    try (Device device = Devices.require(backend)) {
      return List.of(device.report());
    }
  }

  private static void print(
      List<GoldenReplay.Outcome> outcomes, Set<GoldenReplay.Skipped> skipped, PrintWriter out) {
    for (GoldenReplay.Outcome outcome : outcomes) {
      out.printf(
          Locale.ROOT,
          "%-40s %-7s %-8s %9.2e  %s%n",
          outcome.name(),
          outcome.backend(),
          outcome.type(),
          outcome.maxRelativeError(),
          outcome.passed() ? "passed" : "FAILED");
    }
    for (GoldenReplay.Skipped one : skipped) {
      out.printf(Locale.ROOT, "%-40s skipped: %s%n", one.name(), one.reason());
    }
    long passed = outcomes.stream().filter(GoldenReplay.Outcome::passed).count();
    out.printf(
        Locale.ROOT,
        "%d passed, %d failed, %d skipped%s%n",
        passed,
        outcomes.size() - passed,
        skipped.size(),
        skipped.isEmpty() ? "" : " (they need what this version does not have)");
  }

  private static JsonObject toJson(
      List<GoldenReplay.Outcome> outcomes, Set<GoldenReplay.Skipped> skipped) {
    JsonArray cases = new JsonArray();
    for (GoldenReplay.Outcome outcome : outcomes) {
      JsonObject one = new JsonObject();
      one.addProperty("name", outcome.name());
      one.addProperty("backend", outcome.backend());
      one.addProperty("dtype", outcome.type().toString());
      one.add("max_relative_error", Json.number(outcome.maxRelativeError()));
      one.addProperty("passed", outcome.passed());
      cases.add(one);
    }
    JsonArray names = new JsonArray();
    skipped.forEach(one -> names.add(one.name()));
    JsonObject object = new JsonObject();
    object.add("cases", cases);
    object.add("skipped", names);
    return object;
  }
}
