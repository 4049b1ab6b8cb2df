package io.warmstep.djl.bench;

import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import io.warmstep.cli.bench.ModelShapes;
import io.warmstep.djl.WarmstepOptimizer;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Measures steps of DJL's own optimizers and of Warmstep in turn: each round takes one step of each
 * contender of a rule, so that whatever else the machine does falls on all of them. Prints the
 * median and the least time of each, the median over the rounds of DJL's time divided by
 * Warmstep's, and the same of the least times, which is what a quiet machine gives.
 *
 * <p>{@code StepBenchmark [all|resnet50|flat] [rounds] [rule]}
 */
public final class StepBenchmark {
  private static final float RATE = 1e-4f;
  private static final int WARM_UP = 10;

  private StepBenchmark() {}

  private record Case(String name, Supplier<Optimizer> djl, UpdateRule rule) {}

  private static final List<Case> CASES =
      List.of(
          new Case(
              "SGD",
              () -> Optimizer.sgd().setLearningRateTracker(Tracker.fixed(RATE)).build(),
              Sgd.sgd()),
          new Case(
              "SGD with momentum",
              () ->
                  Optimizer.sgd()
                      .setLearningRateTracker(Tracker.fixed(RATE))
                      .optMomentum(0.9f)
                      .build(),
              Momentum.heavyBall(0.9)),
          new Case(
              "Adam",
              () -> Optimizer.adam().optLearningRateTracker(Tracker.fixed(RATE)).build(),
              Adam.adam()),
          new Case(
              "AdamW",
              () -> Optimizer.adamW().optLearningRateTracker(Tracker.fixed(RATE)).build(),
              Adam.adamW()),
          new Case("Nesterov", null, Momentum.nesterov(0.9)),
          new Case("RMSProp", null, RmsProp.rmsProp()),
          new Case("RMSProp, centered", null, RmsProp.rmsProp().centered(true).momentum(0.9)),
          new Case("AdamW, AMSGrad", null, Adam.adamW().amsgrad(true)));

  /**
   * Runs all cases.
   *
   * @param arguments which shapes, all unless given; how many rounds, 25 unless given; which rule,
   *     every one unless given
   */
  public static void main(String[] arguments) {
    String only = arguments.length > 0 ? arguments[0] : "all";
    int rounds = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 25;
    String rule = arguments.length > 2 ? arguments[2] : "";
    List<Long> resNet = ModelShapes.resNet50();
    long total = resNet.stream().mapToLong(Long::longValue).sum();
    Map<String, List<Long>> shapes = Map.of("resnet50", resNet, "flat", List.of(total));
    for (String name : List.of("resnet50", "flat")) {
      if (only.equals("all") || only.equals(name)) {
        List<Long> lengths = shapes.get(name);
        System.out.printf(
            Locale.ROOT,
            "%n%s: %,d parameters in %d tensors, %d rounds%n",
            name,
            total,
            lengths.size(),
            rounds);
        System.out.printf(
            "%-20s %15s %19s %15s %15s%n",
            "ms: median (least)", "DJL", "trainer.step()", "ModelStep", "DJL/ModelStep");
        CASES.stream()
            .filter(each -> rule.isEmpty() || each.name.equals(rule))
            .forEach(each -> measure(each, lengths, rounds));
      }
    }
  }

  private static WarmstepOptimizer warmstep(UpdateRule rule) {
    return WarmstepOptimizer.of(rule).learningRate(RATE).build();
  }

  private static void measure(Case each, List<Long> lengths, int rounds) {
    List<Contender> contenders = new ArrayList<>();
    try {
      contenders.add(new Contender("trainer.step()", lengths, warmstep(each.rule), false));
      contenders.add(new Contender("ModelStep", lengths, warmstep(each.rule), true));
      if (each.djl != null) {
        contenders.add(new Contender("DJL", lengths, each.djl.get(), false));
      }
      double[][] times = new double[contenders.size()][rounds];
      for (int round = -WARM_UP; round < rounds; round++) {
        for (int i = 0; i < times.length; i++) {
          // The order changes from round to round.
          int index = Math.floorMod(i + round, times.length);
          contenders.get(index).refill();
          long begin = System.nanoTime();
          contenders.get(index).step();
          if (round >= 0) {
            times[index][round] = (System.nanoTime() - begin) / 1e6;
          }
        }
      }
      print(each, times);
    } finally {
      contenders.forEach(Contender::close);
    }
  }

  private static void print(Case each, double[][] times) {
    boolean hasDjl = times.length > 2;
    System.out.printf(
        Locale.ROOT,
        "%-20s %15s %19s %15s %15s%n",
        each.name,
        hasDjl ? summary(times[2]) : "has none",
        summary(times[0]),
        summary(times[1]),
        hasDjl ? ratio(times[2], times[1]) : "");
  }

  private static String summary(double[] times) {
    return String.format(Locale.ROOT, "%.1f (%.1f)", median(times), least(times));
  }

  private static String ratio(double[] numerators, double[] denominators) {
    double[] ratios = new double[numerators.length];
    for (int i = 0; i < ratios.length; i++) {
      ratios[i] = numerators[i] / denominators[i];
    }
    return String.format(
        Locale.ROOT, "%.1f (%.1f)", median(ratios), least(numerators) / least(denominators));
  }

  private static double least(double[] values) {
    return Arrays.stream(values).min().orElseThrow();
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
