package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.TensorEntry;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.ContractBackend;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Compares whole trajectories with those that PyTorch or a case's reference computed in float64.
 */
class OptimizerGoldenTest {
  /**
   * Relative to the element or, in files of several tensors, to the tensor's largest; the README of
   * the golden files states it.
   */
  private static final double TOLERANCE = 1e-12;

  /** Where the reference itself has lost digits. */
  private static final Map<String, Double> LOOSER = Map.of("prodigy/default-d0", 1e-10);

  /**
   * Cases in which plain arithmetic is closer than it usually is, with the factor by which float32
   * here is not: from other starts it is as close, see below. How far Prodigy's step size is off
   * depends on few sums, and all elements on that.
   */
  private static final Map<String, Double> LUCKY = Map.of("prodigy/coupled-decay", 4.0);

  private static final int OTHER_STARTS = 24;

  /** The cases of rules that the library does not have. */
  private static final Set<String> SKIPPED =
      Set.of("mars-adamw/random", "mars-adamw/one-dimensional");

  /** What files keep once and the library does not, since it follows from the step or the case. */
  private static final Set<String> FOLLOWS =
      Set.of("step", "k", "counter", "scheduled_lr", "d_hat", "d_denom");

  /** State that files leave out: Prodigy's start, and what is 1 - beta^t. */
  private static final Set<String> IMPLIED = Set.of("p0", "bias_correction1", "bias_correction2");

  /**
   * In float32, what chance may do to one tensor of one case, 24 elements: this factor of plain
   * arithmetic's error and one unit in the last place. Over all cases there is no allowance.
   */
  private static final double ALLOWANCE = 1.25;

  private static final double ULP = 0x1p-23;

  private static boolean isPlainKnown(GoldenCase golden) {
    return PlainFloat32.has(golden) || PlainRules.has(golden);
  }

  static List<GoldenCase> cases() {
    return GoldenCase.all().stream().filter(GoldenCase::hasRule).toList();
  }

  static Stream<Arguments> backendsAndCases() {
    return ContractBackend.inTurn(cases());
  }

  @Test
  void everyRuleHasCases() {
    Set<String> withCases =
        cases().stream().map(golden -> golden.rule().name()).collect(Collectors.toSet());
    for (UpdateRule rule : Rules.all()) {
      assertTrue(
          withCases.contains(rule.name()),
          "rule "
              + rule.name()
              + " has no case in golden/*.json: add cases of PyTorch's optimizer of that name or,"
              + " if it has none, of another implementation, to optimizers.json with"
              + " tools/golden.py");
    }
    Set<String> without =
        GoldenCase.all().stream()
            .filter(golden -> !golden.hasRule())
            .map(GoldenCase::name)
            .collect(Collectors.toSet());
    assertEquals(SKIPPED, without, "cases that nothing replays");
    assertEquals(
        Set.of(),
        cases().stream()
            .filter(golden -> !isPlainKnown(golden))
            .map(GoldenCase::name)
            .collect(Collectors.toSet()),
        "cases whose plain arithmetic is not known");
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndCases")
  void float64AgreesToTwelveDigits(ContractBackend backend, GoldenCase golden) {
    if (!backend.hasFloat64()) {
      return;
    }
    run(
        backend::open,
        golden,
        ElementType.FLOAT64,
        builder -> {},
        (snapshot, tensor, actual) -> {
          String where = golden + ", step " + snapshot.step() + ", " + tensor + " ";
          snapshot
              .values()
              .get(tensor)
              .forEach(
                  (name, expected) ->
                      assertClose(golden, expected, actual.get(name), where + name));
          snapshot
              .numbers()
              .get(tensor)
              .forEach(
                  (name, expected) -> {
                    assertTrue(
                        actual.containsKey(name) || FOLLOWS.contains(name), where + name + "?");
                    if (actual.containsKey(name)) {
                      double[] one = {expected};
                      assertClose(golden, one, actual.get(name), where + name);
                    }
                  });
        });
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndCases")
  void float32IsCloseToPlainArithmetic(ContractBackend backend, GoldenCase golden) {
    errors(backend, golden)
        .forEach(
            (name, errors) -> {
              double bound =
                  LUCKY.getOrDefault(golden.name(), ALLOWANCE) * errors.plain.root() + ULP;
              assertTrue(
                  errors.own.root() <= bound,
                  golden + ", " + name + ": " + errors + ", allowed " + bound);
            });
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void float32IsNoWorseThanPlainArithmeticOverAllCases(ContractBackend backend) {
    Map<String, MeanRatio> ratios = new TreeMap<>();
    cases()
        .forEach(
            golden ->
                errors(backend, golden)
                    .forEach(
                        (name, errors) ->
                            ratios
                                .computeIfAbsent(
                                    name.endsWith(GoldenCase.PARAMS) ? "params" : "state",
                                    n -> new MeanRatio())
                                .add(errors)));
    ratios.forEach(
        (name, ratio) ->
            assertTrue(
                ratio.mean() <= 2 * ratio.standardError(),
                name + ": " + ratio + " of plain arithmetic's error"));
  }

  /**
   * The mean logarithm of what errors are of plain arithmetic's. Both round differently, so that
   * either is closer by chance: one that is no worse has a mean within two standard errors of 0.
   */
  private static final class MeanRatio {
    private final List<Double> logarithms = new ArrayList<>();

    void add(Errors errors) {
      logarithms.add(Math.log(errors.own.root() / errors.plain.root()));
    }

    double mean() {
      return logarithms.stream().mapToDouble(log -> log).average().orElseThrow();
    }

    double standardError() {
      double mean = mean();
      double squares = logarithms.stream().mapToDouble(log -> (log - mean) * (log - mean)).sum();
      return Math.sqrt(squares / (logarithms.size() - 1.0) / logarithms.size());
    }

    @Override
    public String toString() {
      return Math.exp(mean()) + ", within a factor of " + Math.exp(standardError()) + ",";
    }
  }

  /** Errors against the float64 trajectory: this library's and plain arithmetic's. */
  private record Errors(SquaredError own, SquaredError plain) {
    @Override
    public String toString() {
      return "error " + own.root() + ", in plain float32 arithmetic " + plain.root();
    }
  }

  private static Map<String, Errors> errors(ContractBackend backend, GoldenCase golden) {
    Map<String, Errors> errors = new TreeMap<>();
    addErrors(errors, backend::open, golden, (snapshot, tensor) -> snapshot.values().get(tensor));
    return errors;
  }

  /** The trajectories of float64, which agree with the reference's where that has one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("luckyCases")
  void float32IsNoWorseThanPlainArithmeticFromOtherStarts(GoldenCase golden) {
    Map<String, Errors> errors = new TreeMap<>();
    for (int i = 1; i <= OTHER_STARTS; i++) {
      GoldenCase other = golden.fromStart(1 + i / 64.0);
      Map<String, Map<String, double[]>> expected = new TreeMap<>();
      run(
          () -> Devices.cpu(1),
          other,
          ElementType.FLOAT64,
          builder -> {},
          (snapshot, tensor, actual) -> {
            actual.keySet().retainAll(snapshot.values().get(tensor).keySet());
            expected.put(snapshot.step() + tensor, actual);
          });
      addErrors(
          errors,
          () -> Devices.cpu(1),
          other,
          (snapshot, tensor) -> expected.get(snapshot.step() + tensor));
    }
    errors.forEach(
        (name, both) ->
            assertTrue(
                both.own.root() <= ALLOWANCE * both.plain.root() + ULP,
                golden + ", " + name + ": " + both));
  }

  static Stream<GoldenCase> luckyCases() {
    return cases().stream().filter(golden -> LUCKY.containsKey(golden.name()));
  }

  private static void addErrors(
      Map<String, Errors> errors,
      Supplier<Device> opener,
      GoldenCase golden,
      BiFunction<GoldenCase.Snapshot, String, Map<String, double[]>> expected) {
    Map<String, PlainFloat32> plain = new TreeMap<>();
    if (PlainFloat32.has(golden)) {
      golden.tensors().forEach((name, start) -> plain.put(name, new PlainFloat32(golden, start)));
    }
    PlainRules rules = PlainRules.has(golden) ? new PlainRules(golden) : null;
    run(
        opener,
        golden,
        ElementType.FLOAT32,
        builder -> {},
        (snapshot, tensor, actual) -> {
          PlainFloat32 its = plain.get(tensor);
          if (its != null) {
            its.advanceTo(snapshot.step());
          }
          if (rules != null) {
            rules.advanceTo(snapshot.step());
          }
          expected
              .apply(snapshot, tensor)
              .forEach(
                  (name, values) ->
                      add(
                          errors.computeIfAbsent(
                              tensor + " " + name,
                              n -> new Errors(new SquaredError(), new SquaredError())),
                          values,
                          actual.get(name),
                          its != null
                              ? its.value(name)
                              : rules != null ? rules.value(tensor, name) : null));
        });
  }

  private static void add(Errors both, double[] expected, double[] actual, double[] plain) {
    both.own.add(expected, actual);
    if (plain != null) {
      both.plain.add(expected, plain);
    }
  }

  /**
   * Root mean square of errors, each relative to the largest value that its element takes: relative
   * to the value of the moment, an element that happens to cross zero would outweigh all others.
   */
  private static final class SquaredError {
    private final List<double[]> errors = new ArrayList<>();
    private double[] largest = {};

    void add(double[] expected, double[] actual) {
      double[] error = new double[expected.length];
      largest = Arrays.copyOf(largest, expected.length);
      for (int i = 0; i < expected.length; i++) {
        error[i] = actual[i] - expected[i];
        largest[i] = Math.max(largest[i], Math.abs(expected[i]));
      }
      errors.add(error);
    }

    double root() {
      if (errors.isEmpty()) {
        return Double.NaN; // not known
      }
      double sum = 0;
      for (double[] error : errors) {
        for (int i = 0; i < error.length; i++) {
          double relative = error[i] == 0 ? 0 : error[i] / Math.max(largest[i], Float.MIN_NORMAL);
          sum += relative * relative;
        }
      }
      return Math.sqrt(sum / errors.size() / largest.length);
    }
  }

  /** Gets what a tensor and its state are at each snapshot. */
  interface Visitor {
    void accept(GoldenCase.Snapshot snapshot, String tensor, Map<String, double[]> actual);
  }

  /**
   * Takes the steps of a case.
   *
   * @param choices what the optimizer is given besides the case
   */
  static void run(
      Supplier<Device> opener,
      GoldenCase golden,
      ElementType type,
      Consumer<OptimizerBuilder> choices,
      Visitor visitor) {
    try (Device device = opener.get();
        Parameters parameters = parameters(device, golden, type)) {
      OptimizerBuilder builder =
          Optimizer.of(parameters).rule(golden.rule()).learningRate(golden.learningRate());
      if (golden.clip("clip_grad_norm") > 0) {
        builder.clipNorm(golden.clip("clip_grad_norm"));
      }
      if (golden.clip("clip_grad_value") > 0) {
        builder.clipValue(golden.clip("clip_grad_value"));
      }
      choices.accept(builder);
      List<GoldenCase.Snapshot> snapshots = golden.snapshots();
      assertTrue(snapshots.size() >= 5, golden + " has snapshots " + snapshots.size());
      try (Optimizer optimizer = builder.build()) {
        for (int step = 0, i = 0; i < snapshots.size(); i++) {
          for (; step < snapshots.get(i).step(); step++) {
            int at = step;
            golden
                .tensors()
                .forEach(
                    (name, start) ->
                        parameters.get(name).gradients().copyFrom(start.gradients()[at]));
            optimizer.step();
          }
          Map<String, Map<String, double[]>> kept = kept(optimizer, golden);
          for (String tensor : golden.tensors().keySet()) {
            assertSameSlots(golden, optimizer, snapshots.get(i), tensor);
            Map<String, double[]> result = result(parameters, optimizer, tensor);
            result.putAll(kept.get(tensor));
            visitor.accept(snapshots.get(i), tensor, result);
          }
        }
      }
    }
  }

  private static Parameters parameters(Device device, GoldenCase golden, ElementType type) {
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

  /** What the reference keeps as one number may be state here, or follow from the step's number. */
  private static void assertSameSlots(
      GoldenCase golden, Optimizer optimizer, GoldenCase.Snapshot snapshot, String tensor) {
    Set<String> expected = new HashSet<>(snapshot.values().get(tensor).keySet());
    expected.remove(GoldenCase.PARAMS);
    expected.remove(GoldenCase.EVALUATED);
    Set<String> actual = new HashSet<>(optimizer.stateNames(tensor));
    actual.removeAll(snapshot.numbers().get(tensor).keySet());
    actual.removeAll(IMPLIED);
    if (golden.around().isPresent()) {
      actual.retainAll(expected); // the file has none of the inner rule's
    }
    assertEquals(expected, actual);
  }

  private static Map<String, double[]> result(
      Parameters parameters, Optimizer optimizer, String tensor) {
    Map<String, double[]> result = new TreeMap<>();
    result.put(GoldenCase.PARAMS, parameters.get(tensor).values().toDoubles());
    for (String slot : optimizer.stateNames(tensor)) {
      result.put(slot, optimizer.state(tensor, slot).toDoubles());
    }
    optimizer.eval();
    result.put(GoldenCase.EVALUATED, parameters.get(tensor).values().toDoubles());
    optimizer.train();
    return result;
  }

  /**
   * What a rule keeps of a whole group, such as NAdam's product of momenta, is no tensor of the
   * optimizer's: a checkpoint has it.
   */
  private static Map<String, Map<String, double[]>> kept(Optimizer optimizer, GoldenCase golden) {
    try {
      BytesChannel file = new BytesChannel();
      optimizer.checkpoint().withoutParameters().save(file);
      Map<String, Map<String, double[]>> kept = new TreeMap<>();
      try (CheckpointReader reader = CheckpointReader.open(file.position(0))) {
        for (String tensor : golden.tensors().keySet()) {
          String prefix = "state." + tensor + ".";
          Map<String, double[]> its = new TreeMap<>();
          for (TensorEntry entry : reader.tensors()) {
            if (entry.name().startsWith(prefix)
                && entry.shape().isEmpty()
                && entry.format() == ElementFormat.F64) {
              double[] value = new double[1];
              reader.read(entry, 0, value, 0, 1);
              its.put(entry.name().substring(prefix.length()), value);
            }
          }
          kept.put(tensor, its);
        }
      }
      return kept;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void assertClose(
      GoldenCase golden, double[] expected, double[] actual, String where) {
    double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
    double tolerance = LOOSER.getOrDefault(golden.name(), TOLERANCE);
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(actual[i] - expected[i]);
      double magnitude = golden.isStrict() ? Math.abs(expected[i]) : largest;
      assertTrue(
          error <= tolerance * magnitude,
          where + ", element " + i + ": " + actual[i] + " instead of " + expected[i]);
    }
  }
}
