package io.warmstep.cli.lab;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.Split;
import io.warmstep.cli.train.Baselines;
import io.warmstep.cli.train.History;
import io.warmstep.cli.train.LearningRate;
import io.warmstep.cli.train.RunVerdict;
import io.warmstep.cli.train.ScheduleChoice;
import io.warmstep.cli.train.WarmUpChoice;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.FitVerdict;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** The same data with models that are too small, right and too large. */
final class FitStudy implements Study {
  private static final double[] DECAYS = {1e-3, 1e-2, 0.1};

  /** Of the training rows, so many get a wrong class where nothing over-fits by itself. */
  private static final double WRONG_SHARE = 0.25;

  /** So few rows that a model of the usual size can learn them by heart. */
  private static final int FEW_ROWS = 200;

  /** Widths that are too small for most data; the first that learns something is shown. */
  private static final int[] SMALL = {1, 2, 4};

  /** A loss at most this share of that of chance shows that something was learned. */
  private static final double LEARNED = 0.95;

  private static final int EVALUATIONS = 2 * LabPlan.EVALUATIONS;

  private static final List<Integer> LARGE = List.of(256);

  private final Bench bench;

  FitStudy(Bench bench) {
    this.bench = bench;
  }

  /** A model with its run and its verdict. */
  private record Judged(String model, Trained run, FitVerdict verdict) {
    boolean is(FitVerdict.Fit fit) {
      return verdict.fit() == fit;
    }
  }

  @Override
  public String name() {
    return "under- and over-fitting";
  }

  @Override
  public long steps() {
    return (long) runs() * 2 * bench.plan().fitSteps();
  }

  private static int runs() {
    return SMALL.length + 2 + DECAYS.length;
  }

  @Override
  public Section run() {
    Split split = bench.task().split();
    List<Judged> clean = judge(split, bench.baselines(), "");
    Judged own = clean.get(1);
    bench.findings().fit = own.verdict();
    Judged best = own;
    for (Judged judged : clean) {
      bench.findings().fits.put(judged.model(), judged.verdict());
      best = judged.run().validationLoss() < best.run().validationLoss() ? judged : best;
    }
    bench.findings().bestModel = best.model();
    bench.findings().bestModelLoss = best.run().validationLoss();
    Section section =
        new Section("fit", "Under-fitting, appropriate, over-fitting")
            .say(
                "The same rows, the same rate (falling along a cosine) and the same "
                    + Say.count(bench.plan().fitSteps(), "step")
                    + ", with models that differ in size. Watch the two curves: both high is"
                    + " under-fitting; both low and together is what is wanted; where training"
                    + " falls on and validation rises, the model learns its rows by heart.");
    add(section, clean, "");
    List<Judged> shown = clean;
    if (clean.stream().noneMatch(judged -> judged.is(FitVerdict.Fit.OVER_FITTING))) {
      section.say(
          "On these data no model over-fits by the rules, not even the large one. So that it can be"
              + " seen, the second row of charts has the same models on "
              + Math.min(FEW_ROWS, split.train().rows())
              + " of the training rows, a quarter of them with a class drawn at random, which only"
              + " memory can learn.");
      Split few = new Split(withWrongClasses(split.train().first(FEW_ROWS)), split.test());
      List<Judged> noisy = judge(few, Baselines.of(few), "noisy-");
      add(section, noisy, "noisy-");
      shown = new ArrayList<>(clean);
      shown.addAll(noisy);
    } else {
      bench.work().onStep().accept(runs() * bench.plan().fitSteps());
    }
    return section.add(table(shown, clean.size()));
  }

  private List<Judged> judge(Split split, Baselines baselines, String prefix) {
    LabTask task = bench.task();
    // The rate falls to zero, so that no loss stays up because the steps are too wide.
    LearningRate rate =
        LearningRate.of(
            ScheduleChoice.COSINE,
            WarmUpChoice.parse("none"),
            bench.findings().rate,
            bench.plan().fitSteps(),
            task.rule());
    RunSetup base = task.setup().rate(rate).train(split.train());
    List<RunSetup> setups = new ArrayList<>();
    for (int width : SMALL) {
      setups.add(base.hidden(List.of(width)));
    }
    setups.add(base);
    setups.add(base.hidden(LARGE));
    for (double decay : DECAYS) {
      UpdateRule rule = base.rule().weightDecay(decay);
      setups.add(base.hidden(LARGE).rule(rule));
    }
    List<Judged> runs = bench.work().map(setups, setup -> judge(setup, baselines));
    int small = 0;
    while (small < SMALL.length - 1
        && runs.get(small).run().trainLoss() > LEARNED * baselines.classFrequencies().loss()) {
      small++;
    }
    int yours = SMALL.length;
    int decayed = yours + 2;
    for (int i = decayed + 1; i < runs.size(); i++) {
      Judged before = runs.get(decayed);
      decayed = runs.get(i).run().validationLoss() < before.run().validationLoss() ? i : decayed;
    }
    List<Judged> judged = new ArrayList<>();
    String[] names = {
      "small", "yours", "large", "large, decay " + Say.number(DECAYS[decayed - yours - 2])
    };
    int[] chosen = {small, yours, yours + 1, decayed};
    for (int i = 0; i < names.length; i++) {
      Judged run = runs.get(chosen[i]);
      judged.add(new Judged(names[i], run.run(), run.verdict()));
      bench
          .recorder()
          .keep("fit-" + prefix + names[i].replaceAll("[ ,]+", "-"), run.run().history());
    }
    return judged;
  }

  private Judged judge(RunSetup setup, Baselines baselines) {
    try (Run run = bench.work().open(setup)) {
      run.advance(bench.plan().fitSteps(), EVALUATIONS, bench.work().onStep());
      FitVerdict verdict =
          RunVerdict.of(
              run.history(), baselines, run.validationLosses(), "validation", "evaluation");
      return new Judged("", Trained.of(run), verdict);
    }
  }

  private DataSet withWrongClasses(DataSet train) {
    SplittableRandom random = new SplittableRandom(bench.task().seed());
    int[] labels = train.labels().clone();
    for (int i = 0; i < labels.length; i++) {
      if (random.nextDouble() < WRONG_SHARE) {
        labels[i] = random.nextInt(train.classes());
      }
    }
    return new DataSet(
        train.name(), train.columns(), train.classes(), train.features(), labels, train.scaling());
  }

  private void add(Section section, List<Judged> models, String prefix) {
    List<Double> domain = domain(models);
    for (int i = 0; i < models.size(); i++) {
      Judged judged = models.get(i);
      List<History.Point> points = judged.run().history().points();
      History.Point best = points.get(judged.verdict().best());
      Chart chart =
          LossChart.of(
                  "fit-" + prefix + new String[] {"small", "yours", "large", "decay"}[i],
                  heading(judged, !prefix.isEmpty()),
                  List.of(judged.run()))
              .set("quarter", true)
              .axis("y", "loss", "loss", "log")
              .set("domain", domain)
              .caption(Say.sentence(judged.verdict().reason()));
      if (best.step() < judged.run().history().steps()) {
        chart.mark("verticals", "at", best.step(), "label", "stop at " + best.step());
      }
      section.add(chart);
    }
  }

  /** One scale for all: from the lowest loss, but not one of almost nothing, to the highest. */
  private static List<Double> domain(List<Judged> models) {
    double low = Double.POSITIVE_INFINITY;
    double high = 0;
    for (Judged judged : models) {
      for (History.Point point : judged.run().history().points()) {
        low = Math.min(low, Math.min(point.train().loss(), point.test().loss()));
        high = Math.max(high, Math.max(point.train().loss(), point.test().loss()));
      }
    }
    return List.of(Math.max(low, 1e-3), Math.min(high, 100));
  }

  private String heading(Judged judged, boolean isNoisy) {
    String model = judged.model();
    return Character.toUpperCase(model.charAt(0))
        + model.substring(1)
        + " ("
        + bench.task().layers(judged.run().setup().hidden())
        + (isNoisy ? ", few and noisy" : "")
        + "): "
        + judged.verdict().fit();
  }

  private Chart table(List<Judged> models, int clean) {
    Chart table =
        new Chart(
                "fit-verdicts",
                "table",
                "The gap between training and validation decides the verdict",
                "model",
                "parameters",
                "rows",
                "training loss",
                "validation loss",
                "gap",
                "training accuracy",
                "validation accuracy",
                "early stop at step",
                "verdict")
            .caption(
                "Losses of up to "
                    + Run.SAMPLE_ROWS
                    + " rows of each part after the last step; early stopping keeps the step with the"
                    + " least validation loss.");
    for (int i = 0; i < models.size(); i++) {
      Judged judged = models.get(i);
      Trained run = judged.run();
      History.Point last = run.history().last();
      table.row(
          judged.model(),
          run.bits().length / 4,
          i < clean ? "all" : "few and noisy",
          last.train().loss(),
          last.test().loss(),
          last.test().loss() - last.train().loss(),
          last.train().accuracy(),
          last.test().accuracy(),
          run.history().points().get(judged.verdict().best()).step(),
          judged.verdict().fit().toString());
    }
    return table;
  }
}
