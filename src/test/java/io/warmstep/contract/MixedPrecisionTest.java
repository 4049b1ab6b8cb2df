package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.check.PairCover;
import io.warmstep.contract.MixedCase.Extra;
import io.warmstep.contract.MixedCase.Scene;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.ReferenceRandom;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import io.warmstep.testkit.StoredForm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Parameters with masters, gradients of another type than the parameters, state in fewer bits,
 * random rounding and averages: every backend has the bits of plain loops in float32 whose numbers
 * are converted one by one. Of rules, types, kinds of storage and what else a step does, every two
 * choices that can be had together are; AdamW with all of its state goes through all forms, but on
 * OpenCL.
 */
class MixedPrecisionTest {
  /** All that an optimizer takes under one rule or another, but that all is of one type. */
  private static List<StoredForm> possibleForms() {
    List<StoredForm> forms = new ArrayList<>();
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
              forms.add(new StoredForm(pair[0], pair[1], masters, state, rounding));
            }
          }
        }
      }
    }
    return forms;
  }

  /** Of those with codes one for each pair of types: on OpenCL each is a program of its own. */
  static List<StoredForm> forms() {
    return possibleForms().stream()
        .filter(
            form -> {
              boolean areHalf = form.values().isHalf() && form.gradients().isHalf();
              boolean areSame = form.values() == form.gradients();
              boolean isStochastic = form.rounding() == Rounding.STOCHASTIC;
              return RuleMatrix.IS_FULL
                  || form.state() != StateType.INT8
                  || (form.masters() == MasterWeights.BITS_24
                      ? areSame && isStochastic
                      : (form.masters() == MasterWeights.EXACT) == areHalf
                          && isStochastic != areSame);
            })
        .toList();
  }

  /** One of each entry of the kernels, without clipping of its own. */
  private static List<UpdateRule> rules() {
    return RuleMatrix.entries().stream()
        .map(RuleMatrix::unclipped)
        .filter(rule -> !rule.isOfOneType())
        .toList();
  }

  private static List<MixedCase> cases(
      List<UpdateRule> rules, List<StoredForm> forms, List<Set<Extra>> sets) {
    return rules.stream()
        .flatMap(
            rule ->
                forms.stream()
                    .filter(form -> form.canHave(rule))
                    .flatMap(
                        form -> sets.stream().map(extras -> new MixedCase(rule, form, extras))))
        .toList();
  }

  private static final List<MixedCase> CHOSEN = chosen();

  /**
   * Few of all, for each is a program of its own on OpenCL; there AdamW does not go through all
   * kinds either unless the matrix is full.
   */
  private static List<MixedCase> chosen() {
    List<Set<Extra>> sets = Extra.sets();
    List<UpdateRule> rich =
        ContractBackend.all().stream().anyMatch(ContractBackend::isOpenCl)
            ? List.of()
            : List.of(Adam.adamW().amsgrad(true));
    List<MixedCase> chosen = new ArrayList<>();
    for (MixedCase one : cases(RuleMatrix.IS_FULL ? rules() : rich, forms(), sets.subList(0, 1))) {
      chosen.add(new MixedCase(one.rule(), one.form(), sets.get(chosen.size() % sets.size())));
    }
    chosen.addAll(
        PairCover.beside(chosen, cases(rules(), possibleForms(), sets), MixedCase::choices));
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
    cases(rules(), possibleForms(), sets)
        .forEach(one -> possible.addAll(PairCover.pairs(one.choices())));
    Set<String> taken = new HashSet<>();
    CHOSEN.forEach(one -> taken.addAll(PairCover.pairs(one.choices())));
    possible.removeAll(taken);
    assertEquals(Set.of(), possible);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndCases")
  void hasTheBitsOfPlainLoops(ContractBackend backend, MixedCase one) {
    one.run(backend.shared(), Scene.ORDINARY, true);
    MixedCase ofAnyGradients = one.without(Extra.OF_FINITE_GRADIENTS);
    ofAnyGradients.run(backend.shared(), Scene.ADVERSARIAL, false);
    if (one.rule().sums().isPresent()) {
      ofAnyGradients.run(backend.shared(), Scene.OUT_OF_RANGE, false);
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

    StoredForm form() {
      boolean isHalf =
          this == EXACT_MASTERS || this == MASTERS_OF_24_BITS || this == STOCHASTIC_ROUNDING;
      ElementType type = isHalf ? ElementType.BFLOAT16 : ElementType.FLOAT32;
      return new StoredForm(
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
    MixedCase one = new MixedCase(rule, way.form(), extras);
    try (Device cpu = Devices.cpu(2)) {
      if (way.reason(rule).isEmpty()) {
        one.run(cpu, Scene.ORDINARY, true);
        return;
      }
      try (Parameters parameters =
          Shapes.give(Parameters.on(cpu).add("w", one.form().values(), 64), "w", 64).build()) {
        OptimizerBuilder builder = one.builder(parameters, 1e30f, false);
        if (way == Way.AVERAGES) {
          builder.average(MixedCase.DECAY);
        }
        String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
        assertTrue(message.contains(way.reason(rule).get()), message);
      }
    }
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
