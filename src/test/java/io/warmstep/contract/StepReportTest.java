package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.ReferenceTiles;
import io.warmstep.testkit.StoredForm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What reports say of updates and state that are stored in fewer bits, against plain loops over
 * what callers read.
 */
class StepReportTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";

  /** Beyond two of the chunks that are read at a time, and odd. */
  private static final int LENGTH = 33_001; // 61 * 541

  private static float[] random(SplittableRandom random, int length) {
    float[] numbers = new float[length];
    for (int i = 0; i < length; i++) {
      numbers[i] = (float) (2 * random.nextDouble() - 1);
    }
    return numbers;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void theLargestRatioIsOfOneParameter(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device)
                .add("a.fifth", new float[] {3, 4})
                .add("a.zeros", new float[] {0, 0})
                .add("a.half", new float[] {1, 2, 2})
                .add("b.zeros", new float[] {0})
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .group(ParameterGroup.matching("a.*"))
                .listener(reports::add, 1)
                .build()) {
      parameters.get("a.fifth").gradients().copyFrom(new float[] {0, 1});
      parameters.get("a.zeros").gradients().copyFrom(new float[] {5, 5});
      parameters.get("a.half").gradients().copyFrom(new float[] {-1.5f, 0, 0});
      parameters.get("b.zeros").gradients().copyFrom(new float[] {7});
      optimizer.step(); // and then 3, 3, no zeros, 2.5, 2, 2 with gradients of which one is bad
      parameters.get("a.zeros").gradients().copyFrom(new float[] {0, 0});
      parameters.get("a.half").gradients().copyFrom(new float[] {Float.NaN, 1, 1});
      optimizer.step();
    }
    StepReport.Update first = reports.get(0).updates().get(0);
    assertEquals(0.5, first.largest());
    assertEquals("a.half", first.largestParameter());
    assertEquals(List.of(), first.codes());
    StepReport.Update zeros = reports.get(0).updates().get(1);
    assertEquals(Double.NaN, zeros.largest());
    assertEquals("", zeros.largestParameter());
    assertEquals(Double.POSITIVE_INFINITY, zeros.toWeight());
    StepReport.Update second = reports.get(1).updates().get(0); // a NaN is larger than all
    assertEquals(Double.NaN, second.largest());
    assertEquals("a.half", second.largestParameter());
    assertEquals(1, reports.get(1).updates().get(1).largest());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void ofEqualRatiosTheFirstIsNamed(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .add("small", new float[] {8})
                .add("a", new float[] {2})
                .add("b", new float[] {2})
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .listener(reports::add, 1)
                .build()) {
      for (Parameter parameter : parameters) {
        parameter.gradients().copyFrom(new float[] {1});
      }
      optimizer.step();
    }
    assertEquals("a", reports.get(0).updates().get(0).largestParameter());
  }

  /** The values that a step works on: the masters, or the parameter where the caller wrote that. */
  private static float[] masters(Optimizer optimizer, Parameter parameter) {
    float[] masters = optimizer.state(parameter.name(), "master").toFloats();
    float[] values = parameter.values().toFloats();
    return optimizer.stepCount() == 0 ? values : masters;
  }

  /** Updates of all sizes, so that some are too small for a float32 and others for 24 bits. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void mastersAreMeasuredByTheirOwnBits(ContractBackend backend) {
    UpdateRule plain = Momentum.heavyBall(0.5);
    for (UpdateRule rule : List.of(plain, Muon.muon())) {
      for (boolean zeroes : new boolean[] {false, true}) {
        check(backend, rule, ElementType.BFLOAT16, MasterWeights.EXACT, Rounding.NEAREST, zeroes);
        check(backend, rule, ElementType.BFLOAT16, MasterWeights.BITS_24, Rounding.NEAREST, zeroes);
        check(backend, rule, ElementType.FLOAT16, MasterWeights.EXACT, Rounding.NEAREST, zeroes);
      }
      check(backend, rule, ElementType.BFLOAT16, MasterWeights.BITS_24, Rounding.STOCHASTIC, true);
    }
  }

  private static void check(
      ContractBackend backend,
      UpdateRule rule,
      ElementType type,
      MasterWeights kind,
      Rounding rounding,
      boolean zeroes) {
    SplittableRandom random = new SplittableRandom(5);
    List<StepReport> reports = new ArrayList<>();
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .gradientType(ElementType.FLOAT32)
                .add("before", type, random(random, 7))
                .shape("before", 1, 7)
                .add("w", type, random(random, LENGTH))
                .shape("w", 61, LENGTH / 61)
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(rule)
                .learningRate(0.01)
                .group(ParameterGroup.matching("w"))
                .masterWeights(kind)
                .rounding(rounding)
                .zeroGradients(zeroes)
                .listener(reports::add, 1)
                .build()) {
      Parameter parameter = parameters.get("w");
      double last = 0;
      for (int step = 0; step < 3; step++) {
        float[] gradients = random(random, LENGTH);
        for (int i = 0; i < LENGTH; i++) {
          gradients[i] *= Math.scalb(1f, -(i % 30));
          gradients[i] = i % 11 == 3 ? 0 : gradients[i];
        }
        float[] old = masters(optimizer, parameter);
        parameter.gradients().copyFrom(gradients);
        optimizer.step();
        optimizer.flushReports();
        float[] present = masters(optimizer, parameter);
        StepReport.Update update = reports.get(step).updates().get(0);
        String what = rule + ", " + type + ", " + kind + ", " + rounding + ", step " + (step + 1);
        ReferenceTiles expected =
            new ReferenceTiles(
                "w",
                ElementType.FLOAT32,
                Numbers.doubles(old),
                Numbers.doubles(present),
                Numbers.doubles(gradients));
        assertEquals(ReferenceTiles.update("w", List.of(expected)), update, what);
        last = update.lost();
      }
      if (rule.matrix().isEmpty()) { // whose updates are of all sizes, as gradients are
        assertTrue(last > 0.02 && last < 0.98, last + " lost");
        assertTrue(kind == MasterWeights.EXACT ? last < 0.5 : last > 0.5, last + " lost, " + kind);
      }
    }
  }

  /** Blocks of 32, of which the last is short. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void codesThatHoldTooLittleAreCounted(ContractBackend backend) {
    UpdateRule plain = Adam.adam().betas(0.99999, 0.999); // what was planted stays beyond the range
    for (UpdateRule rule : List.of(plain, Lookahead.around(plain))) { // in the pass or not
      countCodes(backend, rule);
    }
  }

  private static void countCodes(ContractBackend backend, UpdateRule rule) {
    int length = 5 * 32 + 7;
    List<StepReport> reports = new ArrayList<>();
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .add("w", new float[length])
                .add("v", new float[32])
                .add("coarse", new float[1])
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(rule)
                .learningRate(1e-3)
                .stateType(StateType.INT8, 2)
                .listener(reports::add, 1)
                .build()) {
      float[] gradients = new float[length];
      float[] moments = new float[length];
      float[] squares = new float[length];
      Arrays.fill(gradients, 0, 32, 1e-3f); // a block with two that are out of range
      moments[3] = -0x1p127f;
      moments[4] = Float.NaN;
      squares[5] = Float.MAX_VALUE;
      Arrays.fill(gradients, 32, 64, 1e-3f); // small beside one, but not for squares
      gradients[40] = -1;
      Arrays.fill(gradients, 64, 96, 1e-12f); // for squares, too
      gradients[64] = 1;
      Arrays.fill(gradients, 96, 128, 0.25f); // alike, of which some have none
      Arrays.fill(gradients, 100, 110, 0);
      gradients[length - 1] = Float.POSITIVE_INFINITY; // in the short one
      parameters.get("w").gradients().copyFrom(gradients);
      optimizer.state("w", "exp_avg").copyFrom(moments);
      optimizer.state("w", "exp_avg_sq").copyFrom(squares);
      optimizer.step();
      optimizer.flushReports();
      StepReport.Update update = reports.get(0).updates().get(0);
      List<StepReport.Codes> codes = update.codes();
      assertEquals(
          List.of("exp_avg", "exp_avg_sq"), codes.stream().map(StepReport.Codes::slot).toList());
      double all = length + 32;
      double moved = 32 + 32 + 32 + 22;
      assertEquals(3 / all, codes.get(0).saturated());
      assertEquals((30 + 31 + 31) / moved, codes.get(0).vanished());
      assertEquals(2 / all, codes.get(1).saturated());
      assertEquals((31 + 31) / moved, codes.get(1).vanished());
      for (StepReport.Codes slot : codes) {
        long vanished = 0;
        float[] state = optimizer.state("w", slot.slot()).toFloats();
        for (int i = 0; i < length; i++) {
          vanished += gradients[i] != 0 && state[i] == 0 ? 1 : 0;
        }
        assertEquals(vanished / moved, slot.vanished(), slot.slot());
      }
    }
  }

  /** So that a table of all reports has the same columns. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aSkippedStepHasTheSameSlots(ContractBackend backend) {
    List<StepReport> reports = new ArrayList<>();
    try (Parameters parameters =
            Parameters.on(backend.shared()).add("w", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(1e-3)
                .stateType(StateType.INT8, 0)
                .skipNonFinite(true)
                .listener(reports::add, 1)
                .build()) {
      parameters.get("w").gradients().copyFrom(new float[] {1, Float.NaN});
      optimizer.step();
    }
    double unknown = Double.NaN;
    assertEquals(
        List.of(
            new StepReport.Update(
                "all",
                unknown,
                unknown,
                unknown,
                "",
                List.of(
                    new StepReport.Codes("exp_avg", unknown, unknown),
                    new StepReport.Codes("exp_avg_sq", unknown, unknown)))),
        reports.get(0).updates());
  }

  /** Whoever decides about the steps in between. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void reportsCountStepsThatWereSkippedMeanwhile(ContractBackend backend) {
    List<List<StepReport>> all = new ArrayList<>();
    for (boolean isReference : new boolean[] {true, false}) {
      List<StepReport> reports = new ArrayList<>();
      SplittableRandom random = new SplittableRandom(8);
      try (Device device = isReference ? Devices.require("cpu") : backend.open();
          Parameters parameters = Parameters.on(device).add("w", random(random, 500)).build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Momentum.heavyBall(0.9))
                  .learningRate(Schedules.linear(1, 0.1, 1, 60))
                  .lossScaler(LossScaler.dynamic(256, 2, 0.5, 4))
                  .clipNorm(0.01)
                  .listener(reports::add, 5)
                  .listener(reports::add, 7)
                  .build()) {
        for (int i = 1; i <= 40; i++) {
          float[] gradients = random(random, 500);
          if (i % 6 == 3) {
            gradients[i] = Float.NEGATIVE_INFINITY;
          }
          parameters.get("w").gradients().copyFrom(gradients);
          optimizer.reportLoss(i);
          optimizer.step();
        }
      }
      all.add(reports);
    }
    assertEquals(8 + 5, all.get(0).size());
    assertEquals(all.get(0), all.get(1));
    assertEquals(7, all.get(0).get(12).skippedSteps());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void everyBackendReportsTheSameOfFewerBits(ContractBackend backend) {
    List<List<StepReport>> all = new ArrayList<>();
    for (boolean isReference : new boolean[] {true, false}) {
      List<StepReport> reports = new ArrayList<>();
      SplittableRandom random = new SplittableRandom(14);
      try (Device device = isReference ? Devices.require("cpu") : backend.open()) {
        ParametersBuilder added = Parameters.on(device);
        added.add("a", ElementType.BFLOAT16, random(random, 20_001));
        added.add("b", ElementType.FLOAT16, random(random, 1001));
        added.add("c", random(random, 5000));
        try (Parameters parameters = added.build()) {
          OptimizerBuilder builder =
              Optimizer.of(parameters)
                  .rule(Adam.adamW())
                  .learningRate(1e-6)
                  .masterWeights(MasterWeights.EXACT)
                  .stateType(StateType.INT8)
                  .rounding(Rounding.STOCHASTIC, 3)
                  .clipNorm(1)
                  .zeroGradients(true)
                  .listener(reports::add, 2);
          try (Optimizer optimizer = builder.build()) {
            for (int i = 0; i < 6; i++) {
              for (Parameter parameter : parameters) {
                float[] gradients = random(random, (int) parameter.length());
                for (int j = 0; j < gradients.length; j += 2) {
                  gradients[j] *= 1e-4f;
                }
                parameter.gradients().copyFrom(gradients);
              }
              optimizer.step();
            }
          }
        }
      }
      all.add(reports);
    }
    assertEquals(3, all.get(0).size());
    assertEquals(all.get(0), all.get(1));
    StepReport.Update update = all.get(0).get(0).updates().get(0);
    assertTrue(update.lost() > 0 && update.lost() < 0.9, update.toString());
    assertTrue(update.codes().get(0).vanished() > 0.4, update.toString());
  }

  private record StoredRule(UpdateRule rule, StoredForm form) {}

  static Stream<Arguments> backendsAndForms() {
    List<StoredRule> cases = new ArrayList<>();
    for (StoredForm form : StoredForm.ofEachChoice()) {
      cases.add(new StoredRule(Adam.adamW(), form));
      cases.add(
          new StoredRule(
              form.values() == ElementType.FLOAT16 ? Lamb.lamb() : RmsProp.rmsProp(), form));
    }
    return ContractBackend.inTurn(cases);
  }

  /** Tiles of 2048 elements and parts of them, the last step with numbers that are not finite. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndForms")
  void everyBackendReportsTheSameOfAnyForm(ContractBackend backend, StoredRule stored) {
    List<StepReport> reports = reports(backend.shared(), stored);
    try (Device cpu = Devices.cpu(1)) {
      assertEquals(reports(cpu, stored), reports);
    }
    assertEquals(3, reports.size());
    StepReport.Update update = reports.get(1).updates().get(0);
    assertTrue(update.toWeight() > 0 && update.toWeight() < 1, update.toString());
  }

  private static List<StepReport> reports(Device device, StoredRule stored) {
    StoredForm form = stored.form();
    List<StepReport> reports = new ArrayList<>();
    SplittableRandom random = new SplittableRandom(15);
    ParametersBuilder added = Parameters.on(device).gradientType(form.gradients());
    for (int length : new int[] {1, 33, 2047, 0, 4100, 2048, 2049}) {
      added.add("w" + length, form.values(), random(random, length));
    }
    try (Parameters parameters = added.build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(stored.rule())
                .learningRate(1e-3)
                .masterWeights(form.masters())
                .stateType(form.state(), 0)
                .rounding(form.rounding(), 4)
                .average(0.999)
                .clipValue(0.5)
                .zeroGradients(true)
                .listener(reports::add, 1)
                .build()) {
      for (int step = 1; step <= 3; step++) {
        for (Parameter parameter : parameters) {
          float[] gradients = random(random, (int) parameter.length());
          for (int i = 0; i < gradients.length; i++) {
            gradients[i] = i % 5 == 2 ? 0 : Math.scalb(gradients[i], -(i % 16));
          }
          if (step == 3 && gradients.length > 2000) {
            gradients[gradients.length / 2] = Float.NaN;
            gradients[gradients.length - 1] = Float.NEGATIVE_INFINITY;
          }
          parameter.gradients().copyFrom(gradients);
        }
        optimizer.step();
      }
    }
    return reports;
  }
}
