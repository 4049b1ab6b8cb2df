package io.warmstep.cli.lab;

import io.warmstep.StepReport;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.train.Clipping;
import io.warmstep.cli.train.Mlp;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.DoubleSummaryStatistics;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What happens inside one run: gradients, updates, and the curvature that limits the rate. */
final class HealthStudy implements Study {
  /** Clips nothing, but has the norm computed. */
  private static final Clipping NEVER = new Clipping(1e30, 0);

  /** The clip norm that people try first. */
  private static final double USUAL_CLIP_NORM = 1;

  private static final int CURVATURES = 30;

  private static final int CURVATURE_ROWS = 256;

  private final Bench bench;

  HealthStudy(Bench bench) {
    this.bench = bench;
  }

  @Override
  public String name() {
    return "health of a run";
  }

  @Override
  public long steps() {
    return bench.plan().steps() + CURVATURES * 2L * CURVATURE_ROWS / bench.task().batch();
  }

  @Override
  public Section run() {
    List<StepReport> reports = new ArrayList<>();
    RunSetup setup = bench.task().setup(bench.findings().rate, bench.plan().steps());
    Monitor monitor =
        new Monitor(
            setup.train().first(CURVATURE_ROWS), Math.max(1, bench.plan().steps() / CURVATURES));
    try (Run run = bench.work().open(setup, NEVER, reports::add)) {
      run.advance(bench.plan().steps(), 1, bench.work().onStep(), monitor);
    }
    bench.work().onStep().accept((int) (steps() - bench.plan().steps()));
    double[] norms = reports.stream().mapToDouble(StepReport::gradientNorm).sorted().toArray();
    Findings findings = bench.findings();
    findings.norm90 = norms[(int) (0.9 * (norms.length - 1))];
    findings.normPeak = norms[norms.length - 1] / Trained.median(norms);
    findings.lostUpdates = lost(reports);
    double clipped =
        Arrays.stream(norms).filter(norm -> norm > USUAL_CLIP_NORM).count() / (double) norms.length;
    Section section =
        new Section("health", "Health of a run")
            .say(
                "Inside the run at the suggested rate. "
                    + "Nine of ten gradients have a norm below "
                    + Say.number(findings.norm90)
                    + "; the largest is "
                    + Say.times(findings.normPeak)
                    + " the middle one. A clip norm of 1 would clip "
                    + Say.percent(clipped)
                    + " of the steps.")
            .say(
                (findings.lostUpdates < 0.0005
                        ? "Hardly any update was"
                        : Say.percent(findings.lostUpdates) + " of the updates were")
                    + " lost in rounding, in the layer where it is most: the"
                    + " gradient was not zero, but the change was less than half a unit in the"
                    + " weight's last place.");
    section.add(norms(reports));
    section.add(ratios(reports));
    section.add(lostUpdates(reports));
    return section.add(curvature(monitor));
  }

  private Chart norms(List<StepReport> reports) {
    int tenth = Math.max(1, reports.size() / 10);
    double first = Trained.median(reports.subList(0, tenth), StepReport::gradientNorm);
    double last =
        Trained.median(
            reports.subList(reports.size() - tenth, reports.size()), StepReport::gradientNorm);
    Chart chart =
        new Chart(
                "health-norm",
                "lines",
                "The gradient's norm "
                    + (last < first / 1.5 ? "falls" : last > 1.5 * first ? "grows" : "stays")
                    + ", from "
                    + Say.number(first)
                    + " to "
                    + Say.number(last),
                "step",
                "gradient norm")
            .axis("x", "step", "step", "linear")
            .axis("y", "gradient norm", "gradient norm", "log")
            .set("half", true)
            .mark("horizontals", "at", USUAL_CLIP_NORM, "label", "clip norm 1")
            .caption(
                "Of all gradients together, before clipping; the first and the last tenth of the"
                    + " steps give the two figures.");
    int stride = Math.max(1, reports.size() / 400);
    for (int i = 0; i < reports.size(); i += stride) {
      chart.row(reports.get(i).step(), reports.get(i).gradientNorm());
    }
    return chart;
  }

  /** Of a layer's updates the share that was lost, over all steps, where it is most. */
  private static double lost(List<StepReport> reports) {
    Map<String, DoubleSummaryStatistics> shares = new LinkedHashMap<>();
    for (StepReport report : reports) {
      for (StepReport.Update update : report.updates()) {
        if (!Double.isNaN(update.lost())) {
          shares
              .computeIfAbsent(update.group(), name -> new DoubleSummaryStatistics())
              .accept(update.lost());
        }
      }
    }
    return shares.values().stream()
        .mapToDouble(DoubleSummaryStatistics::getAverage)
        .max()
        .orElse(0);
  }

  private static String layer(StepReport.Update update) {
    return update.group().equals("others") ? "biases" : update.group().replace(".weight", "");
  }

  private static Chart ratios(List<StepReport> reports) {
    double[] weights =
        reports.stream()
            .flatMap(report -> report.updates().stream())
            .filter(update -> !layer(update).equals("biases"))
            .mapToDouble(StepReport.Update::toWeight)
            .filter(Double::isFinite)
            .toArray();
    Chart chart =
        new Chart(
                "health-ratio",
                "lines",
                "An update changes the weights by "
                    + Say.number(100 * Trained.median(weights))
                    + " % of their size, in the middle",
                "step",
                "layer",
                "update / weight")
            .axis("x", "step", "step", "linear")
            .axis("y", "update / weight", "update / weights", "log")
            .set("series", "layer")
            .set("half", true)
            .caption(
                "Norms of a layer's update and of its weights. About 0.001 is usual late in a run; 0.1"
                    + " tears down what was learned.")
            .mark("horizontals", "at", 1e-3, "label", "0.001");
    int stride = Math.max(1, reports.size() / 200);
    for (int i = 0; i < reports.size(); i += stride) {
      for (StepReport.Update update : reports.get(i).updates()) {
        if (!layer(update).equals("biases") && Double.isFinite(update.toWeight())) {
          chart.row(reports.get(i).step(), layer(update), update.toWeight());
        }
      }
    }
    return chart;
  }

  private static Chart lostUpdates(List<StepReport> reports) {
    double most = lost(reports);
    Chart chart =
        new Chart(
                "health-lost",
                "lines",
                most < 0.01
                    ? "Hardly any update is lost in rounding"
                    : Say.percent(most) + " of the updates are lost in rounding where it is most",
                "step",
                "layer",
                "lost updates")
            .axis("x", "step", "step", "linear")
            .axis("y", "lost updates", "share of updates lost", "linear")
            .set("series", "layer")
            .set("half", true)
            .set("domain", List.of(0, 1))
            .caption(
                "Of the elements with a gradient, those whose value the step left as it was; the"
                    + " middle of ten parts of the run is drawn for each layer.");
    int part = Math.max(1, reports.size() / 10);
    for (int from = 0; from + part <= reports.size(); from += part) {
      List<StepReport> some = reports.subList(from, from + part);
      for (int i = 0; i < some.get(0).updates().size(); i++) {
        int group = i;
        double[] shares =
            some.stream()
                .mapToDouble(report -> report.updates().get(group).lost())
                .filter(share -> !Double.isNaN(share))
                .toArray();
        if (shares.length > 0) {
          chart.row(
              some.get(part - 1).step(),
              layer(some.get(0).updates().get(i)),
              Trained.median(shares));
        }
      }
    }
    return chart;
  }

  private static Chart curvature(Monitor monitor) {
    int above = 0;
    Chart chart =
        new Chart("health-curvature", "lines", "", "step", "what", "curvature")
            .axis("x", "step", "step", "linear")
            .axis("y", "curvature", "curvature", "log")
            .set("series", "what")
            .set("half", true)
            .caption(
                "Along the update, by finite differences of the gradient over "
                    + CURVATURE_ROWS
                    + " training rows; negative values are left out. The edge is 2 / rate, with the"
                    + " rate that the rule takes along its update: beyond it a step along a bowl"
                    + " ends higher than it began.");
    for (Monitor.Curvature point : monitor.curvatures) {
      chart.row(point.step(), "along the update", point.curvature() > 0 ? point.curvature() : null);
      chart.row(point.step(), "2 / rate", point.edge());
      above += point.curvature() > point.edge() ? 1 : 0;
    }
    double share = monitor.curvatures.isEmpty() ? 0 : above / (double) monitor.curvatures.size();
    return chart.set(
        "title",
        share == 0
            ? "The curvature stays below the edge of stability"
            : share > 0.5
                ? "The curvature lies mostly beyond the edge: steps overshoot"
                : "The curvature comes near the edge of stability: beyond it "
                    + Say.percent(share)
                    + " of the time");
  }

  /** Looks at some steps of the run: what no listener receives. */
  private static final class Monitor implements Run.Probe {
    private final DataSet rows;
    private final int every;
    private final List<Curvature> curvatures = new ArrayList<>();
    private List<float[]> before;
    private List<float[]> gradients;

    record Curvature(int step, double curvature, double edge) {}

    Monitor(DataSet rows, int every) {
      this.rows = rows;
      this.every = every;
    }

    @Override
    public void beforeUpdate(int step, Mlp model) {
      if (step % every == 0) {
        before = copies(model, false);
        gradients = copies(model, true);
      }
    }

    private static List<float[]> copies(Mlp model, boolean ofGradients) {
      return model.parameters().stream()
          .map(p -> (ofGradients ? p.gradient() : p.values()).clone())
          .toList();
    }

    @Override
    public void afterUpdate(int step, Mlp model) {
      if (step % every == 0) {
        measureCurvature(step, model);
      }
    }

    /** (∇L(w + hu) - ∇L(w)) · u / h, and what it may be: 2 |g · Δw| / |Δw|². */
    private void measureCurvature(int step, Mlp model) {
      List<float[]> after = copies(model, false);
      double norm = 0;
      double along = 0;
      for (int i = 0; i < after.size(); i++) {
        for (int j = 0; j < after.get(i).length; j++) {
          double d = after.get(i)[j] - (double) before.get(i)[j];
          norm += d * d;
          along += d * gradients.get(i)[j];
        }
      }
      if (norm == 0) {
        return;
      }
      double length = Math.sqrt(norm);
      double h = 1e-2;
      double here = slope(model, after, length, 0);
      double there = slope(model, after, length, h);
      for (int i = 0; i < after.size(); i++) {
        float[] values = model.parameters().get(i).values();
        System.arraycopy(after.get(i), 0, values, 0, values.length);
      }
      curvatures.add(new Curvature(step, (there - here) / h, 2 * Math.abs(along) / norm));
    }

    /** The derivative along the update's direction, at a distance from where the run is. */
    private double slope(Mlp model, List<float[]> at, double length, double distance) {
      for (int i = 0; i < at.size(); i++) {
        float[] values = model.parameters().get(i).values();
        for (int j = 0; j < values.length; j++) {
          double u = (at.get(i)[j] - (double) before.get(i)[j]) / length;
          values[j] = (float) (at.get(i)[j] + distance * u);
        }
      }
      model.computeGradients(rows.features(), rows.labels(), rows.rows());
      double slope = 0;
      for (int i = 0; i < at.size(); i++) {
        float[] gradient = model.parameters().get(i).gradient();
        for (int j = 0; j < gradient.length; j++) {
          double u = (at.get(i)[j] - (double) before.get(i)[j]) / length;
          slope += u * gradient[j];
        }
      }
      return slope;
    }
  }
}
