package io.warmstep.cli.lab;

import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Descent on surfaces that can be drawn: every rule, several starts, each with its own rate. */
final class SurfacesStudy implements Study {
  private static final int STEPS = 150;
  private static final int ESCAPE_STEPS = 400;

  /** So many of the starts are drawn. */
  private static final int SHOWN = 4;

  /** Starts that a rate is chosen by. */
  private static final int TUNED_BY = 20;

  /** The first steps of a path are drawn one by one, the later ones every so many. */
  private static final int EACH_STEP = 30;

  private static final int STRIDE = 5;

  private static final int ESCAPES = 12;

  private static final int GRID = 41;

  /** Rates from 1e-4 to 10. */
  private static final int RATES = 16;

  /** A final height below this is at a minimum: the pockets of the surfaces differ by more. */
  private static final double TOLERANCE = 0.1;

  private final Bench bench;

  SurfacesStudy(Bench bench) {
    this.bench = bench;
  }

  @Override
  public String name() {
    return "descent on surfaces";
  }

  private static List<String> rules() {
    return List.copyOf(NamedRules.names());
  }

  @Override
  public long steps() {
    long paths = (long) Surface.values().length * rules().size() * STEPS;
    return paths + (long) ESCAPES * ESCAPE_STEPS;
  }

  /** A rule's descent of one surface at its best rate. */
  private record Best(Surface surface, String rule, double rate, double[][] path) {}

  private record Job(Surface surface, String rule, Descent.Way way, int steps) {}

  @Override
  public Section run() {
    Section section =
        new Section("surfaces", "Descent: which way down, and which minimum")
            .say(
                "Every rule starts at the same points (one is chosen, the others are random) and takes "
                    + STEPS
                    + " steps, each with the rate at which they come down best. Move the"
                    + " slider to follow them.")
            .say(
                "Pictures of two dimensions teach what momentum and scaling do. They do not choose"
                    + " an optimizer: a network has thousands of dimensions, noisy gradients, and"
                    + " far more saddles than pockets. Choose by the race below.");
    List<Job> jobs = new ArrayList<>();
    for (Surface surface : Surface.values()) {
      for (String rule : rules()) {
        jobs.add(new Job(surface, rule, new Descent.Way(NamedRules.named(rule), 0, 0, 0), STEPS));
      }
    }
    List<Best> all = bench.work().map(jobs, this::best);
    for (Surface surface : Surface.values()) {
      section.add(
          picture(surface, all.stream().filter(best -> best.surface() == surface).toList()));
    }
    section.add(shares(bench.work().map(escapes(), this::best)));
    return section;
  }

  private Best best(Job job) {
    long seed = bench.task().seed();
    boolean isEscape = job.steps() == ESCAPE_STEPS;
    double[] starts = Descent.starts(job.surface(), bench.plan().starts(), seed);
    double[] few = Arrays.copyOf(starts, Math.min(starts.length, 2 * TUNED_BY));
    double best = 0;
    double least = Double.POSITIVE_INFINITY;
    for (int i = 0; i < RATES; i++) {
      double rate = Say.rounded(StrictMath.pow(10, -4 + i / 3.0));
      double[][] path = descend(job, rate, few);
      double cost =
          isEscape
              ? -Descent.shareInGlobalMinimum(job.surface(), path[job.steps()], tolerance(job))
              : Descent.cost(job.surface(), path);
      if (cost < least) {
        best = rate;
        least = cost;
      }
    }
    bench.work().onStep().accept(job.steps());
    return new Best(job.surface(), job.rule(), best, descend(job, best, isEscape ? starts : few));
  }

  private double[][] descend(Job job, double rate, double[] starts) {
    bench.work().onStep().accept(0);
    return Descent.run(
        bench.work().device(),
        job.surface(),
        job.way().rate(rate),
        starts,
        job.steps(),
        bench.task().seed());
  }

  private static Chart picture(Surface surface, List<Best> rules) {
    Best quickest = null;
    int steps = Integer.MAX_VALUE;
    for (Best rule : rules) {
      int needed = stepsToMinimum(surface, rule.path());
      if (needed < steps) {
        quickest = rule;
        steps = needed;
      }
    }
    String found =
        quickest == null
            ? "no rule gets half of its starts to the global minimum"
            : String.format(
                Locale.ROOT,
                "%s is first to have half of its starts there, after %s",
                quickest.rule(),
                Say.count(steps, "step"));
    Chart chart =
        new Chart(
                "surface-" + surface.id(),
                "paths",
                surface.title() + ": " + found,
                "rule",
                "rate",
                "start",
                "step",
                "x",
                "y",
                "height")
            .caption(
                "In short: "
                    + surface.lesson()
                    + ". Lines of equal height, darker is lower; a cross marks the global minimum"
                    + (surface == Surface.SADDLE ? ", of which there are two." : "."))
            .set("half", true)
            .set("steps", STEPS)
            .set("grid", grid(surface));
    for (double[] minimum : minima(surface)) {
      chart.mark("crosses", "x", minimum[0], "y", minimum[1]);
    }
    for (Best rule : rules) {
      for (int start = 0; start < SHOWN; start++) {
        for (int step = 0; step <= STEPS; step += step < EACH_STEP ? 1 : STRIDE) {
          double x = rule.path()[step][2 * start];
          double y = rule.path()[step][2 * start + 1];
          chart.row(
              rule.rule(),
              rule.rate(),
              start + 1,
              step,
              x,
              y,
              surface.value(x, y) - surface.least());
        }
      }
    }
    return chart;
  }

  private static int stepsToMinimum(Surface surface, double[][] path) {
    for (int step = 0; step < path.length; step++) {
      if (Descent.height(surface, path[step]) < 0.01) {
        return step;
      }
    }
    return Integer.MAX_VALUE;
  }

  private static List<double[]> minima(Surface surface) {
    return switch (surface) {
      case ROSENBROCK -> List.of(new double[] {1, 1});
      case SADDLE -> List.of(new double[] {0, Math.sqrt(2)}, new double[] {0, -Math.sqrt(2)});
      case TWO_MINIMA -> List.of(new double[] {-1.0355787, 0});
      default -> List.of(new double[] {0, 0});
    };
  }

  /** The heights, as logarithms: valleys are flat, and their walls steep. */
  private static com.google.gson.JsonObject grid(Surface surface) {
    return Grids.of(
        GRID,
        -surface.halfWidth(),
        surface.halfWidth(),
        -surface.halfHeight(),
        surface.halfHeight(),
        (x, y) -> StrictMath.log10(surface.value(x, y) - surface.least() + 0.01));
  }

  private static List<Descent.Way> variants() {
    return List.of(
        new Descent.Way(Sgd.sgd(), 0, 0, 0),
        new Descent.Way(Sgd.sgd(), 0, ESCAPE_STEPS / 4, 0),
        new Descent.Way(Sgd.sgd(), 0, 0, 1),
        new Descent.Way(Momentum.heavyBall(0.9), 0, 0, 0),
        new Descent.Way(Momentum.heavyBall(0.9), 0, ESCAPE_STEPS / 4, 0),
        new Descent.Way(Momentum.heavyBall(0.9), 0, 0, 1));
  }

  private static List<Job> escapes() {
    List<Job> jobs = new ArrayList<>();
    for (Surface surface : List.of(Surface.RASTRIGIN, Surface.TWO_MINIMA)) {
      for (Descent.Way way : variants()) {
        String name =
            (way.rule() instanceof Momentum ? "momentum" : "plain SGD")
                + (way.warmUp() > 0 ? " + warm-up" : "")
                + (way.noise() > 0 ? " + noise" : "");
        jobs.add(new Job(surface, name, way, ESCAPE_STEPS));
      }
    }
    return jobs;
  }

  private static double tolerance(Job job) {
    // With noise a point never rests: anywhere in the pocket counts.
    return job.way().noise() > 0 ? 5 * TOLERANCE : TOLERANCE;
  }

  private Chart shares(List<Best> ways) {
    List<Job> jobs = escapes();
    Best top = null;
    double most = -1;
    double plain = 0;
    Chart chart =
        new Chart(
            "surface-shares", "bars", "", "surface", "way", "rate", "share in global minimum");
    for (int i = 0; i < ways.size(); i++) {
      Best way = ways.get(i);
      double share =
          Descent.shareInGlobalMinimum(
              way.surface(), way.path()[ESCAPE_STEPS], tolerance(jobs.get(i)));
      chart.row(way.surface().title(), way.rule(), way.rate(), share);
      if (way.surface() == Surface.TWO_MINIMA) {
        plain = way.rule().equals("plain SGD") ? share : plain;
        if (share > most) {
          most = share;
          top = way;
        }
      }
    }
    return chart
        .set(
            "title",
            String.format(
                Locale.ROOT,
                "The deeper of two minima is reached from %.0f %% of the starts by plain SGD, and"
                    + " from %.0f %% by %s",
                100 * plain,
                100 * most,
                top.rule().equals("plain SGD") ? "the best of all ways, the same" : top.rule()))
        .caption(
            Say.count(bench.plan().starts(), "random start")
                + ", "
                + ESCAPE_STEPS
                + " steps, each way at the rate with which it does best. Noise is added to each"
                + " gradient, with standard deviation 1; warm-up takes the first quarter.")
        .axis(
            "x",
            "share in global minimum",
            "share of starts that end in the global minimum",
            "linear")
        .axis("y", "way", "", "band")
        .set("facet", "surface")
        .set("percent", true);
  }
}
