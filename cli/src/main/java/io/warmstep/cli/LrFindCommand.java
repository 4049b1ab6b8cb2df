package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.Split;
import io.warmstep.cli.lab.LabTask;
import io.warmstep.cli.lab.RangeFinding;
import io.warmstep.cli.train.Clipping;
import io.warmstep.cli.train.Mlp;
import io.warmstep.cli.train.PlotFile;
import io.warmstep.cli.train.Trainer;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.RangeTest;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code warmstep lr-find}: the learning-rate range test. */
@Command(
    name = "lr-find",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    abbreviateSynopsis = true,
    sortOptions = false,
    description = {
      "Suggests a learning rate by a range test: one short run whose rate rises from far too low to"
          + " far too high. Takes seconds; 'warmstep lab' confirms it by real runs."
    })
final class LrFindCommand implements Callable<Integer> {
  /** By default the sweep covers the rule's usual rate divided and multiplied by this. */
  private static final double REACH = 1e4;

  @Spec private CommandSpec spec;

  @ArgGroup(validate = false, heading = "%nData and model:%n", order = 1)
  private TrainOptions.Model task = new TrainOptions.Model();

  @ArgGroup(validate = false, heading = "%nUpdate rule:%n", order = 2)
  private TrainOptions.Update update = new TrainOptions.Update();

  @ArgGroup(validate = false, heading = "%nRange test:%n", order = 3)
  private Sweep sweep = new Sweep();

  @ArgGroup(validate = false, heading = "%nOutput:%n", order = 4)
  private TrainOptions.Output output = new TrainOptions.Output();

  /** The rates that are gone through. */
  static final class Sweep {
    @Option(
        names = "--from",
        paramLabel = "LR",
        description = "First rate. Default: a ten-thousandth of train's default for the rule")
    Double from;

    @Option(
        names = "--to",
        paramLabel = "LR",
        description = "Last rate. Default: ten thousand times train's default for the rule")
    Double to;

    @Option(
        names = "--steps",
        paramLabel = "N",
        defaultValue = "300",
        description = "Steps of the sweep. Default: ${DEFAULT-VALUE}")
    int steps;

    @Option(
        names = "--seeds",
        paramLabel = "N",
        defaultValue = "5",
        description =
            "Seeds of weights and order that it is done with; each figure is that of the middle"
                + " one. Default: ${DEFAULT-VALUE}")
    int seeds;

    @Option(names = "--linear", description = "Equal steps of the rate instead of equal factors.")
    boolean linear;

    int toSeeds() {
      if (seeds < 1) {
        throw new IllegalArgumentException("--seeds is " + seeds + ", must be at least 1");
      }
      return seeds;
    }

    RangeTest toTest(UpdateRule rule) {
      double usual = Rules.usualRate(rule);
      double first = from == null ? usual / REACH : from;
      double last = to == null ? usual * REACH : to;
      return Options.named(
          "steps",
          "--steps",
          () ->
              Options.named(
                  "to",
                  "--to",
                  () ->
                      Options.named(
                          "from",
                          "--from",
                          () ->
                              linear
                                  ? RangeTest.linear(first, last, steps)
                                  : RangeTest.exponential(first, last, steps))));
    }
  }

  @Override
  public Integer call() throws IOException {
    UpdateRule rule = checked(update::toRule);
    Clipping clipping = checked(() -> update.toClipping(rule));
    int seeds = checked(sweep::toSeeds);
    checked(() -> sweep.toTest(rule));
    LabTask labTask = task(rule);
    PlotFile plot = output.plot == null ? null : checked(() -> PlotFile.to(output.plot));
    PrintWriter out = spec.commandLine().getOut();
    try (Device device = Devices.require(update.backend);
        LabProgress progress =
            LabProgress.of(output.json || !Terminal.isInteractive(), "range test", out)) {
      progress.expect((long) seeds * sweep.steps);
      RangeTest.Result result =
          RangeFinding.run(labTask, seeds, () -> sweep.toTest(rule), clipping, device, progress);
      progress.end();
      if (plot != null) {
        RangeFinding.plot(
            result,
            String.format(
                Locale.ROOT,
                "%s with %s: the curve of seed %d, the marks of the middle of %d",
                labTask.data(),
                update.rule,
                task.seed,
                seeds),
            plot);
      }
      out.println(output.json ? Json.text(json(result, device, labTask)) : text(result));
    } finally {
      out.flush();
    }
    return 0;
  }

  private LabTask task(UpdateRule rule) throws IOException {
    DataSet data = checked(() -> DataSets.named(task.data));
    Split split = checked(() -> Split.of(data, task.trainFraction, task.seed));
    Mlp model = checked(() -> new Mlp(data.columns(), task.hidden, data.classes(), task.seed));
    int batch = task.batch(rule, split);
    checked(() -> new Trainer(model, split, batch, 1, task.seed));
    return new LabTask(
        data.name(), split, List.copyOf(task.hidden), batch, update.rule, rule, "", task.seed);
  }

  private <T> T checked(UserInput.Maker<T> value) throws IOException {
    return UserInput.checked(spec, value);
  }

  private String text(RangeTest.Result result) {
    StringBuilder text = new StringBuilder();
    try (Formatter to = new Formatter(text, Locale.ROOT)) {
      if (result.suggested().isPresent()) {
        to.format("suggested learning rate: %s%n", rate(result.suggested()));
        to.format("highest of a schedule that ends low: %s%n", rate(result.peak()));
      } else {
        to.format("no suggestion (%s)%n", result.outcome());
      }
      to.format("  %s%n%n", result.reason());
      to.format("  good band       %s to %s%n", rate(result.low()), rate(result.high()));
      to.format("  valley          %s%n", rate(result.valley()));
      to.format("  slide           %s%n", rate(result.slide()));
      to.format("  steepest        %s%n", rate(result.steepest()));
      to.format("  minimum / 10    %s%n", rate(result.minimumOverTen()));
      to.format("  diverges        %s", rate(result.edge()));
      if (output.plot != null) {
        to.format("%n%nplot: %s", output.plot);
      }
    }
    return text.toString();
  }

  private static String rate(OptionalDouble rate) {
    return rate.isPresent() ? String.format(Locale.ROOT, "%.3g", rate.getAsDouble()) : "unknown";
  }

  private JsonObject json(RangeTest.Result result, Device device, LabTask labTask) {
    JsonObject json = new JsonObject();
    json.addProperty("backend", device.name());
    task.addTo(json, labTask.batch());
    update.addTo(json, labTask.rule());
    json.addProperty("seeds", sweep.seeds);
    json.addProperty("outcome", result.outcome().toString());
    json.addProperty("reason", result.reason());
    add(json, "suggested_rate", result.suggested());
    add(json, "peak_rate", result.peak());
    add(json, "low", result.low());
    add(json, "high", result.high());
    add(json, "valley", result.valley());
    add(json, "slide", result.slide());
    add(json, "steepest", result.steepest());
    add(json, "minimum_over_ten", result.minimumOverTen());
    add(json, "edge", result.edge());
    JsonArray curve = new JsonArray();
    for (RangeTest.Point point : result.curve()) {
      JsonObject step = new JsonObject();
      step.add("rate", Json.number(point.rate()));
      step.add("loss", Json.number(point.loss()));
      step.add("smoothed", Json.number(point.smoothed()));
      curve.add(step);
    }
    json.add("curve", curve);
    return json;
  }

  private static void add(JsonObject json, String name, OptionalDouble rate) {
    json.add(name, rate.isPresent() ? Json.number(rate.getAsDouble()) : JsonNull.INSTANCE);
  }
}
