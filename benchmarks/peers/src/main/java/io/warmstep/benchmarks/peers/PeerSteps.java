package io.warmstep.benchmarks.peers;

import io.warmstep.ElementType;
import io.warmstep.rule.AdaBelief;
import io.warmstep.rule.Adadelta;
import io.warmstep.rule.Adagrad;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Adamax;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.NAdam;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.nd4j.linalg.learning.config.AMSGrad;
import org.nd4j.linalg.learning.config.AdaDelta;
import org.nd4j.linalg.learning.config.AdaMax;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.config.Nadam;
import org.nd4j.linalg.learning.config.Nesterovs;
import org.tribuo.math.StochasticGradientOptimiser;
import org.tribuo.math.optimisers.AdaGrad;
import org.tribuo.math.optimisers.RMSProp;
import org.tribuo.math.optimisers.SGD;

/**
 * Steps of Warmstep on the CPU in turns with those of ND4J, in float32 and on all processors, and
 * with those of Tribuo, in float64 and on one thread, which is how each of them runs. A step goes
 * from a gradient to moved parameters. Prints a table in Markdown.
 */
public final class PeerSteps {
  private static final double RATE = 1e-3;

  private PeerSteps() {}

  private record Nd4jRule(String name, UpdateRule ours, IUpdater theirs) {}

  /** Theirs is made where it is used, since it holds a state. */
  private record TribuoRule(
      String name, UpdateRule ours, Supplier<StochasticGradientOptimiser> theirs) {}

  /**
   * Measures.
   *
   * @param arguments how many parameters, 25 million unless given
   */
  public static void main(String[] arguments) {
    int length = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 25_000_000;
    SplittableRandom random = new SplittableRandom(1);
    float[] gradient = new float[TribuoStep.length(length)];
    for (int i = 0; i < gradient.length; i++) {
      gradient[i] = (float) random.nextDouble(-1, 1);
    }
    int threads = Runtime.getRuntime().availableProcessors();
    System.out.printf(
        Locale.ROOT, "%,d parameters; Java %s%n%n", gradient.length, Runtime.version());
    System.out.println("| rule | peer | ours, ms | peer, ms | peer / ours (range) |");
    System.out.println("| --- | --- | ---: | ---: | ---: |");
    for (Nd4jRule rule : ofNd4j()) {
      try (OurStep ours = new OurStep(rule.ours(), ElementType.FLOAT32, gradient, threads)) {
        print(rule.name(), "ND4J", new Turns(ours, new Nd4jStep(rule.theirs(), gradient)));
      }
    }
    for (TribuoRule rule : ofTribuo()) {
      try (OurStep ours = new OurStep(rule.ours(), ElementType.FLOAT64, gradient, 1)) {
        print(
            rule.name(), "Tribuo", new Turns(ours, new TribuoStep(rule.theirs().get(), gradient)));
      }
    }
  }

  private static List<Nd4jRule> ofNd4j() {
    return List.of(
        new Nd4jRule("SGD", Sgd.sgd(), new org.nd4j.linalg.learning.config.Sgd(RATE)),
        new Nd4jRule("Nesterov", Momentum.nesterov(0.9), new Nesterovs(RATE, 0.9)),
        new Nd4jRule(
            "RMSProp", RmsProp.rmsProp(), new org.nd4j.linalg.learning.config.RmsProp(RATE)),
        new Nd4jRule("Adam", Adam.adam(), new org.nd4j.linalg.learning.config.Adam(RATE)),
        new Nd4jRule("AMSGrad", Adam.adam().amsgrad(true), new AMSGrad(RATE)),
        new Nd4jRule(
            "Adagrad", Adagrad.adagrad(), new org.nd4j.linalg.learning.config.AdaGrad(RATE)),
        new Nd4jRule("Adadelta", Adadelta.adadelta(), new AdaDelta()),
        new Nd4jRule("Adamax", Adamax.adamax(), new AdaMax(RATE)),
        new Nd4jRule("NAdam", NAdam.nAdam(), new Nadam(RATE)),
        new Nd4jRule(
            "AdaBelief",
            AdaBelief.adaBelief(),
            new org.nd4j.linalg.learning.config.AdaBelief(RATE)));
  }

  private static List<TribuoRule> ofTribuo() {
    return List.of(
        new TribuoRule("SGD", Sgd.sgd(), () -> SGD.getSimpleSGD(RATE)),
        new TribuoRule(
            "Momentum",
            Momentum.heavyBall(0.9),
            () -> SGD.getSimpleSGD(RATE, 0.9, SGD.Momentum.STANDARD)),
        new TribuoRule("RMSProp", RmsProp.rmsProp(), () -> new RMSProp(RATE, 0.99, 1e-8, 0)),
        new TribuoRule("Adam", Adam.adam(), () -> new org.tribuo.math.optimisers.Adam(RATE, 1e-8)),
        new TribuoRule("Adagrad", Adagrad.adagrad(), () -> new AdaGrad(RATE)),
        new TribuoRule("Adadelta", Adadelta.adadelta(), org.tribuo.math.optimisers.AdaDelta::new));
  }

  private static void print(String rule, String peer, Turns turns) {
    System.out.printf(
        Locale.ROOT,
        "| %s | %s | %.1f | %.1f | %.2f (%.2f to %.2f) |%n",
        rule,
        peer,
        turns.firstMillis(),
        turns.secondMillis(),
        turns.ratio(0.5),
        turns.ratio(0),
        turns.ratio(1));
  }
}
