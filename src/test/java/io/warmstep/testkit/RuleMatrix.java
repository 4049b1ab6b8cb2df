package io.warmstep.testkit;

import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Every rule with every combination of its options. */
public final class RuleMatrix {
  private static final double WEIGHT_DECAY = 0.0625 + 0.01;
  private static final boolean[] BOTH = {false, true};

  private RuleMatrix() {}

  /** All combinations. */
  public static List<UpdateRule> all() {
    List<UpdateRule> rules = new ArrayList<>();
    for (boolean maximize : BOTH) {
      for (double weightDecay : new double[] {0, WEIGHT_DECAY}) {
        rules.add(new Sgd(weightDecay, maximize));
        addMomentum(rules, weightDecay, maximize);
        addRmsProp(rules, weightDecay, maximize);
        addAdam(rules, weightDecay, maximize);
      }
    }
    return rules;
  }

  private static void addMomentum(List<UpdateRule> rules, double weightDecay, boolean maximize) {
    for (double momentum : new double[] {0, 0.9}) {
      for (double dampening : new double[] {0, 0.3, 1}) {
        rules.add(new Momentum(momentum, dampening, false, weightDecay, maximize));
      }
    }
    rules.add(new Momentum(0.95, 0, true, weightDecay, maximize));
  }

  private static void addRmsProp(List<UpdateRule> rules, double weightDecay, boolean maximize) {
    for (boolean centered : BOTH) {
      for (double momentum : new double[] {0, 0.8}) {
        rules.add(new RmsProp(0.95, 1e-8, centered, momentum, weightDecay, maximize));
      }
    }
  }

  private static void addAdam(List<UpdateRule> rules, double weightDecay, boolean maximize) {
    for (boolean amsgrad : BOTH) {
      for (boolean decoupled : BOTH) {
        rules.add(new Adam(0.9, 0.999, 1e-8, weightDecay, decoupled, amsgrad, maximize));
      }
    }
  }

  /** The same rule and options with other numbers; what a zero or a one switches off stays off. */
  public static UpdateRule withOtherNumbers(UpdateRule rule, SplittableRandom random) {
    double weightDecay = rule.equals(rule.weightDecay(0)) ? 0 : random.nextDouble(1e-4, 0.3);
    double eps = Math.pow(10, random.nextDouble(-12, -3));
    if (rule instanceof Sgd sgd) {
      return sgd.weightDecay(weightDecay);
    }
    if (rule instanceof Momentum momentum) {
      double dampening = momentum.dampening();
      return new Momentum(
          momentum.momentum() == 0 ? 0 : random.nextDouble(0.1, 0.999),
          dampening == 0 || dampening == 1 ? dampening : random.nextDouble(0.05, 0.95),
          momentum.nesterov(),
          weightDecay,
          momentum.maximize());
    }
    if (rule instanceof RmsProp rmsProp) {
      return new RmsProp(
          random.nextDouble(0.5, 0.9999),
          eps,
          rmsProp.centered(),
          rmsProp.momentum() == 0 ? 0 : random.nextDouble(0.1, 0.999),
          weightDecay,
          rmsProp.maximize());
    }
    Adam adam = (Adam) rule;
    return new Adam(
        random.nextDouble(0.5, 0.999),
        random.nextDouble(0.9, 0.9999),
        eps,
        weightDecay,
        adam.decoupled(),
        adam.amsgrad(),
        adam.maximize());
  }

  /** One rule of each entry of the kernels: every rule with each set of options that it has. */
  public static List<UpdateRule> entries() {
    return List.of(
        new Sgd(WEIGHT_DECAY, false),
        new Momentum(0.9, 0.3, false, 0, true),
        new Momentum(0.9, 0, true, WEIGHT_DECAY, false),
        new RmsProp(0.95, 1e-8, false, 0, 0, false),
        new RmsProp(0.95, 1e-8, true, 0, WEIGHT_DECAY, false),
        new RmsProp(0.95, 1e-8, false, 0.8, WEIGHT_DECAY, true),
        new RmsProp(0.95, 1e-8, true, 0.8, WEIGHT_DECAY, false),
        new Adam(0.9, 0.999, 1e-8, WEIGHT_DECAY, true, false, false),
        new Adam(0.9, 0.999, 1e-8, WEIGHT_DECAY, false, true, false));
  }

  /** The richest form of each rule: all state, weight decay. For tests of what rules share. */
  public static List<UpdateRule> rich() {
    return List.of(
        new Sgd(WEIGHT_DECAY, false),
        new Momentum(0.9, 0, true, WEIGHT_DECAY, false),
        new RmsProp(0.95, 1e-8, true, 0.8, WEIGHT_DECAY, false),
        new Adam(0.9, 0.999, 1e-8, WEIGHT_DECAY, false, true, false),
        new Adam(0.9, 0.99, 1e-6, WEIGHT_DECAY, true, false, true));
  }
}
