package io.warmstep.cli.verify;

import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Norm;
import io.warmstep.OptimizerBuilder;
import io.warmstep.check.PairCover;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Rules;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/**
 * One optimizer whose steps are compared between devices.
 *
 * @param rule with its options
 * @param type of parameters and gradients
 * @param elements how parameters, gradients and the state at the start are chosen
 * @param extra what happens to gradients besides
 * @param lengths of the tensors
 * @param steps how many
 * @param comparesEachStep whether to compare after each step rather than after the last
 * @param storing how gradients, masters and state are stored
 */
record BitCase(
    UpdateRule rule,
    ElementType type,
    Elements elements,
    Extra extra,
    List<Integer> lengths,
    int steps,
    boolean comparesEachStep,
    Storing storing) {
  /** A case whose parameters, gradients and state are stored as the type says. */
  BitCase(
      UpdateRule rule,
      ElementType type,
      Elements elements,
      Extra extra,
      List<Integer> lengths,
      int steps,
      boolean comparesEachStep) {
    this(rule, type, elements, extra, lengths, steps, comparesEachStep, Storing.plain(type));
  }

  /** The same comparison under another rule. */
  BitCase under(UpdateRule other) {
    return new BitCase(other, type, elements, extra, lengths, steps, comparesEachStep, storing);
  }

  /** Around the sizes of vectors, work-groups and tiles, so that tensors begin anywhere. */
  private static final List<Integer> ODD =
      List.of(1, 2, 31, 0, 32, 33, 255, 256, 257, 1023, 1024, 1025, 4097);

  /** 1000 tensors, so many that no backend passes them as arguments. */
  private static final List<Integer> MANY =
      IntStream.range(0, 1000).map(i -> i * 7919 % 301).boxed().toList();

  /** For rules of matrices: of sides around those of tiles, and some equal ones. */
  private static final List<Integer> MATRICES =
      List.of(1, 6, 35, 0, 4032, 35, 127 * 127, 128 * 129, 6, 130 * 131, 35);

  /** So many that what grows or ends with the steps takes a value between 0 and 1 but a half. */
  private static final int STEPS = 5;

  private static final int FEW_GROUPS = 3;

  /** More than go with a launch on CUDA. */
  private static final int MANY_GROUPS = 20;

  private static final List<String> KERNELS =
      Rules.ofEachKernel().stream().map(UpdateRule::kernel).toList();

  private static final List<String> NAMES = Rules.all().stream().map(UpdateRule::name).toList();

  private static final List<Integer> LARGE = List.of(1_000_003);
  private static final List<Integer> MEDIUM = List.of(250_007);
  private static final List<Integer> SMALL = List.of(131);

  /** What is asked of the optimizer besides the rule. */
  enum Extra {
    NOTHING,
    ZEROED_GRADIENTS,
    CLIPPED_VALUE,
    CLIPPED_NORM,
    LOSS_SCALE,
    CLIPPED_TENSORS,
    CLIPPED_L1,
    CLIPPED_MAX,
    AVERAGED,
    EVALUATED,
    ACCUMULATED,
    SKIPPED,
    CAPTURED;

    /** Each that rules have in turn; what a rule cannot have is left out. */
    static Extra of(int i, UpdateRule rule, ElementType type) {
      int last = (clipsTensors(rule, type) ? CLIPPED_TENSORS : LOSS_SCALE).ordinal();
      return values()[i % (last + 1)];
    }

    /**
     * Whether a rule's gradients are clipped tensor by tensor in a type: of each kernel in one of
     * those of 16 bits, since on OpenCL it is a program of its own.
     */
    private static boolean clipsTensors(UpdateRule rule, ElementType type) {
      return rule.sums().isEmpty()
          && (!type.isHalf() || (KERNELS.indexOf(rule.kernel()) + type.ordinal()) % 2 == 0);
    }

    /** How many gradients a step takes the mean of, 0 for those that are there. */
    int microBatches() {
      return this == ACCUMULATED ? 3 : 0;
    }

    /** Whether a step has a gradient that is not finite. */
    boolean isSkipped(int step) {
      return isAhead() && step % 2 == 0;
    }

    /** Whether the host goes on while the device has yet to decide about its steps. */
    boolean isAhead() {
      return this == ACCUMULATED || this == SKIPPED || this == CAPTURED;
    }

    /** Whether steps are those of a CUDA graph, on devices that have such. */
    boolean isCaptured() {
      return this == CAPTURED;
    }

    /** Whether the weights to evaluate with are compared, too. */
    boolean isEvaluated() {
      return this == AVERAGED || this == EVALUATED;
    }

    /**
     * Of values that can be infinite or NaN: their norm is not finite, so clipping by it would
     * scale all by the same and a loss scaler skip the step.
     */
    static Extra ofElements(int i) {
      return values()[i % (CLIPPED_VALUE.ordinal() + 1)];
    }

    /** All that can be asked of values and a rule. */
    static List<Extra> possible(Elements elements, UpdateRule rule) {
      return Arrays.stream(values())
          .filter(extra -> elements == Elements.ORDINARY || extra.compareTo(CLIPPED_VALUE) <= 0)
          .filter(extra -> extra != CLIPPED_TENSORS || rule.sums().isEmpty())
          .filter(extra -> extra != AVERAGED || rule.evaluation().isEmpty())
          .filter(extra -> extra != EVALUATED || rule.evaluation().isPresent())
          .toList();
    }

    /** Of values whose norm is of interest. */
    static Extra ofNorm(int i, UpdateRule rule, ElementType type) {
      return i % 3 == 2 && clipsTensors(rule, type)
          ? CLIPPED_TENSORS
          : i % 2 == 0 ? CLIPPED_NORM : LOSS_SCALE;
    }

    void applyTo(OptimizerBuilder builder) {
      switch (this) {
        case NOTHING, EVALUATED -> {}
        case ZEROED_GRADIENTS -> builder.zeroGradients(true);
        case CLIPPED_VALUE -> builder.clipValue(0.375);
        case CLIPPED_NORM -> builder.clipNorm(0.75).zeroGradients(true);
        case LOSS_SCALE -> builder.lossScaler(LossScaler.fixed(1024));
        case CLIPPED_TENSORS -> builder.adaptiveClip(0.25).gradientScale(0.75);
        case CLIPPED_L1 -> builder.clipNorm(0.75, Norm.L1);
        case CLIPPED_MAX -> builder.clipNorm(0.75, Norm.MAX);
        case AVERAGED -> builder.average(0.75);
        case ACCUMULATED, SKIPPED -> builder.lossScaler(LossScaler.dynamic(1024, 2, 0.5, 2));
        case CAPTURED ->
            builder
                .learningRate(Schedules.cosine(0.0123, 9).warmUp(3))
                .lossScaler(LossScaler.dynamic(1024, 2, 0.5, 2));
      }
    }
  }

  /**
   * What is compared in a type: every form of every rule on values of every kind, each rule on many
   * tensors, on a large one, and for many steps, and what an optimizer does besides under one rule.
   *
   * @param type of parameters and gradients
   * @return the cases
   */
  static List<BitCase> all(ElementType type) {
    List<BitCase> cases = new ArrayList<>();
    int i = 0;
    for (UpdateRule rule : Rules.forms()) {
      Extra extra = Extra.of(i, rule, type);
      cases.add(new BitCase(rule, type, Elements.ORDINARY, extra, ODD, STEPS, false));
      for (Elements elements : List.of(Elements.SPECIAL, Elements.RANDOM_BITS)) {
        cases.add(new BitCase(rule, type, elements, Extra.ofElements(i), ODD, 2, true));
      }
      extra = Extra.ofNorm(i, rule, type);
      cases.add(new BitCase(rule, type, Elements.FINITE_EXTREMES, extra, ODD, 2, true));
      i++;
    }
    for (UpdateRule rule : Rules.all()) {
      List<Integer> several = rule.matrix().isPresent() ? MATRICES : MANY;
      cases.add(new BitCase(rule, type, Elements.ORDINARY, Extra.CLIPPED_NORM, several, 3, false));
      if (!type.isHalf() && rule.matrix().isEmpty()) { // whose products would take minutes
        cases.add(new BitCase(rule, type, Elements.ORDINARY, Extra.NOTHING, LARGE, 3, false));
        cases.add(new BitCase(rule, type, Elements.RANDOM_BITS, Extra.NOTHING, MEDIUM, 2, false));
      }
      if (!type.isHalf()) {
        cases.add(new BitCase(rule, type, Elements.ORDINARY, Extra.NOTHING, SMALL, 1000, false));
      }
    }
    cases.addAll(Storing.cases(type, ODD));
    cases.addAll(options(type));
    return cases;
  }

  /**
   * Few of these, which cover every two choices that come together in one of them: of kernel and
   * options, weight decay, sign, type, values, tensors and what an optimizer does besides; of types
   * and ways to store with each other, under any rule.
   *
   * @param all cases of one type or several
   * @return those that are taken
   */
  static List<BitCase> few(List<BitCase> all) {
    return PairCover.of(all, BitCase::choices);
  }

  /** What it is made of, where no rule need meet every way to store. */
  List<String> choices() {
    List<String> choices =
        new ArrayList<>(List.of("type " + type, "values " + elements, "extra " + extra));
    if (storing.equals(Storing.plain(type))) {
      choices.add("rule " + rule.name() + ", kernel " + rule.kernel());
      choices.add("options " + rule.options());
      choices.add("decays " + !rule.equals(rule.weightDecay(0)));
      choices.add("maximize " + rule.maximize());
      choices.add("tensors " + lengths + " steps " + (steps > STEPS));
    } else {
      choices.addAll(storing.choices());
    }
    return choices;
  }

  /** What is one for all rules. */
  private static List<BitCase> options(ElementType type) {
    List<BitCase> cases = new ArrayList<>();
    for (Elements elements : List.of(Elements.ORDINARY, Elements.FINITE_EXTREMES)) {
      for (Extra norm : List.of(Extra.CLIPPED_L1, Extra.CLIPPED_MAX)) {
        cases.add(new BitCase(Sgd.sgd(), type, elements, norm, ODD, 2, true));
      }
    }
    for (Extra extra : List.of(Extra.ACCUMULATED, Extra.SKIPPED, Extra.CAPTURED)) {
      cases.add(new BitCase(Adam.adamW(), type, Elements.ORDINARY, extra, ODD, 9, false));
    }
    UpdateRule slow = Lookahead.around(Momentum.heavyBall(0.9)).k(2);
    cases.add(new BitCase(slow, type, Elements.ORDINARY, Extra.NOTHING, ODD, STEPS, true));
    for (Extra extra : List.of(Extra.SKIPPED, Extra.CAPTURED)) {
      cases.add(new BitCase(slow, type, Elements.ORDINARY, extra, ODD, 9, false));
    }
    UpdateRule swapped = ScheduleFreeSgd.scheduleFreeSgd();
    cases.add(new BitCase(swapped, type, Elements.ORDINARY, Extra.EVALUATED, ODD, STEPS, true));
    if (type != ElementType.FLOAT64) {
      BitCase averaged =
          new BitCase(Adam.adamW(), type, Elements.ORDINARY, Extra.AVERAGED, ODD, STEPS, true);
      cases.add(averaged);
      if (type.isHalf()) {
        cases.add(averaged.with(Storing.ofMasters(type)));
      }
    }
    return cases;
  }

  private BitCase with(Storing other) {
    return new BitCase(rule, type, elements, extra, lengths, steps, comparesEachStep, other);
  }

  /**
   * The rules of the groups that the tensors are of in turn: three, or of many tensors so many that
   * their numbers go through a table, of the forms under one kernel in turn. Each rule has so many
   * in one type of 16 bits: on OpenCL that is a program of its own.
   *
   * @return a rule for each group
   */
  List<UpdateRule> groups() {
    boolean isTurn = !type.isHalf() || (NAMES.indexOf(rule.name()) + type.ordinal()) % 2 == 0;
    boolean hasMany = lengths.size() >= MANY.size() && isTurn;
    if (!hasMany) {
      return Collections.nCopies(Math.min(FEW_GROUPS, lengths.size()), rule);
    }
    List<UpdateRule> forms =
        Rules.forms().stream().filter(form -> form.kernel().equals(rule.kernel())).toList();
    List<UpdateRule> groups = new ArrayList<>(List.of(rule));
    for (int i = 1; i < MANY_GROUPS; i++) {
      groups.add(forms.get(i % forms.size()));
    }
    return groups;
  }

  /**
   * What the learning rate of a group is multiplied by: 0 in the third where gradients that are not
   * finite show whether its parameters keep their bits.
   *
   * @param group from 0
   * @return the factor
   */
  double rateFactor(int group) {
    boolean isFinite = elements == Elements.ORDINARY || elements == Elements.FINITE_EXTREMES;
    return group == 0 ? 1 : group == FEW_GROUPS - 1 && !isFinite ? 0 : 0.5 / group;
  }

  @Override
  public String toString() {
    return rule
        + ", "
        + type
        + ", "
        + elements.name().toLowerCase(java.util.Locale.ROOT).replace('_', ' ')
        + ", "
        + extra.name().toLowerCase(java.util.Locale.ROOT).replace('_', ' ')
        + storing.text();
  }
}
