package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.cli.bench.ModelShapes;
import io.warmstep.cli.bench.StepBenchmark;
import io.warmstep.cli.bench.StepWork;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.text.Failures;
import io.warmstep.cli.train.Precision;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.io.PrintWriter;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
          + " as many bytes within its memory. Prints the median of the"
          + " rounds, of at least 50 ms each, and in brackets the lowest and the highest round.",
      "Where parameters, gradients and state fit in the last cache of the processors, or in 128 MiB"
          + " on a GPU, memory is no limit, and no fraction of a ceiling is given; on the processor"
          + " adam and adamw in float32 then take turns with a plain Java loop of their arithmetic.",
      "GB/s counts the fewest bytes that the rule must move: parameters, gradients and state read"
          + " once, parameters and state written once; with --accumulate also what adding up must move, and"
          + " with --adaptive-clip parameters and gradients read once more."
    },
    footerHeading = "%nJSON fields:%n",
    footer = BenchReport.FIELDS)
final class BenchCommand implements Runnable {
  /** In place of a rule: each of them. */
  private static final String ALL = "all";

  private static final int MAX_ROUNDS = 10_000;

  private static final int MAX_MICRO_BATCHES = 10_000;

  @Spec private CommandSpec spec;

  @Option(
      names = "--rule",
      paramLabel = "RULE",
      completionCandidates = NameList.RuleNames.class,
      description =
          "Update rule: ${COMPLETION-CANDIDATES}, or all, which makes one table (default adam, of a"
              + " full step adamw). Those that an option is not for are left out of the table, and"
              + " named below it.")
  private String rule;

  @ArgGroup(validate = false, heading = "%nForm of the rule:%n", order = 1)
  private RuleForm form = new RuleForm();

  @ArgGroup(validate = false, heading = "%nStorage:%n", order = 2)
  private StoringOptions storing = new StoringOptions();

  @Option(
      names = "--full-step",
      description =
          "Measure a step that also divides gradients by a loss scale, checks that they are finite,"
              + " clips them by their norm and sets them to zero, in turn with its update alone and,"
              + " on the cpu, with the same in separate passes: plain Java loops around the update,"
              + " which stores what the step stores, but takes gradients in float32 and, with"
              + " --master exact, changes float32 masters that a loop rounds.")
  private boolean fullStep;

  @Option(
      names = "--adaptive-clip",
      paramLabel = "C",
      description =
          "Measure a step that scales the gradient of each tensor down to this share of the"
              + " tensor's norm, for which it reads both once more (default: no such clipping).")
  private Double adaptiveClip;

  @Option(
      names = "--accumulate",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Measure a step with the mean of N micro-batches, whose gradients are added up before it"
              + " (default ${DEFAULT-VALUE}: the gradients as they are).")
  private int accumulate;

  @Option(
      names = "--captured",
      description =
          "Measure a step that a CUDA device repeats in a graph, in turn with the same as"
              + " it is without.")
  private boolean captured;

  @Option(
      names = "--reported",
      description =
          "Measure a step that is reported to a listener, with what it changed, in turn with the"
              + " same step without a report.")
  private boolean reported;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      defaultValue = "cpu",
      description =
          "Where steps run, such as cuda or cuda:1; 'warmstep devices' lists them (default"
              + " ${DEFAULT-VALUE}).")
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

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "15",
      description = "How many rounds count (default ${DEFAULT-VALUE}).")
  private int rounds;

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
    if (rule == null) {
      rule = fullStep ? "adamw" : "adam";
    }
    List<String> names =
        rule.equals(ALL) ? Rules.all().stream().map(UpdateRule::name).toList() : List.of(rule);
    Precision precision = parse(() -> storing.toPrecision(1));
    if (rounds < 1 || rounds > MAX_ROUNDS) {
      throw new ParameterException(
          spec.commandLine(), "--rounds is " + rounds + ", must be 1 to " + MAX_ROUNDS);
    }
    if (accumulate < 1 || accumulate > MAX_MICRO_BATCHES) {
      throw new ParameterException(
          spec.commandLine(),
          "--accumulate is " + accumulate + ", must be 1 to " + MAX_MICRO_BATCHES);
    }
    if (adaptiveClip != null && fullStep) {
      throw new ParameterException(
          spec.commandLine(),
          "--adaptive-clip is for a step without --full-step, whose separate passes have no such"
              + " clipping: leave one of the two out");
    }
    if (captured) {
      requireCapturable();
    }
    List<Long> lengths = lengths();
    BenchWorks works = parse(() -> new BenchWorks(names, name -> work(name, precision, lengths)));
    int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    PrintWriter out = spec.commandLine().getOut();
    JsonArray objects = new JsonArray();
    try (Device device = open(count)) {
      requirePossible(works, device);
      if (!json) {
        printHead(out, lengths, device, count);
      }
      for (Map.Entry<String, StepWork> each : works.possible().entrySet()) {
        StepBenchmark.Result result = StepBenchmark.run(device, count, each.getValue(), rounds);
        BenchReport report = new BenchReport(result, isCpu(), precision.type());
        if (json) {
          objects.add(toJson(each.getKey(), lengths, report));
        } else if (rule.equals(ALL)) {
          report.printRow(out, each.getKey());
        } else {
          report.print(out);
        }
        out.flush();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("the measurement was interrupted", e);
    }
    if (json) {
      out.println(Json.text(rule.equals(ALL) ? inOne(objects, works) : objects.get(0)));
    } else {
      works.printLeftOut(out);
    }
    out.flush();
  }

  private StepWork work(String name, Precision precision, List<Long> lengths) {
    UpdateRule one = form.of(name, named(name));
    if (adaptiveClip != null) {
      TrainOptions.Update.requireAdaptiveClip(adaptiveClip, name, one);
    }
    return new StepWork(
        one,
        precision,
        fullStep,
        lengths,
        accumulate,
        adaptiveClip == null ? 0 : adaptiveClip,
        captured,
        reported);
  }

  /** Options of storage that do not go together, or with a rule, are complained of by name. */
  private void requirePossible(BenchWorks works, Device device) {
    parse(
        () -> {
          works.check(work -> storing.tried(precision -> work.requirePossible(device), 1));
          return works;
        });
  }

  private static UpdateRule named(String name) {
    return Options.named("rule", "--rule", () -> NamedRules.named(name));
  }

  private void requireCapturable() {
    if (!backend.matches("cuda(:.*)?")) {
      throw new ParameterException(
          spec.commandLine(),
          "--captured is for CUDA devices, --backend is "
              + backend
              + ": leave it out, or give --backend cuda");
    }
    if (reported) {
      throw new ParameterException(
          spec.commandLine(),
          "--captured is for steps without --reported, since steps in graphs are not reported to"
              + " listeners: leave one of the two out");
    }
    if (accumulate > 1) {
      throw new ParameterException(
          spec.commandLine(),
          "--captured is for steps without --accumulate, whose number of micro-batches a graph does"
              + " not know: leave one of the two out");
    }
  }

  private static JsonObject inOne(JsonArray rules, BenchWorks works) {
    JsonObject object = new JsonObject();
    object.add("rules", rules);
    object.add("left_out", works.leftOut());
    return object;
  }

  private void printHead(PrintWriter out, List<Long> lengths, Device device, int count) {
    out.printf(
        Locale.ROOT,
        "%s%s%s%s%s, %s, %,d parameters in %d %s, on %s, %s%n",
        accumulate > 1 ? accumulate + " micro-batches and a " + (fullStep ? "" : "step of ") : "",
        (reported ? "reported " : "") + (captured ? "captured " : ""),
        fullStep ? "full step of " : captured || reported ? "step of " : "",
        (rule.equals(ALL) ? "all rules" : rule) + form.text(),
        adaptiveClip == null ? "" : " with adaptive clipping",
        storing.text().isEmpty() ? "float32" : storing.text().substring(2),
        lengths.stream().mapToLong(Long::longValue).sum(),
        lengths.size(),
        lengths.size() == 1 ? "tensor" : "tensors",
        backend,
        isCpu() ? count + (count == 1 ? " thread" : " threads") : device.report().device());
    if (rule.equals(ALL)) {
      BenchReport.printHeader(out);
    }
  }

  private boolean isCpu() {
    return backend.equals("cpu") || backend.equals("cpu:0");
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

  private JsonObject toJson(String name, List<Long> lengths, BenchReport report) {
    JsonObject object = new JsonObject();
    object.addProperty("rule", name);
    form.addTo(object);
    object.addProperty("backend", backend);
    storing.addTo(object);
    object.addProperty("full_step", fullStep);
    object.addProperty("accumulate", accumulate);
    object.addProperty("adaptive_clip", adaptiveClip);
    object.addProperty("captured", captured);
    object.addProperty("reported", reported);
    object.addProperty("params", lengths.stream().mapToLong(Long::longValue).sum());
    object.addProperty("tensors", lengths.size());
    report.addTo(object);
    return object;
  }
}
