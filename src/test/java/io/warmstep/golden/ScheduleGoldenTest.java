package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.schedule.Annealing;
import io.warmstep.schedule.PlateauSchedule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.schedule.WarmUp;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares the schedules with the rates that PyTorch computed. */
class ScheduleGoldenTest {
  private static final double TOLERANCE = 1e-12;

  static Stream<Arguments> cases() {
    List<Arguments> cases = new ArrayList<>();
    for (JsonElement element : read().getAsJsonArray("schedules")) {
      JsonObject golden = element.getAsJsonObject();
      cases.add(Arguments.of(golden.get("name").getAsString(), golden));
    }
    return cases.stream();
  }

  @Test
  void theFileHoldsTheTwelveSchedulesThatAreCompared() {
    List<String> names = cases().map(arguments -> (String) arguments.get()[0]).toList();

    assertEquals(
        List.of(
            "StepLR",
            "MultiStepLR",
            "ConstantLR",
            "LinearLR",
            "ExponentialLR",
            "PolynomialLR",
            "CosineAnnealingLR",
            "CosineAnnealingWarmRestarts",
            "CyclicLR",
            "OneCycleLR",
            "Warmup+Cosine",
            "ReduceLROnPlateau"),
        names);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  void ratesAreThoseOfPyTorch(String name, JsonObject golden) {
    double[] expected = numbers(golden.getAsJsonArray("learning_rates"));
    assertEquals(200, expected.length);
    Schedule schedule = schedule(name, golden);
    double[] metric =
        golden.has("metric") ? numbers(golden.getAsJsonArray("metric")) : new double[0];

    for (int t = 0; t < expected.length; t++) {
      double actual = schedule.rate(t + 1);
      double error = Math.abs(actual - expected[t]);
      assertTrue(
          error <= TOLERANCE * expected[t],
          name + ", step " + (t + 1) + ": " + actual + " instead of " + expected[t]);
      if (schedule instanceof PlateauSchedule plateau) {
        plateau.report(metric[t]);
      }
    }
  }

  private static Schedule schedule(String name, JsonObject golden) {
    double rate = golden.get("base_lr").getAsDouble();
    JsonObject hyper = golden.getAsJsonObject("hyper");
    return switch (name) {
      case "StepLR" -> Schedules.step(rate, steps(hyper, "step_size"), number(hyper, "gamma"));
      case "MultiStepLR" ->
          Schedules.multiStep(
              rate,
              number(hyper, "gamma"),
              hyper.getAsJsonArray("milestones").asList().stream()
                  .mapToLong(JsonElement::getAsLong)
                  .toArray());
      case "ConstantLR" ->
          Schedules.constantFactor(rate, number(hyper, "factor"), steps(hyper, "total_iters"));
      case "LinearLR" ->
          Schedules.linear(
              rate,
              number(hyper, "start_factor"),
              number(hyper, "end_factor"),
              steps(hyper, "total_iters"));
      case "ExponentialLR" -> Schedules.exponential(rate, number(hyper, "gamma"));
      case "PolynomialLR" ->
          Schedules.polynomial(rate, steps(hyper, "total_iters"), number(hyper, "power"));
      case "CosineAnnealingLR" ->
          Schedules.cosine(rate, steps(hyper, "T_max"), number(hyper, "eta_min"));
      case "CosineAnnealingWarmRestarts" ->
          Schedules.cosineWarmRestarts(
              rate, steps(hyper, "T_0"), steps(hyper, "T_mult"), number(hyper, "eta_min"));
      case "CyclicLR" -> cyclic(hyper);
      case "OneCycleLR" -> oneCycle(hyper);
      case "Warmup+Cosine" ->
          Schedules.cosine(rate, steps(hyper, "T_max"))
              .warmUp(
                  steps(hyper, "warmup_iters"),
                  WarmUp.linear(number(hyper, "warmup_start_factor")));
      case "ReduceLROnPlateau" -> plateau(rate, hyper);
      default -> throw new AssertionError("no schedule for " + name);
    };
  }

  private static Schedule cyclic(JsonObject hyper) {
    assertEquals("triangular2", hyper.get("mode").getAsString());
    long half = steps(hyper, "step_size_up");
    return Schedules.triangular2(number(hyper, "base_lr"), number(hyper, "max_lr"), half, half);
  }

  private static Schedule oneCycle(JsonObject hyper) {
    assertEquals("cos", hyper.get("anneal_strategy").getAsString());
    return Schedules.oneCycle(number(hyper, "max_lr"), steps(hyper, "total_steps"))
        .annealing(Annealing.COSINE)
        .pctStart(number(hyper, "pct_start"))
        .divFactor(number(hyper, "div_factor"))
        .finalDivFactor(number(hyper, "final_div_factor"));
  }

  private static Schedule plateau(double rate, JsonObject hyper) {
    assertEquals("min", hyper.get("mode").getAsString());
    assertEquals("rel", hyper.get("threshold_mode").getAsString());
    return Schedules.reduceOnPlateau(rate)
        .mode(PlateauSchedule.Mode.MIN)
        .thresholdMode(PlateauSchedule.ThresholdMode.RELATIVE)
        .factor(number(hyper, "factor"))
        .patience(steps(hyper, "patience"))
        .threshold(number(hyper, "threshold"))
        .cooldown(steps(hyper, "cooldown"))
        .minimum(number(hyper, "min_lr"));
  }

  private static double number(JsonObject object, String name) {
    return object.get(name).getAsDouble();
  }

  private static long steps(JsonObject object, String name) {
    return object.get(name).getAsLong();
  }

  private static double[] numbers(JsonArray array) {
    return array.asList().stream().mapToDouble(JsonElement::getAsDouble).toArray();
  }

  private static JsonObject read() {
    try (InputStream file = ScheduleGoldenTest.class.getResourceAsStream("/golden/schedules.json");
        Reader reader = new InputStreamReader(file, StandardCharsets.UTF_8)) {
      return JsonParser.parseReader(reader).getAsJsonObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
