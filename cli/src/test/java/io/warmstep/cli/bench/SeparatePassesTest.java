package io.warmstep.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.train.Precision;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.UpdateRule;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SeparatePassesTest {
  private static final List<Long> LENGTHS = List.of(5000L, 7L, 4096L, 300L);

  private static final UpdateRule ADAMW = NamedRules.named("adamw");

  private static StepWork full(UpdateRule rule, Precision precision) {
    return new StepWork(rule, precision, true, LENGTHS);
  }

  /** Differ by the rounding of the norm alone, which may turn a few of the roundings after it. */
  private static void assertAlike(float[] expected, float[] actual, String what) {
    assertEquals(expected.length, actual.length, what);
    int others = 0;
    for (int i = 0; i < expected.length; i++) {
      // Written so that NaN counts.
      boolean isAlike =
          Math.abs(expected[i] - actual[i]) <= 1e-6 * Math.max(1e-3, Math.abs(expected[i]));
      others += isAlike ? 0 : 1;
    }
    assertTrue(others <= expected.length / 100, what + ": " + others + " of " + expected.length);
  }

  @ParameterizedTest
  @CsvSource({
    "adamw,float32,float32,none,float32,nearest,0",
    "adamw,float32,bfloat16,none,float32,nearest,0",
    "adamw,float32,float32,none,int8,nearest,0.99",
    "adamw,float32,float32,none,bfloat16,stochastic,0",
    "adamw,float16,float16,none,float32,nearest,0",
    "adamw,bfloat16,bfloat16,none,float32,nearest,0",
    "adamw,bfloat16,float32,none,float32,stochastic,0",
    "adamw,bfloat16,bfloat16,exact,float32,nearest,0",
    "adamw,bfloat16,float32,exact,int8,stochastic,0.99",
    "adamw,float16,float16,exact,bfloat16,nearest,0.9",
    "adamw,bfloat16,bfloat16,24bit,int8,stochastic,0.99",
    "lamb,float32,float32,none,float32,nearest,0", // which clips on its own if nobody does
    "adan,bfloat16,bfloat16,exact,int8,nearest,0",
    "adafactor,float32,float32,none,float32,nearest,0", // whose state depends on shapes
    "prodigy,float32,float32,none,float32,nearest,0",
    "sgd,float32,float32,none,float32,nearest,0.5"
  })
  void doWhatAFullStepDoes(
      String rule,
      String type,
      String gradients,
      String master,
      String state,
      String rounding,
      double average)
      throws InterruptedException {
    Precision precision =
        new Precision(
            ElementType.parse(type),
            ElementType.parse(gradients),
            one(MasterWeights.values(), master),
            one(StateType.values(), state),
            Precision.SMALL_TENSOR,
            one(Rounding.values(), rounding),
            1,
            average);
    assertDoes(full(NamedRules.named(rule), precision));
  }

  private static <T> T one(T[] values, String name) {
    return List.of(values).stream().filter(value -> value.toString().equals(name)).findAny().get();
  }

  @Test
  void doWhatAFullStepUnderLookaheadDoes() throws InterruptedException {
    assertDoes(full(Lookahead.around(NamedRules.named("lamb")).k(2), Precision.FLOAT32));
  }

  private static void assertDoes(StepWork work) throws InterruptedException {
    try (Device device = Devices.cpu(2);
        Parameters parameters = work.parameters(device);
        Optimizer optimizer = work.optimizer(parameters);
        Gradients gradients = new Gradients(parameters);
        SeparatePasses passes = new SeparatePasses(device, 2, work)) {
      assertNull(SeparatePasses.refusal(work, device.report()));
      for (int step = 0; step < 4; step++) {
        gradients.restore();
        passes.restore();
        optimizer.step();
        passes.step();
      }
      assertTrue(Double.isNaN(passes.update().gradientNorm()), "the update sums squares again");
      int at = 0;
      for (Parameter parameter : parameters) {
        String name = parameter.name();
        float[] values = new float[(int) parameter.length()];
        passes.copyValues(at, values);
        assertAlike(parameter.values().toFloats(), values, name);
        at += values.length;
        for (String slot : passes.update().stateNames(name)) {
          assertAlike(
              optimizer.state(name, slot).toFloats(),
              passes.update().state(name, slot).toFloats(),
              name + " " + slot);
        }
        int own = work.precision().masters() == MasterWeights.EXACT ? 1 : 0; // parameters there
        assertEquals(
            optimizer.stateNames(name).size(), passes.update().stateNames(name).size() + own, name);
      }
    }
  }

  private static void assertRefused(StepWork work, String reason) {
    try (Device device = Devices.cpu(1)) {
      assertEquals(reason, SeparatePasses.refusal(work, device.report()));
    }
  }

  @Test
  void thereAreNoneThatWouldDoLessOrOtherwise() {
    assertRefused(
        full(ADAMW, Precision.of(ElementType.FLOAT64)), "they are of float32, and not of float64");
    assertRefused(
        new StepWork(ADAMW, Precision.FLOAT32, true, LENGTHS, 2, 0, false, false),
        "they add up no micro-batches");
    assertRefused(
        new StepWork(ADAMW, Precision.FLOAT32, true, LENGTHS, 1, 0, false, true),
        "they are reported to nobody");
    assertRefused(
        full(NamedRules.named("prodigy"), Precision.of(ElementType.BFLOAT16)),
        "they pass gradients on in float32, and prodigy takes those of bfloat16 parameters in"
            + " bfloat16 alone");
    assertRefused(
        new StepWork(ADAMW, Precision.FLOAT32, true, List.of((long) Integer.MAX_VALUE)),
        "they are of no more than 2147483639 parameters");
  }
}
