package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Runs the cases of a golden file on a device and measures how far the results are off.
 *
 * @param outcomes the cases that ran
 * @param skipped the cases that this version has no rule for, or whose hyperparameters the rule
 *     rejects
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
   *     relative to the largest magnitude that the value has had up to there or, in files of
   *     several tensors, any value of the tensor; NaN or infinite if a result is, or if a state is
   *     missing
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
   */
  public static GoldenReplay run(GoldenFile golden, Device device, ElementType type) {
    List<Outcome> outcomes = new ArrayList<>();
    List<Skipped> skipped = new ArrayList<>();
    for (GoldenFile.Case one : golden.cases()) {
      try {
        UpdateRule rule = GoldenRules.of(one);
        double rate = GoldenRules.learningRate(one);
        double tolerance = tolerance(rule, type);
        double error = new Replay(golden, one, rule, rate, device, type).run();
        outcomes.add(new Outcome(one.name(), device.name(), type, error, error <= tolerance));
      } catch (GoldenRules.UnknownException e) {
        skipped.add(new Skipped(one.name(), e.getMessage()));
      }
    }
    return new GoldenReplay(outcomes, skipped);
  }

  /**
   * Under a rule that estimates its step size from how far parameters have come from their start,
   * digits cancel: the more, the smaller its first step size d0 is.
   */
  private static double tolerance(UpdateRule rule, ElementType type) {
    double lost =
        RuleSettings.values(rule).get("d0") instanceof Number d0 ? 1e-4 / d0.doubleValue() : 0;
    return type == ElementType.FLOAT64
        ? FLOAT64_TOLERANCE * Math.max(1, lost)
        : FLOAT32_TOLERANCE * (lost == 0 ? 1 : 10 * Math.max(1, lost));
  }

  /** One case on a device. */
  private static final class Replay {
    private final GoldenFile file;
    private final GoldenFile.Case golden;
    private final UpdateRule rule;
    private final double rate;
    private final Device device;
    private final ElementType type;
    private final Map<String, RelativeError> errors = new HashMap<>();
    private double worst;

    Replay(
        GoldenFile file,
        GoldenFile.Case golden,
        UpdateRule rule,
        double rate,
        Device device,
        ElementType type) {
      this.file = file;
      this.golden = golden;
      this.rule = rule;
      this.rate = rate;
      this.device = device;
      this.type = type;
    }

    /** The largest error; infinite if a state is missing. */
    double run() {
      try (Parameters parameters = parameters();
          Optimizer optimizer = optimizer(parameters)) {
        int done = 0;
        for (GoldenFile.Snapshot snapshot : golden.snapshots()) {
          for (; done < snapshot.step(); done++) {
            for (String name : golden.tensors()) {
              parameters.get(name).gradients().copyFrom(golden.gradients().get(name)[done]);
            }
            optimizer.step();
          }
          snapshot
              .parameters()
              .forEach(
                  (name, values) ->
                      compare(name, parameters.get(name).values(), values, start(name)));
          for (String name : golden.tensors()) {
            compareState(optimizer, name, snapshot);
          }
          compareKept(optimizer, snapshot);
          compareEvaluated(optimizer, parameters, snapshot);
        }
        return worst;
      }
    }

    private void compareEvaluated(
        Optimizer optimizer, Parameters parameters, GoldenFile.Snapshot snapshot) {
      if (snapshot.evaluated().isEmpty()) {
        return;
      }
      optimizer.eval();
      snapshot
          .evaluated()
          .forEach(
              (name, values) ->
                  compare(name + " evaluated", parameters.get(name).values(), values, start(name)));
      optimizer.train();
    }

    private void compareState(Optimizer optimizer, String name, GoldenFile.Snapshot snapshot) {
      List<String> slots = optimizer.stateNames(name);
      snapshot
          .state()
          .get(name)
          .forEach(
              (slot, values) -> {
                if (slots.contains(slot)) {
                  compareState(optimizer, name, slot, values);
                } else {
                  worst = Double.POSITIVE_INFINITY;
                }
              });
      snapshot.numbers().get(name).entrySet().stream()
          .filter(number -> slots.contains(number.getKey()))
          .forEach(
              number ->
                  compareState(optimizer, name, number.getKey(), new double[] {number.getValue()}));
    }

    /** Compares what the rule keeps of a whole group, which only a checkpoint shows. */
    private void compareKept(Optimizer optimizer, GoldenFile.Snapshot snapshot) {
      Set<String> kept =
          rule.keptNumbers().stream().map(StateSlot::name).collect(Collectors.toSet());
      if (kept.isEmpty()) {
        return;
      }
      try (CheckpointReader reader = saved(optimizer)) {
        for (String name : golden.tensors()) {
          for (Map.Entry<String, Double> number : snapshot.numbers().get(name).entrySet()) {
            if (kept.contains(number.getKey())) {
              double[] actual = new double[1];
              String entry = "state." + name + "." + number.getKey();
              reader.read(reader.tensor(entry).orElseThrow(), 0, actual, 0, 1);
              compare(
                  name + " " + number.getKey(),
                  actual,
                  new double[] {number.getValue()},
                  new double[1]);
            }
          }
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private static CheckpointReader saved(Optimizer optimizer) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      optimizer.checkpoint().withoutParameters().save(Channels.newChannel(bytes));
      return CheckpointReader.open(
          Channels.newChannel(new ByteArrayInputStream(bytes.toByteArray())));
    }

    private void compareState(Optimizer optimizer, String name, String slot, double[] values) {
      compare(name + " " + slot, optimizer.state(name, slot), values, new double[values.length]);
    }

    private void compare(String what, Tensor tensor, double[] expected, double[] start) {
      compare(what, tensor.toDoubles(), expected, start);
    }

    private void compare(String what, double[] actual, double[] expected, double[] start) {
      if (actual.length != expected.length) {
        worst = Double.POSITIVE_INFINITY;
        return;
      }
      RelativeError error =
          errors.computeIfAbsent(what, key -> new RelativeError(start, golden.errors()));
      worst = Math.max(worst, error.of(actual, expected)); // NaN if one is
    }

    private double[] start(String name) {
      return file.tensors().get(name).values();
    }

    private Parameters parameters() {
      ParametersBuilder builder = Parameters.on(device);
      for (String name : golden.tensors()) {
        builder.add(name, type, (long) start(name).length);
        builder.shape(name, file.tensors().get(name).shape());
      }
      Parameters parameters = builder.build();
      golden.tensors().forEach(name -> parameters.get(name).values().copyFrom(start(name)));
      return parameters;
    }

    private Optimizer optimizer(Parameters parameters) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(rate);
      if (golden.clipNorm() > 0) {
        builder.clipNorm(golden.clipNorm());
      }
      if (golden.clipValue() > 0) {
        builder.clipValue(golden.clipValue());
      }
      return builder.build();
    }
  }

  /** Errors of one tensor along a trajectory. */
  private static final class RelativeError {
    private final double[] magnitudes;
    private final GoldenFile.RelativeTo relativeTo;

    RelativeError(double[] start, GoldenFile.RelativeTo relativeTo) {
      this.magnitudes = Arrays.stream(start).map(Math::abs).toArray();
      this.relativeTo = relativeTo;
    }

    /** The largest error of any element; NaN if one is. */
    double of(double[] actual, double[] expected) {
      for (int i = 0; i < expected.length; i++) {
        magnitudes[i] = Math.max(magnitudes[i], Math.abs(expected[i]));
      }
      double largest = Arrays.stream(magnitudes).max().orElse(0);
      double worst = 0;
      for (int i = 0; i < expected.length; i++) {
        if (actual[i] != expected[i]) {
          double magnitude = relativeTo == GoldenFile.RelativeTo.TENSOR ? largest : magnitudes[i];
          worst = Math.max(worst, Math.abs(actual[i] - expected[i]) / magnitude);
        }
      }
      return worst;
    }
  }
}
