package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Rules;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Steps that take every way through an entry for operands that are stored in ways of their own. */
final class MixedScenes {
  private static final int[] LENGTHS = {1, 255, 2049, 5000};

  private MixedScenes() {}

  /** How a scene's parameters are stored, and what is kept of them. */
  private record Kind(
      ElementType values,
      ElementType gradients,
      MasterWeights masters,
      StateType state,
      Rounding rounding) {}

  /** Those of a rule's entry. */
  static List<EntryScenes.Scene> of(String rule) {
    return of(rule, false);
  }

  /** The same where each step says what it saw of its update. */
  static List<EntryScenes.Scene> measured(String rule) {
    return of(rule, true);
  }

  private static List<EntryScenes.Scene> of(String rule, boolean isMeasured) {
    List<EntryScenes.Scene> scenes = new ArrayList<>();
    for (UpdateRule one : Rules.forms()) {
      if (!one.kernel().equals(rule)) {
        continue;
      }
      UpdateRule form = RuleMatrix.withFewProducts(one);
      boolean hasMoments = form.stateSlots().stream().anyMatch(StateSlot::isAverage);
      boolean hasSquares =
          form.stateSlots().stream().anyMatch(slot -> slot.content() == StateSlot.Content.SQUARE);
      StateType narrow = hasMoments ? StateType.BFLOAT16 : StateType.FLOAT32;
      StateType coded = hasMoments ? StateType.INT8 : StateType.FLOAT32;
      for (Kind kind :
          List.of(
              new Kind(
                  ElementType.BFLOAT16,
                  ElementType.BFLOAT16,
                  MasterWeights.EXACT,
                  narrow,
                  Rounding.NEAREST),
              new Kind(
                  ElementType.BFLOAT16,
                  ElementType.BFLOAT16,
                  MasterWeights.BITS_24,
                  coded,
                  Rounding.STOCHASTIC),
              new Kind(
                  ElementType.BFLOAT16,
                  ElementType.FLOAT32,
                  MasterWeights.BITS_24,
                  narrow,
                  Rounding.NEAREST),
              new Kind(
                  ElementType.FLOAT16,
                  ElementType.FLOAT32,
                  MasterWeights.EXACT,
                  coded,
                  Rounding.NEAREST),
              new Kind(
                  ElementType.FLOAT32,
                  ElementType.BFLOAT16,
                  MasterWeights.NONE,
                  coded,
                  hasSquares ? Rounding.STOCHASTIC : Rounding.NEAREST),
              new Kind(
                  ElementType.BFLOAT16,
                  ElementType.FLOAT32,
                  MasterWeights.NONE,
                  narrow,
                  Rounding.STOCHASTIC),
              new Kind(
                  ElementType.FLOAT32,
                  ElementType.FLOAT16,
                  MasterWeights.NONE,
                  narrow,
                  Rounding.NEAREST),
              new Kind(
                  ElementType.BFLOAT16,
                  ElementType.FLOAT32,
                  MasterWeights.NONE,
                  StateType.FLOAT32,
                  Rounding.NEAREST),
              new Kind(
                  ElementType.FLOAT16,
                  ElementType.FLOAT32,
                  MasterWeights.NONE,
                  narrow,
                  Rounding.NEAREST))) {
        for (Elements elements : Elements.values()) {
          scenes.add(device -> mismatches(device, kind, form, elements, isMeasured));
        }
      }
    }
    return scenes;
  }

  private static long mismatches(
      Device device, Kind kind, UpdateRule rule, Elements elements, boolean isMeasured) {
    List<float[]> actual = results(device, kind, rule, elements, isMeasured);
    List<float[]> expected;
    try (Device java = Devices.cpu()) {
      expected = results(java, kind, rule, elements, isMeasured);
    }
    long different = 0;
    for (int i = 0; i < expected.size(); i++) {
      for (int j = 0; j < expected.get(i).length; j++) {
        different +=
            Float.floatToIntBits(expected.get(i)[j]) == Float.floatToIntBits(actual.get(i)[j])
                ? 0
                : 1;
      }
    }
    return different;
  }

  /**
   * Parameters, gradients and state after steps of which one is skipped and one changes nothing,
   * and what they saw.
   */
  private static List<float[]> results(
      Device device, Kind kind, UpdateRule rule, Elements elements, boolean isMeasured) {
    List<float[]> results = new ArrayList<>();
    SplittableRandom random = new SplittableRandom(7);
    ParametersBuilder builder = Parameters.on(device).gradientType(kind.gradients);
    for (int i = 0; i < LENGTHS.length; i++) {
      builder.add("p" + i, kind.values, numbers(random, elements, LENGTHS[i]));
      builder.shape("p" + i, MatrixShapes.of(LENGTHS[i]));
    }
    try (Parameters parameters = builder.build()) {
      OptimizerBuilder optimizing =
          Optimizer.of(parameters)
              .rule(rule)
              .learningRate(step -> step == 3 ? 0 : 0.01)
              .masterWeights(kind.masters)
              .stateType(kind.state, 0)
              .rounding(kind.rounding, 99)
              .group(ParameterGroup.matching("p1").learningRateFactor(0.5))
              .group(ParameterGroup.matching("p2"))
              .group(ParameterGroup.matching("p3"))
              .clipValue(2);
      if (elements != Elements.SPECIAL && rule.evaluation().isEmpty()) {
        optimizing.average(0.5);
      }
      if (elements == Elements.ORDINARY) {
        optimizing.skipNonFinite(true).clipNorm(5).zeroGradients(true);
      }
      if (isMeasured) {
        optimizing.listener(report -> results.add(numbers(report)), 1);
      }
      try (Optimizer optimizer = optimizing.build()) {
        for (int step = 1; step <= 3; step++) {
          for (int i = 0; i < LENGTHS.length; i++) {
            float[] gradients = numbers(random, elements, LENGTHS[i]);
            if (elements == Elements.ORDINARY && step == 2) {
              gradients[0] = Float.NaN;
            }
            parameters.get("p" + i).gradients().copyFrom(gradients);
          }
          optimizer.step();
        }
        optimizer.flushReports();
        for (int i = 0; i < LENGTHS.length; i++) {
          results.add(parameters.get("p" + i).values().toFloats());
          results.add(parameters.get("p" + i).gradients().toFloats());
          for (String slot : optimizer.stateNames("p" + i)) {
            Tensor state = optimizer.state("p" + i, slot);
            results.add(state.toFloats());
          }
        }
        optimizer.zeroGradients();
        for (int i = 0; i < LENGTHS.length; i++) {
          results.add(parameters.get("p" + i).gradients().toFloats());
        }
        return results;
      }
    }
  }

  /** Two for each that is reported of an update, which together are it. */
  private static float[] numbers(StepReport report) {
    List<Double> numbers = new ArrayList<>();
    for (StepReport.Update update : report.updates()) {
      numbers.addAll(List.of(update.toWeight(), update.lost(), update.largest()));
      for (StepReport.Codes codes : update.codes()) {
        numbers.addAll(List.of(codes.saturated(), codes.vanished()));
      }
    }
    float[] parts = new float[2 * numbers.size()];
    for (int i = 0; i < numbers.size(); i++) {
      double number = numbers.get(i);
      parts[2 * i] = (float) number;
      parts[2 * i + 1] = (float) (number - parts[2 * i]);
    }
    return parts;
  }

  private static float[] numbers(SplittableRandom random, Elements elements, int length) {
    long[] bits = elements.choose(random, ElementType.FLOAT32, length);
    float[] numbers = new float[length];
    for (int i = 0; i < length; i++) {
      numbers[i] = Float.intBitsToFloat((int) bits[i]);
    }
    return numbers;
  }
}
