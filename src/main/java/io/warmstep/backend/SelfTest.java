package io.warmstep.backend;

import io.warmstep.ElementType;
import io.warmstep.natives.LoadFailure;
import io.warmstep.rule.Rules;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * A quick look at whether a device computes what it should: one float32 step of every rule,
 * compared with the Java backend. Bit for bit, unless the device itself says that its division or
 * its roots are not exact.
 */
public final class SelfTest {
  /** More than a work-group, and no multiple of a vector. */
  private static final List<Long> SHAPE = List.of(37L, 33L);

  private static final int LENGTH = 37 * 33;

  private static final double RATE = 0.0123;

  /** Relative error of a device that does not claim exact results. */
  private static final double INEXACT = 1e-4;

  private SelfTest() {}

  /**
   * Runs the test.
   *
   * @param device left as it was
   * @param reference the Java backend's
   * @return what is wrong, or empty if nothing is
   */
  public static Optional<String> run(BackendDevice device, BackendDevice reference) {
    for (UpdateRule rule : Rules.all()) {
      Optional<String> problem;
      try {
        problem = difference(step(reference, rule), step(device, rule), device.report().bitExact());
      } catch (RuntimeException | LinkageError e) {
        problem = Optional.of("failed: " + LoadFailure.describe(e));
      }
      if (problem.isPresent()) {
        return problem.map(what -> "self-test of " + rule.name() + " " + what);
      }
    }
    return Optional.empty();
  }

  /** Parameters, gradients and state after a step, in that order. */
  private static List<float[]> step(BackendDevice device, UpdateRule rule) {
    SplittableRandom random = new SplittableRandom(1);
    List<float[]> host = new ArrayList<>();
    List<Memory> memories = new ArrayList<>();
    try {
      for (int i = 0; i < 2 + rule.stateSlots().size(); i++) {
        int length = i < 2 ? LENGTH : (int) rule.stateSlots().get(i - 2).length(LENGTH);
        host.add(values(random, length, i >= 2));
        memories.add(device.allocate(Storage.of(ElementType.FLOAT32), length));
        memories.get(i).write(0, host.get(i), 0, length);
      }
      List<MemorySlice> slices = memories.stream().map(m -> new MemorySlice(m, 0)).toList();
      StepPlan.Entry entry =
          StepPlan.Entry.of(
              0, LENGTH, SHAPE, slices.get(0), slices.get(1), rule, slices.subList(2, slices.size()));
      StepPlan plan =
          new StepPlan(List.of(new StepPlan.Group(rule, List.of(entry))), StepOptions.NONE);
      StepInputs inputs = new StepInputs(rule.scalarNames().size());
      StepValues at = new StepValues(3, RATE);
      rule.scalars(at, inputs.scalars(0));
      inputs.weightDecay(0, rule.l2(at));
      try (StepProgram program = device.prepare(plan)) {
        program.run(inputs);
      }
      for (int i = 0; i < memories.size(); i++) {
        memories.get(i).read(0, host.get(i), 0, host.get(i).length);
      }
      return host;
    } finally {
      memories.forEach(Memory::close);
    }
  }

  private static float[] values(SplittableRandom random, int length, boolean areState) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      double scale = Math.scalb(1.0, random.nextInt(-20, 4));
      double value = scale * (random.nextDouble() - (areState ? 0 : 0.5));
      values[i] = (float) value;
    }
    return values;
  }

  private static boolean isRight(float actual, float expected, boolean isExact) {
    return Float.floatToIntBits(actual) == Float.floatToIntBits(expected)
        || (!isExact
            && Math.abs(actual - expected) <= INEXACT * Math.abs(expected) + Float.MIN_NORMAL);
  }

  private static Optional<String> difference(
      List<float[]> expected, List<float[]> actual, boolean isExact) {
    for (int i = 0; i < expected.size(); i++) {
      for (int j = 0; j < expected.get(i).length; j++) {
        if (!isRight(actual.get(i)[j], expected.get(i)[j], isExact)) {
          return Optional.of(
              "gave "
                  + actual.get(i)[j]
                  + " where Java gives "
                  + expected.get(i)[j]
                  + ": update the device's driver");
        }
      }
    }
    return Optional.empty();
  }
}
