package io.warmstep.cli;

import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.backend.cpu.CpuBackend;
import io.warmstep.cli.bench.ModelShapes;
import io.warmstep.cli.bench.StepBenchmark;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.UpdateRule;
import java.io.PrintWriter;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code warmstep bench}: how fast a step is, against what memory allows. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description = {
      "Measures an optimizer step in turn with what memory allows and prints the median of the"
          + " rounds: on the processor a plain Java loop with the same reads and writes and no"
          + " arithmetic, on a GPU a copy of as many bytes within its memory.",
      "GB/s counts the fewest bytes that the rule must move: parameters, gradients and state read"
          + " once, parameters and state written once."
    })
final class BenchCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(
      names = "--rule",
      paramLabel = "RULE",
      defaultValue = "adam",
      completionCandidates = RuleNames.class,
      description = "Update rule: ${COMPLETION-CANDIDATES} (default ${DEFAULT-VALUE}).")
  private String rule;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      defaultValue = "float32",
      description = "float32, float64, float16 or bfloat16 (default ${DEFAULT-VALUE}).")
  private String dtype;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      defaultValue = CpuBackend.NAME,
      description = "Where steps run; 'warmstep devices' lists them (default ${DEFAULT-VALUE}).")
  private String backend;

  @ArgGroup private final Size size = new Size();

  /** How much is updated: one flat tensor or a model's list. */
  private static final class Size {
    @Option(
        names = "--size",
        paramLabel = "N",
        defaultValue = "25000000",
        description = "One flat tensor of N parameters (default ${DEFAULT-VALUE}).")
    private long length = 25_000_000;

    @Option(
        names = "--model",
        paramLabel = "MODEL",
        description = "The tensors of a model: resnet50 (161) or gpt2 (148).")
    private String model;
  }

  @Option(
      names = "--threads",
      paramLabel = "N",
      description =
          "Threads of the step on the cpu and of the loop (default: one for each processor).")
  private Integer threads;

  @Option(names = "--json", description = "Print one JSON object and nothing else.")
  private boolean json;

  /** For the help text. */
  static final class RuleNames implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return NamedRules.names().iterator();
    }
  }

  @Override
  public void run() {
    UpdateRule updateRule =
        parse(() -> Options.named("rule", "--rule", () -> NamedRules.named(rule)));
    ElementType type =
        parse(
            () ->
                Options.named(
                    "unknown element type.*: use",
                    "--dtype is '" + dtype + "', must be",
                    () -> ElementType.parse(dtype)));
    List<Long> lengths = lengths();
    long total = lengths.stream().mapToLong(Long::longValue).sum();
    int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    StepBenchmark.Result result;
    String name;
    try (Device device = open(count)) {
      name = device.report().device();
      result = StepBenchmark.run(device, count, updateRule, type, lengths);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("the measurement was interrupted", e);
    }
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.text(toJson(type, total, lengths.size(), result)));
    } else {
      out.printf(
          Locale.ROOT,
          "%s, %s, %,d parameters in %d %s, on %s, %s%n",
          rule,
          type,
          total,
          lengths.size(),
          lengths.size() == 1 ? "tensor" : "tensors",
          backend,
          isCpu() ? count + (count == 1 ? " thread" : " threads") : name);
      out.printf(Locale.ROOT, "  %-22s %s%n", "a step", time(result.millisPerStep() * 1e6));
      out.printf(Locale.ROOT, "  %-22s %.1f GB/s%n", "memory traffic", result.gigabytesPerSecond());
      out.printf(
          Locale.ROOT,
          "  %-22s %.3f of a %s%s%n",
          "fraction of ceiling",
          result.fractionOfCeiling(),
          result.ceiling(),
          aboveOne(result.fractionOfCeiling()));
      if (!isCpu()) { // there a call is the step
        out.printf(
            Locale.ROOT,
            "  %-22s %s%n",
            "host time of a call",
            time(result.hostMicrosPerStep() * 1e3));
      }
      out.printf(
          Locale.ROOT, "  %-22s %.1f bytes%n", "allocated a step", result.bytesAllocatedPerStep());
    }
    out.flush();
  }

  /** No step beats what memory allows: the two were measured at different moments. */
  static String aboveOne(double fraction) {
    return fraction > 1 ? " (above 1 is the noise of the measurement)" : "";
  }

  /** In the unit in which it reads best. */
  private static String time(double nanos) {
    if (nanos < 1e3) {
      return String.format(Locale.ROOT, "%.0f ns", nanos);
    }
    return nanos < 1e6
        ? String.format(Locale.ROOT, "%.2f us", nanos / 1e3)
        : String.format(Locale.ROOT, "%.2f ms", nanos / 1e6);
  }

  private boolean isCpu() {
    return backend.equals(CpuBackend.NAME);
  }

  private Device open(int count) {
    if (isCpu()) {
      return parse(() -> Options.named("threads", "--threads", () -> Devices.cpu(count)));
    }
    if (threads != null) {
      throw new ParameterException(
          spec.commandLine(), "--threads is for the cpu, --backend is " + backend);
    }
    return Devices.require(backend);
  }

  private List<Long> lengths() {
    if (size.model == null) {
      if (size.length < 1 || size.length > Integer.MAX_VALUE - 8) {
        throw new ParameterException(
            spec.commandLine(),
            "--size is " + size.length + ", must be 1 to " + (Integer.MAX_VALUE - 8));
      }
      return Collections.singletonList(size.length);
    }
    return switch (size.model) {
      case "resnet50" -> ModelShapes.resNet50();
      case "gpt2" -> ModelShapes.gpt2Small();
      default ->
          throw new ParameterException(
              spec.commandLine(), "--model is '" + size.model + "', must be resnet50 or gpt2");
    };
  }

  /** Turns the library's complaint about a value into one about the command line. */
  private <T> T parse(Supplier<T> value) {
    try {
      return value.get();
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private JsonObject toJson(
      ElementType type, long total, int tensors, StepBenchmark.Result result) {
    JsonObject object = new JsonObject();
    object.addProperty("rule", rule);
    object.addProperty("backend", backend);
    object.addProperty("dtype", type.toString());
    object.addProperty("params", total);
    object.addProperty("tensors", tensors);
    object.addProperty("ms_per_step", result.millisPerStep());
    object.addProperty("gb_per_s", result.gigabytesPerSecond());
    object.addProperty("ceiling", result.ceiling());
    object.addProperty("fraction_of_ceiling", result.fractionOfCeiling());
    object.addProperty("host_us_per_step", result.hostMicrosPerStep());
    object.addProperty("bytes_allocated_per_step", result.bytesAllocatedPerStep());
    return object;
  }
}
