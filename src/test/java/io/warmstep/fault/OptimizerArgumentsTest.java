package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lars;
import io.warmstep.rule.Lion;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NAdamW;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StableAdamW;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Wrong options of an optimizer, its groups, its schedule and its loss scaler. */
class OptimizerArgumentsTest {
  private final Device device = Devices.cpu(1);
  private final Parameters parameters =
      Parameters.on(device).add("a.weight", new float[] {1}).add("a.bias", new float[] {1}).build();

  @AfterEach
  void close() {
    parameters.close();
    device.close();
  }

  private OptimizerBuilder builder() {
    return Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.5);
  }

  private static String refusal(Executable call) {
    return assertThrows(IllegalArgumentException.class, call).getMessage();
  }

  @Test
  void aMissingRuleOrRate() {
    assertTrue(
        assertThrows(IllegalStateException.class, Optimizer.of(parameters).learningRate(1)::build)
            .getMessage()
            .startsWith("no rule was set"));
    assertTrue(
        assertThrows(IllegalStateException.class, Optimizer.of(parameters).rule(Sgd.sgd())::build)
            .getMessage()
            .startsWith("no learning rate was set"));
    assertThrows(NullPointerException.class, () -> builder().rule(null));
    assertThrows(NullPointerException.class, () -> builder().learningRate((Schedule) null));
    assertThrows(NullPointerException.class, () -> builder().group(null));
    assertThrows(NullPointerException.class, () -> builder().lossScaler(null));
  }

  @ParameterizedTest
  @ValueSource(doubles = {-1, Double.NaN, Double.POSITIVE_INFINITY, -Double.MIN_VALUE})
  void rates(double rate) {
    assertTrue(refusal(() -> builder().learningRate(rate)).contains(String.valueOf(rate)));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void clippingBounds(double bound) {
    if (bound != Double.POSITIVE_INFINITY) {
      assertEquals(
          "clipNorm is " + bound + ", must be above 0, or infinite to measure the norm alone",
          refusal(() -> builder().clipNorm(bound)));
    }
    assertEquals(
        "clipValue is " + bound + ", must be finite and above 0",
        refusal(() -> builder().clipValue(bound)));
    assertEquals(
        "adaptiveClip is " + bound + ", must be finite and above 0: leave it out not to clip",
        refusal(() -> builder().adaptiveClip(bound)));
    assertEquals(
        "adaptiveClip: eps is "
            + bound
            + ", must be finite and above 0: pass a small number such as 0.001",
        refusal(() -> builder().adaptiveClip(0.01, bound)));
    if (bound != 0) {
      assertEquals(
          "adaptiveClip is "
              + bound
              + ", must be finite and at least 0: pass a small number such as 0.01",
          refusal(() -> ParameterGroup.matching("*").adaptiveClip(bound)));
    }
  }

  /** Wherever the two come from, and also for parameters that come later. */
  @Test
  void adaptiveClippingUnderRulesWithPhasesOfTheirOwn() {
    List<UpdateRule> rules =
        List.of(
            Lamb.lamb().maxGradNorm(0),
            Lars.lars(),
            NovoGrad.novoGrad(),
            StableAdamW.stableAdamW(),
            Adafactor.adafactor(),
            Prodigy.prodigy(),
            Adam.adamW().caution(true),
            Lion.lion().caution(true),
            NAdamW.nAdamW().caution(true));
    for (UpdateRule rule : rules) {
      String expected =
          "adaptiveClip of group *.bias is 0.01, must be 0 under rule "
              + rule.name()
              + (Boolean.TRUE.equals(RuleSettings.values(rule).get("caution"))
                  ? " with these options"
                  : "")
              + ", which adds up over its tensors before it updates them and takes gradients as they"
              + " are there: give those parameters a group with adaptiveClip(0), or choose a rule of"
              + " one phase such as Adam.adamW()";
      ParameterGroup group = ParameterGroup.matching("*.bias").rule(rule);
      assertEquals(expected, refusal(builder().adaptiveClip(0.01).group(group)::build));
      assertEquals(expected, refusal(builder().group(group.adaptiveClip(0.01))::build));
      builder().adaptiveClip(0.01).group(group.adaptiveClip(0)).build().close();
      assertTrue(
          refusal(builder().rule(rule).adaptiveClip(0.01)::build)
              .startsWith("adaptiveClip of group * is 0.01, must be 0 under rule"));
      try (Parameters more = Parameters.on(device).add("b.bias", new float[] {1}).build();
          Optimizer optimizer = builder().adaptiveClip(0.01).build()) {
        assertEquals(expected, refusal(() -> optimizer.groups().add(more, group)));
        optimizer.groups().add(more, group.adaptiveClip(0));
        optimizer.step();
      }
    }
    try (Parameters matrix =
        Parameters.on(device).add("m", new float[] {1, 2}).shape("m", 2, 1).build()) {
      OptimizerBuilder muon = Optimizer.of(matrix).rule(Muon.muon()).learningRate(1);
      String refused = refusal(muon.adaptiveClip(0.01)::build);
      assertTrue(refused.contains("must be 0 under rule muon"), refused);
    }
  }

  @Test
  void aGroupSaysHowItClips() {
    assertEquals(
        "group *.bias: adaptiveClip 0.02 with eps 0.5",
        ParameterGroup.matching("*.bias").adaptiveClip(0.02, 0.5).toString());
  }

  @Test
  void groupsThatMatchNothingOrTwice() {
    assertEquals(
        "group *.kernel matches no parameter: there are a.weight, a.bias",
        refusal(builder().group(ParameterGroup.matching("*.kernel"))::build));
    assertEquals(
        "parameter \"a.bias\" matches groups *.bias and a.*, must match one at most",
        refusal(
            builder().group(ParameterGroup.matching("*.bias")).group(ParameterGroup.matching("a.*"))
                ::build));
    assertEquals(
        "pattern is empty, must be a whole name: pass one such as *.bias",
        refusal(() -> ParameterGroup.matching("")));
  }

  @ParameterizedTest
  @ValueSource(doubles = {-1, Double.NaN, Double.POSITIVE_INFINITY})
  void groupFactors(double value) {
    ParameterGroup group = ParameterGroup.matching("*");
    String range = " is " + value + ", must be finite and at least 0";
    assertEquals(
        "learningRateFactor" + range + ": pass 1 to leave the learning rate as it is",
        refusal(() -> group.learningRateFactor(value)));
    assertEquals(
        "weightDecay" + range + ": pass 0 for none", refusal(() -> group.weightDecay(value)));
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.5, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  void aScheduleThatGivesABadRateChangesNothing(double bad) {
    parameters.get("a.weight").gradients().copyFrom(new float[] {1});
    double[] rate = {0.5};
    try (Optimizer optimizer = builder().learningRate(step -> rate[0]).build()) {
      optimizer.step();
      rate[0] = bad;
      String message = assertThrows(IllegalStateException.class, optimizer::step).getMessage();
      assertEquals(
          "the schedule gives rate " + bad + " at step 2, must be finite and at least 0", message);
      assertEquals(1, optimizer.stepCount());
      assertEquals(0.5, optimizer.learningRate());
      assertArrayEquals(new float[] {0.5f}, parameters.get("a.weight").values().toFloats());
      rate[0] = 0.25;
      optimizer.step();
      assertEquals(2, optimizer.stepCount(), "a good rate goes on");
    }
  }

  @Test
  void onlyASchedulesOwnNameIsShown() {
    Schedule fast = Schedules.exponential(1e300, 1).scaled(1e300);
    try (Optimizer optimizer = builder().learningRate(fast).build()) {
      String message = assertThrows(IllegalStateException.class, optimizer::step).getMessage();
      assertTrue(message.startsWith("the schedule " + fast + " gives rate Infinity at"), message);
      assertTrue(optimizer.toString().endsWith(", at step 0, " + fast), optimizer.toString());
    }
    try (Optimizer optimizer = builder().learningRate(step -> 1).build()) {
      assertTrue(optimizer.toString().endsWith(", at step 0"), optimizer.toString());
    }
  }

  @Test
  void aScheduleThatThrowsChangesNothing() {
    UnsupportedOperationException thrown = new UnsupportedOperationException("no rate");
    boolean[] fails = {true};
    Schedule schedule =
        step -> {
          if (fails[0]) {
            throw thrown;
          }
          return 0.5;
        };
    try (Optimizer optimizer = builder().learningRate(schedule).build()) {
      assertEquals(thrown, assertThrows(UnsupportedOperationException.class, optimizer::step));
      assertEquals(0, optimizer.stepCount());
      fails[0] = false;
      optimizer.step();
      assertEquals(1, optimizer.stepCount());
    }
  }

  @Test
  void unknownParametersAndState() {
    try (Optimizer optimizer = builder().build()) {
      assertTrue(
          refusal(() -> optimizer.state("b", "exp_avg")).startsWith("there is no parameter \"b\""));
      assertTrue(refusal(() -> optimizer.stateNames("b")).startsWith("there is no parameter"));
      assertEquals(
          "parameter \"a.bias\" has no state \"exp_avg\": it has none",
          refusal(() -> optimizer.state("a.bias", "exp_avg")));
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY, 1e39, 1e-39})
  void lossScales(double scale) {
    assertTrue(refusal(() -> LossScaler.fixed(scale)).contains("scale is " + scale));
    assertTrue(refusal(() -> LossScaler.dynamic(scale, 2, 0.5, 10)).contains("Scale is " + scale));
  }

  @Test
  void lossScalerOptions() {
    for (double growth : new double[] {1, 0.5, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertTrue(
          refusal(() -> LossScaler.dynamic(1, growth, 0.5, 10))
              .contains("growthFactor is " + growth));
    }
    for (double backoff : new double[] {0, 1, -1, 2, Double.NaN}) {
      assertTrue(
          refusal(() -> LossScaler.dynamic(1, 2, backoff, 10))
              .contains("backoffFactor is " + backoff));
    }
    assertTrue(refusal(() -> LossScaler.dynamic(1, 2, 0.5, 0)).contains("growthInterval is 0"));
  }

  @Test
  void aLossScalerOfAnotherOpenOptimizer() {
    LossScaler scaler = LossScaler.dynamic();
    try (Optimizer first = builder().lossScaler(scaler).build()) {
      String message =
          assertThrows(IllegalStateException.class, builder().lossScaler(scaler)::build)
              .getMessage();
      assertEquals(
          "the loss scaler is in use by "
              + first
              + ": close that optimizer first, or give each a"
              + " loss scaler of its own",
          message);
      first.step();
      assertEquals(1, first.stepCount(), "the first goes on");
    }
    try (Optimizer second = builder().lossScaler(scaler).build()) {
      second.step();
    }
  }

  @Test
  void aLossScalerAfterABuildThatFailed() {
    LossScaler scaler = LossScaler.dynamic();
    ParameterGroup nothing = ParameterGroup.matching("*.kernel");
    assertThrows(
        IllegalArgumentException.class, builder().lossScaler(scaler).group(nothing)::build);
    builder().lossScaler(scaler).build().close();
  }

  @Test
  void statesOfALossScaler() {
    LossScaler scaler = LossScaler.dynamic(8, 2, 0.5, 3);
    assertEquals(new LossScaler.State(8, 0), scaler.state());
    scaler.restore(new LossScaler.State(0.5, 2));
    assertEquals(new LossScaler.State(0.5, 2), scaler.state());
    assertEquals(0.5, scaler.scale());
    for (double scale : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY, 1e-39}) {
      assertEquals(
          "loss scaler: scale is "
              + scale
              + ", must be above 0 and a normal float32 number: pass a state as state() returned"
              + " it",
          refusal(() -> new LossScaler.State(scale, 0)));
    }
    assertEquals(
        "loss scaler: finiteSteps is -1, must be at least 0: pass a state as state() returned it",
        refusal(() -> new LossScaler.State(1, -1)));
    assertThrows(NullPointerException.class, () -> scaler.restore(null));
    assertEquals(0.5, scaler.scale(), "a refused state changes nothing");
  }
}
