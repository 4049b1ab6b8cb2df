package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.cli.verify.EntryScenes.Scene;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/** The scenes of rules that first add something up over each tensor. */
final class SumScenes {
  /** So many leaves that most threads of a block have some to join. */
  private static final int MANY = 2_200_001;

  private SumScenes() {}

  /** Those of an entry of the first phase, or of the one that joins leaves. */
  static List<Scene> of(UpdateRule rule, ElementType type, boolean joinsLeaves) {
    List<Scene> scenes = new ArrayList<>();
    if (rule.matrix().isPresent()) { // whose products take long: see MatrixScenes
      scenes.add(pairs(rule, type, 4096, 20));
      scenes.add(pairs(rule, type, 40_001, 2));
      scenes.add(ofOne(rule, type, Elements.FINITE_EXTREMES, 40_001));
      return scenes;
    }
    scenes.add(pairs(rule, type, 4096, 1000));
    scenes.add(pairs(rule, type, 4093, 100));
    scenes.add(pairs(rule, type, 40_001, 25));
    scenes.add(ofOne(rule, type, Elements.FINITE_EXTREMES, 40_001));
    scenes.add(ofOne(rule, type, Elements.ORDINARY, 160_001));
    if (joinsLeaves) {
      scenes.add(pairs(rule, type, 400_001, 8));
      scenes.add(ofOne(rule, type, Elements.ORDINARY, MANY));
    }
    return scenes;
  }

  /**
   * Those of the entry that joins leaves and forms the numbers of every rule, and the factors of
   * adaptive clipping.
   */
  static List<Scene> ofNumbers(ElementType type) {
    List<Scene> scenes = of(NovoGrad.novoGrad(), type, true);
    for (UpdateRule rule : Rules.all()) {
      if (rule.sums().isPresent()) {
        scenes.add(ofOne(rule, type, Elements.ORDINARY, 40_001));
        scenes.add(ofOne(rule, type, Elements.SPECIAL, 5001));
      }
    }
    for (Elements elements : List.of(Elements.ORDINARY, Elements.FINITE_EXTREMES)) {
      scenes.add(
          EntryScenes.of(
              new BitCase(
                  Sgd.sgd(),
                  type,
                  elements,
                  BitCase.Extra.CLIPPED_TENSORS,
                  List.of(40_001, 7, 0, 4097),
                  2,
                  true)));
    }
    return scenes;
  }

  private static Scene ofOne(UpdateRule rule, ElementType type, Elements elements, int length) {
    return EntryScenes.of(
        new BitCase(rule, type, elements, BitCase.Extra.NOTHING, List.of(length), 1, true));
  }

  /**
   * Tensors of which two parameters and two gradients or one are not zero, so that the rounding of
   * single additions shows: the two meet at every height of the tree. Where the parameter is zero
   * and the gradient is not, an update has all digits of what the sums gave.
   */
  private static Scene pairs(UpdateRule rule, ElementType type, int length, int steps) {
    return device -> {
      BiFunction<Device, ParametersBuilder, List<Tensor>> parameters =
          (d, builder) -> EntryScenes.add(builder, type, new int[] {length});
      Consumer<OptimizerBuilder> options = builder -> builder.rule(rule).learningRate(0.1);
      try (Device cpu = Devices.cpu(1);
          EntryScenes.Model ours = new EntryScenes.Model(device, parameters, options);
          EntryScenes.Model theirs = new EntryScenes.Model(cpu, parameters, options)) {
        SplittableRandom random = new SplittableRandom(length);
        long mismatches = 0;
        for (int step = 0; step < steps; step++) {
          int at = random.nextInt(length);
          int other = at ^ 1 << random.nextInt(32 - Integer.numberOfLeadingZeros(length - 1));
          int[] places = {at, Math.min(other, length - 1)};
          double[] values = pair(random, type, length);
          double[] gradients = numbers(random, type, length, places);
          List<double[]> state = new ArrayList<>();
          for (StateSlot slot : rule.stateSlots()) {
            double[] numbers = numbers(random, type, length, places);
            if (slot.content() == StateSlot.Content.SQUARE) {
              Arrays.setAll(numbers, i -> random.nextDouble());
              if (step % 4 == 2 && RuleSettings.has(rule, "beta2")) {
                // What the gradient's square nearly cancels: so the few terms are large enough to
                // matter where their mean over the tensor does.
                double fresh = 1 - RuleSettings.number(rule, "beta2");
                fresh /= step % 8 == 2 ? 1 : 1 - Math.pow(1 - fresh, step + 1);
                for (int place : places) {
                  double left = Math.scalb(1.0, -random.nextInt(4, 16));
                  double square = gradients[place] * gradients[place];
                  numbers[place] = -(1 - left) * square * fresh / Math.max(1 - fresh, fresh);
                }
              }
            }
            state.add(numbers);
          }
          for (EntryScenes.Model model : List.of(ours, theirs)) {
            model.values.get(0).copyFrom(values);
            model.gradients.get(0).copyFrom(gradients);
            List<Tensor> slots = model.state();
            for (int i = 0; i < slots.size() && step % 2 == 0; i++) {
              if (slots.get(i).length() == length) { // not one number of the whole tensor
                slots.get(i).copyFrom(state.get(i));
              }
            }
            model.optimizer.step();
          }
          mismatches += ours.differencesFrom(theirs);
        }
        return mismatches;
      }
    };
  }

  private static double[] pair(SplittableRandom random, ElementType type, int length) {
    int at = random.nextInt(length);
    int other = at ^ 1 << random.nextInt(32 - Integer.numberOfLeadingZeros(length - 1));
    return numbers(random, type, length, at, Math.min(other, length - 1));
  }

  /** Zeros, but for numbers of like magnitude at these places. */
  private static double[] numbers(
      SplittableRandom random, ElementType type, int length, int... places) {
    double[] numbers = new double[length];
    int bound = type == ElementType.FLOAT16 ? 6 : 60;
    double magnitude = random.nextInt(3) == 0 ? Math.scalb(1.0, random.nextInt(-bound, bound)) : 1;
    for (int place : places) {
      numbers[place] = magnitude * random.nextDouble(-2, 2);
    }
    return numbers;
  }
}
