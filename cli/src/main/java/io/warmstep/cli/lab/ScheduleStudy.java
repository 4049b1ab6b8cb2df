package io.warmstep.cli.lab;

import io.warmstep.cli.train.LearningRate;
import io.warmstep.cli.train.ScheduleChoice;
import io.warmstep.cli.train.WarmUpChoice;
import java.util.ArrayList;
import java.util.List;

/** Schedules with and without warm-up under equal budgets, and where a warm-up saves a run. */
final class ScheduleStudy implements Study {
  private static final List<ScheduleChoice> SCHEDULES =
      List.of(
          ScheduleChoice.CONSTANT,
          ScheduleChoice.STEP,
          ScheduleChoice.COSINE,
          ScheduleChoice.ONE_CYCLE);

  /** What a warm-up is tried at: the suggested rate times these. */
  private static final double[] FACTORS = {1, 3, 10, 30, 100};

  /** A warm-up of the rescue takes this share of the run. */
  private static final double LONG_WARM_UP = 0.3;

  private static final int SEEDS = 3;

  private final Bench bench;

  ScheduleStudy(Bench bench) {
    this.bench = bench;
  }

  /** A schedule, its warm-up, and its runs. */
  private record Tried(
      ScheduleChoice schedule, String warmUp, LearningRate rate, List<Trained> runs) {
    double loss() {
      return Trained.median(runs, Trained::validationLoss);
    }

    String name() {
      return schedule + (warmUp.equals("none") ? "" : " + warm-up");
    }
  }

  @Override
  public String name() {
    return "schedules and warm-up";
  }

  private int seeds() {
    return Math.min(SEEDS, bench.plan().seeds());
  }

  @Override
  public long steps() {
    long runs = 2L * SCHEDULES.size() - 1 + 2L * FACTORS.length;
    return runs * seeds() * bench.plan().steps();
  }

  @Override
  public Section run() {
    List<Tried> tried = schedules();
    Tried best = tried.get(0);
    for (Tried one : tried) {
      best = one.loss() < best.loss() ? one : best;
      bench
          .recorder()
          .keep("schedule-" + one.name().replace(" + ", "-"), one.runs().get(0).history());
    }
    bench.findings().schedule = best.schedule().toString();
    bench.findings().warmUp = best.warmUp();
    Tried constant = tried.get(0);
    Section section =
        new Section("schedules", "Schedules and warm-up")
            .say(
                "Equal budgets of "
                    + Say.count(bench.plan().steps(), "step")
                    + ", all with the suggested rate as their highest. A schedule that ends low"
                    + " lets the last steps settle; a warm-up begins low, while the curvature is"
                    + " still high and an adaptive rule has seen few gradients.")
            .say(
                best.equals(constant)
                    ? "Here no schedule beats the constant rate, though the rate was chosen as"
                        + " the highest of a cosine."
                    : "Here "
                        + best.name()
                        + " does best: "
                        + Say.loss(best.loss())
                        + " against "
                        + Say.loss(constant.loss())
                        + " for the constant rate.");
    section.add(rates(tried));
    section.add(losses(tried, best));
    section.add(table(tried, best));
    return section.add(rescue());
  }

  private LearningRate rate(ScheduleChoice schedule, String warmUp, double highest) {
    return LearningRate.of(
        schedule, WarmUpChoice.parse(warmUp), highest, bench.plan().steps(), bench.task().rule());
  }

  private List<Tried> schedules() {
    List<RunSetup> setups = new ArrayList<>();
    List<String> warmUps = new ArrayList<>();
    List<ScheduleChoice> choices = new ArrayList<>();
    String linear = "linear:" + Math.max(1, bench.plan().steps() / 10);
    for (ScheduleChoice schedule : SCHEDULES) {
      for (String warmUp :
          schedule == ScheduleChoice.ONE_CYCLE ? List.of("none") : List.of("none", linear)) {
        RunSetup setup = bench.task().setup().rate(rate(schedule, warmUp, bench.findings().rate));
        setups.addAll(LabTask.seeds(setup, seeds()));
        warmUps.add(warmUp);
        choices.add(schedule);
      }
    }
    List<Trained> runs = bench.work().train(setups, bench.plan().steps(), LabPlan.EVALUATIONS);
    List<Tried> tried = new ArrayList<>();
    for (int i = 0; i < choices.size(); i++) {
      tried.add(
          new Tried(
              choices.get(i),
              warmUps.get(i),
              setups.get(i * seeds()).rate(),
              runs.subList(i * seeds(), (i + 1) * seeds())));
    }
    return tried;
  }

  private Chart rates(List<Tried> tried) {
    Chart chart =
        new Chart(
                "schedule-rates",
                "lines",
                "What was applied: the rate of each step",
                "step",
                "schedule",
                "rate")
            .axis("x", "step", "step", "linear")
            .axis("y", "rate", "learning rate", "linear")
            .set("series", "schedule")
            .set("half", true);
    for (Tried one : tried) {
      int steps = one.runs().get(0).history().steps();
      int stride = Math.max(1, bench.plan().steps() / 100);
      for (int step = 1; step <= steps; step += stride) {
        chart.row(step, one.name(), one.runs().get(0).history().rate(step));
      }
    }
    return chart;
  }

  private Chart losses(List<Tried> tried, Tried best) {
    Chart chart =
        new Chart(
                "schedule-losses",
                "lines",
                "What came of it: " + best.name() + " ends lowest, at " + Say.loss(best.loss()),
                "step",
                "schedule",
                "validation loss")
            .axis("x", "step", "step", "linear")
            .axis("y", "validation loss", "validation loss", "log")
            .set("series", "schedule")
            .set("half", true)
            .caption("The middle of " + Say.count(seeds(), "seed") + ".");
    for (Tried one : tried) {
      int points =
          one.runs().stream().mapToInt(run -> run.history().points().size()).min().orElse(0);
      for (int i = 0; i < points; i++) {
        int at = i;
        chart.row(
            one.runs().get(0).history().points().get(i).step(),
            one.name(),
            Trained.median(one.runs(), run -> run.history().points().get(at).test().loss()));
      }
    }
    return chart;
  }

  private static Chart table(List<Tried> tried, Tried best) {
    Chart table =
        new Chart(
            "schedule-results",
            "table",
            "Of the schedules " + best.name() + " ends lowest",
            "schedule",
            "warm-up",
            "validation loss",
            "lowest seed",
            "highest seed",
            "validation accuracy",
            "diverged");
    for (Tried one : tried) {
      double[] losses = one.runs().stream().mapToDouble(Trained::validationLoss).sorted().toArray();
      table.row(
          one.schedule(),
          one.warmUp(),
          one.loss(),
          losses[0],
          losses[losses.length - 1],
          Trained.median(one.runs(), Trained::validationAccuracy),
          one.runs().stream().filter(Trained::hasDiverged).count());
    }
    return table;
  }

  /** The same constant rate, ever higher, with and without a long warm-up. */
  private Chart rescue() {
    String linear = "linear:" + Math.max(1, (int) (LONG_WARM_UP * bench.plan().steps()));
    List<String> warmUps = List.of("none", linear);
    List<RunSetup> setups = new ArrayList<>();
    for (String warmUp : warmUps) {
      for (double factor : FACTORS) {
        double rate = Say.rounded(bench.findings().rate * factor);
        RunSetup setup = bench.task().setup().rate(rate(ScheduleChoice.CONSTANT, warmUp, rate));
        setups.addAll(LabTask.seeds(setup, seeds()));
      }
    }
    List<Trained> runs = bench.work().train(setups, bench.plan().steps(), 4);
    Chart chart =
        new Chart(
                "warm-up-rescue",
                "lines",
                "",
                "rate",
                "warm-up",
                "validation loss",
                "lowest seed",
                "highest seed",
                "diverged")
            .axis("x", "rate", "learning rate", "log")
            .axis("y", "validation loss", "final validation loss", "log")
            .set("series", "warm-up")
            .set("band", List.of("lowest seed", "highest seed"))
            .set("dots", true);
    double[] highest = new double[2];
    double[][] medians = new double[2][FACTORS.length];
    int saved = 0;
    for (int w = 0; w < 2; w++) {
      for (int f = 0; f < FACTORS.length; f++) {
        int start = (w * FACTORS.length + f) * seeds();
        List<Trained> here = runs.subList(start, start + seeds());
        double[] losses = here.stream().mapToDouble(Trained::validationLoss).sorted().toArray();
        double rate = here.get(0).setup().rate().highest();
        long diverged = here.stream().filter(Trained::hasDiverged).count();
        boolean trains = diverged == 0 && Trained.median(losses) < bench.findings().chance / 2;
        highest[w] = trains ? rate : highest[w];
        medians[w][f] = Trained.median(losses);
        chart.row(
            rate,
            w == 0 ? "without" : "with warm-up",
            Trained.median(losses),
            losses[0],
            losses[losses.length - 1],
            diverged);
      }
    }
    int most = 0;
    for (int f = 1; f < FACTORS.length; f++) {
      most = gain(medians, f) > gain(medians, most) ? f : most;
    }
    for (int i = 0; i < FACTORS.length * seeds(); i++) {
      Trained without = runs.get(i);
      Trained with = runs.get(FACTORS.length * seeds() + i);
      saved += without.hasDiverged() && !with.hasDiverged() ? 1 : 0;
    }
    bench.findings().warmUpGain = highest[0] > 0 ? highest[1] / highest[0] : 1;
    String best =
        gain(medians, most) < 1.5
            ? "No run here needs a warm-up: with it, no rate does clearly better"
            : "At "
                + Say.number(runs.get(most * seeds()).setup().rate().highest())
                + " a warm-up brings the loss from "
                + Say.loss(medians[0][most])
                + " to "
                + Say.loss(medians[1][most]);
    return chart
        .set("title", message(highest, saved, best))
        .caption(
            "Constant rates from the suggested one up, with and without a linear warm-up of "
                + linear.substring(7)
                + " steps; the middle of "
                + Say.count(seeds(), "seed")
                + ". A run trains if it does not diverge and halves the loss of chance.");
  }

  /** How many times the loss without a warm-up is that with it, where the latter is a good one. */
  private double gain(double[][] medians, int factor) {
    return medians[1][factor] < bench.findings().chance / 2
        ? medians[0][factor] / medians[1][factor]
        : 0;
  }

  private String message(double[] highest, int saved, String best) {
    String runs =
        saved == 0 ? "" : ", and saves " + Say.count(saved, "run") + " that diverged without it";
    if (bench.findings().warmUpGain > 1.5) {
      return "A warm-up raises the highest rate that trains from "
          + Say.number(highest[0])
          + " to "
          + Say.number(highest[1])
          + runs;
    }
    return best + runs;
  }
}
