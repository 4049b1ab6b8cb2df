package io.warmstep.cli;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.Split;
import io.warmstep.cli.lab.Lab;
import io.warmstep.cli.lab.LabFolder;
import io.warmstep.cli.lab.LabPlan;
import io.warmstep.cli.lab.LabReport;
import io.warmstep.cli.lab.LabTask;
import io.warmstep.cli.lab.MapSetting;
import io.warmstep.cli.train.Mlp;
import io.warmstep.cli.train.Trainer;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code warmstep lab}: shows what the learning rate does, on a page of its own. */
@Command(
    name = "lab",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    abbreviateSynopsis = true,
    sortOptions = false,
    description = {
      "Finds the learning rate for a model and its data, and shows why on a page: what is too low,"
          + " just right and too high, the fit, schedules, the rules against each other.",
      "Writes index.html (open it in a browser; it needs no network), lab.json and CSV files with"
          + " the data, and event files for TensorBoard. Equal settings give an equal lab.json."
    },
    footer = {"", "Ctrl-C keeps what is finished and writes the page of it."})
final class LabCommand implements Callable<Integer> {
  /** With fewer rows, what validation says is luck. */
  private static final int MIN_ROWS = 20;

  /** The exit code of a program that Ctrl-C ended. */
  private static final int INTERRUPTED = 130;

  @Spec private CommandSpec spec;

  @ArgGroup(validate = false, heading = "%nData and model:%n", order = 1)
  private LabOptions.Task task = new LabOptions.Task();

  @ArgGroup(validate = false, heading = "%nUpdate rule:%n", order = 2)
  private TrainOptions.Rule rule = new TrainOptions.Rule();

  @ArgGroup(validate = false, heading = "%nExtent and output:%n", order = 3)
  private LabOptions.Extent extent = new LabOptions.Extent();

  @Override
  public Integer call() throws IOException {
    LabPlan plan = checked(extent::toPlan);
    int threads = checked(extent::toThreads);
    UpdateRule updateRule = checked(rule::toRule);
    MapSetting setting = checked(() -> extent.toMapSetting(updateRule));
    LabTask labTask = task(updateRule);
    PrintWriter out = spec.commandLine().getOut();
    try (Device device = device()) {
      LabFolder folder = checked(() -> LabFolder.at(extent.out));
      try (LabProgress progress = LabProgress.of(extent.json, "lab", out);
          Lab lab = new Lab(labTask, plan, setting, device, threads, progress)) {
        Interruption interruption = Interruption.calls(lab::stop);
        try {
          progress.expect(lab.steps());
          long start = System.nanoTime();
          LabReport report = lab.run();
          progress.end();
          report.write(folder);
          double seconds = (System.nanoTime() - start) / 1e9;
          out.println(extent.json ? Json.text(report.summary()) : text(report, folder, seconds));
          out.flush();
          return report.isStopped() ? INTERRUPTED : 0;
        } finally {
          interruption.end();
        }
      }
    }
  }

  /** Runs are done side by side, so each has one thread. */
  private Device device() {
    return rule.backend.equals("cpu") ? Devices.cpu(1) : Devices.require(rule.backend);
  }

  private LabTask task(UpdateRule updateRule) throws IOException {
    DataSet data = checked(() -> DataSets.named(task.data));
    checked(() -> requireUsable(data));
    Split split = checked(() -> Split.of(data, task.trainFraction, task.seed));
    Mlp model = checked(() -> new Mlp(data.columns(), task.hidden, data.classes(), task.seed));
    checked(() -> new Trainer(model, split, task.batch, 1, task.seed));
    return new LabTask(
        data.name(),
        split,
        List.copyOf(task.hidden),
        task.batch,
        rule.rule,
        updateRule,
        task.text() + " " + rule.text(),
        task.seed);
  }

  /** Something can be learned from it, and something said about what was. */
  private static DataSet requireUsable(DataSet data) {
    if (data.rows() < MIN_ROWS) {
      throw new IllegalArgumentException(
          data.name()
              + " has "
              + data.rows()
              + " rows, too few to distinguish what was learned from luck: the lab needs at least "
              + MIN_ROWS);
    }
    for (int i = data.columns(); i < data.features().length; i++) {
      if (data.features()[i] != data.features()[i % data.columns()]) {
        return data;
      }
    }
    throw new IllegalArgumentException(
        data.name() + " has the same features in every row: there is nothing to learn from");
  }

  private <T> T checked(UserInput.Maker<T> value) throws IOException {
    return UserInput.checked(spec, value);
  }

  private static String text(LabReport report, LabFolder folder, double seconds) {
    StringBuilder text = new StringBuilder("\n");
    report.verdict().forEach(sentence -> text.append(sentence).append('\n'));
    text.append("\nNext:\n");
    List<String> advice = report.advice();
    for (int i = 0; i < advice.size(); i++) {
      text.append("  ").append(i + 1).append(". ").append(advice.get(i)).append('\n');
    }
    text.append(
        String.format(
            Locale.ROOT,
            "%n%s in %.0f s; open %s",
            report.isStopped() ? "Interrupted: wrote what was finished" : "Done",
            seconds,
            folder.page().toAbsolutePath().normalize()));
    return text.toString();
  }
}
