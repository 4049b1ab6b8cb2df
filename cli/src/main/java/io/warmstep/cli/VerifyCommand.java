package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
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
import java.util.TreeSet;
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
          + " had so far or, in files of several tensors, that any value of the tensor has had;"
          + " NaN equals NaN. A case that cannot be read, or whose optimizer or options this version"
          + " does not have, is skipped with the reason. Exits with 0 only if all cases that ran"
          + " pass.",
      "Compared is every number and list of state and group that the rule keeps under that name;"
          + " a case fails on one that it does not keep. Not compared, but named, are state that the"
          + " file lacks or has as null; hyperparameters, booleans and texts; and what follows from"
          + " other values: step, k, counter, scheduled_lr, d_hat and d_denom."
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
            + ". Under a rule with a first step size d0 (Prodigy), in which digits cancel, "
            + GoldenReplay.FLOAT64_CANCELLATION
            + " or "
            + GoldenReplay.FLOAT32_CANCELLATION
            + " divided by d0, if that is more. Default: float64"
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
              + " with --golden, cases (name, backend, dtype, max_relative_error, tolerance, passed,"
              + " worst: the step, tensor and slot of that error and the problem if it is no number,"
              + " missing: state that the file lacks, not_compared: what else is not compared) and"
              + " skipped (name, reason).")
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
    Set<String> ignored = new TreeSet<>();
    for (GoldenReplay.Outcome outcome : outcomes) {
      out.printf(
          Locale.ROOT,
          "%-40s %-7s %-8s %9.2e  %s%s%n",
          outcome.name(),
          outcome.backend(),
          outcome.type(),
          outcome.worst().error(),
          outcome.passed() ? "passed" : "FAILED" + where(outcome),
          outcome.missing().isEmpty()
              ? ""
              : "; not in the file: " + String.join(", ", outcome.missing()));
      ignored.addAll(outcome.ignored());
    }
    for (GoldenReplay.Skipped one : skipped) {
      out.printf(Locale.ROOT, "%-40s skipped: %s%n", one.name(), one.reason());
    }
    if (!ignored.isEmpty()) {
      out.println("not compared: " + String.join(", ", ignored));
    }
    long passed = outcomes.stream().filter(GoldenReplay.Outcome::passed).count();
    out.printf(
        Locale.ROOT,
        "%d passed, %d failed, %d skipped%n",
        passed,
        outcomes.size() - passed,
        skipped.size());
  }

  private static String where(GoldenReplay.Outcome outcome) {
    GoldenReplay.Worst worst = outcome.worst();
    return String.format(
        Locale.ROOT,
        " at step %d, %s %s: %s",
        worst.step(),
        worst.tensor(),
        worst.slot(),
        worst.problem().isEmpty()
            ? String.format(Locale.ROOT, "up to %.1e is allowed", outcome.tolerance())
            : worst.problem());
  }

  private static JsonElement toJson(GoldenReplay.Worst worst) {
    if (worst.step() == 0) {
      return JsonNull.INSTANCE;
    }
    JsonObject object = new JsonObject();
    object.addProperty("step", worst.step());
    object.addProperty("tensor", worst.tensor());
    object.addProperty("slot", worst.slot());
    if (!worst.problem().isEmpty()) {
      object.addProperty("problem", worst.problem());
    }
    return object;
  }

  private static JsonArray toJson(Set<String> names) {
    JsonArray array = new JsonArray();
    names.forEach(array::add);
    return array;
  }

  private static JsonObject toJson(
      List<GoldenReplay.Outcome> outcomes, Set<GoldenReplay.Skipped> skipped) {
    JsonArray cases = new JsonArray();
    for (GoldenReplay.Outcome outcome : outcomes) {
      JsonObject one = new JsonObject();
      one.addProperty("name", outcome.name());
      one.addProperty("backend", outcome.backend());
      one.addProperty("dtype", outcome.type().toString());
      one.add("max_relative_error", Json.number(outcome.worst().error()));
      one.addProperty("tolerance", outcome.tolerance());
      one.addProperty("passed", outcome.passed());
      one.add("worst", toJson(outcome.worst()));
      one.add("missing", toJson(outcome.missing()));
      one.add("not_compared", toJson(outcome.ignored()));
      cases.add(one);
    }
    JsonArray others = new JsonArray();
    for (GoldenReplay.Skipped skip : skipped) {
      JsonObject one = new JsonObject();
      one.addProperty("name", skip.name());
      one.addProperty("reason", skip.reason());
      others.add(one);
    }
    JsonObject object = new JsonObject();
    object.add("cases", cases);
    object.add("skipped", others);
    return object;
  }
}
