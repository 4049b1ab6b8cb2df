package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.Split;
import io.warmstep.cli.train.Baselines;
import io.warmstep.cli.train.Clipping;
import io.warmstep.cli.train.History;
import io.warmstep.cli.train.LearningRate;
import io.warmstep.cli.train.Mlp;
import io.warmstep.cli.train.OptimizerUpdate;
import io.warmstep.cli.train.PlotFile;
import io.warmstep.cli.train.Precision;
import io.warmstep.cli.train.RunVerdict;
import io.warmstep.cli.train.Trainer;
import io.warmstep.cli.train.TrainingDivergedException;
import io.warmstep.cli.train.TrainingPlot;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code warmstep train}: trains a classifier on real data by the library's optimizers. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    abbreviateSynopsis = true,
    sortOptions = false,
    description = {
      "Trains a classifier (multi-layer perceptron, ReLU, softmax cross-entropy) on real data, and"
          + " says how well it fits.",
      "Several values of --lr, --schedule or --warmup, separated by commas, give a run for each"
          + " combination, and a table and a plot to compare them."
    },
    footerHeading = "%nFit verdict:%n",
    footer = RunVerdict.RULES)
final class TrainCommand implements Callable<Integer> {
  /** So many names of classes are printed; JSON has all. */
  private static final int SHOWN_CLASSES = 20;

  @Spec private CommandSpec spec;

  @ArgGroup(validate = false, heading = "%nData and model:%n", order = 1)
  private TrainOptions.Task task = new TrainOptions.Task();

  @ArgGroup(validate = false, heading = "%nUpdate rule:%n", order = 2)
  private TrainOptions.Update update = new TrainOptions.Update();

  @ArgGroup(validate = false, heading = "%nForm of the rule:%n", order = 2)
  private RuleForm form = new RuleForm();

  @ArgGroup(validate = false, heading = "%nStorage:%n", order = 3)
  private StoringOptions storing = new StoringOptions();

  @ArgGroup(validate = false, heading = "%nLearning rate:%n", order = 4)
  private TrainOptions.Rate rate = new TrainOptions.Rate();

  @ArgGroup(validate = false, heading = "%nSeveral workers:%n", order = 5)
  private TrainOptions.Sharing sharing = new TrainOptions.Sharing();

  @ArgGroup(validate = false, heading = "%nSaving and resuming:%n", order = 6)
  private TrainOptions.Saving saving = new TrainOptions.Saving();

  @ArgGroup(validate = false, heading = "%nOutput:%n", order = 6)
  private TrainOptions.Output output = new TrainOptions.Output();

  /** All that is fixed before the first step. */
  private record Run(
      DataSet data,
      Split split,
      Mlp model,
      Trainer trainer,
      UpdateRule rule,
      TrainOptions.Chosen chosen,
      Clipping clipping,
      TrainCheckpoint checkpoint,
      History history) {
    LearningRate rate() {
      return chosen.rate();
    }
  }

  @Override
  public Integer call() throws IOException {
    if (saving.resume == null) {
      return call(null);
    }
    try (CheckpointReader resumed = CheckpointReader.open(saving.resume)) {
      resumed.verify();
      TrainResume.apply(resumed, spec);
      return call(resumed);
    }
  }

  private int call(CheckpointReader resumed) throws IOException {
    UpdateRule rule = checked(() -> form.of(update.rule, update.toRule()));
    Clipping clipping = checked(() -> update.toClipping(rule));
    checked(
        () -> {
          sharing.check(task, saving);
          return sharing;
        });
    checked(() -> storing.toPrecision(task.seed));
    PlotFile plot = output.plot == null ? null : checked(() -> PlotFile.to(output.plot));
    List<Run> runs = prepare(rule, clipping, resumed);
    PrintWriter out = spec.commandLine().getOut();
    try (Device device = Devices.require(update.backend)) {
      Precision precision = tried(runs, device);
      if (runs.size() == 1) {
        one(runs.get(0), precision, resumed, device, plot, out);
      } else {
        compare(runs, precision, device, plot, out);
      }
    } finally {
      out.flush();
    }
    return 0;
  }

  private void one(
      Run run,
      Precision precision,
      CheckpointReader resumed,
      Device device,
      PlotFile plot,
      PrintWriter out)
      throws IOException {
    if (!output.json) {
      out.println(describe(run, device));
      out.flush();
    }
    JsonObject json = settings(run, device);
    run.chosen().addTo(json);
    try {
      TrainResult result = train(run, precision, resumed, device, out, output.json);
      if (plot != null) {
        new TrainingPlot(plot).write(result.history(), title(run), result.verdict().fit());
      }
      result.addTo(json);
      out.println(output.json ? Json.text(json) : summary(result));
    } catch (TrainingDivergedException e) {
      if (output.json) { // whoever reads it finds an object in any case
        json.addProperty("error", e.getMessage());
        out.println(Json.text(json));
      }
      throw e;
    }
  }

  private void compare(
      List<Run> runs, Precision precision, Device device, PlotFile plot, PrintWriter out)
      throws IOException {
    TrainComparison comparison = new TrainComparison();
    for (Run run : runs) {
      if (!output.json) {
        out.printf(Locale.ROOT, "run %d of %d: %s%n", comparison.size() + 1, runs.size(), how(run));
        out.flush();
      }
      JsonObject json = new JsonObject();
      run.chosen().addTo(json);
      TrainResult result = null;
      try {
        result = train(run, precision, null, device, out, output.json || !Terminal.isInteractive());
        result.addTo(json);
      } catch (TrainingDivergedException e) { // the others go on
        json.addProperty("error", e.getMessage());
      }
      comparison.add(run.chosen(), result, json);
    }
    Run first = runs.get(0);
    if (plot != null) {
      comparison.write(
          plot,
          String.format(
              Locale.ROOT,
              "%s with %s, seed %d, %s",
              first.data().name(),
              update.rule + form.text(),
              task.seed,
              steps(first.trainer().steps())));
    }
    if (output.json) {
      JsonObject json = settings(first, device);
      json.add("runs", comparison.toJson());
      out.println(Json.text(json));
    } else {
      out.println(comparison.text() + (plot == null ? "" : "\n\nplot: " + output.plot));
    }
  }

  /** Checks everything that can be checked, so that nothing fails after the training. */
  private List<Run> prepare(UpdateRule rule, Clipping clipping, CheckpointReader resumed)
      throws IOException {
    DataSet data = checked(() -> DataSets.named(task.data));
    Split split = checked(() -> Split.of(data, task.trainFraction, task.seed));
    Trainer trainer = trainer(model(data), split, rule);
    List<TrainOptions.Chosen> chosen = checked(() -> rate.toLearningRates(rule, trainer.steps()));
    if (chosen.size() > 1 && (saving.checkpoint != null || saving.resume != null)) {
      throw new ParameterException(
          spec.commandLine(),
          (saving.resume == null ? "--checkpoint" : "--resume")
              + " is for one run, but --lr, --schedule and --warmup give "
              + chosen.size()
              + ": give one value of each");
    }
    TrainCheckpoint checkpoint =
        checked(
            () ->
                TrainCheckpoint.to(
                    saving.checkpoint,
                    saving.every,
                    trainer.stepsPerEpoch(),
                    TrainResume.settings(spec, task.batch(rule, split))));
    History history = resumed == null ? new History() : History.of(resumed);
    if (history.steps() > trainer.steps()) {
      throw new ParameterException(
          spec.commandLine(),
          String.format(
              Locale.ROOT,
              "--epochs is %d, which is %s, but %s is at step %,d: give more epochs",
              task.epochs,
              steps(trainer.steps()),
              saving.resume,
              history.steps()));
    }
    List<Run> runs = new ArrayList<>();
    for (TrainOptions.Chosen one : chosen) {
      Mlp model = model(data);
      runs.add(
          new Run(
              data,
              split,
              model,
              trainer(model, split, rule),
              rule,
              one,
              clipping,
              checkpoint,
              runs.isEmpty() ? history : new History()));
    }
    return runs;
  }

  private Mlp model(DataSet data) throws IOException {
    return checked(() -> new Mlp(data.columns(), task.hidden, data.classes(), task.seed));
  }

  private Trainer trainer(Mlp model, Split split, UpdateRule rule) throws IOException {
    int batch = task.batch(rule, split);
    return checked(() -> new Trainer(model, split, batch, task.accumulate, task.epochs, task.seed));
  }

  private <T> T checked(UserInput.Maker<T> value) throws IOException {
    return UserInput.checked(spec, value);
  }

  private TrainResult train(
      Run run,
      Precision precision,
      CheckpointReader resumed,
      Device device,
      PrintWriter out,
      boolean isSilent)
      throws IOException {
    long start = System.nanoTime();
    long before = run.history().steps();
    Mlp model =
        sharing.isAsked()
            ? share(run, precision, device, out, isSilent)
            : alone(run, precision, resumed, device, out, isSilent);
    double seconds = (System.nanoTime() - start) / 1e9;
    Baselines baselines = Baselines.of(run.split());
    double[] testLosses = model.losses(run.split().test());
    return new TrainResult(
        run.history(),
        run.history().steps() - before,
        model.bits(),
        baselines,
        RunVerdict.of(run.history(), baselines, testLosses),
        seconds);
  }

  private Mlp alone(
      Run run,
      Precision precision,
      CheckpointReader resumed,
      Device device,
      PrintWriter out,
      boolean isSilent)
      throws IOException {
    try (OptimizerUpdate steps = update(run, device, precision);
        TrainProgress progress =
            TrainProgress.of(isSilent, task.epochs, run.trainer().steps(), out)) {
      if (resumed != null) {
        RestoreReport report = steps.restore(resumed);
        if (!output.json) {
          out.println(report);
          out.flush();
        }
      }
      History history = run.history();
      run.trainer().run(steps, run.checkpoint().around(progress, steps, history), history);
      run.checkpoint().save(steps, history);
      steps.eval(); // what was evaluated is judged
      return run.model();
    }
  }

  private Mlp share(Run run, Precision precision, Device device, PrintWriter out, boolean isSilent)
      throws IOException {
    try (TrainProgress progress =
        TrainProgress.of(isSilent, task.epochs, run.trainer().steps(), out)) {
      TrainWorkers workers = new TrainWorkers(sharing, update.backend, device);
      return workers.run(
          run.history(),
          progress,
          () -> {
            Mlp model = model(run.data());
            TrainOptions.Chosen same = run.chosen().anew(rate, run.rule(), run.trainer().steps());
            return new TrainWorkers.Job(
                model,
                trainer(model, run.split(), run.rule()),
                run.rule(),
                same.rate(),
                run.clipping(),
                precision);
          });
    }
  }

  /** Makes each optimizer once, so that what cannot be had is refused before a word is printed. */
  private Precision tried(List<Run> runs, Device device) throws IOException {
    return checked(
        () ->
            storing.tried(
                precision -> runs.forEach(run -> update(run, device, precision).close()),
                task.seed));
  }

  private static OptimizerUpdate update(Run run, Device device, Precision precision) {
    return new OptimizerUpdate(
        device, run.model(), run.rule(), run.rate(), run.clipping(), precision);
  }

  private String title(Run run) {
    return String.format(Locale.ROOT, "%s: %s, seed %d", run.data().name(), how(run), task.seed);
  }

  /** Such as {@code adam at 0.003, cosine}. */
  private String how(Run run) {
    return String.format(
        Locale.ROOT,
        "%s at %s, %s",
        update.rule + form.text(),
        number(run.rate().highest()),
        run.rate().description());
  }

  /** In as few digits as distinguish it from others. */
  static String number(double value) {
    boolean isPlain = value == 0 || (value >= 1e-6 && value < 1e6);
    BigDecimal digits = BigDecimal.valueOf(value).stripTrailingZeros();
    return isPlain ? digits.toPlainString() : digits.toString();
  }

  private String describe(Run run, Device device) {
    String layers =
        Stream.of(
                Stream.of(run.data().columns()),
                task.hidden.stream(),
                Stream.of(run.data().classes()))
            .flatMap(sizes -> sizes)
            .map(String::valueOf)
            .collect(Collectors.joining("-"));
    return String.format(
        Locale.ROOT,
        "Training %s on %s (%,d rows, %,d to test)%n%s%s%s%n%s on %s",
        layers,
        run.data().name(),
        run.split().train().rows(),
        run.split().test().rows(),
        classes(run.data()),
        how(run),
        storing.text(),
        steps(run.trainer().steps()),
        device);
  }

  /** Which number has which name, on a line of its own, where classes have names. */
  private static String classes(DataSet data) {
    if (!data.hasClassNames()) {
      return "";
    }
    String listed =
        IntStream.range(0, Math.min(data.classes(), SHOWN_CLASSES))
            .mapToObj(i -> i + " = " + data.classNames().get(i))
            .collect(Collectors.joining(", "));
    return String.format(
        Locale.ROOT,
        "classes: %s%s%n",
        listed,
        data.classes() > SHOWN_CLASSES ? ", … (" + data.classes() + " in all)" : "");
  }

  static String steps(long count) {
    return String.format(Locale.ROOT, count == 1 ? "%,d step" : "%,d steps", count);
  }

  private String summary(TrainResult result) {
    return result.summary()
        + (sharing.isAsked() ? "\nbits: " + result.bits() : "")
        + (saving.checkpoint == null ? "" : "\ncheckpoint: " + saving.checkpoint)
        + (output.plot == null ? "" : "\nplot: " + output.plot);
  }

  /** What decides a result: with the same settings it comes out again. */
  private JsonObject settings(Run run, Device device) {
    JsonObject json = new JsonObject();
    json.addProperty("backend", device.name());
    task.addTo(json, task.batch(run.rule(), run.split()));
    if (run.data().hasClassNames()) {
      JsonArray classes = new JsonArray();
      run.data().classNames().forEach(classes::add);
      json.add("classes", classes);
    }
    update.addTo(json, run.rule());
    sharing.addTo(json);
    storing.addTo(json);
    return json;
  }
}
