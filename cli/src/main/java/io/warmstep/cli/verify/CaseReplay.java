package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** One case on a device: the same steps, compared at each snapshot. */
final class CaseReplay implements AutoCloseable {
  private static final String PARAMS = "params";
  private static final String EVALUATED = "eval_params";

  /** What a reference keeps and a rule does not, since it follows from the step or other state. */
  private static final Set<String> FOLLOWS =
      Set.of("step", "k", "counter", "scheduled_lr", "d_hat", "d_denom");

  private final GoldenFile.Reference reference;
  private final GoldenFile.Trajectory golden;
  private final UpdateRule rule;
  private final Parameters parameters;
  private final Optimizer optimizer;
  private final Map<String, RelativeError> errors = new HashMap<>();

  /** By name, the tensors whose state the file lacks at a snapshot. */
  private final Map<String, Set<String>> missing = new LinkedHashMap<>();

  private final Set<String> ignored = new TreeSet<>();
  private GoldenReplay.Worst worst = new GoldenReplay.Worst(0, 0, "", "", "");
  private int step;

  /**
   * Places the case's tensors on a device.
   *
   * @throws IllegalArgumentException if the library refuses what the case asks for
   */
  CaseReplay(
      GoldenFile.Reference reference,
      GoldenFile.Trajectory golden,
      UpdateRule rule,
      double rate,
      Device device,
      ElementType type) {
    this.reference = reference;
    this.golden = golden;
    this.rule = rule;
    parameters = parameters(golden, device, type);
    try {
      optimizer = optimizer(golden, parameters, rule, rate);
    } catch (RuntimeException e) {
      parameters.close();
      throw e;
    }
  }

  private static Parameters parameters(
      GoldenFile.Trajectory golden, Device device, ElementType type) {
    ParametersBuilder builder = Parameters.on(device);
    golden
        .tensors()
        .forEach(
            (name, start) ->
                builder.add(name, type, (long) start.values().length).shape(name, start.shape()));
    Parameters parameters = builder.build();
    golden
        .tensors()
        .forEach((name, start) -> parameters.get(name).values().copyFrom(start.values()));
    return parameters;
  }

  private static Optimizer optimizer(
      GoldenFile.Trajectory golden, Parameters parameters, UpdateRule rule, double rate) {
    OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(rate);
    golden.clipNorm().ifPresent(builder::clipNorm);
    golden.clipValue().ifPresent(builder::clipValue);
    return builder.build();
  }

  UpdateRule rule() {
    return rule;
  }

  /** The value that is furthest off. */
  GoldenReplay.Worst worst() {
    return worst;
  }

  /** State that the file lacks, with the tensor where others have it. */
  Set<String> missing() {
    Set<String> names = new LinkedHashSet<>();
    missing.forEach(
        (slot, tensors) -> {
          if (tensors.containsAll(golden.tensors().keySet())) {
            names.add(slot);
          } else {
            tensors.forEach(tensor -> names.add(tensor + " " + slot));
          }
        });
    return names;
  }

  /** What the file has besides. */
  Set<String> ignored() {
    return ignored;
  }

  void run() {
    int done = 0;
    for (GoldenFile.Snapshot snapshot : golden.snapshots()) {
      for (; done < snapshot.step(); done++) {
        for (Map.Entry<String, GoldenFile.Start> tensor : golden.tensors().entrySet()) {
          double[] gradient = tensor.getValue().gradients()[done];
          parameters.get(tensor.getKey()).gradients().copyFrom(gradient);
        }
        optimizer.step();
      }
      step = snapshot.step();
      compareParameters(PARAMS, snapshot.parameters());
      compareState(snapshot);
      compareEvaluated(snapshot);
    }
  }

  private void compareParameters(String what, Map<String, double[]> expected) {
    expected.forEach(
        (tensor, values) ->
            compare(
                tensor,
                what,
                parameters.get(tensor).values().toDoubles(),
                values,
                golden.tensors().get(tensor).values()));
  }

  private void compareEvaluated(GoldenFile.Snapshot snapshot) {
    if (!snapshot.evaluated().isEmpty()) {
      optimizer.eval();
      compareParameters(EVALUATED, snapshot.evaluated());
      optimizer.train();
    } else if (rule.evaluation().filter(weights -> weights.weight() != 1).isPresent()) {
      missing.put(EVALUATED, golden.tensors().keySet()); // otherwise they are a slot
    }
  }

  private void compareState(GoldenFile.Snapshot snapshot) {
    ignored.addAll(snapshot.other());
    Map<String, Map<String, double[]>> all = state();
    snapshot
        .state()
        .forEach(
            (tensor, slots) -> {
              Map<String, double[]> own = all.get(tensor);
              slots.forEach((slot, values) -> compareState(tensor, slot, own.get(slot), values));
              snapshot
                  .group()
                  .forEach((slot, values) -> compareState(tensor, slot, own.get(slot), values));
              for (String slot : own.keySet()) {
                if (!slots.containsKey(slot) && !snapshot.group().containsKey(slot)) {
                  missing.computeIfAbsent(slot, name -> new TreeSet<>()).add(tensor);
                }
              }
            });
  }

  private void compareState(String tensor, String slot, double[] own, double[] expected) {
    if (own != null) {
      compare(tensor, slot, own, expected, new double[expected.length]);
    } else if (FOLLOWS.contains(slot) || GoldenRules.isHyperparameter(slot, reference, rule)) {
      ignored.add(slot);
    } else {
      fail(tensor, slot, "rule " + rule.name() + " keeps no such state");
    }
  }

  /** By tensor and name. What the rule keeps of a whole group, only a checkpoint shows. */
  private Map<String, Map<String, double[]>> state() {
    Map<String, Map<String, double[]>> state = new HashMap<>();
    for (String tensor : golden.tensors().keySet()) {
      Map<String, double[]> its = new TreeMap<>();
      for (String slot : optimizer.stateNames(tensor)) {
        its.put(slot, optimizer.state(tensor, slot).toDoubles());
      }
      state.put(tensor, its);
    }
    if (!rule.keptNumbers().isEmpty()) {
      addKept(state);
    }
    return state;
  }

  private void addKept(Map<String, Map<String, double[]>> state) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      optimizer.checkpoint().withoutParameters().save(Channels.newChannel(bytes));
      try (CheckpointReader reader =
          CheckpointReader.open(
              Channels.newChannel(new ByteArrayInputStream(bytes.toByteArray())))) {
        for (Map.Entry<String, Map<String, double[]>> tensor : state.entrySet()) {
          for (StateSlot number : rule.keptNumbers()) {
            double[] value = new double[1];
            String entry = "state." + tensor.getKey() + "." + number.name();
            reader.read(reader.tensor(entry).orElseThrow(), 0, value, 0, 1);
            tensor.getValue().put(number.name(), value);
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void compare(
      String tensor, String slot, double[] actual, double[] expected, double[] start) {
    if (actual.length != expected.length) {
      fail(tensor, slot, "has " + expected.length + " values, must have " + actual.length);
      return;
    }
    double error =
        errors
            .computeIfAbsent(tensor + " " + slot, key -> new RelativeError(start, golden.errors()))
            .of(actual, expected);
    note(new GoldenReplay.Worst(error, step, tensor, slot, ""));
  }

  private void fail(String tensor, String slot, String problem) {
    note(new GoldenReplay.Worst(Double.POSITIVE_INFINITY, step, tensor, slot, problem));
  }

  private void note(GoldenReplay.Worst value) {
    if (value.error() > worst.error()) {
      worst = value;
    }
  }

  @Override
  public void close() {
    optimizer.close();
    parameters.close();
  }

  /** Errors of one tensor along a trajectory. */
  private static final class RelativeError {
    private final double[] magnitudes;
    private final GoldenFile.RelativeTo relativeTo;

    RelativeError(double[] start, GoldenFile.RelativeTo relativeTo) {
      this.magnitudes = new double[start.length];
      this.relativeTo = relativeTo;
      grow(start);
    }

    /** The largest error of any element; infinite where only one of both is finite. */
    double of(double[] actual, double[] expected) {
      grow(expected);
      double largest = Arrays.stream(magnitudes).max().orElse(0);
      double worst = 0;
      for (int i = 0; i < expected.length; i++) {
        boolean isEqual =
            actual[i] == expected[i] || (Double.isNaN(actual[i]) && Double.isNaN(expected[i]));
        if (!isEqual) {
          double magnitude = relativeTo == GoldenFile.RelativeTo.TENSOR ? largest : magnitudes[i];
          double error = Math.abs(actual[i] - expected[i]) / magnitude;
          worst = Math.max(worst, Double.isNaN(error) ? Double.POSITIVE_INFINITY : error);
        }
      }
      return worst;
    }

    /** What is not finite would make all errors zero. */
    private void grow(double[] values) {
      for (int i = 0; i < values.length; i++) {
        if (Double.isFinite(values[i])) {
          magnitudes[i] = Math.max(magnitudes[i], Math.abs(values[i]));
        }
      }
    }
  }
}
