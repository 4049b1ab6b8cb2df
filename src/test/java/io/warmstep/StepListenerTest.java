package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.rule.Sgd;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What an optimizer reports to its listeners, and when. */
class StepListenerTest {
  private static final int STEPS = 6;

  /** Steps with gradients of norm 1, 2, 3 and so on, and a loss of ten times that. */
  private static void run(Optimizer.Builder builder, Parameters parameters) {
    try (Optimizer optimizer = builder.build()) {
      for (int i = 1; i <= STEPS; i++) {
        parameters.get("w").gradients().copyFrom(new float[] {0, i});
        optimizer.reportLoss(10 * i);
        optimizer.step();
      }
    }
  }

  private static Parameters parameters(Device device) {
    return Parameters.on(device).add("w", new float[] {1, 1}).build();
  }

  @Test
  void reportsAtTheIntervalOfEachListener() {
    List<StepReport> every = new ArrayList<>();
    List<StepReport> third = new ArrayList<>();
    try (Device device = Devices.require("cpu");
        Parameters parameters = parameters(device)) {
      run(
          Optimizer.of(parameters)
              .rule(Sgd.sgd())
              .learningRate(Schedules.linear(1, 0.1, 1, 9))
              .clipNorm(4)
              .listener(every::add, 1)
              .listener(third::add, 3),
          parameters);
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
  }

  @Test
  void whatIsNotKnownIsNan() {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = Devices.require("cpu");
        Parameters parameters = parameters(device);
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .listener(reports::add, 1)
                .build()) {
      optimizer.step();
    }
    assertEquals(new StepReport(1, 1, Double.NaN, Double.NaN, Double.NaN, 0), reports.get(0));
  }

  @Test
  void aSkippedStepIsReportedAndNotCounted() {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = Devices.require("cpu");
        Parameters parameters = parameters(device);
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .skipNonFinite(true)
                .listener(reports::add, 1)
                .build()) {
      parameters.get("w").gradients().copyFrom(new float[] {0, Float.NaN});
      optimizer.step();
      parameters.get("w").gradients().copyFrom(new float[] {3, 4});
      optimizer.step();
    }
    assertEquals(0, reports.get(0).step());
    assertEquals(1, reports.get(0).skippedSteps());
    assertTrue(Double.isNaN(reports.get(0).learningRate()));
    assertEquals(1, reports.get(1).step());
    assertEquals(1, reports.get(1).skippedSteps());
    assertEquals(5, reports.get(1).gradientNorm(), 1e-6);
  }

  @Test
  void aListenersExceptionReachesTheCallerAndTheStepHasHappened() {
    try (Device device = Devices.require("cpu");
        Parameters parameters = parameters(device);
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
      assertThrows(UnsupportedOperationException.class, optimizer::step);
      assertEquals(2, optimizer.stepCount());
      optimizer.step();
      assertEquals(3, optimizer.stepCount());
    }
  }

  @Test
  void twoOptimizersOfOneBuilderCountApart() {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = Devices.require("cpu");
        Parameters parameters = parameters(device)) {
      Optimizer.Builder builder =
          Optimizer.of(parameters)
              .rule(Sgd.sgd())
              .learningRate(1)
              .clipNorm(3)
              .listener(reports::add, STEPS);
      run(builder, parameters);
      run(builder, parameters);
    }
    assertEquals(2, reports.size());
    assertEquals(reports.get(0), reports.get(1));
  }

  @Test
  void refusesAnIntervalBelowOne() {
    try (Device device = Devices.require("cpu");
        Parameters parameters = parameters(device)) {
      Optimizer.Builder builder = Optimizer.of(parameters);
      assertEquals(
          "interval is 0, must be a number of steps, at least 1",
          assertThrows(
                  IllegalArgumentException.class, () -> builder.listener(report -> {}, 0))
              .getMessage());
      assertThrows(NullPointerException.class, () -> builder.listener(null, 1));
    }
  }
}
