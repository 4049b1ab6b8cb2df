package io.warmstep.cli;

import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.backend.cpu.CpuBackend;
import io.warmstep.cli.bench.ModelShapes;
import io.warmstep.cli.bench.StepBenchmark;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.text.Failures;
import io.warmstep.rule.UpdateRule;
import java.io.PrintWriter;
import java.util.Collections;
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
      "Measures an optimizer step in turn with what memory allows (the ceiling): on the processor a"
          + " plain Java loop with the same reads and writes and no arithmetic, on a GPU a copy of"
          + " as many bytes within its memory. Prints the median of "
          + StepBenchmark.ROUNDS
          + " rounds of at least 50 ms each, and in brackets the lowest and the highest round.",
      "Where parameters, gradients and state fit in the last cache of the processors, or in 128 MiB"
          + " on a GPU, memory is no limit, and no fraction of a ceiling is given.",
      "GB/s counts the fewest bytes that the rule must move: parameters, gradients and state read"
          + " once, parameters and state written once."
    },
    footerHeading = "%nJSON fields:%n",
    footer = BenchReport.FIELDS)
final class BenchCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(
      names = "--rule",
      paramLabel = "RULE",
      defaultValue = "adam",
      completionCandidates = NameList.RuleNames.class,
      description = "Update rule: ${COMPLETION-CANDIDATES} (default ${DEFAULT-VALUE}).")
  private String rule;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      defaultValue = "float32",
      completionCandidates = NameList.TypeNames.class,
      description = "${COMPLETION-CANDIDATES} (default ${DEFAULT-VALUE}).")
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
        completionCandidates = ModelNames.class,
        description = "The tensors of a model: ${COMPLETION-CANDIDATES}.")
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

  /** The models for the help text, each with its number of tensors. */
  static final class ModelNames extends NameList {
    ModelNames() {
      super(
          ModelShapes.all().entrySet().stream()
              .map(model -> model.getKey() + " (" + model.getValue().size() + ")"));
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
    BenchReport report = new BenchReport(result, isCpu(), type != type.arithmetic());
    if (json) {
      out.println(Json.text(toJson(type, total, lengths.size(), report)));
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
      report.print(out);
    }
    out.flush();
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
    List<Long> lengths = ModelShapes.all().get(size.model);
    if (lengths == null) {
      throw new ParameterException(
          spec.commandLine(),
          "--model is '"
              + size.model
              + "', must be "
              + String.join(" or ", ModelShapes.all().keySet()));
    }
    return lengths;
  }

  /** Turns the library's complaint about a value into one about the command line. */
  private <T> T parse(Supplier<T> value) {
    try {
      return value.get();
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), Failures.describe(e), e);
    }
  }

  private JsonObject toJson(ElementType type, long total, int tensors, BenchReport report) {
    JsonObject object = new JsonObject();
    object.addProperty("rule", rule);
    object.addProperty("backend", backend);
    object.addProperty("dtype", type.toString());
    object.addProperty("params", total);
    object.addProperty("tensors", tensors);
    report.addTo(object);
    return object;
  }
}
