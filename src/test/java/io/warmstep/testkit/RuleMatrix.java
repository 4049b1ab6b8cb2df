package io.warmstep.testkit;

import io.warmstep.check.PairCover;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Asgd;
import io.warmstep.rule.Lars;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NAdamW;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * The rules of the library with combinations of their options. By default they are so few that of
 * any two settings of a rule every two values meet; all of them if the matrix is full. What
 * multiplies matrices does so once, {@link io.warmstep.rule.Muon} as it is being a matter of
 * MatrixPhaseTest.
 */
public final class RuleMatrix {
  /** Whether tests go through all combinations, which takes many times as long. */
  public static final boolean IS_FULL = "full".equals(System.getProperty("warmstep.matrix"));

  private static final double WEIGHT_DECAY = 0.0625 + 0.01;
  private static final boolean[] BOTH = {false, true};

  private static final List<UpdateRule> ALL = chosen();

  private RuleMatrix() {}

  /** The rule with one product of matrices at most, or the rule itself if it has none. */
  public static UpdateRule withFewProducts(UpdateRule rule) {
    return rule instanceof Muon muon ? muon.newtonSchulz(2, -1.5, 0.5, 1) : rule;
  }

  /** Whether a parameter's update depends on others, for which there is no {@link Reference}. */
  private static boolean isOfGroups(UpdateRule rule) {
    return rule.sums().map(TensorSums::areOfGroup).orElse(false);
  }

  /** All combinations of rules that add up over groups. */
  public static List<UpdateRule> ofGroups() {
    return Rules.forms().stream().filter(RuleMatrix::isOfGroups).toList();
  }

  /**
   * Combinations of all rules, and what momentum makes of zeros and ones; without the rules of
   * {@link #ofGroups()}, as everything below. Each form of a kernel is among them.
   */
  public static List<UpdateRule> all() {
    return ALL;
  }

  private static List<UpdateRule> chosen() {
    Map<String, List<UpdateRule>> rules = new LinkedHashMap<>();
    for (UpdateRule rule : combinations()) {
      rules.computeIfAbsent(rule.name(), name -> new ArrayList<>()).add(rule);
    }
    return rules.values().stream()
        .flatMap(forms -> (IS_FULL ? forms : PairCover.of(forms, RuleMatrix::settings)).stream())
        .toList();
  }

  /** The settings of a form with their values; the kernel and its options count as one. */
  static List<String> settings(UpdateRule form) {
    List<String> settings = new ArrayList<>(List.of(form.kernel() + form.options()));
    RuleSettings.values(form).forEach((name, value) -> settings.add(name + "=" + value));
    return settings;
  }

  static List<UpdateRule> combinations() {
    List<UpdateRule> rules = new ArrayList<>();
    for (UpdateRule form : Rules.forms()) {
      if (!isOfGroups(form)) {
        rules.add(withFewProducts(decays(form) ? form.weightDecay(WEIGHT_DECAY) : form));
      }
    }
    for (boolean maximize : BOTH) {
      for (double weightDecay : new double[] {0, WEIGHT_DECAY}) {
        for (double dampening : new double[] {0, 0.3, 1}) {
          rules.add(momentum(0, dampening, weightDecay, maximize));
        }
        rules.add(momentum(0.9, 1, weightDecay, maximize));
      }
    }
    return rules;
  }

  private static UpdateRule momentum(
      double momentum, double dampening, double weightDecay, boolean maximize) {
    return Momentum.heavyBall(momentum)
        .dampening(dampening)
        .weightDecay(weightDecay)
        .maximize(maximize);
  }

  private static boolean decays(UpdateRule rule) {
    return !rule.equals(rule.weightDecay(0));
  }

  /** The same rule and options with other numbers; what a zero or a one switches off stays off. */
  public static UpdateRule withOtherNumbers(UpdateRule rule, SplittableRandom random) {
    Map<String, Double> others = new HashMap<>();
    RuleSettings.values(rule)
        .forEach(
            (name, value) -> {
              if (value instanceof Double number
                  && !name.startsWith("ns")) { // else the iteration diverges
                // A power leaves 0 and 1 alone, and any other number on its side of 1.
                double power = Math.pow(4, random.nextDouble(-1, 1));
                double other = Math.copySign(Math.pow(Math.abs(number), power), number);
                // An eps of 1e-16 would become one that float32 does not have.
                others.put(name, number > 0 ? Math.max(other, 1e-30) : other);
              }
            });
    return RuleSettings.with(rule, others);
  }

  /** One instance of every rule, without clipping of its own, which is the optimizer's. */
  public static List<UpdateRule> unclipped() {
    return Rules.all().stream()
        .filter(rule -> !isOfGroups(rule))
        .map(RuleMatrix::unclipped)
        .map(RuleMatrix::withFewProducts)
        .toList();
  }

  /**
   * A rule for each kernel, and forms that keep or add up what the usual ones do not. For tests of
   * steps that must leave all of that alone.
   */
  public static List<UpdateRule> keepers() {
    return Stream.concat(
            Rules.ofEachKernel().stream(),
            Stream.<UpdateRule>of(
                Momentum.heavyBall(0.9).weightDecay(0.1),
                Asgd.asgd().t0(1), // once it averages
                Lars.lars().momentum(0.9),
                NovoGrad.novoGrad().amsgrad(true),
                Adam.adamW().amsgrad(true).caution(true),
                NAdamW.nAdamW().caution(true),
                Lookahead.around(Adam.adamW()).k(2)))
        .map(RuleMatrix::unclipped)
        .map(RuleMatrix::withFewProducts)
        .toList();
  }

  /** A rule without clipping of its own. */
  public static UpdateRule unclipped(UpdateRule rule) {
    return rule.clipNorm() == 0 ? rule : RuleSettings.with(rule, Map.of("maxGradNorm", 0.0));
  }

  /** Every rule with each kernel and set of options that it has. */
  public static List<UpdateRule> entries() {
    List<UpdateRule> entries = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    for (UpdateRule rule : all()) {
      boolean canDecay = RuleSettings.has(rule, "weightDecay");
      if ((decays(rule) || !canDecay) && seen.add(rule.name() + rule.kernel() + rule.options())) {
        entries.add(rule);
      }
    }
    return entries;
  }

  /**
   * The richest form of each kernel, all state and weight decay, in the order of {@link
   * Rules#ofEachKernel()}, and one that decays weights apart from the gradient and ascends. For
   * tests of what rules share.
   */
  public static List<UpdateRule> rich() {
    List<UpdateRule> entries = entries();
    List<UpdateRule> rich = new ArrayList<>();
    for (UpdateRule rule : Rules.ofEachKernel()) {
      if (isOfGroups(rule)) {
        continue;
      }
      rich.add(
          entries.stream()
              .filter(entry -> entry.kernel().equals(rule.kernel()))
              .max(Comparator.comparingInt(UpdateRule::options))
              .orElseThrow());
    }
    rich.add(Adam.adamW().betas(0.9, 0.99).eps(1e-6).weightDecay(WEIGHT_DECAY).maximize(true));
    return rich;
  }

  /**
   * For tests of what rules share, which depends on their state and their sums and not on their
   * formulas: of {@link #rich()} the first with each number of slots, with and without sums. All of
   * them if the matrix is full.
   */
  public static List<UpdateRule> ofEachShape() {
    Set<String> seen = new HashSet<>();
    return rich().stream()
        .filter(
            rule ->
                IS_FULL
                    || seen.add(
                        rule.stateSlots().size()
                            + " "
                            + rule.sums().isPresent()
                            + rule.matrix().isPresent()))
        .toList();
  }
}
