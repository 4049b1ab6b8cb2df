package io.warmstep.rule;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/** The rules of this library, each with its usual defaults. */
public final class Rules {
  private static final boolean[] BOTH = {false, true};
  private static final double[] DECAYS = {0, 0.01};

  private static final List<Entry> ENTRIES =
      List.of(
          new Entry(
              Sgd.sgd(),
              0.3,
              (decay, maximize) -> List.of(Sgd.sgd().weightDecay(decay).maximize(maximize))),
          new Entry(Momentum.heavyBall(0.9), 0.05, Rules::momentum),
          new Entry(RmsProp.rmsProp(), 0.003, Rules::rmsProp),
          new Entry(Adam.adam(), 0.003, Rules::adam),
          new Entry(Lion.lion(), 0.0005, Rules::lion),
          new Entry(Adagrad.adagrad(), 0.05, Rules::adagrad),
          new Entry(
              Adadelta.adadelta(),
              1,
              (decay, maximize) ->
                  List.of(Adadelta.adadelta().weightDecay(decay).maximize(maximize))),
          new Entry(
              Adamax.adamax(),
              0.005,
              (decay, maximize) -> List.of(Adamax.adamax().weightDecay(decay).maximize(maximize))),
          new Entry(NAdamW.nAdamW(), 0.006, Rules::nAdamW),
          new Entry(RAdam.rAdam(), 0.005, Rules::rAdam),
          new Entry(AdaBelief.adaBelief(), 0.003, Rules::adaBelief),
          new Entry(
              Rprop.rprop(),
              0.001,
              true,
              (decay, maximize) -> List.of(Rprop.rprop().maximize(maximize))),
          new Entry(AdEmaMix.adEmaMix(), 0.002, Rules::adEmaMix),
          new Entry(Adan.adan(), 0.005, Rules::adan),
          new Entry(NAdam.nAdam(), 0.003, Rules::nAdam),
          new Entry(Asgd.asgd(), 0.3, Rules::asgd),
          new Entry(Lamb.lamb(), 0.006, Rules::lamb),
          new Entry(Lars.lars(), 0.3, Rules::lars),
          new Entry(NovoGrad.novoGrad(), 0.01, Rules::novoGrad),
          new Entry(StableAdamW.stableAdamW(), 0.003, Rules::stableAdamW),
          new Entry(Adafactor.adafactor(), 0.05, Rules::adafactor),
          new Entry(ScheduleFreeSgd.scheduleFreeSgd(), 1, Rules::scheduleFreeSgd),
          new Entry(ScheduleFreeAdamW.scheduleFreeAdamW(), 0.005, Rules::scheduleFreeAdamW),
          new Entry(Muon.muon(), 0.02, Rules::muon),
          new Entry(Prodigy.prodigy(), 1, Rules::prodigy));

  /**
   * A rule, a learning rate to try first, whether it is for full batches alone, and the rule's
   * forms for a weight decay and a choice of maximize.
   */
  private record Entry(
      UpdateRule usual,
      double rate,
      boolean isForFullBatches,
      BiFunction<Double, Boolean, List<UpdateRule>> forms) {
    Entry(UpdateRule usual, double rate, BiFunction<Double, Boolean, List<UpdateRule>> forms) {
      this(usual, rate, false, forms);
    }
  }

  private Rules() {}

  /**
   * One instance of every rule; tests of properties of all rules run over this list.
   *
   * @return the rules, in the order in which documents list them
   */
  public static List<UpdateRule> all() {
    return ENTRIES.stream().map(Entry::usual).toList();
  }

  /**
   * Every rule with every combination of its options, to check that a device supports them all.
   *
   * @return the forms, those of a rule one after the other
   */
  public static List<UpdateRule> forms() {
    List<UpdateRule> forms = new ArrayList<>();
    for (Entry entry : ENTRIES) {
      for (double decay : DECAYS) {
        for (boolean maximize : BOTH) {
          forms.addAll(entry.forms().apply(decay, maximize));
        }
      }
    }
    return forms;
  }

  /**
   * One rule for each {@linkplain UpdateRule#kernel() kernel}, which forms of others may share.
   *
   * @return the rules of {@link #all()}, then the first forms under other kernels
   */
  public static List<UpdateRule> ofEachKernel() {
    Map<String, UpdateRule> found = new LinkedHashMap<>();
    all().forEach(rule -> found.put(rule.kernel(), rule));
    forms().forEach(form -> found.putIfAbsent(form.kernel(), form));
    return List.copyOf(found.values());
  }

  /**
   * A learning rate to try first: as the peak of a schedule with warm-up and decay, it trains small
   * networks on standardized data well. It is the default of {@code warmstep train}.
   *
   * @param rule any form of a rule of {@link #all()}
   * @return the rate
   * @throws IllegalArgumentException if the rule is not one of this library's
   */
  public static double usualRate(UpdateRule rule) {
    return entry(rule, "usual learning rate").rate();
  }

  /**
   * Whether a rule needs gradients of all training data and goes astray on those of minibatches: of
   * the gradient Rprop takes only signs, which are mostly noise there. {@code warmstep train} then
   * takes all rows at once unless told otherwise.
   *
   * @param rule any form of a rule of {@link #all()}
   * @return false if minibatches are fine
   * @throws IllegalArgumentException if the rule is not one of this library's
   */
  public static boolean isForFullBatches(UpdateRule rule) {
    return entry(rule, "usual batch").isForFullBatches();
  }

  private static Entry entry(UpdateRule rule, String what) {
    return ENTRIES.stream()
        .filter(entry -> entry.usual().name().equals(rule.name()))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "rule "
                        + rule.name()
                        + " has no "
                        + what
                        + ", must be one of "
                        + String.join(", ", all().stream().map(UpdateRule::name).toList())));
  }

  private static List<UpdateRule> momentum(double decay, boolean maximize) {
    return List.of(
        Momentum.heavyBall(0.9).weightDecay(decay).maximize(maximize),
        Momentum.heavyBall(0.9).dampening(0.3).weightDecay(decay).maximize(maximize),
        Momentum.nesterov(0.9).weightDecay(decay).maximize(maximize));
  }

  private static List<UpdateRule> rmsProp(double decay, boolean maximize) {
    List<UpdateRule> forms = new ArrayList<>();
    for (boolean centered : BOTH) {
      for (double momentum : new double[] {0, 0.9}) {
        forms.add(
            RmsProp.rmsProp()
                .centered(centered)
                .momentum(momentum)
                .weightDecay(decay)
                .maximize(maximize));
      }
    }
    return forms;
  }

  private static List<UpdateRule> adagrad(double decay, boolean maximize) {
    Adagrad adagrad = Adagrad.adagrad().weightDecay(decay).maximize(maximize);
    return List.of(adagrad, adagrad.lrDecay(0.1).initialAccumulatorValue(0.1));
  }

  private static List<UpdateRule> rAdam(double decay, boolean maximize) {
    RAdam rAdam = RAdam.rAdam().weightDecay(decay).maximize(maximize);
    return List.of(rAdam, rAdam.betas(0.8, 0.9).decoupledWeightDecay(true));
  }

  private static List<UpdateRule> adaBelief(double decay, boolean maximize) {
    AdaBelief adaBelief = AdaBelief.adaBelief().weightDecay(decay).maximize(maximize);
    return List.of(
        adaBelief,
        adaBelief.rectify(false).amsgrad(true),
        adaBelief.rectify(false).weightDecouple(false),
        adaBelief.rectify(false).fixedDecay(true));
  }

  private static List<UpdateRule> adEmaMix(double decay, boolean maximize) {
    AdEmaMix adEmaMix = AdEmaMix.adEmaMix().weightDecay(decay).maximize(maximize);
    return List.of(
        adEmaMix,
        adEmaMix.betas(0.9, 0.99, 0.999).beta3Warmup(20).alphaWarmup(10),
        adEmaMix.betas(0, 0.99, 0.999));
  }

  private static List<UpdateRule> nAdam(double decay, boolean maximize) {
    NAdam nAdam = NAdam.nAdam().weightDecay(decay).maximize(maximize);
    return List.of(nAdam, nAdam.momentumDecay(0.02).decoupledWeightDecay(true));
  }

  private static List<UpdateRule> asgd(double decay, boolean maximize) {
    Asgd asgd = Asgd.asgd().weightDecay(decay).maximize(maximize);
    return List.of(asgd, asgd.lambd(0.01).t0(1));
  }

  private static List<UpdateRule> adan(double decay, boolean maximize) {
    Adan adan = Adan.adan().weightDecay(decay).maximize(maximize);
    return List.of(adan, adan.noProx(true));
  }

  private static List<UpdateRule> nAdamW(double decay, boolean maximize) {
    NAdamW nAdamW = NAdamW.nAdamW().weightDecay(decay).maximize(maximize);
    return List.of(nAdamW, nAdamW.caution(true));
  }

  private static List<UpdateRule> lion(double decay, boolean maximize) {
    Lion lion = Lion.lion().weightDecay(decay).maximize(maximize);
    return List.of(lion, lion.caution(true));
  }

  private static List<UpdateRule> adam(double decay, boolean maximize) {
    List<UpdateRule> forms = new ArrayList<>();
    for (boolean amsgrad : BOTH) {
      for (Adam adam : List.of(Adam.adam(), Adam.adamW())) {
        forms.add(adam.weightDecay(decay).amsgrad(amsgrad).maximize(maximize));
      }
      Adam cautious = Adam.adamW().caution(true);
      forms.add(cautious.weightDecay(decay).amsgrad(amsgrad).maximize(maximize));
    }
    return forms;
  }

  /** Without clipping, which is left to the optimizer. */
  private static List<UpdateRule> lamb(double decay, boolean maximize) {
    if (maximize) {
      return List.of();
    }
    List<UpdateRule> forms = new ArrayList<>();
    for (boolean adapts : BOTH) {
      for (boolean clips : BOTH) {
        Lamb lamb = Lamb.lamb().maxGradNorm(0).alwaysAdapt(adapts).trustClip(clips);
        forms.add(lamb.biasCorrection(adapts).gradAveraging(clips).weightDecay(decay));
      }
    }
    return forms;
  }

  private static List<UpdateRule> lars(double decay, boolean maximize) {
    if (maximize) {
      return List.of();
    }
    Lars lars = Lars.lars().trustCoeff(0.02).weightDecay(decay);
    return List.of(
        lars.alwaysAdapt(true),
        lars.momentum(0.9).dampening(0.3).trustClip(true),
        lars.momentum(0.9).nesterov(true).alwaysAdapt(true));
  }

  private static List<UpdateRule> novoGrad(double decay, boolean maximize) {
    if (maximize) {
      return List.of();
    }
    NovoGrad novoGrad = NovoGrad.novoGrad().weightDecay(decay);
    return List.of(novoGrad, novoGrad.gradAveraging(true).amsgrad(true));
  }

  private static List<UpdateRule> stableAdamW(double decay, boolean maximize) {
    if (maximize) {
      return List.of();
    }
    StableAdamW stable = StableAdamW.stableAdamW().weightDecay(decay);
    return List.of(stable, stable.decoupleLr(0.125));
  }

  private static List<UpdateRule> adafactor(double decay, boolean maximize) {
    Adafactor adafactor = Adafactor.adafactor().weightDecay(decay).maximize(maximize);
    return List.of(adafactor, adafactor.beta2Decay(-0.7).eps(1e-6, 0.01).d(1.5));
  }

  private static List<UpdateRule> scheduleFreeSgd(double decay, boolean maximize) {
    ScheduleFreeSgd sgd = ScheduleFreeSgd.scheduleFreeSgd().weightDecay(decay).maximize(maximize);
    return List.of(sgd, sgd.momentum(0.6).warmupSteps(20).averaging(1, 0));
  }

  private static List<UpdateRule> scheduleFreeAdamW(double decay, boolean maximize) {
    ScheduleFreeAdamW adamW =
        ScheduleFreeAdamW.scheduleFreeAdamW().weightDecay(decay).maximize(maximize);
    return List.of(adamW, adamW.innerMomentum(0.9).warmupSteps(20));
  }

  private static List<UpdateRule> prodigy(double decay, boolean maximize) {
    if (maximize) {
      return List.of();
    }
    Prodigy prodigy = Prodigy.prodigy().d0(1e-3).weightDecay(decay);
    return List.of(
        prodigy,
        prodigy.useBiasCorrection(true).growthRate(1.1).decouple(false),
        prodigy.beta3(0.9).safeguardWarmup(true).dCoef(2));
  }

  private static List<UpdateRule> muon(double decay, boolean maximize) {
    if (maximize) {
      return List.of();
    }
    Muon muon = Muon.muon().weightDecay(decay);
    return List.of(
        muon,
        muon.nesterov(false).matchRmsAdamw(true),
        muon.momentum(0.8).newtonSchulz(2, -1.5, 0.5, 8));
  }
}
