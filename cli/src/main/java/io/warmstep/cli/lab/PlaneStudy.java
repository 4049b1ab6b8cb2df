package io.warmstep.cli.lab;

import com.google.gson.JsonObject;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.train.Mlp;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** The loss around a run, on the plane in which the run moved most, and on a random plane. */
final class PlaneStudy implements Study {
  /** Training rows whose loss is drawn. */
  private static final int ROWS = 256;

  /** Points of the path that are kept. */
  private static final int SNAPSHOTS = 40;

  /** An evaluation costs about as much as so many steps. */
  private static final int STEPS_PER_POINT = 3;

  private final Bench bench;

  PlaneStudy(Bench bench) {
    this.bench = bench;
  }

  @Override
  public String name() {
    return "the loss around the run";
  }

  @Override
  public long steps() {
    long grid = (long) bench.plan().grid() * bench.plan().grid();
    return bench.plan().steps() + 2 * grid * STEPS_PER_POINT;
  }

  @Override
  public Section run() {
    List<float[]> path = new ArrayList<>();
    List<Long> steps = new ArrayList<>();
    RunSetup setup = bench.task().setup(bench.findings().rate, bench.plan().steps());
    try (Run run = bench.work().open(setup)) {
      int every = Math.max(1, bench.plan().steps() / SNAPSHOTS);
      snapshot(run.model(), path);
      steps.add(0L);
      for (int step = every; step <= bench.plan().steps() && run.isFinite(); step += every) {
        run.advance(every, 1, bench.work().onStep());
        snapshot(run.model(), path);
        steps.add((long) run.history().steps());
      }
    }
    float[] end = path.get(path.size() - 1);
    Planes.Plane moved = Planes.ofPath(path);
    Planes.Plane random = Planes.random(end, blocks(setup), bench.task().seed());
    Section section =
        new Section("plane", "The loss of your own model")
            .say(
                "The run at the suggested rate, drawn on two planes through its end: the one in"
                    + " which the path moved most (its first two principal directions), and one of"
                    + " random directions, each filter as long as the model's own (Li et al. 2018)."
                    + " Lines of equal loss of "
                    + Math.min(ROWS, setup.train().rows())
                    + " training rows.");
    section.add(
        chart(
            "plane-path",
            String.format(
                Locale.ROOT,
                "The path goes straight down a valley: two directions hold %.0f %% of its movement",
                100 * moved.share()),
            moved,
            path,
            steps,
            setup));
    section.add(
        chart(
            "plane-random",
            "From a random side the end lies at the bottom of a bowl",
            random,
            path.subList(path.size() - 1, path.size()),
            steps.subList(steps.size() - 1, steps.size()),
            setup));
    return section;
  }

  private static void snapshot(Mlp model, List<float[]> path) {
    int length = model.parameters().stream().mapToInt(p -> p.values().length).sum();
    float[] all = new float[length];
    int at = 0;
    for (Mlp.Parameter parameter : model.parameters()) {
      System.arraycopy(parameter.values(), 0, all, at, parameter.values().length);
      at += parameter.values().length;
    }
    path.add(all);
  }

  private static List<int[]> blocks(RunSetup setup) {
    return new Mlp(setup.train().columns(), setup.hidden(), setup.train().classes(), 0)
        .parameters().stream().map(Mlp.Parameter::shape).toList();
  }

  private Chart chart(
      String id,
      String title,
      Planes.Plane plane,
      List<float[]> path,
      List<Long> steps,
      RunSetup setup) {
    List<double[]> points = path.stream().map(plane::project).toList();
    double[] box = plane.box(points);
    int n = bench.plan().grid();
    double[] losses = losses(plane, box, n, setup);
    JsonObject grid = Grids.of(n, box[0], box[1], box[2], box[3], logs(losses));
    Chart chart =
        new Chart(id, "paths", title, "rule", "start", "step", "x", "y")
            .set("half", true)
            .set("steps", bench.plan().steps())
            .set("colorLabel", "log10 of the loss")
            .set("grid", grid)
            .caption(
                "Distances are those of the parameters. Darker is lower; the loss is "
                    + Say.number(min(losses))
                    + " to "
                    + Say.number(max(losses))
                    + " in the picture. A plane shows two directions of "
                    + String.format(Locale.ROOT, "%,d", path.get(0).length)
                    + ": what looks like a wall may have a way around.");
    for (int i = 0; i < points.size(); i++) {
      chart.row(bench.task().ruleName(), 1, steps.get(i), points.get(i)[0], points.get(i)[1]);
    }
    return chart;
  }

  private double[] losses(Planes.Plane plane, double[] box, int n, RunSetup setup) {
    DataSet rows = setup.train().first(ROWS);
    List<double[]> lines =
        bench
            .work()
            .map(
                IntStream.range(0, n).boxed().toList(),
                row -> {
                  Mlp model = new Mlp(rows.columns(), setup.hidden(), rows.classes(), setup.seed());
                  double[] line = new double[n];
                  double y = box[2] + (box[3] - box[2]) * row / (n - 1);
                  for (int column = 0; column < n; column++) {
                    double x = box[0] + (box[1] - box[0]) * column / (n - 1);
                    set(model, plane.point(x, y));
                    line[column] = model.evaluate(rows).loss();
                  }
                  bench.work().onStep().accept(n * STEPS_PER_POINT);
                  return line;
                });
    return lines.stream().flatMapToDouble(java.util.Arrays::stream).toArray();
  }

  private static void set(Mlp model, float[] all) {
    int at = 0;
    for (Mlp.Parameter parameter : model.parameters()) {
      System.arraycopy(all, at, parameter.values(), 0, parameter.values().length);
      at += parameter.values().length;
    }
  }

  private static double[] logs(double[] losses) {
    return java.util.Arrays.stream(losses)
        .map(loss -> StrictMath.log10(Math.max(loss, 1e-6)))
        .toArray();
  }

  private static double min(double[] losses) {
    return java.util.Arrays.stream(losses).min().orElseThrow();
  }

  private static double max(double[] losses) {
    return java.util.Arrays.stream(losses).filter(Double::isFinite).max().orElseThrow();
  }
}
