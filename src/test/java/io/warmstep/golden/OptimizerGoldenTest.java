package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiConsumer;
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
  /** Relative to the element; the README of the golden files states it. */
  private static final double TOLERANCE = 1e-12;

  /**
   * In float32, what chance may do to one tensor of one case, 24 elements: this factor of plain
   * arithmetic's error and one unit in the last place. Over all cases there is no allowance.
   */
  private static final double ALLOWANCE = 1.25;

  private static final double ULP = 0x1p-23;

  /** In float32, the error of a case whose plain arithmetic is not known, as a root mean square. */
  private static final double FLOAT32_TOLERANCE = 1e-5;

  private static List<GoldenCase> cases() {
    return GoldenCase.all().stream().filter(GoldenCase::hasRule).toList();
  }

  static Stream<Arguments> backendsAndCases() {
    List<GoldenCase> cases = cases();
    return ContractBackend.all().stream()
        .flatMap(backend -> cases.stream().map(golden -> Arguments.of(backend, golden)));
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
              + " has no case in golden/optimizers.json: add cases of PyTorch's optimizer of that"
              + " name or, if it has none, of another implementation, with tools/golden.py");
    }
    assertTrue(cases().size() >= 36, "cases " + cases().size());
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndCases")
  void float64AgreesToTwelveDigits(ContractBackend backend, GoldenCase golden) {
    if (!backend.hasFloat64()) {
      return;
    }
    run(
        backend,
        golden,
        ElementType.FLOAT64,
        (snapshot, actual) -> {
          String where = golden + ", step " + snapshot.step();
          assertClose(snapshot.params(), actual.get("params"), where + ", params");
          snapshot
              .state()
              .forEach((slot, expected) -> assertClose(expected, actual.get(slot), where + slot));
        });
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndCases")
  void float32IsCloseToPlainArithmetic(ContractBackend backend, GoldenCase golden) {
    errors(backend, golden)
        .forEach(
            (name, errors) -> {
              double bound =
                  PlainFloat32.has(golden)
                      ? ALLOWANCE * errors.plain.root() + ULP
                      : FLOAT32_TOLERANCE;
              assertTrue(
                  errors.own.root() <= bound,
                  golden + ", " + name + ": " + errors + ", allowed " + bound);
            });
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void float32IsNoWorseThanPlainArithmeticOverAllCases(ContractBackend backend) {
    Map<String, List<Double>> ratios = new TreeMap<>();
    cases().stream()
        .filter(PlainFloat32::has)
        .forEach(
            golden ->
                errors(backend, golden)
                    .forEach(
                        (name, errors) ->
                            ratios
                                .computeIfAbsent(
                                    name.equals("params") ? name : "state", n -> new ArrayList<>())
                                .add(Math.log(errors.own.root() / errors.plain.root()))));
    ratios.forEach(
        (name, logarithms) -> {
          double sum = logarithms.stream().mapToDouble(log -> log).sum();
          double mean = Math.exp(sum / logarithms.size());
          assertTrue(mean <= 1, name + ": " + mean + " of plain arithmetic's error");
        });
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
    PlainFloat32 plain = PlainFloat32.has(golden) ? new PlainFloat32(golden) : null;
    run(
        backend,
        golden,
        ElementType.FLOAT32,
        (snapshot, actual) -> {
          if (plain != null) {
            plain.advanceTo(snapshot.step());
          }
          add(errors, "params", snapshot.params(), actual, plain == null ? null : plain.params());
          snapshot
              .state()
              .forEach(
                  (slot, expected) ->
                      add(
                          errors,
                          slot,
                          expected,
                          actual,
                          plain == null ? null : plain.state(slot)));
        });
    return errors;
  }

  private static void add(
      Map<String, Errors> errors,
      String name,
      double[] expected,
      Map<String, double[]> actual,
      double[] plain) {
    Errors both =
        errors.computeIfAbsent(name, n -> new Errors(new SquaredError(), new SquaredError()));
    both.own.add(expected, actual.get(name));
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

  private static void run(
      ContractBackend backend,
      GoldenCase golden,
      ElementType type,
      BiConsumer<GoldenCase.Snapshot, Map<String, double[]>> visitor) {
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device).add("p", type, golden.initial().length).build()) {
      parameters.get("p").values().copyFrom(golden.initial());
      OptimizerBuilder builder =
          Optimizer.of(parameters).rule(golden.rule()).learningRate(golden.learningRate());
      if (golden.clip("clip_grad_norm") > 0) {
        builder.clipNorm(golden.clip("clip_grad_norm"));
      }
      if (golden.clip("clip_grad_value") > 0) {
        builder.clipValue(golden.clip("clip_grad_value"));
      }
      List<GoldenCase.Snapshot> snapshots = golden.snapshots();
      assertTrue(snapshots.size() >= 5, golden + " has snapshots " + snapshots.size());
      try (Optimizer optimizer = builder.build()) {
        assertSameSlots(optimizer, snapshots.get(0));
        for (GoldenCase.Snapshot snapshot : snapshots) {
          while (optimizer.stepCount() < snapshot.step()) {
            parameters
                .get("p")
                .gradients()
                .copyFrom(golden.gradients()[(int) optimizer.stepCount()]);
            optimizer.step();
          }
          visitor.accept(snapshot, result(parameters, optimizer));
        }
      }
    }
  }

  private static void assertSameSlots(Optimizer optimizer, GoldenCase.Snapshot snapshot) {
    assertEquals(snapshot.state().keySet(), new HashSet<>(optimizer.stateNames("p")));
  }

  private static Map<String, double[]> result(Parameters parameters, Optimizer optimizer) {
    Map<String, double[]> result = new TreeMap<>();
    result.put("params", parameters.get("p").values().toDoubles());
    for (String slot : optimizer.stateNames("p")) {
      result.put(slot, optimizer.state("p", slot).toDoubles());
    }
    return result;
  }

  private static void assertClose(double[] expected, double[] actual, String where) {
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(actual[i] - expected[i]);
      assertTrue(
          error <= TOLERANCE * Math.abs(expected[i]),
          where + ", element " + i + ": " + actual[i] + " instead of " + expected[i]);
    }
  }
}
