package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NAdam;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Proxies;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What an optimizer prepares and frees, what it refuses, and what it does between steps. */
class OptimizerTest {
  private static final float[] VALUES = {1, -2, 3};
  private static final float[] GRADIENTS = {0.5f, 0.25f, -1};

  /** A processor that knows which programs are prepared, and prepares only so many more. */
  private static final class Programs implements AutoCloseable {
    final Set<Integer> held = new HashSet<>();
    final Device whole = Devices.cpu(1);
    final Device device = new Device(Proxies.of(BackendDevice.class, this::call));
    int room = Integer.MAX_VALUE;
    Set<Integer> thatStay = Set.of(); // where they are, whatever is rebound
    int count; // of all that were prepared

    private Object call(Object proxy, Method method, Object[] arguments) throws Throwable {
      switch (method.getName()) {
        case "close":
          return null;
        case "prepare":
          if (room-- <= 0) {
            throw new OutOfDeviceMemoryException("no room for a program", null);
          }
          return counted((StepProgram) Proxies.invoke(whole.backend(), method, arguments), count++);
        default:
          return Proxies.invoke(whole.backend(), method, arguments);
      }
    }

    private StepProgram counted(StepProgram program, int number) {
      held.add(number);
      return Proxies.of(
          StepProgram.class,
          (proxy, method, arguments) -> {
            if (method.getName().equals("close")) {
              held.remove(number);
            } else if (method.getName().equals("rebind") && thatStay.contains(number)) {
              return false;
            }
            return Proxies.invoke(program, method, arguments);
          });
    }

    @Override
    public void close() {
      device.close();
      whole.close();
    }
  }

  private static Parameters parameters(Device device, String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      builder.add(name, VALUES);
    }
    return builder.build();
  }

  private static OptimizerBuilder optimizer(Parameters parameters, UpdateRule rule) {
    return Optimizer.of(parameters).rule(rule).learningRate(0.5);
  }

  private static void step(Parameters parameters, Optimizer optimizer) {
    parameters.forEach(parameter -> parameter.gradients().copyFrom(GRADIENTS));
    optimizer.step();
  }

  private static float[] values(Parameters parameters, String name) {
    return parameters.get(name).values().toFloats();
  }

  /** In two groups, of which one has slow weights, and so a program of its own. */
  private static OptimizerBuilder twoGroups(Parameters parameters) {
    return optimizer(parameters, Sgd.sgd())
        .group(ParameterGroup.matching("slow").rule(Lookahead.around(Sgd.sgd()).k(2)));
  }

  @Test
  void programsAreReplacedWithGroupsAndClosedWithTheOptimizer() {
    try (Programs programs = new Programs();
        Parameters parameters = parameters(programs.device, "w", "slow");
        Parameters more = parameters(programs.device, "v")) {
      try (Optimizer optimizer = twoGroups(parameters).build()) {
        assertEquals(2, programs.held.size());
        optimizer.groups().freeze("slow");
        assertEquals(1, programs.held.size());
        optimizer.groups().unfreeze("slow");
        assertEquals(2, programs.held.size());
        optimizer.groups().add(more);
        assertEquals(2, programs.held.size());
        step(parameters, optimizer);
      }
      assertEquals(Set.of(), programs.held);
    }
  }

  @Test
  void withoutRoomForAProgramNothingIsHeldAndNothingChanges() {
    try (Programs programs = new Programs();
        Parameters parameters = parameters(programs.device, "w", "slow", "slow too");
        Parameters more = parameters(programs.device, "v")) {
      OptimizerBuilder builder =
          optimizer(parameters, Sgd.sgd())
              .group(ParameterGroup.matching("slow").rule(Lookahead.around(Sgd.sgd())))
              .group(ParameterGroup.matching("slow too").rule(Lookahead.around(Sgd.sgd())));
      for (int room = 0; room < 2; room++) {
        programs.room = room;
        assertThrows(OutOfDeviceMemoryException.class, builder::build);
        assertEquals(Set.of(), programs.held);
      }
      programs.room = 2;
      try (Optimizer optimizer = builder.build()) {
        Set<Integer> before = Set.copyOf(programs.held);
        for (int room = 0; room < 2; room++) {
          programs.room = room;
          assertThrows(OutOfDeviceMemoryException.class, () -> optimizer.groups().add(more));
          assertEquals(before, programs.held);
        }
        step(parameters, optimizer);
        assertEquals(1, optimizer.stepCount());
      }
    }
  }

  @Test
  void evaluationLeavesNoProgram() {
    try (Programs programs = new Programs();
        Parameters parameters = parameters(programs.device, "w");
        Optimizer optimizer = optimizer(parameters, Adam.adamW()).average(0.9).build()) {
      step(parameters, optimizer);
      Set<Integer> before = Set.copyOf(programs.held);
      float[] trained = values(parameters, "w");
      float[] average = optimizer.state("w", "average").toFloats();
      for (int i = 0; i < 2; i++) {
        optimizer.eval();
        assertEquals(before, programs.held);
        assertArrayEquals(average, values(parameters, "w"));
        optimizer.train();
        assertArrayEquals(trained, values(parameters, "w"));
      }
    }
  }

  @Test
  void weightsAreKeptAsideInTheSameMemoryEachTime() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Optimizer optimizer = optimizer(parameters, ScheduleFreeSgd.scheduleFreeSgd()).build()) {
      step(parameters, optimizer);
      long before = optimizer.stateBytes();
      optimizer.eval();
      long kept = optimizer.stateBytes();
      assertEquals(before + (long) VALUES.length * Float.BYTES, kept);
      optimizer.train();
      optimizer.eval();
      assertEquals(kept, optimizer.stateBytes());
    }
  }

  @Test
  void theAverageTakesMoreOfTheFirstSteps() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Optimizer optimizer = optimizer(parameters, Sgd.sgd()).average(0.2).build()) {
      float[] expected = VALUES.clone();
      for (int t = 1; t <= 3; t++) {
        step(parameters, optimizer);
        double kept = Math.min(0.2, (1.0 + t) / (10 + t));
        for (int i = 0; i < expected.length; i++) {
          expected[i] += (float) ((1 - kept) * (values(parameters, "w")[i] - expected[i]));
        }
        assertArrayEquals(expected, optimizer.state("w", "average").toFloats(), 1e-6f);
      }
    }
  }

  @Test
  void eachStepDrawsOtherRandomNumbers() {
    int length = 1000;
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device).add("w", ElementType.BFLOAT16, length).build();
        Optimizer optimizer =
            optimizer(parameters, Sgd.sgd())
                .learningRate(0x1p-9)
                .rounding(Rounding.STOCHASTIC)
                .build()) {
      float[] ones = new float[length];
      Arrays.fill(ones, 1);
      List<float[]> drawn = new ArrayList<>();
      for (int step = 0; step < 2; step++) {
        parameters.get("w").values().copyFrom(ones);
        parameters.get("w").gradients().copyFrom(ones);
        optimizer.step();
        drawn.add(values(parameters, "w"));
        assertFalse(Arrays.equals(ones, drawn.get(step)));
      }
      assertFalse(Arrays.equals(drawn.get(0), drawn.get(1)));
    }
  }

  @Test
  void aRateOfZeroKeepsEvenWhatIsNoNumber() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Optimizer optimizer = optimizer(parameters, Sgd.sgd()).learningRate(0).build()) {
      parameters.get("w").gradients().copyFrom(new float[] {Float.NaN, 1, Float.NaN});
      optimizer.step();
      assertArrayEquals(VALUES, values(parameters, "w"));
    }
  }

  @Test
  void nothingIsAccumulatedDuringEvaluation() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Optimizer optimizer = optimizer(parameters, Adam.adamW()).average(0.9).build()) {
      step(parameters, optimizer);
      optimizer.eval();
      assertThrows(EvaluationModeException.class, optimizer::accumulate);
      assertThrows(EvaluationModeException.class, optimizer::step);
    }
  }

  /** Where the average starts, whatever was loaded since the optimizer was built. */
  @Test
  void beforeItsFirstStepAGroupIsEvaluatedAsItIs() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Optimizer optimizer = optimizer(parameters, Adam.adamW()).average(0.9).build()) {
      parameters.get("w").values().copyFrom(GRADIENTS);
      optimizer.eval();
      assertArrayEquals(GRADIENTS, values(parameters, "w"));
    }
  }

  /** Programs that follow other addresses, and programs that have to be prepared again. */
  @Test
  void reboundMemoryIsFollowedByAllPrograms() {
    UpdateRule rule = Lookahead.around(Momentum.heavyBall(0.5)).k(1);
    for (Set<Integer> thatStay : List.of(Set.<Integer>of(), Set.of(0), Set.of(1), Set.of(0, 1))) {
      float[] weights = VALUES.clone();
      float[] others = {7, 6, 5};
      float[] first = GRADIENTS.clone();
      float[] second = {-4, 8, 0};
      try (Programs programs = new Programs();
          Parameters parameters =
              Parameters.on(programs.device).borrow("w", weights, first).build();
          Parameters expected = parameters(programs.device, "w");
          Optimizer optimizer = optimizer(parameters, rule).build();
          Optimizer right = optimizer(expected, rule).build()) {
        programs.thatStay = thatStay;
        int held = programs.held.size();
        Parameter moved = parameters.get("w");
        Parameter stays = expected.get("w");
        optimizer.step();
        step(expected, right);
        float[] left = weights.clone();
        moved.values().rebind(programs.device.borrow(others));
        moved.gradients().rebind(programs.device.borrow(second));
        optimizer.step();
        stays.values().copyFrom(new float[] {7, 6, 5});
        stays.gradients().copyFrom(second);
        right.step();
        assertArrayEquals(stays.values().toFloats(), others);
        assertArrayEquals(left, weights);
        assertEquals(held, programs.held.size());
        assertEquals(held + (thatStay.isEmpty() ? 0 : 2), programs.count);
        optimizer.zeroGradients();
        assertArrayEquals(new float[3], second);
        assertArrayEquals(GRADIENTS, first);
        moved.gradients().rebind(programs.device.borrow(first));
        optimizer.zeroGradients(); // which is the first to see it
        assertArrayEquals(new float[3], first);
      }
    }
  }

  @Test
  void microBatchesFollowMemoryThatWasRebound() {
    float[] first = GRADIENTS.clone();
    float[] second = {-4, 8, 0};
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device).borrow("w", device.copyOf(VALUES), device.borrow(first)).build();
        Optimizer optimizer = optimizer(parameters, Sgd.sgd()).build()) {
      optimizer.accumulate();
      parameters.get("w").gradients().rebind(device.borrow(second));
      optimizer.accumulate();
      optimizer.step();
      for (int i = 0; i < VALUES.length; i++) {
        assertEquals(
            VALUES[i] - 0.25f * (GRADIENTS[i] + new float[] {-4, 8, 0}[i]),
            values(parameters, "w")[i]);
      }
    }
  }

  @Test
  void microBatchesOfMemoryThatTwoShareAreRefused() {
    float[] one = GRADIENTS.clone();
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device)
                .borrow("w", VALUES.clone(), one)
                .borrow("v", VALUES.clone(), new float[3])
                .build();
        Optimizer optimizer = optimizer(parameters, Sgd.sgd()).zeroGradients(true).build()) {
      optimizer.accumulate();
      parameters.get("v").gradients().rebind(device.borrow(one));
      assertThrows(IllegalArgumentException.class, optimizer::accumulate);
    }
  }

  @Test
  void microBatchesAfterParametersWereAddedHaveThem() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Parameters more = parameters(device, "v");
        Optimizer optimizer = optimizer(parameters, Sgd.sgd()).build()) {
      parameters.get("w").gradients().copyFrom(GRADIENTS);
      optimizer.accumulate();
      assertThrows(IllegalStateException.class, () -> optimizer.groups().add(more));
      optimizer.step();
      optimizer.groups().add(more);
      parameters.get("w").gradients().zero();
      more.get("v").gradients().copyFrom(GRADIENTS);
      optimizer.accumulate();
      optimizer.accumulate();
      optimizer.step();
      for (int i = 0; i < VALUES.length; i++) {
        assertEquals(VALUES[i] - 0.5f * GRADIENTS[i], values(parameters, "w")[i]);
        assertEquals(VALUES[i] - 0.5f * GRADIENTS[i], values(more, "v")[i]);
      }
    }
  }

  @Test
  void addedParametersMustHoldTheNumbers() {
    try (Device device = Devices.cpu(1);
        Parameters wide = Parameters.on(device).add("wide", new double[] {1}).build();
        Parameters narrow = parameters(device, "narrow")) {
      for (OptimizerBuilder builder :
          List.of(
              optimizer(wide, Sgd.sgd()).clipValue(1e300),
              optimizer(wide, Sgd.sgd()).learningRate(1e300),
              optimizer(wide, Adam.adam().eps(1e-300)))) {
        try (Optimizer optimizer = builder.build()) {
          IllegalArgumentException e =
              assertThrows(IllegalArgumentException.class, () -> optimizer.groups().add(narrow));
          assertTrue(e.getMessage().contains("parameter \"narrow\""), e.getMessage());
          assertEquals(List.of("*"), optimizer.groups().patterns());
          optimizer.step();
        }
      }
    }
  }

  @Test
  void addedGroupsMustSuitWhatWasBuilt() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Optimizer optimizer = optimizer(parameters, Adam.adam()).average(0.5).build()) {
      Parameters more = parameters(device, "v");
      ParameterGroup prodigy = ParameterGroup.matching("v").rule(Prodigy.prodigy());
      assertThrows(IllegalArgumentException.class, () -> optimizer.groups().add(more, prodigy));
      ParameterGroup muon = ParameterGroup.matching("v").rule(Muon.muon());
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> optimizer.groups().add(more, muon));
      assertTrue(
          e.getMessage().startsWith("shape of \"v\" is [3], must be of at least 2"),
          e.getMessage());
      more.close();
      assertThrows(ClosedException.class, () -> optimizer.groups().add(more));
      assertEquals(List.of("*"), optimizer.groups().patterns());
    }
  }

  /** Numbers that a rule keeps over its steps, which bias corrections need. */
  @Test
  void aRunThatStartsLateHasTheNumbersOfItsSteps() {
    try (Device device = Devices.cpu(1);
        Parameters whole = parameters(device, "w");
        Parameters late = parameters(device, "w");
        Optimizer first = optimizer(whole, NAdam.nAdam()).build()) {
      for (int i = 0; i < 5; i++) {
        first.step(); // without gradients, so that only these numbers change
      }
      try (Optimizer second = optimizer(late, NAdam.nAdam()).startAfter(5).build()) {
        second.state("w", "exp_avg"); // which is zero, as it should be
        step(whole, first);
        step(late, second);
        assertArrayEquals(values(whole, "w"), values(late, "w"));
      }
    }
  }

  @Test
  void aRulesOwnClippingIsTheOptimizersUnlessThatHasOne() {
    try (Device device = Devices.cpu(1);
        Parameters own = parameters(device, "w", "v");
        Parameters given = parameters(device, "w", "v");
        Parameters none = parameters(device, "w", "v");
        Optimizer clipping = optimizer(own, Lamb.lamb().maxGradNorm(0.125)).build();
        Optimizer clipped = optimizer(given, Lamb.lamb().maxGradNorm(64)).clipNorm(0.125).build();
        Optimizer plain = optimizer(none, Lamb.lamb().maxGradNorm(0)).build()) {
      step(own, clipping);
      step(given, clipped);
      step(none, plain);
      assertFalse(Double.isNaN(clipping.gradientNorm()));
      assertTrue(Double.isNaN(plain.gradientNorm()), "nobody asked for it");
      float[] moment = clipping.state("w", "exp_avg").toFloats();
      assertTrue(moment[0] < 0.2 * plain.state("w", "exp_avg").toFloats()[0]);
      float[] other = clipped.state("w", "exp_avg").toFloats();
      for (int i = 0; i < moment.length; i++) {
        assertEquals(other[i], moment[i], 1e-6 * Math.abs(other[i]));
      }
      OptimizerBuilder differing =
          optimizer(own, Lamb.lamb().maxGradNorm(2))
              .group(ParameterGroup.matching("w").rule(Lamb.lamb().maxGradNorm(1)));
      IllegalArgumentException e = assertThrows(IllegalArgumentException.class, differing::build);
      assertTrue(e.getMessage().contains("must be the same in all groups"), e.getMessage());
    }
  }

  @Test
  void boundsOfWhatABuilderTakes() {
    try (Device device = Devices.cpu(1);
        Parameters wide = Parameters.on(device).add("wide", new double[] {1}).build();
        Parameters both =
            Parameters.on(device).add("wide", new double[0]).add("narrow", VALUES).build()) {
      optimizer(wide, Sgd.sgd()).clipValue(Double.MAX_VALUE).build().close();
      optimizer(wide, Sgd.sgd()).learningRate(Double.MAX_VALUE).build().close();
      try (Optimizer greatest =
          optimizer(wide, Sgd.sgd())
              .learningRate(at -> Double.MAX_VALUE)
              .schedule("weightDecay", at -> Double.MAX_VALUE)
              .build()) {
        greatest.step();
      }
      OptimizerBuilder infinite = optimizer(wide, Adam.adam()).learningRate(1e308);
      assertTrue(
          assertThrows(IllegalArgumentException.class, infinite::build)
              .getMessage()
              .contains(" with learning rate 1.0E308 is Infinity, the arithmetic of the float64"));
      OptimizerBuilder builder = optimizer(both, Sgd.sgd());
      assertEquals(
          "clipNorm is 1.0E300, which is Infinity in float32, the arithmetic of the float32"
              + " parameter \"narrow\", must be 0 or of a magnitude from 1.4E-45 to 3.4028235E38:"
              + " change it or use float64 parameters",
          assertThrows(IllegalArgumentException.class, () -> builder.clipNorm(1e300).build())
              .getMessage());
      builder.clipNorm(Float.MAX_VALUE).build().close();
      for (Runnable refused :
          List.<Runnable>of(
              () -> builder.lanes(0),
              () -> builder.lanes(io.warmstep.collective.LaneTree.MAX_LANES + 1),
              () -> builder.gradientScale(0),
              () -> builder.learningRate(-1),
              () -> builder.listener(report -> {}, 0))) {
        assertThrows(IllegalArgumentException.class, refused::run);
      }
      builder.lanes(io.warmstep.collective.LaneTree.MAX_LANES).build().close();
    }
  }

  @Test
  void adaptiveClippingHoldsInTheArithmeticOfTheParameters() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w")) {
      OptimizerBuilder builder = optimizer(parameters, Sgd.sgd());
      for (Object[] refused :
          new Object[][] {
            {1e-300, 1.0, "adaptiveClip is 1.0E-300,"},
            {1.0, 1e-300, "adaptiveClip: eps is 1.0E-300,"},
            {1e-30, 1e-30, "adaptiveClip times eps is "}
          }) {
        builder.adaptiveClip((double) refused[0], (double) refused[1]);
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, builder::build);
        assertTrue(e.getMessage().startsWith((String) refused[2]), e.getMessage());
      }
      builder.adaptiveClip(1e-20, 1e-20).build().close();
    }
  }

  @Test
  void groupsSayWhatTheyLack() {
    assertEquals(
        "pattern is null, must be given: pass one such as *.bias",
        assertThrows(NullPointerException.class, () -> ParameterGroup.matching(null)).getMessage());
    ParameterGroup group = ParameterGroup.matching("w");
    assertTrue(
        assertThrows(NullPointerException.class, () -> group.rule(null))
            .getMessage()
            .contains("Adam.adam()"));
  }

  /** Hyperparameters of a group that has its own are not the schedule's to move. */
  @Test
  void schedulesLeaveGroupsWithTheirOwnAlone() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w", "own", "decayed", "slower");
        Parameters expected = parameters(device, "w", "own", "decayed", "slower");
        Optimizer optimizer =
            optimizer(parameters, Adam.adamW())
                .schedule("weightDecay", at -> 0.5)
                .group(ParameterGroup.matching("own").rule(Adam.adamW().weightDecay(0.25)))
                .group(ParameterGroup.matching("decayed").weightDecay(0.125))
                .group(ParameterGroup.matching("slower").learningRateFactor(0.5))
                .build();
        Optimizer right =
            optimizer(expected, Adam.adamW().weightDecay(0.5))
                .group(ParameterGroup.matching("own").rule(Adam.adamW().weightDecay(0.25)))
                .group(ParameterGroup.matching("decayed").weightDecay(0.125))
                .group(ParameterGroup.matching("slower").learningRateFactor(0.5))
                .build()) {
      step(parameters, optimizer);
      step(expected, right);
      for (String name : List.of("w", "own", "decayed", "slower")) {
        assertArrayEquals(values(expected, name), values(parameters, name), name);
      }
    }
  }

  @Test
  void reportsHaveTheLossAndTheUpdateIfTheyAreWanted() {
    for (boolean measures : new boolean[] {true, false}) {
      List<StepReport> reports = new ArrayList<>();
      try (Device device = Devices.cpu(1);
          Parameters parameters = parameters(device, "w");
          Optimizer optimizer =
              optimizer(parameters, Sgd.sgd())
                  .listener(reports::add, 1)
                  .measureUpdates(measures)
                  .build()) {
        optimizer.reportLoss(0.75);
        step(parameters, optimizer);
        optimizer.flushReports();
      }
      assertEquals(0.75, reports.get(0).loss());
      assertEquals(measures ? 1 : 0, reports.get(0).updates().size());
    }
  }

  @Test
  void aConstantRateIsSetAndASchedulesIsNot() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Parameters others = parameters(device, "w");
        Optimizer constant = optimizer(parameters, Sgd.sgd()).build();
        Optimizer scheduled = optimizer(others, Sgd.sgd()).learningRate(at -> 0.5).build()) {
      constant.learningRate(0.25);
      step(parameters, constant);
      assertEquals(0.25, constant.learningRate());
      assertEquals(
          "learning rate is -1.0, must be finite and at least 0: pass 0 to keep the parameters as"
              + " they are",
          assertThrows(IllegalArgumentException.class, () -> constant.learningRate(-1))
              .getMessage());
      assertThrows(IllegalStateException.class, () -> scheduled.learningRate(0.25));
    }
  }
}
