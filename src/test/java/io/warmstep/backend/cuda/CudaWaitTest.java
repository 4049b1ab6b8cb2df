package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Muon;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Rebinding;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.StoredForm;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the host waits for, and what it does not. On the simulated driver. */
class CudaWaitTest extends SimulatedTest {
  @Test
  void aStepIsALaunchForEachRuleAndType() {
    try (Device device = Devices.require("cuda")) {
      ParametersBuilder builder = Parameters.on(device);
      for (int i = 0; i < 100; i++) {
        builder.add(i % 2 + ".p" + i, new float[i]);
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Adam.adam())
                  .group(ParameterGroup.matching("1.*").rule(Sgd.sgd()))
                  .learningRate(0.1)
                  .build()) {
        optimizer.step();
        long launches = CudaSim.launches();
        optimizer.step();
        assertEquals(2, CudaSim.launches() - launches);
      }
    }
  }

  /** Of one rule: float32 alone, masters, and masters whose state is in codes. */
  @Test
  void aStepIsALaunchForEachWayOfStoring() {
    try (Device device = Devices.require("cuda")) {
      ParametersBuilder builder = Parameters.on(device);
      for (int i = 0; i < 30; i++) {
        ElementType type = i % 3 == 0 ? ElementType.FLOAT32 : ElementType.BFLOAT16;
        int length = i % 3 == 2 ? 4096 : 100;
        builder.add("p" + i, type, new float[length]);
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Adam.adam())
                  .learningRate(0.1)
                  .masterWeights(MasterWeights.EXACT)
                  .stateType(StateType.INT8)
                  .build()) {
        optimizer.step();
        long launches = CudaSim.launches();
        long waits = CudaSim.waits();
        optimizer.step();
        assertEquals(3, CudaSim.launches() - launches);
        assertEquals(0, CudaSim.waits() - waits);
      }
    }
  }

  static Stream<Arguments> rulesAndForms() {
    return Stream.<UpdateRule>of(Adam.adamW(), Lamb.lamb())
        .flatMap(rule -> StoredForm.ofEachChoice().stream().map(form -> Arguments.of(rule, form)));
  }

  /** With clipping, skipping, a loss scale that moves, and an average. */
  @ParameterizedTest
  @MethodSource("rulesAndForms")
  void aStepWaitsForNothingHoweverNumbersAreStored(UpdateRule rule, StoredForm form) {
    long phases = rule.sums().isPresent() ? 3 : 1;
    try (Device device = Devices.require("cuda");
        Parameters parameters = form.parameters(device, 5000);
        Optimizer optimizer = form.optimizer(parameters, rule)) {
      optimizer.step();
      optimizer.step(); // asks whether the first happened, which the average starts with
      long launches = CudaSim.launches();
      long waits = CudaSim.waits();
      for (int step = 0; step < 5; step++) {
        optimizer.step();
      }
      assertEquals(5L * (3 + phases), CudaSim.launches() - launches);
      assertEquals(0, CudaSim.waits() - waits);
      assertEquals(7, optimizer.stepCount());
      assertEquals(1, CudaSim.waits() - waits, "to learn of the steps");
    }
  }

  /** Two tables change, those of the update and of the norm's leaves; no kernel is new. */
  @ParameterizedTest
  @EnumSource
  void gradientsElsewhereCostTwoCopiesAndNoWait(ElementType type) {
    List<Long> memory = new ArrayList<>();
    long[] callsOfAStep = new long[1];
    try (Device device = Devices.require("cuda")) {
      Rebinding.check(
          device,
          type,
          (its, length, turn) -> {
            long handle = CudaSim.newMemory((length + 8L) * its.bytes());
            memory.add(handle);
            return device.borrowHandle(its, handle, turn % 5, length);
          },
          (optimizer, isRebound) -> {
            long launches = CudaSim.launches();
            long waits = CudaSim.waits();
            long live = CudaSim.live();
            long calls = CudaSim.calls();
            optimizer.step();
            calls = CudaSim.calls() - calls;
            assertEquals(3, CudaSim.launches() - launches);
            assertEquals(0, CudaSim.waits() - waits);
            assertEquals(live, CudaSim.live());
            if (isRebound) { // the context is made current and left once more
              assertEquals(callsOfAStep[0] + 2 + 2, calls);
            } else {
              callsOfAStep[0] = calls;
            }
          });
    } finally {
      memory.forEach(CudaSim::freeMemory);
    }
  }

  /** A launch of leaves and one of factors more, and another table. */
  @ParameterizedTest
  @EnumSource
  void adaptiveClippingCostsTwoLaunchesAndNoWait(ElementType type) {
    List<Long> memory = new ArrayList<>();
    long[] callsOfAStep = new long[1];
    try (Device device = Devices.require("cuda")) {
      Rebinding.checkClipped(
          device,
          type,
          (its, length, turn) -> {
            long handle = CudaSim.newMemory((length + 8L) * its.bytes());
            memory.add(handle);
            return device.borrowHandle(its, handle, turn % 5, length);
          },
          (optimizer, isRebound) -> {
            long launches = CudaSim.launches();
            long waits = CudaSim.waits();
            long calls = CudaSim.calls();
            optimizer.step();
            calls = CudaSim.calls() - calls;
            assertEquals(3 + 2, CudaSim.launches() - launches);
            assertEquals(0, CudaSim.waits() - waits);
            if (isRebound) {
              assertEquals(callsOfAStep[0] + 2 + 3, calls);
            } else {
              callsOfAStep[0] = calls;
            }
          });
    } finally {
      memory.forEach(CudaSim::freeMemory);
    }
  }

  /** As many launches, though of other tables where the steps measure themselves. */
  @ParameterizedTest
  @EnumSource
  void measuredStepsFollowGradientsElsewhere(ElementType type) {
    List<Long> memory = new ArrayList<>();
    try (Device device = Devices.require("cuda")) {
      Rebinding.checkReported(
          device,
          type,
          (its, length, turn) -> {
            long handle = CudaSim.newMemory((length + 8L) * its.bytes());
            memory.add(handle);
            return device.borrowHandle(its, handle, turn % 5, length);
          },
          (optimizer, isRebound) -> {
            long launches = CudaSim.launches();
            optimizer.step();
            assertEquals(3, CudaSim.launches() - launches);
          });
    } finally {
      memory.forEach(CudaSim::freeMemory);
    }
  }

  /** One launch adds up, one copies the sum, and none of them waits, in whatever memory. */
  @ParameterizedTest
  @EnumSource
  void microBatchesCostALaunchEachAndNoWait(ElementType type) {
    List<Long> memory = new ArrayList<>();
    boolean[] isReady = new boolean[1];
    try (Device device = Devices.require("cuda")) {
      Rebinding.check(
          device,
          type,
          (its, length, turn) -> {
            long handle = CudaSim.newMemory((length + 8L) * its.bytes());
            memory.add(handle);
            return device.borrowHandle(its, handle, turn % 5, length);
          },
          (optimizer, isRebound) -> {
            long launches = CudaSim.launches();
            long waits = CudaSim.waits();
            optimizer.accumulate();
            optimizer.step();
            if (isReady[0]) {
              assertEquals(2 + 3, CudaSim.launches() - launches);
              assertEquals(0, CudaSim.waits() - waits);
            }
            isReady[0] = true;
          });
    } finally {
      memory.forEach(CudaSim::freeMemory);
    }
  }

  @Test
  void clippingByNormAddsTwoLaunchesAndNoWait() {
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", new float[10_000]).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).clipNorm(1).build()) {
      optimizer.step();
      device.synchronize();
      long launches = CudaSim.launches();
      long waits = CudaSim.waits();
      for (int i = 0; i < 100; i++) {
        optimizer.step();
      }
      assertEquals(300, CudaSim.launches() - launches);
      assertEquals(waits, CudaSim.waits());
      assertTrue(CudaSim.pending() >= 300, "the simulated driver has begun nothing yet");
      device.synchronize();
      assertEquals(0, CudaSim.pending());
    }
  }

  /** The last block of the nodes joins them. */
  @Test
  void moreLeavesThanANodeHasTakeNoFurtherLaunch() {
    try (Device device = Devices.require("cuda")) {
      ParametersBuilder builder = Parameters.on(device);
      for (int i = 0; i < 4097; i++) {
        builder.add("p" + i, new float[1]);
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer =
              Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).clipNorm(1).build()) {
        long launches = CudaSim.launches();
        optimizer.step();
        assertEquals(3, CudaSim.launches() - launches);
      }
    }
  }

  /** The device decides, and the host asks when somebody asks it. */
  @ParameterizedTest
  @ValueSource(floats = {3, Float.NaN, Float.POSITIVE_INFINITY})
  void skippingWaitsForNothing(float gradient) {
    boolean happens = Float.isFinite(gradient);
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(true).build()) {
      parameters.get("p").gradients().copyFrom(new float[] {gradient, 1});
      for (int i = 1; i <= 20; i++) {
        device.synchronize();
        long launches = CudaSim.launches();
        long waits = CudaSim.waits();
        optimizer.step();
        assertEquals(4, CudaSim.launches() - launches);
        assertEquals(0, CudaSim.waits() - waits);
        if (i % 3 == 0) {
          assertEquals(happens ? i : 0, optimizer.stepCount());
          assertEquals(1, CudaSim.waits() - waits);
          assertEquals(1, CudaSim.pending(), "the update");
        }
        float[] expected = happens ? new float[] {1 - 3 * i, 2 - i} : new float[] {1, 2};
        assertArrayEquals(expected, parameters.get("p").values().toFloats());
      }
      assertEquals(happens ? 0 : 20, optimizer.skippedSteps());
      assertEquals(!happens, optimizer.isLastStepSkipped());
    }
  }

  /** A launch more for all groups, due or not. */
  @Test
  void slowWeightsOfStepsThatCanBeSkippedWaitForNothing() {
    try (Device device = Devices.require("cuda");
        Parameters parameters =
            Parameters.on(device).add("p", new float[] {1, 2}).add("q", new float[] {1}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Lookahead.around(Sgd.sgd()).k(2).alpha(0.5))
                .group(ParameterGroup.matching("q").rule(Lookahead.around(Sgd.sgd()).k(3)))
                .learningRate(1)
                .skipNonFinite(true)
                .build();
        Tensor finite = device.copyOf(new float[] {4, 8});
        Tensor broken = device.copyOf(new float[] {4, Float.NaN})) {
      optimizer.step();
      optimizer.step(); // asks whether the first happened, which the slow weights start with
      for (int step = 3; step <= 10; step++) {
        parameters.get("p").gradients().copyFrom(step % 2 == 0 ? broken : finite);
        long launches = CudaSim.launches();
        long waits = CudaSim.waits();
        optimizer.step();
        assertEquals(4 + 1, CudaSim.launches() - launches);
        assertEquals(0, CudaSim.waits() - waits);
      }
      assertEquals(6, optimizer.stepCount());
      assertEquals(4, optimizer.skippedSteps());
      assertArrayEquals(new float[] {1 - 8, 2 - 16}, parameters.get("p").values().toFloats());
    }
  }

  /** The host goes no further ahead than it has room for. */
  @Test
  void skippingWaitsOnlyFarAhead() {
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(true).build()) {
      long waits = CudaSim.waits();
      for (int i = 0; i < 16; i++) {
        optimizer.step();
      }
      assertEquals(0, CudaSim.waits() - waits);
      for (int i = 0; i < 80; i++) {
        optimizer.step();
      }
      assertEquals(10, CudaSim.waits() - waits, "for half of it each time");
      assertEquals(96, optimizer.stepCount());
    }
  }

  /** However many there are: a factor that differs from the last step's takes a launch more. */
  @Test
  void microBatchesOfStepsThatCanBeSkippedWaitForNothing() {
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .lossScaler(LossScaler.fixed(4))
                .build()) {
      int[] batches = {1, 2, 2, 3, 3, 1};
      for (int i = 0; i < batches.length; i++) {
        parameters.get("p").gradients().copyFrom(new float[] {4, 4 * i});
        long launches = CudaSim.launches();
        long waits = CudaSim.waits();
        for (int batch = 0; batch < batches[i]; batch++) {
          optimizer.accumulate();
        }
        optimizer.step();
        if (i > 0) {
          int rescaled = batches[i] == batches[i - 1] ? 0 : 1;
          assertEquals(batches[i] + 1 + rescaled + 4, CudaSim.launches() - launches);
          assertEquals(0, CudaSim.waits() - waits);
        }
      }
      long waits = CudaSim.waits();
      assertEquals(batches.length, optimizer.stepCount());
      assertEquals(1, CudaSim.waits() - waits);
      assertArrayEquals(
          new float[] {1 - 6, 2 - (0 + 1 + 2 + 3 + 4 + 5)},
          parameters.get("p").values().toFloats());
    }
  }

  @Test
  void factorsOfSingleStepsThatCanBeSkippedWaitForNothing() {
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(true).build()) {
      parameters.get("p").gradients().copyFrom(new float[] {2, 4});
      double[] factors = {1, 0.5, 0.5, 1, 2};
      float sum = 0;
      for (int i = 0; i < factors.length; i++) {
        long launches = CudaSim.launches();
        long waits = CudaSim.waits();
        optimizer.step(factors[i]);
        sum += (float) factors[i];
        boolean isRescaled = i > 0 && factors[i] != factors[i - 1];
        assertEquals(isRescaled ? 5 : 4, CudaSim.launches() - launches);
        assertEquals(0, CudaSim.waits() - waits);
      }
      assertArrayEquals(
          new float[] {1 - 2 * sum, 2 - 4 * sum}, parameters.get("p").values().toFloats());
    }
  }

  /** The workspace of its products is that of the step that would wait. */
  @Test
  void muonsStepsThatCanBeSkippedWaitForNothing() {
    long[] bytes = new long[2];
    for (int skips = 0; skips < 2; skips++) {
      try (Device device = Devices.require("cuda");
          Parameters parameters =
              Parameters.on(device)
                  .add("p", ElementType.FLOAT32, 1 << 16)
                  .shape("p", 256, 256)
                  .build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(RuleMatrix.withFewProducts(Muon.muon()))
                  .learningRate(1)
                  .clipNorm(1)
                  .skipNonFinite(skips == 1)
                  .build()) {
        long waits = CudaSim.waits();
        optimizer.step();
        optimizer.step();
        assertEquals(0, CudaSim.waits() - waits);
        assertEquals(2, optimizer.stepCount());
        bytes[skips] = CudaSim.liveBytes();
      }
    }
    long square = (1 << 16) * Float.BYTES;
    assertTrue(bytes[1] - bytes[0] < square, () -> bytes[1] + " after " + bytes[0]);
  }

  /**
   * Where numbers of later steps are not known, whether one is skipped is known before the update.
   */
  @ParameterizedTest
  @ValueSource(floats = {3, Float.NaN, Float.POSITIVE_INFINITY})
  void skippingWaitsForTheNormAlone(float gradient) {
    boolean happens = Float.isFinite(gradient);
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(step -> 1)
                .skipNonFinite(true)
                .build()) {
      parameters.get("p").gradients().copyFrom(new float[] {gradient, 1});
      for (int i = 1; i <= 5; i++) {
        device.synchronize();
        long launches = CudaSim.launches();
        long waits = CudaSim.waits();
        optimizer.step();
        assertEquals(3, CudaSim.launches() - launches);
        assertEquals(1, CudaSim.waits() - waits);
        assertEquals(1, CudaSim.pending(), "the update");
        assertEquals(happens ? i : 0, optimizer.stepCount());
        float[] expected = happens ? new float[] {1 - 3 * i, 2 - i} : new float[] {1, 2};
        assertArrayEquals(expected, parameters.get("p").values().toFloats());
      }
    }
  }

  /**
   * Saving waits for each part that it copies out as long as any copy of it would, and for nothing
   * else; so does restoring, for each part that it copies in.
   */
  @Test
  void savingWaitsForTheCopiesAlone(@TempDir Path folder) throws IOException {
    int length = (2 << 20) + 5;
    try (Device device = Devices.require("cuda");
        Parameters parameters =
            Parameters.on(device).add("w", new float[length]).add("b", new float[7]).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).clipNorm(1).build()) {
      optimizer.step();
      device.synchronize();
      long launches = CudaSim.launches();
      Tensor small = parameters.get("b").values();
      long waits = CudaSim.waits();
      float[] copy = small.toFloats();
      long ofReading = CudaSim.waits() - waits;
      waits = CudaSim.waits();
      small.copyFrom(copy);
      long ofWriting = CudaSim.waits() - waits;
      // Values and two slots of both: parts of 1 MiB to the file, of 65,536 elements from it.
      waits = CudaSim.waits();
      optimizer.save(folder.resolve("run"));
      assertEquals(3 * (9 + 1) * ofReading, CudaSim.waits() - waits);
      waits = CudaSim.waits();
      optimizer.restore(folder.resolve("run"));
      assertEquals(3 * (33 + 1) * ofWriting, CudaSim.waits() - waits);
      assertEquals(launches, CudaSim.launches());
    }
  }

  /**
   * What a report needs is copied on the device and read when it is there; here that is when
   * something else is waited for, since the simulated driver begins nothing before.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aReportedStepDoesNotWait(boolean zeroesGradients) {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = Devices.require("cuda");
        Parameters parameters =
            Parameters.on(device)
                .add("w", new float[10_000])
                .add("b", ElementType.BFLOAT16, new float[] {1, 2, 3})
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(0.1)
                .clipNorm(1)
                .zeroGradients(zeroesGradients)
                .listener(reports::add, 10)
                .build()) {
      for (int i = 0; i < 20; i++) { // memory for two outstanding reports, which is kept
        optimizer.step();
      }
      optimizer.flushReports();
      assertEquals(2, reports.size());
      long live = CudaSim.live();
      long waits = CudaSim.waits();
      for (int i = 0; i < 29; i++) {
        optimizer.step();
      }
      assertEquals(waits, CudaSim.waits());
      assertEquals(2, reports.size(), "none is there yet");
      device.synchronize();
      waits = CudaSim.waits();
      optimizer.step(); // reads both, from its own copies, and is itself reported
      assertEquals(List.of(10L, 20L, 30L, 40L), steps(reports));
      long copies = 1 + 2; // the norm, and the rows of both parameters, each with two waits
      assertEquals(waits + 1 + 2 * 2 * copies, CudaSim.waits(), "one for an event that is reached");
      assertTrue(CudaSim.pending() > 0, "and not for this step");
      assertEquals(live, CudaSim.live());
    }
    assertEquals(List.of(10L, 20L, 30L, 40L, 50L), steps(reports));
  }

  /** However many parameters there are, of several types, and one without an entry of its own. */
  @Test
  void aMeasuredStepIsAsManyLaunchesAndCopiesTheNormAlone() {
    List<Long> calls = new ArrayList<>();
    for (int count : new int[] {2, 40}) {
      try (Device device = Devices.require("cuda")) {
        ParametersBuilder builder = Parameters.on(device);
        for (int i = 0; i < count; i++) {
          builder.add(
              "p" + i, i % 2 == 0 ? ElementType.FLOAT32 : ElementType.BFLOAT16, new float[5000]);
        }
        try (Parameters parameters = builder.build();
            Optimizer optimizer =
                Optimizer.of(parameters)
                    .rule(Lamb.lamb())
                    .learningRate(0.1)
                    .clipNorm(1)
                    .listener(report -> {}, 2)
                    .build()) {
          for (int i = 0; i < 4; i++) { // room for two reports
            optimizer.step();
          }
          optimizer.flushReports();
          long launches = CudaSim.launches();
          long before = CudaSim.calls();
          optimizer.step();
          long plain = CudaSim.calls() - before;
          assertEquals(launches += 3 + 2 * 3, CudaSim.launches());
          before = CudaSim.calls();
          long waits = CudaSim.waits();
          optimizer.step();
          assertEquals(waits, CudaSim.waits());
          assertEquals(launches + 3 + 2 * 3, CudaSim.launches());
          calls.add(CudaSim.calls() - before - plain);
        }
      }
    }
    assertEquals(calls.get(0), calls.get(1));
  }

  /** Whether they happen is left to the device, as without a listener, and read with the rest. */
  @Test
  void reportedStepsThatCanBeSkippedDoNotWait() {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("w", new float[10]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(0.1)
                .skipNonFinite(true)
                .listener(reports::add, 8)
                .build()) {
      for (int i = 0; i < 16; i++) {
        optimizer.step();
      }
      optimizer.flushReports();
      optimizer.step(); // goes on from the counts that were read
      long waits = CudaSim.waits();
      for (int i = 0; i < 7; i++) {
        optimizer.step();
      }
      assertEquals(waits, CudaSim.waits());
      assertEquals(List.of(8L, 16L), steps(reports), "the device has not begun the last");
      device.synchronize();
      assertEquals(24, optimizer.stepCount());
      optimizer.step();
      assertEquals(List.of(8L, 16L, 24L), steps(reports));
    }
  }

  private static List<Long> steps(List<StepReport> reports) {
    return reports.stream().map(StepReport::step).toList();
  }

  /** The third at a time waits for the first, whose device still has the second to do. */
  @Test
  void noMoreThanTwoReportsAreOutstanding() {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("w", new float[10]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(0.1)
                .measureUpdates(false)
                .clipNorm(1)
                .listener(reports::add, 1)
                .build()) {
      optimizer.step();
      optimizer.step();
      optimizer.flushReports();
      optimizer.step();
      optimizer.step();
      assertEquals(List.of(1L, 2L), steps(reports));
      long waits = CudaSim.waits();
      optimizer.step();
      assertEquals(List.of(1L, 2L, 3L), steps(reports));
      assertEquals(waits + 1 + 2, CudaSim.waits(), "the first's event, and copying its norm");
    }
    assertEquals(List.of(1L, 2L, 3L, 4L, 5L), steps(reports));
  }

  /** The caller's streams, which ours is not in order with, may use it at once. */
  @Test
  void freshMemoryIsZeroedWhenItIsThere() {
    try (Device device = Devices.require("cuda");
        Tensor tensor = device.allocate(ElementType.FLOAT32, 1000)) {
      assertEquals(0, CudaSim.pending());
      assertArrayEquals(new float[1000], tensor.toFloats());
    }
  }

  /** A copy for each and one wait for all; the host keeps none of them. */
  @Test
  void tablesAreUploadedTogether() {
    CudaContext context = CudaContext.open(0);
    try (Arena arena = new Arena(context)) {
      List<Arena.Part> tables = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        tables.add(arena.table(40L * i));
        arena.reserve(100);
        for (int j = 0; j < i * 10; j++) {
          tables.get(i).content().putInt(i + j);
        }
      }
      arena.allocate();
      long waits = CudaSim.waits();
      arena.upload();
      assertEquals(1, CudaSim.waits() - waits);
      for (int i = 0; i < 5; i++) {
        assertNull(tables.get(i).content());
        ByteBuffer copy = Cuda.direct(i * 40);
        context.read(tables.get(i).address(), copy, copy.capacity());
        for (int j = 0; j < i * 10; j++) {
          assertEquals(i + j, copy.getInt());
        }
      }
    } finally {
      context.close();
    }
  }
}
