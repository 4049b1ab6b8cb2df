package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Reference;
import io.warmstep.testkit.Reference24;
import io.warmstep.testkit.ReferenceCodes;
import io.warmstep.testkit.ReferenceRandom;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Parameters with masters, gradients of another type than the parameters, state in fewer bits,
 * random rounding and averages: every backend has the bits of plain loops in float32 whose numbers
 * are converted one by one. Each rule goes through some of the kinds, one after the other, unless
 * the matrix is full.
 */
class MixedPrecisionTest {
  private static final int[] SIZES = {0, 1, 31, 32, 33, 258, 2049, 4130};
  private static final double RATE = 0.0123;
  private static final long SEED = 0x123456789abcdefL;
  private static final int STEPS = 3;
  private static final double DECAY = 0.25;

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

  static List<Kind> kinds() {
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
            // Of those with codes one for each pair of types: on OpenCL each is a program of its
            // own.
            boolean isOneTooMany =
                state == StateType.INT8
                    && !RuleMatrix.IS_FULL
                    && (masters == MasterWeights.BITS_24
                        ? pair[0] != pair[1] || rounding == Rounding.NEAREST
                        : (masters == MasterWeights.EXACT) != (pair[0].isHalf() && pair[1].isHalf())
                            || (rounding == Rounding.STOCHASTIC) != (pair[0] != pair[1]));
            if (!isPlain && !isRefused && !isOneTooMany) {
              kinds.add(new Kind(pair[0], pair[1], masters, state, rounding));
            }
          }
        }
      }
    }
    return kinds;
  }

  static Stream<Arguments> backendsAndKinds() {
    List<Kind> kinds = kinds();
    return ContractBackend.all().stream()
        .flatMap(
            backend -> kinds.stream().map(kind -> Arguments.of(backend, kind, rules(kinds, kind))));
  }

  /** Those of a kind: every rule is one of them for a kind at least. */
  private static List<UpdateRule> rules(List<Kind> kinds, Kind kind) {
    List<UpdateRule> rules = new ArrayList<>();
    int turn = 0;
    for (UpdateRule rule : RuleMatrix.entries()) {
      List<Kind> possible = kinds.stream().filter(one -> one.canHave(rule)).toList();
      if (possible.contains(kind)
          && (RuleMatrix.IS_FULL || possible.get(turn++ * 5 % possible.size()).equals(kind))) {
        rules.add(rule);
      }
    }
    UpdateRule rich = Adam.adamW().amsgrad(true);
    if (!RuleMatrix.IS_FULL && kind.canHave(rich)) {
      rules.add(rich);
    }
    UpdateRule summed = Lamb.lamb().maxGradNorm(0); // whose first phase moves state, of both sorts
    if (!RuleMatrix.IS_FULL && kind.canHave(summed) && kinds.indexOf(kind) % 3 == 0) {
      rules.add(summed);
    }
    return rules;
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndKinds")
  void hasTheBitsOfPlainLoops(ContractBackend backend, Kind kind, List<UpdateRule> rules) {
    for (UpdateRule rule : rules) {
      run(backend.shared(), kind, rule, Scene.ORDINARY, true);
      run(backend.shared(), kind, rule, Scene.ADVERSARIAL, false);
      if (rule.sums().isPresent()) {
        run(backend.shared(), kind, rule, Scene.OUT_OF_RANGE, false);
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

  private static void run(Device device, Kind kind, UpdateRule rule, Scene scene, boolean borrows) {
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
        builder.borrow("p" + i, values.slice(1 + i % 4, SIZES[i]), gradients.slice(3, SIZES[i]));
      } else {
        builder.add("p" + i, kind.values, Numbers.floats(initial));
      }
      Shapes.give(builder, "p" + i, SIZES[i]);
    }
    try (Parameters parameters = builder.build();
        Optimizer optimizer = builder(parameters, kind, rule, borrows).build()) {
      for (int step = 1; step <= STEPS; step++) {
        for (int i = 0; i < SIZES.length; i++) {
          double[] gradients = scene.numbers(random, kind.gradients, SIZES[i], i);
          parameters.get("p" + i).gradients().copyFrom(gradients);
          int parameter = i;
          long number = step;
          references
              .get(i)
              .step(
                  step,
                  RATE,
                  gradients,
                  1,
                  1,
                  borrows ? 1e3f : 1e30f,
                  (slot, values) -> stored(kind, rule, slot, values, number, parameter));
          average(averages.get(i), references.get(i).parameters(), step);
          convert(kind, rule, references.get(i), step, i);
        }
        optimizer.step();
        for (int i = 0; i < SIZES.length; i++) {
          String where = kind + ", " + rule + ", step " + step + ", p" + i;
          check(kind, parameters, optimizer, references.get(i), "p" + i, where);
          if (borrows) {
            if (canAverage(rule)) {
              Bits.assertSame(
                  Numbers.doubles(averages.get(i)),
                  optimizer.state("p" + i, "average").toDoubles(),
                  () -> where + ", average");
            }
            assertArrayEquals(
                new double[SIZES[i]], parameters.get("p" + i).gradients().toDoubles(), where);
          }
        }
      }
      checkNeighbours(tensors, SIZES);
    }
    tensors.forEach(Tensor::close);
  }

  private static OptimizerBuilder builder(
      Parameters parameters, Kind kind, UpdateRule rule, boolean zeroes) {
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(rule)
            .learningRate(RATE)
            .masterWeights(kind.masters)
            .stateType(kind.state, 0)
            .rounding(kind.rounding, SEED)
            .clipValue(zeroes ? 1e3 : 1e30)
            .zeroGradients(zeroes);
    return zeroes && canAverage(rule) ? builder.average(DECAY) : builder;
  }

  /** Whether it has no weights of its own to evaluate with. */
  private static boolean canAverage(UpdateRule rule) {
    return rule.evaluation().isEmpty();
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
