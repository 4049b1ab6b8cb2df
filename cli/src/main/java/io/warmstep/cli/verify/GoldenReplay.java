package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Runs the cases of a golden file on a device and measures how far the results are off.
 *
 * @param outcomes the cases that ran
 * @param skipped the cases that this version has no rule for
 */
public record GoldenReplay(List<Outcome> outcomes, List<Skipped> skipped) {
  /** The relative error up to which a case passes in float64. */
  public static final double FLOAT64_TOLERANCE = 1e-12;

  /** The relative error up to which a case passes in float32. */
  public static final double FLOAT32_TOLERANCE = 1e-5;

  /**
   * How a case came out.
   *
   * @param name the case
   * @param backend where it ran
   * @param type the parameters' type
   * @param maxRelativeError the largest error of any parameter or state value at any snapshot,
   *     relative to the largest magnitude that the value has had up to there; NaN or infinite if a
   *     result is, or if a state is missing
   * @param passed whether the error is within the type's tolerance
   */
  public record Outcome(
      String name, String backend, ElementType type, double maxRelativeError, boolean passed) {}

  /**
   * A case that did not run.
   *
   * @param name the case
   * @param reason why
   */
  public record Skipped(String name, String reason) {}

  /**
   * Replays every case.
   *
   * @param golden the cases
   * @param device where to run
   * @param type float32 or float64
   * @return what came out
   * @throws IllegalArgumentException if a hyperparameter's value is not allowed
   */
  public static GoldenReplay run(GoldenFile golden, Device device, ElementType type) {
    List<Outcome> outcomes = new ArrayList<>();
    List<Skipped> skipped = new ArrayList<>();
    double tolerance = type == ElementType.FLOAT64 ? FLOAT64_TOLERANCE : FLOAT32_TOLERANCE;
    for (GoldenFile.Case one : golden.cases()) {
      try {
        UpdateRule rule = GoldenRules.of(one);
        double rate = GoldenRules.learningRate(one);
        double error = replay(one, golden.initial(), rule, rate, device, type);
        outcomes.add(new Outcome(one.name(), device.name(), type, error, error <= tolerance));
      } catch (GoldenRules.UnknownException e) {
        skipped.add(new Skipped(one.name(), e.getMessage()));
      }
    }
    return new GoldenReplay(outcomes, skipped);
  }

  private static double replay(
      GoldenFile.Case golden,
      double[] initial,
      UpdateRule rule,
      double rate,
      Device device,
      ElementType type) {
    try (Parameters parameters =
            Parameters.on(device).add("p", type, (long) initial.length).build();
        Optimizer optimizer = optimizer(golden, parameters, rule, rate)) {
      Parameter parameter = parameters.get("p");
      parameter.values().copyFrom(initial);
      RelativeError ofParameters = new RelativeError(initial);
      Map<String, RelativeError> ofState = new HashMap<>();
      double worst = 0;
      int done = 0;
      for (GoldenFile.Snapshot snapshot : golden.snapshots()) {
        for (; done < snapshot.step(); done++) {
          parameter.gradients().copyFrom(golden.gradients()[done]);
          optimizer.step();
        }
        double[] values = parameter.values().toDoubles();
        worst = Math.max(worst, ofParameters.of(values, snapshot.parameters()));
        for (Map.Entry<String, double[]> state : snapshot.state().entrySet()) {
          if (!optimizer.stateNames("p").contains(state.getKey())) {
            return Double.POSITIVE_INFINITY;
          }
          RelativeError error =
              ofState.computeIfAbsent(
                  state.getKey(), name -> new RelativeError(new double[initial.length]));
          double[] actual = optimizer.state("p", state.getKey()).toDoubles();
          worst = Math.max(worst, error.of(actual, state.getValue()));
        }
      }
      return worst;
    }
  }

  private static Optimizer optimizer(
      GoldenFile.Case golden, Parameters parameters, UpdateRule rule, double rate) {
    OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(rate);
    if (golden.clipNorm() > 0) {
      builder.clipNorm(golden.clipNorm());
    }
    if (golden.clipValue() > 0) {
      builder.clipValue(golden.clipValue());
    }
    return builder.build();
  }

  /**
   * Errors of one tensor along a trajectory, each relative to the largest magnitude that the
   * element has had so far. A value that passes through zero keeps the rounding errors of its way
   * there, so an error relative to the value alone would say nothing.
   */
  private static final class RelativeError {
    private final double[] magnitudes;

    RelativeError(double[] initial) {
      magnitudes = Arrays.stream(initial).map(Math::abs).toArray();
    }

    /** The largest error of any element; NaN if one is. */
    double of(double[] actual, double[] expected) {
      double worst = 0;
      for (int i = 0; i < expected.length; i++) {
        magnitudes[i] = Math.max(magnitudes[i], Math.abs(expected[i]));
        if (actual[i] != expected[i]) {
          worst = Math.max(worst, Math.abs(actual[i] - expected[i]) / magnitudes[i]);
        }
      }
      return worst;
    }
  }
}
