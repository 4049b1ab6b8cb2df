package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.RateFinder;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.RangeTest;
import io.warmstep.testkit.LoggedWarnings;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.logging.LogRecord;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * What reports keep on a device until they are read, on the simulated driver, which does its work
 * as late as it may.
 */
class KeptReportsTest extends SimulatedTest {
  /** Whose reports keep rows, and whose keep copies. */
  private static final List<UpdateRule> RULES =
      List.of(Sgd.sgd(), Lookahead.around(Sgd.sgd()).k(1).alpha(1));

  private static final long NO_LIMIT = 8L << 30;

  @AfterEach
  void endLimit() {
    CudaSim.memoryLimit(NO_LIMIT);
  }

  private static Parameters parameters(Device device) {
    return Parameters.on(device)
        .add("a", new float[500_000]) // more than all else takes
        .add("b", new float[] {1, 2, 3, 4})
        .build();
  }

  private static Optimizer optimizer(
      Parameters parameters, UpdateRule rule, List<StepReport> reports) {
    return builder(parameters, rule, reports).build();
  }

  private static OptimizerBuilder builder(
      Parameters parameters, UpdateRule rule, List<StepReport> reports) {
    return Optimizer.of(parameters)
        .rule(rule)
        .learningRate(1)
        .clipNorm(1e9)
        .listener(reports::add, 1);
  }

  private static List<Long> steps(List<StepReport> reports) {
    return reports.stream().map(StepReport::step).toList();
  }

  /** Of three steps under slow weights, those that leave them alone ask for what SGD's do. */
  @Test
  void onlyStepsThatMoveSlowWeightsCopy() {
    List<List<Long>> calls = new ArrayList<>();
    for (UpdateRule rule : List.of(Sgd.sgd(), Lookahead.around(Sgd.sgd()).k(3))) {
      List<StepReport> reports = new ArrayList<>();
      List<Long> own = new ArrayList<>();
      try (Device device = Devices.require("cuda");
          Parameters parameters = parameters(device);
          Optimizer optimizer = optimizer(parameters, rule, reports)) {
        for (int step = 1; step <= 12; step++) {
          long before = CudaSim.calls();
          optimizer.step();
          optimizer.flushReports();
          if (step > 6) {
            own.add(CudaSim.calls() - before);
          }
        }
      }
      calls.add(own);
    }
    long plain = calls.get(0).get(0);
    long synchronizing = calls.get(1).get(2);
    assertEquals(List.of(plain, plain, plain, plain, plain, plain), calls.get(0));
    assertEquals(List.of(plain, plain, synchronizing, plain, plain, synchronizing), calls.get(1));
    assertTrue(synchronizing > plain + 6, () -> synchronizing + " calls, and " + plain);
  }

  /** So a group may be frozen for many steps, and thawed, and nothing is asked of the driver. */
  @Test
  void memoryIsReusedUntilGroupsChange() {
    for (UpdateRule rule : RULES) {
      List<StepReport> reports = new ArrayList<>();
      try (Device device = Devices.require("cuda");
          Parameters parameters = parameters(device);
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(rule)
                  .learningRate(1)
                  .group(ParameterGroup.matching("b"))
                  .listener(reports::add, 1)
                  .build()) {
        List<List<Long>> turns = new ArrayList<>();
        for (int turn = 0; turn < 3; turn++) {
          twoReports(optimizer);
          long bytes = CudaSim.liveBytes();
          long live = CudaSim.live();
          long calls = callsOfTwoReports(optimizer);
          assertEquals(calls, callsOfTwoReports(optimizer), "none for memory");
          optimizer.groups().freeze("*");
          twoReports(optimizer);
          assertTrue(CudaSim.liveBytes() < bytes, "the frozen group's is returned");
          turns.add(List.of(bytes, live, CudaSim.liveBytes(), CudaSim.live()));
          optimizer.groups().unfreeze("*");
        }
        assertEquals(turns.get(1), turns.get(2)); // all kernels are loaded
      }
      assertEquals(3 * 8, reports.size());
    }
  }

  /** What a step that was refused had taken is the next one's, or is returned if groups change. */
  @Test
  void aStepThatIsRefusedKeepsNothing() {
    for (UpdateRule rule : RULES) {
      for (boolean changes : new boolean[] {false, true}) {
        List<Long> bytes = new ArrayList<>();
        for (boolean refuses : new boolean[] {false, true}) {
          List<StepReport> reports = new ArrayList<>();
          long context = CudaSim.newContext();
          long stream = CudaSim.newStream(context);
          try (Device device = Devices.wrapCuda(context, stream);
              Parameters parameters = parameters(device);
              Optimizer optimizer =
                  Optimizer.of(parameters)
                      .rule(rule)
                      .learningRate(1)
                      .group(ParameterGroup.matching("b"))
                      .listener(reports::add, 1)
                      .build()) {
            twoReports(optimizer);
            if (refuses) {
              CudaSim.capture(true, stream);
              assertThrows(IllegalStateException.class, optimizer::step);
              CudaSim.capture(false, stream);
            }
            if (changes) {
              optimizer.groups().freeze("*");
            }
            twoReports(optimizer);
            bytes.add(CudaSim.liveBytes());
          }
          CudaSim.endContext(context, stream);
          assertEquals(List.of(1L, 2L, 3L, 4L), steps(reports));
          assertEquals(changes ? 1 : 2, reports.get(3).updates().size());
        }
        assertEquals(bytes.get(0), bytes.get(1));
      }
    }
  }

  private static void twoReports(Optimizer optimizer) {
    optimizer.step();
    optimizer.step();
    optimizer.flushReports();
  }

  private static long callsOfTwoReports(Optimizer optimizer) {
    long before = CudaSim.calls();
    twoReports(optimizer);
    return CudaSim.calls() - before;
  }

  /** It waits for the oldest report, whose memory is then free. */
  @Test
  void withRoomForOneReportStepsWaitForIt() {
    for (UpdateRule rule : RULES) {
      List<StepReport> reports = new ArrayList<>();
      try (Device device = Devices.require("cuda");
          Parameters parameters = parameters(device);
          Optimizer optimizer = optimizer(parameters, rule, reports)) {
        optimizer.step();
        CudaSim.memoryLimit(CudaSim.liveBytes() + 64);
        for (int step = 2; step <= 5; step++) {
          optimizer.step();
          assertEquals(step - 1, reports.size());
        }
        optimizer.flushReports();
        assertEquals(List.of(1L, 2L, 3L, 4L, 5L), steps(reports));
        CudaSim.memoryLimit(NO_LIMIT);
      }
    }
  }

  @Test
  void withoutRoomForOneNothingChanges() {
    for (UpdateRule rule : RULES) {
      for (boolean isAhead : new boolean[] {false, true}) {
        List<StepReport> reports = new ArrayList<>();
        try (Device device = Devices.require("cuda");
            Parameters parameters = parameters(device)) {
          OptimizerBuilder builder = builder(parameters, rule, reports);
          if (isAhead) { // which devices decide about without telling
            builder.lossScaler(LossScaler.fixed(1));
          }
          try (Optimizer optimizer = builder.build()) {
            withoutRoomNothingChanges(parameters, optimizer);
          }
        }
        assertEquals(List.of(1L), steps(reports));
      }
    }
  }

  private static void withoutRoomNothingChanges(Parameters parameters, Optimizer optimizer) {
    Parameter b = parameters.get("b");
    b.gradients().copyFrom(new float[] {1, 1, 1, 1});
    for (long room = 0; room < 5000; room += 1024) { // enough for some of its parts
      CudaSim.memoryLimit(CudaSim.liveBytes() + room);
      assertThrows(OutOfDeviceMemoryException.class, optimizer::step);
      long live = CudaSim.live(); // with kernels that stay loaded
      assertThrows(OutOfDeviceMemoryException.class, optimizer::step);
      assertEquals(live, CudaSim.live(), "what was allocated is returned");
      assertArrayEquals(new float[] {1, 2, 3, 4}, b.values().toFloats());
    }
    CudaSim.memoryLimit(NO_LIMIT);
    optimizer.step();
    assertArrayEquals(new float[] {0, 1, 2, 3}, b.values().toFloats());
    assertEquals(1, optimizer.stepCount());
  }

  /** One that was not read when groups changed says what its step did. */
  @Test
  void reportsOutlastAChangeOfGroups() {
    List<StepReport> expected = new ArrayList<>();
    try (Device cpu = Devices.cpu(1)) {
      changeGroups(cpu, expected);
    }
    List<StepReport> reports = new ArrayList<>();
    try (Device device = Devices.require("cuda")) {
      changeGroups(device, reports);
    }
    assertEquals(expected, reports);
    assertEquals(List.of(1L, 1L, 2L, 3L, 3L, 4L), steps(reports));
  }

  private static void changeGroups(Device device, List<StepReport> reports) {
    float[] finite = {1, 2, 3, 4};
    float[] broken = {1, Float.NaN, 3, 4};
    try (Parameters parameters = Parameters.on(device).add("a", finite).add("b", finite).build();
        Tensor right = device.copyOf(finite);
        Tensor wrong = device.copyOf(broken);
        Optimizer optimizer =
            builder(parameters, Sgd.sgd(), reports)
                .group(ParameterGroup.matching("b"))
                .lossScaler(LossScaler.dynamic(1024, 2, 0.5, 2))
                .build()) {
      Tensor gradients = parameters.get("a").gradients();
      for (int turn = 0; turn < 2; turn++) {
        gradients.copyFrom(right);
        optimizer.step();
        gradients.copyFrom(wrong);
        optimizer.step();
        optimizer.groups().freeze("b");
        gradients.copyFrom(right);
        optimizer.step();
        optimizer.groups().unfreeze("b");
      }
      optimizer.flushReports();
    }
  }

  /** The rest is reported, and whoever closes the optimizer need not know. */
  @Test
  void aFailedDeviceLosesTheReportsThatWereNotRead() {
    Pattern lost = Pattern.compile("the reports of (\\d) steps are lost, as the device failed");
    TreeSet<Integer> seen = new TreeSet<>();
    boolean reached = true;
    for (long call = 1; reached; call++) {
      List<StepReport> reports = new ArrayList<>();
      try (LoggedWarnings log = new LoggedWarnings();
          Device device = Devices.require("cuda");
          Parameters parameters = parameters(device)) {
        Optimizer optimizer = optimizer(parameters, Sgd.sgd(), reports);
        twoReports(optimizer); // for which memory is allocated
        reports.clear();
        optimizer.step();
        optimizer.step();
        assertEquals(0, reports.size());
        CudaSim.failAt(call, CudaSim.LAUNCH_FAILED, false);
        optimizer.close();
        reached = CudaSim.calls() >= call;
        CudaSim.failNothing();
        int missing = 0;
        for (LogRecord record : log.records()) {
          Matcher message = lost.matcher(record.getMessage());
          if (message.matches()) {
            missing += Integer.parseInt(message.group(1));
            assertTrue(record.getThrown() != null, "with its reason");
          }
        }
        assertEquals(2, missing + reports.size(), "call " + call);
        seen.add(missing);
      }
    }
    assertEquals(new TreeSet<>(List.of(0, 1, 2)), seen);
  }

  @Test
  void aRangeTestReturnsItsCopies() {
    try (Device device = Devices.require("cuda");
        Parameters parameters = parameters(device)) {
      List<Long> live = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        RateFinder.run(
            parameters,
            RangeTest.exponential(1e-5, 1, 60),
            builder -> builder.rule(Sgd.sgd()),
            () -> 1);
        live.add(CudaSim.live());
      }
      assertEquals(live.get(0), live.get(1));
    }
  }
}
