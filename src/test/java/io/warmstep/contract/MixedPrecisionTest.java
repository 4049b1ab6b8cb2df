package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.Tensor;
import io.warmstep.check.PairCover;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Reference;
import io.warmstep.testkit.Reference24;
import io.warmstep.testkit.ReferenceClip;
import io.warmstep.testkit.ReferenceCodes;
import io.warmstep.testkit.ReferenceNorm;
import io.warmstep.testkit.ReferenceRandom;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Parameters with masters, gradients of another type than the parameters, state in fewer bits,
 * random rounding and averages: every backend has the bits of plain loops in float32 whose numbers
 * are converted one by one. Of rules, types, kinds of storage and what else a step does, every two
 * choices that can be had together are; AdamW with all of its state goes through all kinds, but on
 * OpenCL.
 */
class MixedPrecisionTest {
  private static final int[] SIZES = {0, 1, 31, 32, 33, 258, 2049, 4130};
  private static final double RATE = 0.0123;
  private static final long SEED = 0x123456789abcdefL;
  private static final int STEPS = 3;
  private static final double DECAY = 0.25;
  private static final double CLIP_NORM = 0.75;
  private static final double ADAPTIVE_CLIP = 0.25;
  private static final double EPS = 1e-3;
  private static final double SCALE = 16;

  /** A kind of parameters and what is kept of them. */
  record Kind(
      ElementType values,
      ElementType gradients,
      MasterWeights masters,
      StateType state,
      Rounding rounding) {
    boolean canHave(UpdateRule rule) {
      boolean narrows = rule.stateSlots().stream().anyMatch(this::isNarrow);
      boolean roundsState =
          rule.stateSlots().stream()
              .anyMatch(
                  slot ->
                      isNarrow(slot)
                          && (state == StateType.BFLOAT16
                              || slot.content() == StateSlot.Content.SQUARE));
      boolean roundsValues = values == ElementType.BFLOAT16 && masters != MasterWeights.EXACT;
      return !rule.isOfOneType()
          && (state == StateType.FLOAT32 || narrows)
          && (rounding == Rounding.NEAREST || roundsState || roundsValues);
    }

    boolean isNarrow(StateSlot slot) {
      return state != StateType.FLOAT32 && slot.isAverage();
    }
  }

  /** All that an optimizer takes under one rule or another, but that all is of one type. */
  private static List<Kind> possibleKinds() {
    List<Kind> kinds = new ArrayList<>();
    ElementType[][] types = {
      {ElementType.BFLOAT16, ElementType.BFLOAT16},
      {ElementType.BFLOAT16, ElementType.FLOAT32},
      {ElementType.FLOAT16, ElementType.FLOAT16},
      {ElementType.FLOAT16, ElementType.FLOAT32},
      {ElementType.FLOAT32, ElementType.FLOAT32},
      {ElementType.FLOAT32, ElementType.BFLOAT16},
      {ElementType.FLOAT32, ElementType.FLOAT16}
    };
    for (ElementType[] pair : types) {
      for (MasterWeights masters : MasterWeights.values()) {
        for (StateType state : StateType.values()) {
          for (Rounding rounding : Rounding.values()) {
            boolean isPlain =
                pair[0] == pair[1]
                    && masters == MasterWeights.NONE
                    && state == StateType.FLOAT32
                    && rounding == Rounding.NEAREST;
            boolean isRefused =
                (masters != MasterWeights.NONE && !pair[0].isHalf())
                    || (masters == MasterWeights.BITS_24 && pair[0] == ElementType.FLOAT16)
                    || (rounding == Rounding.STOCHASTIC
                        && pair[0] == ElementType.FLOAT16
                        && masters == MasterWeights.NONE);
            if (!isPlain && !isRefused) {
              kinds.add(new Kind(pair[0], pair[1], masters, state, rounding));
            }
          }
        }
      }
    }
    return kinds;
  }

  /** Of those with codes one for each pair of types: on OpenCL each is a program of its own. */
  static List<Kind> kinds() {
    return possibleKinds().stream()
        .filter(
            kind -> {
              boolean areHalf = kind.values.isHalf() && kind.gradients.isHalf();
              boolean areSame = kind.values == kind.gradients;
              boolean isStochastic = kind.rounding == Rounding.STOCHASTIC;
              return RuleMatrix.IS_FULL
                  || kind.state != StateType.INT8
                  || (kind.masters == MasterWeights.BITS_24
                      ? areSame && isStochastic
                      : (kind.masters == MasterWeights.EXACT) == areHalf
                          && isStochastic != areSame);
            })
        .toList();
  }

  /** What a step does besides. */
  private enum Extra {
    CLIP_NORM,
    LOSS_SCALER,
    SKIP_NON_FINITE,
    ACCUMULATION,
    GROUPS,
    ADAPTIVE_CLIP,
    AVERAGE;

    /** Those of which a step may not happen, or gradients are not as they lie in memory. */
    static final Set<Extra> OF_FINITE_GRADIENTS =
        EnumSet.range(Extra.CLIP_NORM, Extra.ACCUMULATION);

    boolean canBeHad(UpdateRule rule) {
      return switch (this) {
        case ADAPTIVE_CLIP -> rule.sums().isEmpty();
        case AVERAGE -> rule.evaluation().isEmpty(); // else it has weights of its own for that
        default -> true;
      };
    }

    /** Eight sets, in which each two of these are both, neither, and each without the other. */
    static List<Set<Extra>> sets() {
      return IntStream.range(0, 8)
          .mapToObj(
              row ->
                  Arrays.stream(values())
                      .filter(extra -> Integer.bitCount(row & extra.ordinal() + 1) % 2 == 1)
                      .collect(Collectors.toSet()))
          .toList();
    }
  }

  /** What an optimizer is asked for. */
  record Case(UpdateRule rule, Kind kind, Set<Extra> extras) {
    /** Without what the rule cannot have. */
    Case {
      extras = extras.stream().filter(extra -> extra.canBeHad(rule)).collect(Collectors.toSet());
    }

    boolean has(Extra extra) {
      return extras.contains(extra);
    }

    Case without(Set<Extra> others) {
      return new Case(
          rule,
          kind,
          extras.stream().filter(extra -> !others.contains(extra)).collect(Collectors.toSet()));
    }

    List<String> choices() {
      List<String> choices = new ArrayList<>();
      choices.add("rule " + rule.kernel());
      choices.add("options " + rule.options());
      choices.add("values " + kind.values);
      choices.add("gradients " + kind.gradients);
      choices.add("masters " + kind.masters);
      choices.add("state " + kind.state);
      choices.add("rounding " + kind.rounding);
      for (Extra extra : Extra.values()) {
        choices.add((has(extra) ? "with " : "without ") + extra);
      }
      return choices;
    }

    @Override
    public String toString() {
      return kind
          + ", "
          + rule
          + ", "
          + EnumSet.allOf(Extra.class).stream().filter(this::has).toList();
    }
  }

  /** One of each entry of the kernels, without clipping of its own. */
  private static List<UpdateRule> rules() {
    return RuleMatrix.entries().stream()
        .map(RuleMatrix::unclipped)
        .filter(rule -> !rule.isOfOneType())
        .toList();
  }

  private static List<Case> cases(List<UpdateRule> rules, List<Kind> kinds, List<Set<Extra>> sets) {
    return rules.stream()
        .flatMap(
            rule ->
                kinds.stream()
                    .filter(kind -> kind.canHave(rule))
                    .flatMap(kind -> sets.stream().map(extras -> new Case(rule, kind, extras))))
        .toList();
  }

  private static final List<Case> CHOSEN = chosen();

  /**
   * Few of all, for each is a program of its own on OpenCL; there AdamW does not go through all
   * kinds either unless the matrix is full.
   */
  private static List<Case> chosen() {
    List<Set<Extra>> sets = Extra.sets();
    List<UpdateRule> rich =
        ContractBackend.all().stream().anyMatch(ContractBackend::isOpenCl)
            ? List.of()
            : List.of(Adam.adamW().amsgrad(true));
    List<Case> chosen = new ArrayList<>();
    for (Case one : cases(RuleMatrix.IS_FULL ? rules() : rich, kinds(), sets.subList(0, 1))) {
      chosen.add(new Case(one.rule, one.kind, sets.get(chosen.size() % sets.size())));
    }
    chosen.addAll(PairCover.beside(chosen, cases(rules(), possibleKinds(), sets), Case::choices));
    return chosen;
  }

  static Stream<Arguments> backendsAndCases() {
    return ContractBackend.inTurn(CHOSEN);
  }

  /** Of all rules, kinds and sets of one or two extras. */
  @Test
  void everyTwoChoicesComeTogether() {
    List<Set<Extra>> sets = new ArrayList<>(List.of(Set.of()));
    for (Extra one : Extra.values()) {
      sets.add(Set.of(one));
      for (Extra other : EnumSet.range(Extra.CLIP_NORM, one)) {
        if (one != other) {
          sets.add(Set.of(one, other));
        }
      }
    }
    Set<String> possible = new HashSet<>();
    cases(rules(), possibleKinds(), sets)
        .forEach(one -> possible.addAll(PairCover.pairs(one.choices())));
    Set<String> taken = new HashSet<>();
    CHOSEN.forEach(one -> taken.addAll(PairCover.pairs(one.choices())));
    possible.removeAll(taken);
    assertEquals(Set.of(), possible);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndCases")
  void hasTheBitsOfPlainLoops(ContractBackend backend, Case one) {
    run(backend.shared(), one, Scene.ORDINARY, true);
    Case ofAnyGradients = one.without(Extra.OF_FINITE_GRADIENTS);
    run(backend.shared(), ofAnyGradients, Scene.ADVERSARIAL, false);
    if (one.rule.sums().isPresent()) {
      run(backend.shared(), ofAnyGradients, Scene.OUT_OF_RANGE, false);
    }
  }

  /** One way to store at a time. */
  enum Way {
    EXACT_MASTERS,
    MASTERS_OF_24_BITS,
    STATE_OF_8_BITS,
    BFLOAT16_STATE,
    STOCHASTIC_ROUNDING,
    AVERAGES;

    Kind kind() {
      boolean isHalf =
          this == EXACT_MASTERS || this == MASTERS_OF_24_BITS || this == STOCHASTIC_ROUNDING;
      ElementType type = isHalf ? ElementType.BFLOAT16 : ElementType.FLOAT32;
      return new Kind(
          type,
          type,
          switch (this) {
            case EXACT_MASTERS -> MasterWeights.EXACT;
            case MASTERS_OF_24_BITS -> MasterWeights.BITS_24;
            default -> MasterWeights.NONE;
          },
          switch (this) {
            case STATE_OF_8_BITS -> StateType.INT8;
            case BFLOAT16_STATE -> StateType.BFLOAT16;
            default -> StateType.FLOAT32;
          },
          this == STOCHASTIC_ROUNDING ? Rounding.STOCHASTIC : Rounding.NEAREST);
    }

    /** What the message says if the rule cannot be stored so; docs/MIXED_PRECISION.md has more. */
    Optional<String> reason(UpdateRule rule) {
      boolean isNarrow = this == STATE_OF_8_BITS || this == BFLOAT16_STATE;
      String reason =
          switch (rule.name()) {
            case "prodigy" -> ", since the kernels of sums over a group take all in one type, ";
            case "adafactor" -> ", since the kernels of factors take all in one type, ";
            case "sgd" -> isNarrow ? ", since only running averages of elements, " : null;
            case "adagrad", "rprop" -> isNarrow ? ", which is no running average: " : null;
            case "asgd", "schedulefreesgd" ->
                isNarrow
                    ? ", which is no running average: "
                    : this == AVERAGES ? ", which has weights of its own to evaluate with" : null;
            case "schedulefreeadamw" ->
                this == AVERAGES ? ", which has weights of its own to evaluate with" : null;
            default -> null;
          };
      return Optional.ofNullable(reason);
    }
  }

  static Stream<Arguments> rulesAndWays() {
    return Stream.concat(RuleMatrix.rich().stream(), Stream.of(Prodigy.prodigy()))
        .map(RuleMatrix::unclipped)
        .flatMap(rule -> Arrays.stream(Way.values()).map(way -> Arguments.of(rule, way)));
  }

  /** On the processor: above every backend has such cases, but not each rule in each way. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("rulesAndWays")
  void everyRuleIsStoredInEveryWayOrSaysWhyNot(UpdateRule rule, Way way) {
    Set<Extra> extras = way == Way.AVERAGES ? Set.of(Extra.AVERAGE) : Set.of();
    Case one = new Case(rule, way.kind(), extras);
    try (Device cpu = Devices.cpu(2)) {
      if (way.reason(rule).isEmpty()) {
        run(cpu, one, Scene.ORDINARY, true);
        return;
      }
      try (Parameters parameters =
          Shapes.give(Parameters.on(cpu).add("w", one.kind.values, 64), "w", 64).build()) {
        OptimizerBuilder builder = builder(parameters, one, false);
        if (way == Way.AVERAGES) {
          builder.average(DECAY);
        }
        String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
        assertTrue(message.contains(way.reason(rule).get()), message);
      }
    }
  }

  /** What tensors hold. */
  private enum Scene {
    ORDINARY,
    ADVERSARIAL,
    /**
     * Numbers whose squares overflow a leaf's sum or vanish in it, zeros, and a NaN among others,
     * of tensors in turn.
     */
    OUT_OF_RANGE;

    double[] numbers(SplittableRandom random, ElementType type, int length, int tensor) {
      if (this == ADVERSARIAL) {
        return Numbers.adversarial(random, type, length);
      }
      double[] numbers = Numbers.ordinary(random, type, length);
      if (this == OUT_OF_RANGE) {
        int most = type == ElementType.FLOAT16 ? 10 : 90;
        int power = most * new int[] {0, 1, 0, -1, 1, 0, -1, 1}[tensor];
        for (int i = 0; i < length; i++) {
          numbers[i] = tensor == 2 ? 0 : Numbers.round(type, Math.scalb(numbers[i], power));
        }
        if (tensor == 5) {
          numbers[length / 2] = Double.NaN;
        }
      }
      return numbers;
    }
  }

  private static String name(int tensor) {
    return (tensor % 2 == 0 ? "even" : "odd") + tensor;
  }

  private static void run(Device device, Case one, Scene scene, boolean borrows) {
    Kind kind = one.kind;
    UpdateRule rule = one.rule;
    SplittableRandom random = new SplittableRandom(kind.hashCode() % 1000 + (borrows ? 1 : 2));
    var builder = Parameters.on(device).gradientType(kind.gradients);
    List<Tensor> tensors = new ArrayList<>();
    List<Reference> references = new ArrayList<>();
    List<float[]> averages = new ArrayList<>();
    for (int i = 0; i < SIZES.length; i++) {
      double[] initial = scene.numbers(random, kind.values, SIZES[i], i);
      references.add(new Reference(rule, ElementType.FLOAT32, initial));
      averages.add(Numbers.floats(initial));
      if (borrows) { // at odd places of larger tensors
        Tensor values = device.allocate(kind.values, SIZES[i] + 8);
        Tensor gradients = device.allocate(kind.gradients, SIZES[i] + 8);
        tensors.add(values);
        tensors.add(gradients);
        values.slice(1 + i % 4, SIZES[i]).copyFrom(initial);
        builder.borrow(name(i), values.slice(1 + i % 4, SIZES[i]), gradients.slice(3, SIZES[i]));
      } else {
        builder.add(name(i), kind.values, Numbers.floats(initial));
      }
      Shapes.give(builder, name(i), SIZES[i]);
    }
    boolean skips = one.has(Extra.LOSS_SCALER) || one.has(Extra.SKIP_NON_FINITE);
    long happened = 0;
    try (Parameters parameters = builder.build();
        Optimizer optimizer = builder(parameters, one, borrows).build()) {
      for (int step = 1; step <= STEPS + (skips ? 1 : 0); step++) {
        boolean isSkipped = skips && step == 2;
        List<double[]> gradients = gradients(parameters, optimizer, one, scene, random, isSkipped);
        if (!isSkipped) {
          happened++;
          double scale = 1 / (one.has(Extra.LOSS_SCALER) ? SCALE : 1);
          double mean = one.has(Extra.ACCUMULATION) ? scale / 2 : scale; // exact, both of them
          double norm = ReferenceNorm.of(ElementType.FLOAT32, gradients) * mean;
          double clip =
              one.has(Extra.CLIP_NORM)
                  ? ReferenceNorm.clipFactor(ElementType.FLOAT32, CLIP_NORM, norm)
                  : 1;
          for (int i = 0; i < SIZES.length; i++) {
            int parameter = i;
            long number = happened;
            references
                .get(i)
                .step(
                    happened,
                    one.has(Extra.GROUPS) && i % 2 == 1 ? RATE * 0.5 : RATE,
                    gradients.get(i),
                    scale(one, parameters.get(name(i)), gradients.get(i), mean, clip),
                    1,
                    borrows ? 1e3f : 1e30f,
                    (slot, values) -> stored(kind, rule, slot, values, number, parameter));
            average(averages.get(i), references.get(i).parameters(), happened);
            convert(kind, rule, references.get(i), happened, i);
          }
        }
        optimizer.step();
        assertEquals(isSkipped, optimizer.isLastStepSkipped(), one + ", step " + step);
        for (int i = 0; i < SIZES.length; i++) {
          String where = one + ", step " + step + ", " + name(i);
          check(kind, parameters, optimizer, references.get(i), name(i), where);
          if (one.has(Extra.AVERAGE)) {
            Bits.assertSame(
                Numbers.doubles(averages.get(i)),
                optimizer.state(name(i), "average").toDoubles(),
                () -> where + ", average");
          }
          if (borrows) {
            assertArrayEquals(
                new double[SIZES[i]], parameters.get(name(i)).gradients().toDoubles(), where);
          }
        }
      }
      checkNeighbours(tensors, SIZES);
    }
    tensors.forEach(Tensor::close);
  }

  /**
   * Writes the gradients of a step, or those of its micro-batches one after the other.
   *
   * @param isSkipped whether one of them is to be no number
   * @return what the step finds
   */
  private static List<double[]> gradients(
      Parameters parameters,
      Optimizer optimizer,
      Case one,
      Scene scene,
      SplittableRandom random,
      boolean isSkipped) {
    ElementType type = one.kind.gradients;
    List<double[]> sums = new ArrayList<>();
    for (int batch = 0; batch < (one.has(Extra.ACCUMULATION) ? 2 : 1); batch++) {
      for (int i = 0; i < SIZES.length; i++) {
        double[] gradients = scene.numbers(random, type, SIZES[i], i);
        if (isSkipped && batch == 0 && i == 3) {
          gradients[5] = i % 2 == 0 ? Double.NaN : Double.POSITIVE_INFINITY;
        }
        parameters.get(name(i)).gradients().copyFrom(gradients);
        if (batch == 0) {
          sums.add(gradients);
        } else {
          double[] sum = sums.get(i);
          Arrays.setAll(sum, j -> Numbers.round(type, (float) sum[j] + (float) gradients[j]));
        }
      }
      if (one.has(Extra.ACCUMULATION)) {
        optimizer.accumulate();
      }
    }
    return sums;
  }

  /** What the gradients of a tensor are multiplied by. */
  private static double scale(
      Case one, Parameter parameter, double[] gradients, double mean, double clip) {
    double scale = ReferenceClip.product(ElementType.FLOAT32, mean, clip);
    if (!one.has(Extra.ADAPTIVE_CLIP)) {
      return scale;
    }
    double[] values = parameter.values().toDoubles();
    double factor =
        ReferenceClip.factor(one.kind.values, ADAPTIVE_CLIP, EPS, values, gradients, scale);
    return ReferenceClip.product(ElementType.FLOAT32, scale, factor);
  }

  private static OptimizerBuilder builder(Parameters parameters, Case one, boolean zeroes) {
    Kind kind = one.kind;
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(one.rule)
            .learningRate(RATE)
            .masterWeights(kind.masters)
            .stateType(kind.state, 0)
            .rounding(kind.rounding, SEED)
            .clipValue(zeroes ? 1e3 : 1e30)
            .zeroGradients(zeroes);
    for (Extra extra : one.extras) {
      switch (extra) {
        case CLIP_NORM -> builder.clipNorm(CLIP_NORM);
        case LOSS_SCALER -> builder.lossScaler(LossScaler.fixed(SCALE));
        case SKIP_NON_FINITE -> builder.skipNonFinite(true);
        case ACCUMULATION -> {}
        case GROUPS -> builder.group(ParameterGroup.matching("odd*").learningRateFactor(0.5));
        case ADAPTIVE_CLIP -> builder.adaptiveClip(ADAPTIVE_CLIP, EPS);
        case AVERAGE -> builder.average(DECAY);
      }
    }
    return builder;
  }

  /** Moves an average in float32 as the documentation of the builder says. */
  private static void average(float[] average, double[] values, long step) {
    float weight = (float) (1 - Math.min(DECAY, (1.0 + step) / (10.0 + step)));
    for (int i = 0; i < values.length; i++) {
      average[i] = Math.fma(weight, (float) values[i] - average[i], average[i]);
    }
  }

  /** What lies beside the borrowed parts is as it was. */
  private static void checkNeighbours(List<Tensor> tensors, int[] sizes) {
    for (int i = 0; i < tensors.size(); i++) {
      double[] all = tensors.get(i).toDoubles();
      int from = i % 2 == 1 ? 3 : 1 + i / 2 % 4;
      for (int j = 0; j < all.length; j++) {
        if (j < from || j >= from + sizes[i / 2]) {
          assertEquals(0, all[j], "element " + j + " of tensor " + i);
        }
      }
    }
  }

  /** Gives the reference what is left of its numbers once they are stored. */
  private static void convert(
      Kind kind, UpdateRule rule, Reference reference, long step, int parameter) {
    for (int slot = 0; slot < rule.stateSlots().size(); slot++) {
      if (rule.access().writes(2 + slot)) {
        double[] values = reference.state(slot);
        reference.state(slot, stored(kind, rule, slot, values, step, parameter));
      }
    }
    if (kind.masters == MasterWeights.BITS_24) {
      double[] values = reference.parameters();
      for (int i = 0; i < values.length; i++) {
        float value = (float) values[i];
        values[i] =
            kind.rounding == Rounding.NEAREST
                ? Reference24.nearest(value)
                : Reference24.random(value, ReferenceRandom.bits(SEED, step, parameter, 0, i));
      }
      reference.parameters(values);
    }
    if (kind.masters == MasterWeights.NONE) {
      double[] values = reference.parameters();
      reference.parameters(
          kind.values == ElementType.BFLOAT16
              ? rounded(kind, values, step, parameter, 0)
              : Numbers.round(kind.values, values));
    }
  }

  /** What is left of the numbers of a slot. */
  private static double[] stored(
      Kind kind, UpdateRule rule, int slot, double[] values, long step, int parameter) {
    StateSlot its = rule.stateSlots().get(slot);
    if (!kind.isNarrow(its)) {
      return values;
    }
    return kind.state == StateType.INT8
        ? decoded(kind, its.content(), values, step, parameter, 2 + slot)
        : rounded(kind, values, step, parameter, 2 + slot);
  }

  private static double[] decoded(
      Kind kind,
      StateSlot.Content content,
      double[] values,
      long step,
      int parameter,
      int operand) {
    if (content == StateSlot.Content.MOMENT) {
      return ReferenceCodes.moments(values);
    }
    return ReferenceCodes.squares(
        values,
        kind.rounding == Rounding.NEAREST
            ? null
            : i -> ReferenceRandom.bits(SEED, step, parameter, operand, i));
  }

  private static double[] rounded(
      Kind kind, double[] values, long step, int parameter, int operand) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] =
          kind.rounding == Rounding.NEAREST
              ? Numbers.round(ElementType.BFLOAT16, values[i])
              : ReferenceRandom.round(
                  (float) values[i], ReferenceRandom.bits(SEED, step, parameter, operand, i));
    }
    return rounded;
  }

  private static void check(
      Kind kind,
      Parameters parameters,
      Optimizer optimizer,
      Reference reference,
      String name,
      String where) {
    double[] values = parameters.get(name).values().toDoubles();
    double[] masters = reference.parameters();
    if (kind.masters == MasterWeights.NONE) {
      Bits.assertSame(masters, values, () -> where);
    } else {
      Bits.assertSame(masters, optimizer.state(name, "master").toDoubles(), () -> where);
      double[] rounded = new double[masters.length];
      for (int i = 0; i < masters.length; i++) {
        rounded[i] =
            kind.values == ElementType.FLOAT16
                ? Numbers.round(ElementType.FLOAT16, masters[i])
                : awayFromZero((float) masters[i]);
      }
      Bits.assertSame(rounded, values, () -> where + ", rounded");
    }
    for (int slot = 0; slot < reference.rule().stateSlots().size(); slot++) {
      if (!reference.rule().stateSlots().get(slot).isState()) {
        continue;
      }
      String state = reference.rule().stateSlots().get(slot).name();
      Bits.assertSame(
          reference.state(slot),
          optimizer.state(name, state).toDoubles(),
          () -> where + ", " + state);
    }
  }

  /** The nearest bfloat16, of two as near the one further from zero. */
  private static double awayFromZero(float value) {
    if (Float.isNaN(value)) {
      return Double.NaN;
    }
    return Float.intBitsToFloat((Float.floatToRawIntBits(value) + 0x8000) & 0xffff0000);
  }

  /** Known answers of the generator's authors. */
  @Test
  void randomNumbersArePhiloxs() {
    assertArrayEquals(
        new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        ReferenceRandom.philox(new int[4], new int[2]));
    assertArrayEquals(
        new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
        ReferenceRandom.philox(
            new int[] {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
            new int[] {0xa4093822, 0x299f31d0}));
  }
}
