package io.warmstep.cli.lab;

import io.warmstep.StepReport;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.train.Mlp;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What happens inside one run: gradients, updates, and the curvature that limits the rate. */
final class HealthStudy implements Study {
  /** Clips nothing, but has the norm computed. */
  private static final double NEVER = 1e30;

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
    RunSetup setup = bench.task().setup(0, bench.findings().rate);
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
    findings.lostUpdates = monitor.lostShare();
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
                Say.percent(findings.lostUpdates)
                    + " of the updates were lost in rounding: the gradient was not zero, but the"
                    + " change was less than half a unit in the weight's last place.");
    section.add(norms(reports));
    section.add(ratios(monitor));
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
            .set("third", true)
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

  private static Chart ratios(Monitor monitor) {
    double middle = Trained.median(monitor.ratios, Monitor.Ratio::value);
    Chart chart =
        new Chart(
                "health-ratio",
                "lines",
                "An update changes the weights by "
                    + Say.number(100 * middle)
                    + " % of their size, in the middle",
                "step",
                "layer",
                "update / weight")
            .axis("x", "step", "step", "linear")
            .axis("y", "update / weight", "update / weights", "log")
            .set("series", "layer")
            .set("third", true)
            .caption(
                "Norms of a layer's update and of its weights. About 0.001 is usual late in a run; 0.1"
                    + " tears down what was learned.")
            .mark("horizontals", "at", 1e-3, "label", "0.001");
    int stride = Math.max(1, monitor.ratios.size() / 600);
    for (Monitor.Ratio ratio : monitor.ratios) {
      if (ratio.step() % stride == 0) {
        chart.row(ratio.step(), ratio.layer(), ratio.value());
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
            .set("third", true)
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

  /** Looks at each step of the run. */
  private static final class Monitor implements Run.Probe {
    private final DataSet rows;
    private final int every;
    private final List<Ratio> ratios = new ArrayList<>();
    private final List<Curvature> curvatures = new ArrayList<>();
    private List<float[]> before;
    private List<float[]> gradients;
    private long lost;
    private long updates;

    record Ratio(int step, String layer, double value) {}

    record Curvature(int step, double curvature, double edge) {}

    Monitor(DataSet rows, int every) {
      this.rows = rows;
      this.every = every;
    }

    double lostShare() {
      return updates == 0 ? 0 : lost / (double) updates;
    }

    @Override
    public void beforeUpdate(int step, Mlp model) {
      before = copies(model, false);
      gradients = copies(model, true);
    }

    private static List<float[]> copies(Mlp model, boolean ofGradients) {
      return model.parameters().stream()
          .map(p -> (ofGradients ? p.gradient() : p.values()).clone())
          .toList();
    }

    @Override
    public void afterUpdate(int step, Mlp model) {
      for (int i = 0; i < before.size(); i++) {
        Mlp.Parameter parameter = model.parameters().get(i);
        double change = 0;
        double size = 0;
        for (int j = 0; j < before.get(i).length; j++) {
          double old = before.get(i)[j];
          double d = parameter.values()[j] - old;
          change += d * d;
          size += old * old;
          if (gradients.get(i)[j] != 0) {
            updates++;
            lost += d == 0 ? 1 : 0;
          }
        }
        if (parameter.shape().length > 1 && size > 0) {
          ratios.add(
              new Ratio(
                  step,
                  parameter.name().replace(".weight", ""),
                  Math.sqrt(change) / Math.sqrt(size)));
        }
      }
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
