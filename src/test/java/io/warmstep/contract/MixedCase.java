package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
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
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Reference;
import io.warmstep.testkit.Reference24;
import io.warmstep.testkit.ReferenceClip;
import io.warmstep.testkit.ReferenceCodes;
import io.warmstep.testkit.ReferenceNorm;
import io.warmstep.testkit.ReferenceRandom;
import io.warmstep.testkit.Shapes;
import io.warmstep.testkit.StoredForm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** What an optimizer is asked for, and plain loops in float32 that its steps are compared with. */
record MixedCase(UpdateRule rule, StoredForm form, Set<Extra> extras) {
  static final double DECAY = 0.25;

  private static final int[] SIZES = {0, 1, 31, 32, 33, 258, 2049, 4130};
  private static final double RATE = 0.0123;
  private static final long SEED = 0x123456789abcdefL;
  private static final int STEPS = 3;
  private static final double CLIP_NORM = 0.75;
  private static final double ADAPTIVE_CLIP = 0.25;
  private static final double EPS = 1e-3;
  private static final double SCALE = 16;
  private static final double[] NON_FINITE = {
    Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY
  };

  /** Without what the rule cannot have. */
  MixedCase {
    extras = extras.stream().filter(extra -> extra.canBeHad(rule)).collect(Collectors.toSet());
  }

  /** What a step does besides. */
  enum Extra {
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

  /** What tensors hold. */
  enum Scene {
    ORDINARY,
    ADVERSARIAL,
    /**
     * Numbers whose squares overflow a leaf's sum or vanish in it, zeros, and a NaN among others,
     * of tensors in turn.
     */
    OUT_OF_RANGE,
    /** Of gradients some subnormal, one the largest finite, zeros of both signs. */
    FULL_RANGE,
    /** Likewise, but many the largest: in float32, and in bfloat16, their norm is infinite. */
    BEYOND_RANGE,
    /**
     * Of gradients those that moments or averages of squares saturate with, and zeros in one of the
     * tiles of the largest tensor. Not in float16, which has no such numbers.
     */
    SATURATING;

    private boolean isOfGradients() {
      return ordinal() >= FULL_RANGE.ordinal();
    }

    double[] values(SplittableRandom random, ElementType type, int length, int tensor) {
      return isOfGradients()
          ? Numbers.ordinary(random, type, length)
          : numbers(random, type, length, tensor);
    }

    double[] gradients(SplittableRandom random, ElementType type, int length, int tensor) {
      return numbers(random, type, length, tensor);
    }

    /** The largest magnitude that an element of a gradient is clipped to, 0 for none. */
    float bound(boolean isLow) {
      return isOfGradients() ? 0 : isLow ? 1e3f : 1e30f;
    }

    private double[] numbers(SplittableRandom random, ElementType type, int length, int tensor) {
      if (this == ADVERSARIAL) {
        return Numbers.adversarial(random, type, length);
      }
      double[] numbers = Numbers.ordinary(random, type, length);
      switch (this) {
        case OUT_OF_RANGE -> outOfRange(type, numbers, tensor);
        case FULL_RANGE -> fullRange(random, type, numbers, tensor == 7 ? 1 : 0);
        case BEYOND_RANGE -> fullRange(random, type, numbers, length / 8);
        case SATURATING -> {
          for (int i = 0; i < length; i++) {
            numbers[i] = i / 2048 == 1 ? 0 : saturating(random, type, numbers[i], i / 32 % 3);
          }
        }
        default -> {}
      }
      return numbers;
    }

    private static void outOfRange(ElementType type, double[] numbers, int tensor) {
      int most = type == ElementType.FLOAT16 ? 10 : 90;
      int power = most * new int[] {0, 1, 0, -1, 1, 0, -1, 1}[tensor];
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] = tensor == 2 ? 0 : Numbers.round(type, Math.scalb(numbers[i], power));
      }
      if (tensor == 5) {
        numbers[numbers.length / 2] = Double.NaN;
      }
    }

    private static void fullRange(
        SplittableRandom random, ElementType type, double[] numbers, int largest) {
      int leastExponent = type == ElementType.FLOAT16 ? -14 : -126;
      for (int i = 0; i < numbers.length; i++) {
        switch (random.nextInt(4)) {
          case 0 -> numbers[i] = Numbers.round(type, Math.scalb(numbers[i], leastExponent));
          case 1 -> numbers[i] = Math.copySign(numbers[i], -1);
          default -> {}
        }
      }
      for (int i = 0; i < largest; i++) {
        numbers[random.nextInt(numbers.length)] =
            random.nextBoolean() ? Numbers.largest(type) : -Numbers.largest(type);
      }
    }

    /**
     * Averages of squares with a beta2 of 0.5 lie between the largest that can be stored and the
     * largest number there is where one of these gradients of 2^64.5 meets a zero.
     */
    private static double saturating(
        SplittableRandom random, ElementType type, double ordinary, int mix) {
      int kind = mix == 0 ? 0 : mix == 1 ? 1 : random.nextInt(3);
      double sign = random.nextBoolean() ? 1 : -1;
      return switch (kind) {
        case 0 -> sign * Numbers.round(type, Math.scalb(random.nextDouble(1, 1.99), 127));
        case 1 -> random.nextBoolean() ? sign * 0x1.6ap64 : 0;
        default -> Numbers.round(type, Math.scalb(ordinary, 110));
      };
    }
  }

  boolean has(Extra extra) {
    return extras.contains(extra);
  }

  private boolean skips() {
    return has(Extra.LOSS_SCALER) || has(Extra.SKIP_NON_FINITE);
  }

  MixedCase without(Set<Extra> others) {
    return new MixedCase(
        rule,
        form,
        extras.stream().filter(extra -> !others.contains(extra)).collect(Collectors.toSet()));
  }

  List<String> choices() {
    List<String> choices = new ArrayList<>();
    choices.add("rule " + rule.name() + ", kernel " + rule.kernel());
    choices.add("options " + rule.options());
    choices.add("values " + form.values());
    choices.add("gradients " + form.gradients());
    choices.add("masters " + form.masters());
    choices.add("state " + form.state());
    choices.add("rounding " + form.rounding());
    for (Extra extra : Extra.values()) {
      choices.add((has(extra) ? "with " : "without ") + extra);
    }
    return choices;
  }

  @Override
  public String toString() {
    return form
        + ", "
        + rule
        + ", "
        + EnumSet.allOf(Extra.class).stream().filter(this::has).toList();
  }

  private static String name(int tensor) {
    return (tensor % 2 == 0 ? "even" : "odd") + tensor;
  }

  /**
   * Steps on a device, and compares all that a step leaves with plain loops. If steps can be
   * skipped, gradients of the second are not finite; in scenes of special gradients those of the
   * second to the fourth, with a NaN and both infinities.
   *
   * @param borrows whether tensors are the caller's, with neighbours, gradients are zeroed, and
   *     gradients of ordinary scenes are clipped by value
   * @return the plain loops' results
   */
  List<Reference> run(Device device, Scene scene, boolean borrows) {
    SplittableRandom random = new SplittableRandom(toString().hashCode() + (borrows ? 1 : 2));
    var builder = Parameters.on(device).gradientType(form.gradients());
    List<Tensor> tensors = new ArrayList<>();
    List<Reference> references = new ArrayList<>();
    List<float[]> averages = new ArrayList<>();
    for (int i = 0; i < SIZES.length; i++) {
      double[] initial = scene.values(random, form.values(), SIZES[i], i);
      references.add(new Reference(rule, ElementType.FLOAT32, initial));
      averages.add(Numbers.floats(initial));
      if (borrows) { // at odd places of larger tensors
        Tensor values = device.allocate(form.values(), SIZES[i] + 8);
        Tensor gradients = device.allocate(form.gradients(), SIZES[i] + 8);
        tensors.add(values);
        tensors.add(gradients);
        values.slice(1 + i % 4, SIZES[i]).copyFrom(initial);
        builder.borrow(name(i), values.slice(1 + i % 4, SIZES[i]), gradients.slice(3, SIZES[i]));
      } else {
        builder.add(name(i), form.values(), Numbers.floats(initial));
      }
      Shapes.give(builder, name(i), SIZES[i]);
    }
    int nonFinite = skips() ? scene.isOfGradients() ? NON_FINITE.length : 1 : 0;
    int first = random.nextInt(NON_FINITE.length);
    long happened = 0;
    try (Parameters parameters = builder.build();
        Optimizer optimizer = builder(parameters, scene.bound(borrows), borrows).build()) {
      for (int step = 1; step <= STEPS + nonFinite; step++) {
        Double special =
            step > 1 && step <= 1 + nonFinite
                ? (Double) NON_FINITE[(first + step) % NON_FINITE.length]
                : null;
        List<double[]> gradients = gradients(parameters, optimizer, scene, random, special);
        double scale = 1 / (has(Extra.LOSS_SCALER) ? SCALE : 1);
        double mean = has(Extra.ACCUMULATION) ? scale / 2 : scale; // exact, both of them
        double norm = ReferenceNorm.scaled(ElementType.FLOAT32, gradients, mean);
        boolean isSkipped = skips() && !areFinite(gradients);
        if (!isSkipped) {
          happened++;
          double clip =
              has(Extra.CLIP_NORM)
                  ? ReferenceNorm.clipFactor(ElementType.FLOAT32, CLIP_NORM, norm)
                  : 1;
          for (int i = 0; i < SIZES.length; i++) {
            int parameter = i;
            long number = happened;
            references
                .get(i)
                .step(
                    happened,
                    has(Extra.GROUPS) && i % 2 == 1 ? RATE * 0.5 : RATE,
                    gradients.get(i),
                    scale(parameters.get(name(i)), gradients.get(i), mean, clip),
                    1,
                    scene.bound(borrows),
                    (slot, values) -> stored(slot, values, number, parameter));
            average(averages.get(i), references.get(i).parameters(), happened);
            convert(references.get(i), happened, i);
          }
        }
        optimizer.step();
        String at = this + ", " + scene + ", step " + step;
        assertEquals(isSkipped, optimizer.isLastStepSkipped(), at);
        for (int i = 0; i < SIZES.length; i++) {
          String where = at + ", " + name(i);
          check(parameters, optimizer, references.get(i), name(i), where);
          if (has(Extra.AVERAGE)) {
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
    return references;
  }

  /**
   * Writes the gradients of a step, or those of its micro-batches one after the other.
   *
   * @param special what one of them is to be, or null
   * @return what the step finds
   */
  private List<double[]> gradients(
      Parameters parameters,
      Optimizer optimizer,
      Scene scene,
      SplittableRandom random,
      Double special) {
    ElementType type = form.gradients();
    List<double[]> sums = new ArrayList<>();
    for (int batch = 0; batch < (has(Extra.ACCUMULATION) ? 2 : 1); batch++) {
      for (int i = 0; i < SIZES.length; i++) {
        double[] gradients = scene.gradients(random, type, SIZES[i], i);
        if (special != null && batch == 0 && i == 3) {
          gradients[5] = special;
        }
        parameters.get(name(i)).gradients().copyFrom(gradients);
        if (batch == 0) {
          sums.add(gradients);
        } else {
          double[] sum = sums.get(i);
          Arrays.setAll(sum, j -> Numbers.round(type, 0f + (float) sum[j] + (float) gradients[j]));
        }
      }
      if (has(Extra.ACCUMULATION)) {
        optimizer.accumulate();
      }
    }
    return sums;
  }

  private static boolean areFinite(List<double[]> gradients) {
    return gradients.stream().flatMapToDouble(Arrays::stream).allMatch(Double::isFinite);
  }

  /** What the gradients of a tensor are multiplied by. */
  private double scale(Parameter parameter, double[] gradients, double mean, double clip) {
    double scale = ReferenceClip.product(ElementType.FLOAT32, mean, clip);
    if (!has(Extra.ADAPTIVE_CLIP)) {
      return scale;
    }
    double[] values = parameter.values().toDoubles();
    double factor =
        ReferenceClip.factor(form.values(), ADAPTIVE_CLIP, EPS, values, gradients, scale);
    return ReferenceClip.product(ElementType.FLOAT32, scale, factor);
  }

  /**
   * What a step is built with.
   *
   * @param bound what elements of gradients are clipped to, 0 for none
   */
  OptimizerBuilder builder(Parameters parameters, float bound, boolean zeroes) {
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(rule)
            .learningRate(RATE)
            .masterWeights(form.masters())
            .stateType(form.state(), 0)
            .rounding(form.rounding(), SEED)
            .zeroGradients(zeroes);
    if (bound > 0) {
      builder.clipValue(bound);
    }
    for (Extra extra : extras) {
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
  private void convert(Reference reference, long step, int parameter) {
    for (int slot = 0; slot < rule.stateSlots().size(); slot++) {
      if (rule.access().writes(2 + slot)) {
        double[] values = reference.state(slot);
        reference.state(slot, stored(slot, values, step, parameter));
      }
    }
    if (form.masters() == MasterWeights.BITS_24) {
      double[] values = reference.parameters();
      for (int i = 0; i < values.length; i++) {
        float value = (float) values[i];
        values[i] =
            form.rounding() == Rounding.NEAREST
                ? Reference24.nearest(value)
                : Reference24.random(value, ReferenceRandom.bits(SEED, step, parameter, 0, i));
      }
      reference.parameters(values);
    }
    if (form.masters() == MasterWeights.NONE) {
      double[] values = reference.parameters();
      reference.parameters(
          form.values() == ElementType.BFLOAT16
              ? rounded(values, step, parameter, 0)
              : Numbers.round(form.values(), values));
    }
  }

  /** What is left of the numbers of a slot. */
  private double[] stored(int slot, double[] values, long step, int parameter) {
    StateSlot its = rule.stateSlots().get(slot);
    if (!form.isNarrow(its)) {
      return values;
    }
    return form.state() == StateType.INT8
        ? decoded(its.content(), values, step, parameter, 2 + slot)
        : rounded(values, step, parameter, 2 + slot);
  }

  private double[] decoded(
      StateSlot.Content content, double[] values, long step, int parameter, int operand) {
    if (content == StateSlot.Content.MOMENT) {
      return ReferenceCodes.moments(values);
    }
    return ReferenceCodes.squares(
        values,
        form.rounding() == Rounding.NEAREST
            ? null
            : i -> ReferenceRandom.bits(SEED, step, parameter, operand, i));
  }

  private double[] rounded(double[] values, long step, int parameter, int operand) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] =
          form.rounding() == Rounding.NEAREST
              ? Numbers.round(ElementType.BFLOAT16, values[i])
              : ReferenceRandom.round(
                  (float) values[i], ReferenceRandom.bits(SEED, step, parameter, operand, i));
    }
    return rounded;
  }

  private void check(
      Parameters parameters, Optimizer optimizer, Reference reference, String name, String where) {
    double[] values = parameters.get(name).values().toDoubles();
    double[] masters = reference.parameters();
    if (form.masters() == MasterWeights.NONE) {
      Bits.assertSame(masters, values, () -> where);
    } else {
      Bits.assertSame(masters, optimizer.state(name, "master").toDoubles(), () -> where);
      double[] rounded = new double[masters.length];
      for (int i = 0; i < masters.length; i++) {
        rounded[i] =
            form.values() == ElementType.FLOAT16
                ? Numbers.round(ElementType.FLOAT16, masters[i])
                : awayFromZero((float) masters[i]);
      }
      Bits.assertSame(rounded, values, () -> where + ", rounded");
    }
    for (int slot = 0; slot < rule.stateSlots().size(); slot++) {
      if (!rule.stateSlots().get(slot).isState()) {
        continue;
      }
      String state = rule.stateSlots().get(slot).name();
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
}
