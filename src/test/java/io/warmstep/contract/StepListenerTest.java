package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Sgd;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.ContractBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What an optimizer reports to its listeners, and when. */
class StepListenerTest {
  private static final int STEPS = 6;

  static Stream<ContractBackend> backends() {
    return ContractBackend.all().stream();
  }

  /** Steps of SGD with gradients of norm 1, 2, 3 and so on, and a loss of ten times that. */
  private static void run(Device device, UnaryOperator<OptimizerBuilder> options) {
    try (Parameters parameters = Parameters.on(device).add("w", new float[] {3, 4}).build();
        Optimizer optimizer =
            options.apply(Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1)).build()) {
      for (int i = 1; i <= STEPS; i++) {
        parameters.get("w").gradients().copyFrom(new float[] {0, i});
        optimizer.reportLoss(10 * i);
        optimizer.step();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void reportsAtTheIntervalOfEachListener(ContractBackend backend) {
    List<StepReport> every = new ArrayList<>();
    List<StepReport> third = new ArrayList<>();
    try (Device device = backend.opener().get()) {
      run(
          device,
          builder ->
              builder
                  .learningRate(Schedules.linear(1, 0.1, 1, 9))
                  .clipNorm(4)
                  .listener(every::add, 1)
                  .listener(third::add, 3));
    }
    assertEquals(STEPS, every.size());
    for (int i = 1; i <= STEPS; i++) {
      StepReport report = every.get(i - 1);
      assertEquals(i, report.step());
      assertEquals(i, report.gradientNorm(), 1e-6);
      assertEquals(10 * i, report.loss());
      assertEquals(0.1 * i, report.learningRate(), 1e-12);
      assertEquals(Math.max(0, i - 4.0) / i, report.clipRate(), 1e-12, "more than 4 is clipped");
      assertEquals(0, report.skippedSteps());
    }
    assertEquals(List.of(3L, 6L), third.stream().map(StepReport::step).toList());
    assertEquals(0.5, third.get(1).clipRate(), "one of the two reported steps was clipped");
    assertEquals(every.get(2).updates(), third.get(0).updates());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void whatIsNotKnownIsNan(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = backend.opener().get();
        Parameters parameters = Parameters.on(device).add("w", new float[] {1, 1}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .measureUpdates(false)
                .listener(reports::add, 1)
                .build()) {
      optimizer.step();
    }
    double unknown = Double.NaN;
    assertEquals(List.of(new StepReport(1, 1, unknown, unknown, unknown, 0, List.of())), reports);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theRatioIsOfTheChangeToTheValuesBeforeIt(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = backend.opener().get()) {
      run(device, builder -> builder.zeroGradients(true).listener(reports::add, 1));
      // 3 and 4 - 1, then 3 - 2, then 1 - 3.
      double[] second = {4, 3, 1, -2, -6, -11};
      for (int i = 0; i < STEPS; i++) {
        StepReport.Update update = reports.get(i).updates().get(0);
        assertEquals(1, reports.get(i).updates().size());
        assertEquals("all", update.group());
        assertEquals((i + 1) / Math.hypot(3, second[i]), update.toWeight(), 1e-15);
        assertEquals(0, update.lost());
      }
      reports.clear();
      run(device, builder -> builder.learningRate(1e-12).listener(reports::add, STEPS));
      assertEquals(
          List.of(new StepReport.Update("all", 0, 1, 0, "w", List.of())), reports.get(0).updates());
    }
  }

  /** A value of 1 moves under a hundredth in float32, and not in bfloat16. */
  @ParameterizedTest
  @MethodSource("backends")
  void groupsAreMeasuredApart(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = backend.opener().get();
        Parameters parameters =
            Parameters.on(device)
                .add("a.weight", new float[] {1, 1, 1})
                .add("a.bias", ElementType.BFLOAT16, new float[] {1, 1, 0.01f, 1})
                .add("b.bias", ElementType.FLOAT16, new float[] {1})
                .add("frozen", new float[] {1})
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1e-3)
                .group(ParameterGroup.matching("*.bias").learningRateFactor(0.1))
                .group(ParameterGroup.matching("frozen").learningRateFactor(0))
                .listener(reports::add, 1)
                .build()) {
      parameters.get("a.weight").gradients().copyFrom(new float[] {1, 0, -1});
      parameters.get("a.bias").gradients().copyFrom(new float[] {1, 0, 1, Float.NaN});
      parameters.get("b.bias").gradients().copyFrom(new float[] {1});
      parameters.get("frozen").gradients().copyFrom(new float[] {1});
      optimizer.step();
    }
    List<StepReport.Update> updates = reports.get(0).updates();
    assertEquals(
        List.of("*.bias", "frozen", "others"),
        updates.stream().map(StepReport.Update::group).toList());
    assertEquals(2 / 3.0, updates.get(0).lost());
    assertEquals(0, updates.get(1).toWeight());
    assertTrue(Double.isNaN(updates.get(1).lost()), updates.toString());
    assertEquals(0, updates.get(2).lost());
    assertEquals(1e-3 * Math.sqrt(2 / 3.0), updates.get(2).toWeight(), 1e-7);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void everyBackendReportsTheSame(ContractBackend backend) {
    List<List<StepReport>> all = new ArrayList<>();
    for (boolean isReference : new boolean[] {true, false}) {
      List<StepReport> reports = new ArrayList<>();
      SplittableRandom random = new SplittableRandom(14);
      try (Device device = isReference ? Devices.require("cpu") : backend.opener().get();
          Parameters parameters =
              Parameters.on(device)
                  .add("a", random(random, 40_000))
                  .add("b", ElementType.BFLOAT16, random(random, 1001))
                  .build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Adam.adamW())
                  .learningRate(1e-3)
                  .clipNorm(1)
                  .group(ParameterGroup.matching("b"))
                  .zeroGradients(true)
                  .listener(reports::add, 2)
                  .build()) {
        for (int i = 0; i < STEPS; i++) {
          for (Parameter parameter : parameters) {
            parameter.gradients().copyFrom(random(random, (int) parameter.length()));
          }
          optimizer.step();
        }
      }
      all.add(reports);
    }
    assertEquals(STEPS / 2, all.get(0).size());
    assertEquals(all.get(0), all.get(1));
    assertTrue(all.get(0).get(0).updates().get(0).lost() > 0.1, all.get(0).toString());
  }

  private static float[] random(SplittableRandom random, int length) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) (2 * random.nextDouble() - 1);
    }
    return values;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aSkippedStepIsReportedAndNotCounted(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = backend.opener().get();
        Parameters parameters = Parameters.on(device).add("w", new float[] {1, 1}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .clipNorm(1)
                .skipNonFinite(true)
                .listener(reports::add, 1)
                .build()) {
      parameters.get("w").gradients().copyFrom(new float[] {0, Float.POSITIVE_INFINITY});
      optimizer.step();
      parameters.get("w").gradients().copyFrom(new float[] {3, 4});
      optimizer.step();
    }
    StepReport skipped = reports.get(0);
    assertEquals(0, skipped.step());
    assertEquals(1, skipped.skippedSteps());
    assertTrue(Double.isNaN(skipped.learningRate()));
    assertTrue(Double.isNaN(skipped.clipRate()));
    double unknown = Double.NaN;
    assertEquals(
        List.of(new StepReport.Update("all", unknown, unknown, unknown, "", List.of())),
        skipped.updates());
    StepReport done = reports.get(1);
    assertEquals(1, done.step());
    assertEquals(1, done.skippedSteps());
    assertEquals(5, done.gradientNorm(), 1e-6);
    assertEquals(1, done.clipRate());
    assertEquals(Math.sqrt(0.5), done.updates().get(0).toWeight(), 1e-6);
  }

  /** Of each step, in order, whatever the device had done of them when the next was asked for. */
  @ParameterizedTest
  @MethodSource("backends")
  void flushingDeliversWhatIsOutstanding(ContractBackend backend) {
    List<Double> norms = new ArrayList<>();
    List<Double> ratios = new ArrayList<>();
    try (Device device = backend.opener().get();
        Tensor gradients = device.copyOf(new float[] {1, 0});
        Parameters parameters = Parameters.on(device).add("w", new float[] {8, 0}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .clipNorm(1e9)
                .zeroGradients(true)
                .listener(
                    report -> {
                      norms.add(report.gradientNorm());
                      ratios.add(report.updates().get(0).toWeight());
                    },
                    1)
                .build()) {
      for (int i = 0; i < 3; i++) {
        parameters.get("w").gradients().copyFrom(gradients); // on the device, in order
        optimizer.step();
      }
      optimizer.flushReports();
      assertEquals(List.of(1.0, 1.0, 1.0), norms);
      assertEquals(List.of(1 / 8.0, 1 / 7.0, 1 / 6.0), ratios);
      optimizer.flushReports();
      assertEquals(3, norms.size(), "each only once");
      parameters.get("w").gradients().copyFrom(gradients);
      optimizer.step();
    }
    assertEquals(4, norms.size(), "closing delivers too");
    assertEquals(1 / 5.0, ratios.get(3));
  }

  /** What is kept of a step belongs to its groups, which may change before it is read. */
  @ParameterizedTest
  @MethodSource("backends")
  void groupsMayChangeWhileReportsAreOutstanding(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = backend.opener().get();
        Tensor one = device.copyOf(new float[] {1});
        Parameters parameters =
            Parameters.on(device).add("a", new float[] {2}).add("b", new float[] {4}).build();
        Parameters more = Parameters.on(device).add("c", new double[] {8}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .group(ParameterGroup.matching("a"))
                .learningRate(0.5)
                .listener(reports::add, 1)
                .build()) {
      for (Parameter parameter : parameters) {
        parameter.gradients().copyFrom(one);
      }
      optimizer.step();
      optimizer.groups().freeze("a");
      optimizer.step();
      optimizer.groups().add(more);
      optimizer.step();
      optimizer.groups().unfreeze("a");
      optimizer.step();
    }
    assertEquals(
        List.of(
            "a 0.25, others 0.125",
            "others " + 0.5 / 3.5,
            "others " + 0.5 / 3 + ", others.2 0.0",
            "a " + 0.5 / 1.5 + ", others 0.2, others.2 0.0"),
        reports.stream()
            .map(
                report ->
                    report.updates().stream()
                        .map(update -> update.group() + " " + update.toWeight())
                        .reduce((a, b) -> a + ", " + b)
                        .orElse(""))
            .toList());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aListenersExceptionReachesTheCallerAndTheStepHasHappened(ContractBackend backend) {
    try (Device device = backend.opener().get();
        Parameters parameters = Parameters.on(device).add("w", new float[] {1, 1}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .listener(
                    report -> {
                      throw new UnsupportedOperationException("mine");
                    },
                    2)
                .build()) {
      optimizer.step();
      assertThrows(
          UnsupportedOperationException.class,
          () -> {
            optimizer.step();
            optimizer.flushReports(); // where it was not there yet
          });
      assertEquals(2, optimizer.stepCount());
      optimizer.step();
      assertEquals(3, optimizer.stepCount());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void everyListenerIsNotifiedWhateverTheOthersThrow(ContractBackend backend) {
    List<Long> received = new ArrayList<>();
    try (Device device = backend.opener().get();
        Parameters parameters = Parameters.on(device).add("w", new float[] {1, 1}).build()) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1);
      for (String message : List.of("first", "second")) {
        builder.listener(
            report -> {
              throw new UnsupportedOperationException(message);
            },
            1);
      }
      try (Optimizer optimizer =
          builder.listener(report -> received.add(report.step()), 1).build()) {
        Exception failure =
            assertThrows(
                UnsupportedOperationException.class,
                () -> {
                  optimizer.step();
                  optimizer.flushReports(); // where it was not there yet
                });
        assertEquals("first", failure.getMessage());
        assertEquals("second", failure.getSuppressed()[0].getMessage());
        assertEquals(1, failure.getSuppressed().length);
        assertEquals(List.of(1L), received);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void twoOptimizersOfOneBuilderCountApart(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = backend.opener().get();
        Parameters parameters = Parameters.on(device).add("w", new float[] {1, 1}).build()) {
      OptimizerBuilder builder =
          Optimizer.of(parameters)
              .rule(Sgd.sgd())
              .learningRate(0)
              .clipNorm(3)
              .listener(reports::add, 2);
      for (int i = 0; i < 2; i++) {
        try (Optimizer optimizer = builder.build()) {
          optimizer.step();
          optimizer.step();
        }
      }
    }
    assertEquals(2, reports.size());
    assertEquals(reports.get(0), reports.get(1));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void refusesAnIntervalBelowOne(ContractBackend backend) {
    try (Device device = backend.opener().get();
        Parameters parameters = Parameters.on(device).add("w", new float[] {1}).build()) {
      OptimizerBuilder builder = Optimizer.of(parameters);
      Exception refused =
          assertThrows(IllegalArgumentException.class, () -> builder.listener(report -> {}, 0));
      assertEquals(
          "interval is 0, must be at least 1: pass a number of steps", refused.getMessage());
      assertThrows(NullPointerException.class, () -> builder.listener(null, 1));
    }
  }
}
