package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Steps of plain parameters that say what they saw of their update, by the entries for one type
 * that measure it. Each tensor is a group, and most are one tile, so that the reports show the last
 * bits of its numbers.
 */
final class MeasuredScenes {
  private static final int[] LENGTHS = {1, 700, 1025, 1026, 1027, 1028, 2047, 2048, 5000};

  /** The squares of elements so far from each other are added into the same sum in turn. */
  private static final int PAIRED = 1024;

  private static final int PAIRS = 40;

  private MeasuredScenes() {}

  /** Whether a rule's entry for a type measures: otherwise that for all ways to store does. */
  static boolean areThere(UpdateRule rule, ElementType type) {
    return type == ElementType.FLOAT64 || rule.isOfOneType();
  }

  /** Those of a rule's form. */
  static List<EntryScenes.Scene> of(UpdateRule form, ElementType type) {
    List<EntryScenes.Scene> scenes = new ArrayList<>();
    for (Elements elements : Elements.values()) {
      scenes.add(device -> mismatches(device, form, type, elements));
    }
    scenes.add(device -> mismatchesOfPairs(device, form, type));
    return scenes;
  }

  /**
   * Many short steps, of which each moves two elements whose squares are added one to the other: so
   * that reports, which have roots of sums, show how it was rounded.
   */
  private static long mismatchesOfPairs(Device device, UpdateRule form, ElementType type) {
    List<StepReport> actual = new ArrayList<>();
    List<StepReport> expected = new ArrayList<>();
    long mismatches = 0;
    try (Device cpu = Devices.cpu(1);
        EntryScenes.Model ours = pairs(device, form, type, actual);
        EntryScenes.Model theirs = pairs(cpu, form, type, expected)) {
      for (int step = 0; step < PAIRS; step++) {
        for (EntryScenes.Model model : List.of(ours, theirs)) {
          model.fill(Elements.ORDINARY, new SplittableRandom(step));
          model.values.forEach(MeasuredScenes::pair);
          model.gradients.forEach(MeasuredScenes::pair);
          model.optimizer.step();
          model.optimizer.flushReports();
        }
        mismatches += ours.differencesFrom(theirs);
      }
    }
    return mismatches + differences(expected, actual);
  }

  /** How many reports say another thing of updates; 1 if there are none, or more or fewer. */
  private static long differences(List<StepReport> expected, List<StepReport> actual) {
    if (expected.isEmpty() || expected.size() != actual.size()) {
      return 1;
    }
    return IntStream.range(0, expected.size())
        .filter(i -> !expected.get(i).updates().equals(actual.get(i).updates()))
        .count();
  }

  private static EntryScenes.Model pairs(
      Device device, UpdateRule form, ElementType type, List<StepReport> reports) {
    return new EntryScenes.Model(
        device,
        (d, parameters) -> EntryScenes.add(parameters, type, new int[] {PAIRED + 1}),
        builder -> builder.rule(form).learningRate(0.07).listener(reports::add, 1));
  }

  private static long mismatches(
      Device device, UpdateRule form, ElementType type, Elements elements) {
    List<StepReport> actual = new ArrayList<>();
    List<StepReport> expected = new ArrayList<>();
    long mismatches = 0;
    try (Device cpu = Devices.cpu(1);
        EntryScenes.Model ours = model(device, form, type, elements, actual);
        EntryScenes.Model theirs = model(cpu, form, type, elements, expected)) {
      for (int step = 0; step < 2; step++) {
        for (EntryScenes.Model model : List.of(ours, theirs)) {
          model.fill(elements, new SplittableRandom(step));
          if (step == 1 && elements == Elements.ORDINARY) {
            model.gradients.forEach(MeasuredScenes::addInfinity);
          }
          model.optimizer.step();
          model.optimizer.flushReports();
        }
        mismatches += ours.differencesFrom(theirs);
      }
    }
    return mismatches + differences(expected, actual);
  }

  /** Leaves the first element and the one whose square is added to its. */
  private static void pair(Tensor values) {
    double[] numbers = values.toDoubles();
    for (int i = 1; i < numbers.length; i++) {
      numbers[i] = i == PAIRED ? numbers[i] : 0;
    }
    values.copyFrom(numbers);
  }

  /** In the place of a number, which is clipped, but moves nothing. */
  private static void addInfinity(Tensor gradients) {
    double[] numbers = gradients.toDoubles();
    numbers[numbers.length / 2] = Double.NEGATIVE_INFINITY;
    gradients.copyFrom(numbers);
  }

  /**
   * Of which a tensor stays, as do some elements of each in the second step. Gradients are clipped
   * and then zeroed where they are ordinary.
   */
  private static EntryScenes.Model model(
      Device device,
      UpdateRule form,
      ElementType type,
      Elements elements,
      List<StepReport> reports) {
    return new EntryScenes.Model(
        device,
        (d, parameters) -> EntryScenes.add(parameters, type, LENGTHS),
        builder -> {
          double small =
              type == ElementType.FLOAT64 ? 1e-16 : type == ElementType.FLOAT32 ? 1e-7 : 0.01;
          builder.rule(form).learningRate(step -> step == 1 ? 0.07 : small);
          builder.listener(reports::add, 1);
          for (int i = 0; i < LENGTHS.length; i++) {
            builder.group(
                ParameterGroup.matching(type + "." + i).learningRateFactor(i == 1 ? 0 : 1));
          }
          clip(builder, elements);
        });
  }

  private static void clip(OptimizerBuilder builder, Elements elements) {
    if (elements == Elements.ORDINARY) {
      builder.gradientScale(0.3).clipValue(0.5).zeroGradients(true);
    }
  }
}
