package io.warmstep.cli.verify;

import io.warmstep.CapturedStep;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.backend.cuda.EarlyLaunches;
import io.warmstep.cli.verify.EntryScenes.Scene;
import io.warmstep.rule.Momentum;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;

/** The scenes of the entry that begins captured steps. */
final class CapturedScenes {
  private static final int STEPS = 36; // beyond twice the ring

  private CapturedScenes() {}

  /**
   * With and without a norm and a loss scale, with scales that come to their bounds, and with
   * launches that the host has no numbers for.
   */
  static List<Scene> all() {
    List<Scene> scenes = new ArrayList<>();
    for (int groups : new int[] {1, 20}) {
      scenes.add(device -> mismatches(device, groups, false, 1.0 / 3, null));
      scenes.add(scaled(groups, 1.0 / 3, 65536, 3));
    }
    scenes.add(scaled(1, 1.0 / 3, 0x1.8p-126, 5));
    scenes.add(scaled(1, 1.0 / 3, 1024, 1));
    scenes.add(scaled(1, 1024, 0x1p127, 2));
    scenes.add(scaled(1, 1024, Float.MAX_VALUE / 2.0, 4)); // which grows to the largest
    scenes.add(scaled(1, 0x1.fffffffp-1, 1, 4)); // a mantissa rounded to 2
    // A quotient that is rounded up, which no float32 shows.
    scenes.add(
        device -> mismatches(device, 1, true, 1.0 / 3, () -> LossScaler.dynamic(1000, 2, 0.5, 3)));
    scenes.add(device -> EarlyLaunches.mismatches());
    scenes.add(CapturedScenes::rescaled);
    return scenes;
  }

  private static Scene scaled(int groups, double gradientScale, double scale, int interval) {
    return device ->
        mismatches(
            device,
            groups,
            false,
            gradientScale,
            () -> LossScaler.dynamic(scale, 2, 0.5, interval));
  }

  /** Steps with factors of their own, which the device decides about without a graph. */
  private static long rescaled(Device device) {
    LossScaler first = LossScaler.dynamic(1000, 2, 0.5, 3);
    LossScaler second = LossScaler.dynamic(1000, 2, 0.5, 3);
    long different = 0;
    try (Device cpu = Devices.cpu();
        Parameters expected = parameters(cpu, 1, true);
        Parameters actual = parameters(device, 1, true);
        Parameters floats = parameters(cpu, 1, false);
        Parameters same = parameters(device, 1, false);
        Optimizer plain = optimizer(expected, 1, 1, first);
        Optimizer optimizer = optimizer(actual, 1, 1, second);
        Optimizer ofFloats = optimizer(floats, 1, 1, LossScaler.fixed(3));
        Optimizer ofSame = optimizer(same, 1, 1, LossScaler.fixed(3))) {
      double[] factors = {1.0 / 3, 0.7, 0.7, 1000, 0x1.fffffffp-1};
      for (int step = 1; step <= STEPS; step++) {
        for (Parameters parameters : List.of(expected, actual, floats, same)) {
          setGradients(parameters, step, step % 7 > 4);
        }
        for (Optimizer each : List.of(plain, optimizer, ofFloats, ofSame)) {
          each.step(factors[step % factors.length]);
        }
        if (step % 3 == 0) {
          different += first.state().equals(second.state()) ? 0 : 1;
          different += Double.compare(plain.gradientNorm(), optimizer.gradientNorm()) == 0 ? 0 : 1;
          different += Double.compare(ofFloats.gradientNorm(), ofSame.gradientNorm()) == 0 ? 0 : 1;
        }
      }
      different += differences(expected, actual) + differences(floats, same);
    }
    return different;
  }

  private static long differences(Parameters expected, Parameters actual) {
    long different = 0;
    for (Parameter parameter : expected) {
      double[] numbers = actual.get(parameter.name()).values().toDoubles();
      different += Arrays.equals(parameter.values().toDoubles(), numbers) ? 0 : 1;
    }
    return different;
  }

  private static Optimizer optimizer(
      Parameters parameters, int groups, double gradientScale, LossScaler scaler) {
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(Momentum.heavyBall(0.9))
            .gradientScale(gradientScale)
            .learningRate(Schedules.cosine(0.1, STEPS).warmUp(4));
    for (int i = 0; i < groups; i++) {
      builder.group(ParameterGroup.matching("p" + i).learningRateFactor(1 + i));
    }
    return (scaler == null ? builder : builder.clipNorm(0.5).lossScaler(scaler)).build();
  }

  private static Parameters parameters(Device device, int groups, boolean hasDoubles) {
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < groups; i++) {
      builder.add("p" + i, new float[] {1, 2, 3});
    }
    if (hasDoubles) {
      builder.add("double", new double[3]); // beside which a step is not lost
    }
    return builder.build();
  }

  private static void setGradients(Parameters parameters, int step, boolean skips) {
    Random random = new Random(step);
    parameters.forEach(
        parameter ->
            parameter
                .gradients()
                .copyFrom(
                    new float[] {
                      random.nextFloat(), -random.nextFloat(), skips ? Float.NaN : 0.5f
                    }));
  }

  private static long mismatches(
      Device device,
      int groups,
      boolean hasDoubles,
      double gradientScale,
      Supplier<LossScaler> scaler) {
    LossScaler first = scaler == null ? null : scaler.get();
    LossScaler second = scaler == null ? null : scaler.get();
    long different = 0;
    try (Device cpu = Devices.cpu();
        Parameters expected = parameters(cpu, groups, hasDoubles);
        Parameters actual = parameters(device, groups, hasDoubles);
        Optimizer plain = optimizer(expected, groups, gradientScale, first);
        Optimizer optimizer = optimizer(actual, groups, gradientScale, second);
        CapturedStep captured = optimizer.capture()) {
      for (int step = 1; step <= STEPS; step++) {
        boolean skips = first != null && step % 7 > 4;
        setGradients(expected, step, skips);
        setGradients(actual, step, skips);
        plain.step();
        captured.step();
        if (first != null) {
          different += first.state().equals(second.state()) ? 0 : 1;
          different += (float) first.scale() == captured.lossScale().toFloats()[0] ? 0 : 1;
        }
        different += plain.stepCount() == optimizer.stepCount() ? 0 : 1;
        different += plain.skippedSteps() == optimizer.skippedSteps() ? 0 : 1;
        different += plain.isLastStepSkipped() == optimizer.isLastStepSkipped() ? 0 : 1;
        different += differences(expected, actual);
      }
    } catch (IllegalStateException e) { // the device counts other launches than there were
      different++;
    }
    return different;
  }
}
