package io.warmstep;

import io.warmstep.natives.LoadFailure;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Muon;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * A quick check that a device computes correctly: two steps in every element type and of every kind
 * of phase, compared with the Java backend bit for bit, unless the device itself says that its
 * division or its roots are not exact. It must take less than a second on a GPU, so it does not
 * check every rule, as {@code warmstep verify} does.
 */
final class SelfTest {
  /** More than a work-group, and no multiple of a vector. */
  private static final int ROWS = 21;

  private static final int LENGTH = ROWS * 59;

  private static final int STEPS = 2;

  private static final double RATE = 0.0123;

  /** Relative error of a device that does not claim exact results. */
  private static final double INEXACT = 1e-4;

  /** Gradients and values that fail first if a device is inexact. */
  private static final double[] SPECIAL = {
    Double.NaN,
    Double.POSITIVE_INFINITY,
    Double.NEGATIVE_INFINITY,
    0,
    -0.0,
    Double.MIN_VALUE, // 0 in the other types, as the next two
    -3 * Double.MIN_VALUE,
    Double.MIN_NORMAL / 3,
    Float.MIN_VALUE,
    -3 * Float.MIN_VALUE,
    Float.MIN_NORMAL / 3,
    -Float.MIN_NORMAL,
    Float.MAX_VALUE,
    6e-8, // the least of float16, and half of its least normal number
    3e-5,
    65504,
  };

  /**
   * Steps of a rule.
   *
   * @param rule the rule
   * @param clipNorm bound on the gradients' norm, infinite to only compute it
   * @param hasSpecials whether there are NaN, infinities and subnormal numbers
   */
  private record Scene(UpdateRule rule, double clipNorm, boolean hasSpecials) {}

  private static final List<Scene> SCENES =
      List.of(
          new Scene(Adam.adamW(), Double.POSITIVE_INFINITY, true),
          new Scene(Adam.adamW(), 1, false),
          new Scene(Lamb.lamb(), Double.POSITIVE_INFINITY, false),
          new Scene(Muon.muon(), Double.POSITIVE_INFINITY, false),
          new Scene(Adafactor.adafactor(), Double.POSITIVE_INFINITY, false),
          new Scene(Prodigy.prodigy(), Double.POSITIVE_INFINITY, false));

  private SelfTest() {}

  /**
   * Runs the test.
   *
   * @param device left as it was
   * @param reference the Java backend's device
   * @return what is wrong, or empty if nothing is
   */
  static Optional<String> run(Device device, Device reference) {
    for (Scene scene : SCENES) {
      for (ElementType type : ElementType.values()) {
        if (device.supports(type) && (type == ElementType.FLOAT32 || scene.hasSpecials)) {
          Optional<String> problem = difference(device, reference, scene, type);
          if (problem.isPresent()) {
            return problem.map(
                what -> "self-test of " + scene.rule.name() + " in " + type + " " + what);
          }
        }
      }
    }
    return Optional.empty();
  }

  private static Optional<String> difference(
      Device device, Device reference, Scene scene, ElementType type) {
    try {
      List<double[]> expected = steps(reference, scene, type);
      List<double[]> actual = steps(device, scene, type);
      for (int i = 0; i < expected.size(); i++) {
        for (int j = 0; j < expected.get(i).length; j++) {
          double right = expected.get(i)[j];
          if (!isRight(actual.get(i)[j], right, type, device.report().bitExact())) {
            return Optional.of(
                "gave "
                    + actual.get(i)[j]
                    + " where Java gives "
                    + right
                    + ": update the device's driver");
          }
        }
      }
      return Optional.empty();
    } catch (StepFailedException e) { // whose cause is what the device says
      return Optional.of("failed: " + LoadFailure.describe(e.getCause()));
    } catch (RuntimeException | LinkageError e) {
      return Optional.of("failed: " + LoadFailure.describe(e));
    }
  }

  /** Parameters and state after the steps, in that order. */
  private static List<double[]> steps(Device device, Scene scene, ElementType type) {
    SplittableRandom random = new SplittableRandom(1);
    try (Parameters parameters =
            Parameters.on(device)
                .add("p", type, (long) LENGTH)
                .shape("p", ROWS, LENGTH / ROWS)
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(scene.rule)
                .learningRate(Schedules.constant(RATE))
                .clipNorm(scene.clipNorm)
                .build()) {
      parameters.get("p").values().copyFrom(values(random, scene.hasSpecials));
      for (int i = 0; i < STEPS; i++) {
        double[] gradients = values(random, scene.hasSpecials);
        if (scene.hasSpecials) { // so that special values stay special
          Arrays.fill(gradients, 0, SPECIAL.length, 0);
        }
        parameters.get("p").gradients().copyFrom(gradients);
        optimizer.step();
      }
      List<double[]> results = new ArrayList<>();
      results.add(doubles(parameters.get("p").values()));
      for (String slot : optimizer.stateNames("p")) {
        results.add(doubles(optimizer.state("p", slot)));
      }
      return results;
    }
  }

  /** Special values come first, and then at random places. */
  private static double[] values(SplittableRandom random, boolean hasSpecials) {
    double[] values = new double[LENGTH];
    for (int i = 0; i < LENGTH; i++) {
      values[i] = (float) (Math.scalb(1.0, random.nextInt(-20, 4)) * (random.nextDouble() - 0.5));
    }
    if (hasSpecials) {
      int at = random.nextInt(SPECIAL.length, LENGTH - SPECIAL.length);
      System.arraycopy(SPECIAL, 0, values, 0, SPECIAL.length);
      System.arraycopy(SPECIAL, 0, values, at, SPECIAL.length);
    }
    return values;
  }

  private static double[] doubles(Tensor tensor) {
    if (tensor.type() == ElementType.FLOAT64) {
      return tensor.toDoubles();
    }
    float[] floats = tensor.toFloats();
    double[] doubles = new double[floats.length];
    for (int i = 0; i < floats.length; i++) {
      doubles[i] = floats[i];
    }
    return doubles;
  }

  /** Whether a device's number is what Java's is, or near enough to it. */
  static boolean isRight(double actual, double expected, ElementType type, boolean isExact) {
    return Double.doubleToLongBits(actual) == Double.doubleToLongBits(expected)
        || (!isExact && Math.abs(actual - expected) <= allowed(expected, type));
  }

  /** In each step an inexact result may be rounded to the next number of the type. */
  private static double allowed(double expected, ElementType type) {
    double size = Math.abs(expected);
    return INEXACT * size
        + switch (type) {
          case FLOAT16 -> STEPS * (0x1p-10 * size + 0x1p-24);
          case BFLOAT16 -> STEPS * 0x1p-7 * size + Float.MIN_NORMAL;
          default -> Float.MIN_NORMAL;
        };
  }
}
