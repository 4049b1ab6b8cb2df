package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.warmstep.CaptureRefusedException;
import io.warmstep.CapturedStep;
import io.warmstep.ClosedException;
import io.warmstep.ConcurrentUseException;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.EvaluationModeException;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.StepFailedException;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.NAdam;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.Sgd;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.Garbage;
import io.warmstep.testkit.LoggedWarnings;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What can be captured, when, and what else may be done meanwhile. On the simulated driver. */
class CaptureTest extends SimulatedTest {
  private static final float[] VALUES = {1, -2, 3, 0.5f, 7};
  private static final float[] GRADIENTS = {0.5f, 1, -3, 2, 1e-3f};

  @AfterEach
  void restore() {
    CudaSim.version(12060);
  }

  /** A schedule of the caller's own, of which rates may be asked ahead. */
  private record Own(LongToDoubleFunction rates) implements Schedule {
    @Override
    public double rate(long step) {
      return rates.applyAsDouble(step);
    }

    @Override
    public boolean isKnownAhead() {
      return true;
    }
  }

  /** An optimizer of one parameter; what is done with it. */
  private interface Use {
    void run(Optimizer optimizer, Parameters parameters) throws IOException;
  }

  private static void use(Device device, Consumer<OptimizerBuilder> options, Use use)
      throws IOException {
    try (Device its = device;
        Parameters parameters = Parameters.on(its).add("p", VALUES).build()) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(NAdam.nAdam());
      builder.learningRate(Schedules.cosine(0.1, 100).warmUp(3));
      options.accept(builder);
      try (Optimizer optimizer = builder.build()) {
        parameters.get("p").gradients().copyFrom(GRADIENTS);
        use.run(optimizer, parameters);
      }
    }
  }

  private static void use(Consumer<OptimizerBuilder> options, Use use) throws IOException {
    use(Devices.require("cuda"), options, use);
  }

  private static void plain(OptimizerBuilder builder) {}

  /** What so many plain steps on the CPU lead to. */
  private static float[] after(int steps) throws IOException {
    float[] values = new float[VALUES.length];
    use(
        Devices.cpu(),
        CaptureTest::plain,
        (optimizer, parameters) -> {
          for (int i = 0; i < steps; i++) {
            optimizer.step();
          }
          parameters.get("p").values().copyTo(values);
        });
    return values;
  }

  private static void check(int steps, Optimizer optimizer, Parameters parameters)
      throws IOException {
    assertEquals(steps, optimizer.stepCount());
    assertArrayEquals(after(steps), parameters.get("p").values().toFloats());
  }

  /** After captured steps and plain ones, in turns. */
  @Test
  void theLastStepIsTheOneThatIsDescribed() throws IOException {
    use(
        builder -> builder.clipNorm(1e9),
        (optimizer, parameters) -> {
          CapturedStep captured = optimizer.capture();
          captured.step();
          assertTrue(optimizer.toString().contains("at step 1"), optimizer.toString());
          double norm = optimizer.gradientNorm();
          optimizer.step(0.5);
          assertEquals(norm / 2, optimizer.gradientNorm(), 1e-6 * norm);
          captured.step();
          assertEquals(norm, optimizer.gradientNorm());
        });
  }

  /** The number of a step that was skipped is the next one's, and was computed with the former. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anotherConstantRateIsThatOfTheNextStep(boolean isCaptured) throws IOException {
    List<float[]> values = new ArrayList<>();
    for (String backend : List.of("cpu", "cuda")) {
      use(
          Devices.require(backend),
          builder -> builder.learningRate(0.125).skipNonFinite(true),
          (optimizer, parameters) -> {
            Runnable step =
                isCaptured && backend.equals("cuda") ? optimizer.capture()::step : optimizer::step;
            Tensor gradients = parameters.get("p").gradients();
            step.run();
            gradients.copyFrom(new float[] {1, 1, Float.NaN, 1, 1});
            step.run();
            gradients.copyFrom(GRADIENTS);
            optimizer.learningRate(0.5);
            step.run();
            assertEquals(0.5, optimizer.learningRate());
            assertEquals(2, optimizer.stepCount());
            values.add(parameters.get("p").values().toFloats());
          });
    }
    assertArrayEquals(values.get(0), values.get(1));
  }

  /** Even by a schedule, while numbers are computed ahead with it. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void countsAreKnownWithinACall(boolean isCaptured) throws IOException {
    Optimizer[] asked = new Optimizer[1];
    List<Long> counts = new ArrayList<>();
    LongToDoubleFunction rates =
        step -> {
          if (asked[0] != null) {
            counts.add(asked[0].stepCount());
          }
          return 0.1;
        };
    use(
        builder -> builder.learningRate(new Own(rates)).skipNonFinite(true),
        (optimizer, parameters) -> {
          Runnable step = isCaptured ? optimizer.capture()::step : optimizer::step;
          asked[0] = optimizer;
          for (int i = 0; i < 4; i++) {
            step.run();
          }
        });
    assertEquals(List.of(0L, 1L, 2L, 3L), counts);
  }

  /** Whatever way the failed step was taken. */
  @Test
  void noStepIsCapturedOrLaunchedAfterOneThatFailed() throws IOException {
    use(
        CaptureTest::plain,
        (optimizer, parameters) -> {
          CapturedStep captured = optimizer.capture();
          CudaSim.failAt(1, CudaSim.INVALID_VALUE, false);
          assertThrows(StepFailedException.class, optimizer::step);
          CudaSim.failNothing();
          long launches = CudaSim.launches();
          for (Runnable refused :
              Stream.<Runnable>of(captured::step, captured::beforeLaunch, optimizer::capture)
                  .toList()) {
            StepFailedException e = assertThrows(StepFailedException.class, refused::run);
            assertTrue(e.getMessage().contains("no further step is taken"), e.getMessage());
          }
          assertEquals(launches, CudaSim.launches());
        });
  }

  /** Of steps that the host did not wait for. */
  @Test
  void aNormIsNotThatOfAStepThatFailed() throws IOException {
    boolean[] isReached = {true};
    for (long call = 1; isReached[0]; call++) {
      long failing = call;
      use(
          builder -> builder.skipNonFinite(true),
          (optimizer, parameters) -> {
            optimizer.step();
            CudaSim.failAt(failing, CudaSim.INVALID_VALUE, false);
            try {
              assertTrue(optimizer.gradientNorm() > 0);
            } catch (StepFailedException e) {
              CudaSim.failNothing();
              assertThrows(StepFailedException.class, optimizer::step);
            }
            isReached[0] = CudaSim.calls() >= failing;
            CudaSim.failNothing();
          });
    }
  }

  static Stream<Arguments> refused() {
    return Stream.of(
        refusal(b -> b.learningRate(Schedules.reduceOnPlateau(0.1)), "learning rate follows"),
        refusal(
            b -> b.learningRate(Schedules.reduceOnPlateau(0.1).warmUp(3)), "learning rate follows"),
        refusal(b -> b.learningRate(step -> 0.1), "follow no metric"),
        refusal(
            b -> b.learningRate(Schedules.constant(0.1).then(3, step -> 0.1)), "follow no metric"),
        refusal(
            b -> b.learningRate(Schedules.constant(0.1).warmUp(3, (step, steps) -> 0.5)),
            "follow no metric"),
        refusal(b -> b.rule(Adam.adam()).schedule("beta1", step -> 0.9), "beta1 follows"),
        refusal(b -> b.listener(report -> {}, 1), "without listener()"),
        refusal(b -> b.lanes(2), "mean of micro-batches"),
        refusal(b -> b.lossScaler(LossScaler.dynamic(1024, 1.5, 0.5, 10)), "powers of two"),
        refusal(b -> b.lossScaler(LossScaler.dynamic(1024, 2, 0.3, 10)), "powers of two"),
        refusal(b -> b.lossScaler(LossScaler.dynamic(0.1, 2, 0.5, 10)), "does not stay a float32"));
  }

  private static Arguments refusal(Consumer<OptimizerBuilder> options, String expected) {
    return Arguments.of(options, expected);
  }

  @ParameterizedTest(name = "{1}")
  @MethodSource("refused")
  void isRefusedWhenAskedFor(Consumer<OptimizerBuilder> options, String expected)
      throws IOException {
    use(
        options,
        (optimizer, parameters) -> {
          long live = CudaSim.live();
          CaptureRefusedException e =
              assertThrows(CaptureRefusedException.class, optimizer::capture);
          assertTrue(e.getMessage().contains(expected), e.getMessage());
          assertTrue(
              e.getMessage().contains("step()") || e.getMessage().contains("use a scale"),
              e.getMessage());
          assertEquals(live, CudaSim.live());
        });
  }

  @Test
  void isRefusedElsewhere() throws IOException {
    use(
        Devices.cpu(),
        CaptureTest::plain,
        (optimizer, parameters) -> {
          CaptureRefusedException e =
              assertThrows(CaptureRefusedException.class, optimizer::capture);
          assertTrue(e.getMessage().contains("CUDA devices alone"), e.getMessage());
          optimizer.step();
          check(1, optimizer, parameters);
        });
    use(
        CaptureTest::plain,
        (optimizer, parameters) -> {
          CudaSim.version(11030);
          CaptureRefusedException e =
              assertThrows(CaptureRefusedException.class, optimizer::capture);
          assertTrue(e.getMessage().contains("CUDA 11.3, 11.4 (driver 470)"), e.getMessage());
        });
  }

  /** What is not so when a step is captured may come to be so. */
  @Test
  void refusesWhatCameToBeSo() throws IOException {
    use(
        builder -> builder.rule(ScheduleFreeSgd.scheduleFreeSgd()),
        (optimizer, parameters) -> {
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
            optimizer.eval();
            assertThrows(EvaluationModeException.class, captured::step);
            assertThrows(EvaluationModeException.class, captured::beforeLaunch);
            assertThrows(EvaluationModeException.class, optimizer::capture);
            optimizer.train();
            captured.step();
            assertEquals(2, optimizer.stepCount());
            optimizer.accumulate();
            assertThrows(CaptureRefusedException.class, captured::step);
            optimizer.step();
            assertEquals(3, optimizer.stepCount());
          }
        });
  }

  @Test
  void isOfTheGroupsAndMemoryThatWereCaptured() throws IOException {
    use(
        builder -> builder.group(ParameterGroup.matching("q*")),
        parameters -> parameters.add("q", VALUES),
        (optimizer, parameters) -> {
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
            optimizer.groups().freeze("q*");
            refusesAsStale(captured);
            try (CapturedStep next = optimizer.capture()) {
              next.step();
              assertEquals(2, optimizer.stepCount());
              assertEquals(1, optimizer.groups().stepCount("q"));
              assertEquals(2, optimizer.groups().stepCount("p"));
              optimizer.groups().unfreeze("q*");
              refusesAsStale(next);
            }
            try (CapturedStep next = optimizer.capture()) {
              next.step();
              assertEquals(2, optimizer.groups().stepCount("q"));
              assertEquals(3, optimizer.groups().stepCount("p"));
              assertArrayEquals(after(3), parameters.get("p").values().toFloats());
            }
          }
        });
  }

  /** At a rate that does not move, a group that was frozen does later what others did before. */
  @Test
  void groupsTakeStepsOfTheirOwn() throws IOException {
    use(
        builder -> builder.learningRate(0.1).group(ParameterGroup.matching("q*")),
        parameters -> parameters.add("q", VALUES),
        (optimizer, parameters) -> {
          optimizer.groups().freeze("q*");
          float[][] reached = new float[4][];
          try (CapturedStep captured = optimizer.capture()) {
            for (int i = 0; i < 4; i++) {
              captured.step();
              reached[i] = parameters.get("p").values().toFloats();
            }
          }
          optimizer.groups().unfreeze("q*");
          try (CapturedStep captured = optimizer.capture()) {
            for (int i = 0; i < 4; i++) {
              captured.step();
              assertArrayEquals(reached[i], parameters.get("q").values().toFloats());
            }
          }
        });
  }

  private static void use(
      Consumer<OptimizerBuilder> options, Consumer<io.warmstep.ParametersBuilder> more, Use use)
      throws IOException {
    try (Device device = Devices.require("cuda")) {
      io.warmstep.ParametersBuilder builder = Parameters.on(device).add("p", VALUES);
      more.accept(builder);
      try (Parameters parameters = builder.build()) {
        OptimizerBuilder its = Optimizer.of(parameters).rule(NAdam.nAdam());
        its.learningRate(Schedules.cosine(0.1, 100).warmUp(3));
        options.accept(its);
        try (Optimizer optimizer = its.build()) {
          parameters.forEach(parameter -> parameter.gradients().copyFrom(GRADIENTS));
          use.run(optimizer, parameters);
        }
      }
    }
  }

  private static void refusesAsStale(CapturedStep captured) {
    for (Runnable refused :
        Stream.<Runnable>of(captured::step, captured::beforeLaunch, captured::record).toList()) {
      CaptureRefusedException e = assertThrows(CaptureRefusedException.class, refused::run);
      assertTrue(e.getMessage().contains("capture() again"), e.getMessage());
    }
  }

  @Test
  void refusesAfterRebinding() {
    try (Device device = Devices.require("cuda");
        Tensor values = device.copyOf(VALUES);
        Tensor gradients = device.copyOf(GRADIENTS);
        Tensor others = device.copyOf(GRADIENTS)) {
      long[] handles = {CudaSim.newMemory(100), CudaSim.newMemory(100)};
      Tensor lent = device.borrowHandle(ElementType.FLOAT32, handles[0], 0, VALUES.length);
      Tensor elsewhere = device.borrowHandle(ElementType.FLOAT32, handles[1], 0, VALUES.length);
      lent.copyFrom(gradients);
      elsewhere.copyFrom(others);
      try (Parameters parameters = Parameters.on(device).borrow("p", values, lent).build();
          Optimizer optimizer = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.1).build();
          CapturedStep captured = optimizer.capture()) {
        captured.step();
        lent.rebind(elsewhere);
        refusesAsStale(captured);
        optimizer.step();
        refusesAsStale(captured);
        float[] before = values.toFloats();
        elsewhere.zero();
        lent.rebind(device.borrowHandle(ElementType.FLOAT32, handles[0], 0, VALUES.length));
        lent.copyFrom(new float[] {1, 1, 1, 1, 1});
        try (CapturedStep next = optimizer.capture()) { // which is the first to see it
          next.step();
          for (int i = 0; i < before.length; i++) {
            assertEquals(Math.fma(-0.1f, 1, before[i]), values.toFloats()[i]);
          }
          device.copyOf(GRADIENTS).close();
          Tensor unused = device.borrowHandle(ElementType.FLOAT32, handles[0], 0, 1);
          unused.rebind(device.borrowHandle(ElementType.FLOAT32, handles[0], 1, 1));
          next.step(); // which concerns none of these parameters
        }
        assertEquals(4, optimizer.stepCount());
      }
      CudaSim.freeMemory(handles[0]);
      CudaSim.freeMemory(handles[1]);
    }
  }

  /** And wait for nothing all the same. */
  @Test
  void plainStepsThatSkipFollowRebinding() {
    long[] handles = {CudaSim.newMemory(100), CudaSim.newMemory(100)};
    try (Device device = Devices.require("cuda");
        Tensor values = device.copyOf(new float[] {1, 2});
        Tensor lent = device.borrowHandle(ElementType.FLOAT32, handles[0], 0, 2);
        Tensor other = device.borrowHandle(ElementType.FLOAT32, handles[1], 3, 2);
        Parameters parameters = Parameters.on(device).borrow("p", values, lent).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(true).build()) {
      lent.copyFrom(new float[] {1, -1});
      other.copyFrom(new float[] {3, Float.NaN});
      long waits = CudaSim.waits();
      for (int i = 0; i < 6; i++) {
        lent.rebind(other); // each has the other's memory then
        optimizer.step();
      }
      assertEquals(0, CudaSim.waits() - waits);
      assertEquals(3, optimizer.stepCount());
      assertEquals(3, optimizer.skippedSteps());
      assertArrayEquals(new float[] {-2, 5}, values.toFloats());
    }
    CudaSim.freeMemory(handles[0]);
    CudaSim.freeMemory(handles[1]);
  }

  /** Without a norm, too: each second step ends at the mean of where the cycle began and ended. */
  @Test
  void slowWeightsFollowStepsInGraphs() throws IOException {
    use(
        builder -> builder.rule(Lookahead.around(Sgd.sgd()).k(2)).learningRate(1),
        (optimizer, parameters) -> {
          try (CapturedStep captured = optimizer.capture()) {
            for (int step = 0; step < 5; step++) {
              captured.step();
            }
          }
          float[] expected = new float[VALUES.length];
          for (int i = 0; i < expected.length; i++) {
            float value = VALUES[i];
            for (int step = 0; step < 4; step += 2) {
              float fast = value - GRADIENTS[i] - GRADIENTS[i];
              value = Math.fma(0.5f, value - fast, fast);
            }
            expected[i] = value - GRADIENTS[i];
          }
          assertArrayEquals(expected, parameters.get("p").values().toFloats());
        });
  }

  /** Of tensors that lay one behind the other, one moves away, so that they are no run any more. */
  @Test
  void plainStepsThatSkipArePreparedAgain() {
    long[] handles = {CudaSim.newMemory(100), CudaSim.newMemory(100)};
    try (Device device = Devices.require("cuda");
        Tensor values = device.copyOf(new float[] {1, 2, 3, 4});
        Tensor first = device.borrowHandle(ElementType.FLOAT32, handles[0], 0, 2);
        Tensor second = device.borrowHandle(ElementType.FLOAT32, handles[0], 2, 2);
        Tensor elsewhere = device.borrowHandle(ElementType.FLOAT32, handles[1], 1, 2);
        Parameters parameters =
            Parameters.on(device)
                .borrow("p", values.slice(0, 2), first)
                .borrow("q", values.slice(2, 2), second)
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(true).build()) {
      first.copyFrom(new float[] {1, -1});
      second.copyFrom(new float[] {0.5f, 2});
      elsewhere.copyFrom(new float[] {8, 16});
      optimizer.step();
      second.copyFrom(new float[] {Float.NaN, 2});
      optimizer.step();
      second.rebind(elsewhere);
      optimizer.step();
      assertEquals(2, optimizer.stepCount());
      assertEquals(1, optimizer.skippedSteps());
      assertArrayEquals(new float[] {-1, 4, -5.5f, -14}, values.toFloats());
    }
    CudaSim.freeMemory(handles[0]);
    CudaSim.freeMemory(handles[1]);
  }

  /** What was prepared before, and what comes of it, is known when something else is prepared. */
  @Test
  void plainStepsThatSkipFollowGroups() throws IOException {
    use(
        builder -> builder.group(ParameterGroup.matching("q*")).skipNonFinite(true),
        parameters -> parameters.add("q", VALUES),
        (optimizer, parameters) -> {
          optimizer.step();
          optimizer.step();
          optimizer.groups().freeze("q*");
          optimizer.step();
          assertEquals(2, optimizer.groups().stepCount("q"));
          assertEquals(3, optimizer.groups().stepCount("p"));
          assertTrue(optimizer.gradientNorm() > 0);
          optimizer.groups().unfreeze("q*");
          assertTrue(Double.isNaN(optimizer.gradientNorm()), "nothing has run since");
          optimizer.step();
          assertEquals(3, optimizer.groups().stepCount("q"));
          assertEquals(4, optimizer.stepCount());
          assertArrayEquals(after(4), parameters.get("p").values().toFloats());
        });
  }

  @Test
  void allWaysOfStepsFollowEachOther(@TempDir Path folder) throws IOException {
    use(
        CaptureTest::plain,
        (optimizer, parameters) -> {
          try (CapturedStep captured = optimizer.capture();
              CapturedStep another = optimizer.capture()) {
            captured.step();
            optimizer.step();
            captured.step();
            another.step();
            another.step();
            captured.step();
            check(6, optimizer, parameters);
            Path file = folder.resolve("saved");
            optimizer.save(file);
            captured.step();
            captured.step();
            check(8, optimizer, parameters);
            optimizer.restore(file);
            check(6, optimizer, parameters);
            captured.step();
            check(7, optimizer, parameters);
            optimizer.step();
            check(8, optimizer, parameters);
            use(
                Devices.cpu(),
                CaptureTest::plain,
                (onCpu, its) -> {
                  onCpu.restore(file);
                  its.get("p").gradients().copyFrom(GRADIENTS);
                  onCpu.step();
                  assertArrayEquals(after(7), its.get("p").values().toFloats());
                });
          }
          optimizer.step();
          check(9, optimizer, parameters);
        });
  }

  @Test
  void aRateThatIsSetCountsFromTheNextStepOn() throws IOException {
    float[][] results = new float[2][];
    for (int turn = 0; turn < 2; turn++) {
      boolean isCaptured = turn == 1;
      use(
          isCaptured ? Devices.require("cuda") : Devices.cpu(),
          builder -> builder.learningRate(0.1).skipNonFinite(true),
          (optimizer, parameters) -> {
            CapturedStep captured = isCaptured ? optimizer.capture() : null;
            Runnable step = isCaptured ? captured::step : optimizer::step;
            for (int i = 0; i < 30; i++) {
              if (i % 7 == 5) {
                optimizer.learningRate(0.01 * i);
              }
              step.run();
            }
            assertEquals(0.26, optimizer.learningRate(), 1e-15);
            results[isCaptured ? 1 : 0] = parameters.get("p").values().toFloats();
          });
    }
    assertArrayEquals(results[0], results[1]);
  }

  /** The numbers of later steps are computed ahead, but not complained of. */
  @Test
  void aRateThatCannotBeIsRefusedAtItsStep() throws IOException {
    use(
        builder -> builder.rule(Sgd.sgd()).learningRate(Schedules.exponential(1e-30, 0.1)),
        (optimizer, parameters) -> {
          int[] steps = new int[2];
          for (int turn = 0; turn < 2; turn++) {
            try (Parameters others =
                    Parameters.on(parameters.get("p").values().device()).add("p", VALUES).build();
                Optimizer other =
                    Optimizer.of(others)
                        .rule(Sgd.sgd())
                        .learningRate(Schedules.exponential(1e-30, 0.1))
                        .build();
                CapturedStep captured = other.capture()) {
              Runnable step = turn == 0 ? other::step : captured::step;
              assertThrows(
                  IllegalStateException.class,
                  () -> {
                    for (int i = 0; i < 30; i++) {
                      step.run();
                    }
                  });
              steps[turn] = (int) other.stepCount();
            }
          }
          assertTrue(steps[0] > 0, steps[0] + " steps");
          assertEquals(steps[0], steps[1]);
        });
  }

  /** A number that was computed for a step which then was another one is not missed. */
  @Test
  void aRateOfNoStepIsNotComplainedOf() throws IOException {
    use(
        builder ->
            builder
                .rule(Sgd.sgd())
                .learningRate(new Own(step -> step <= 3 ? 0.1 : -1))
                .skipNonFinite(true),
        (optimizer, parameters) -> {
          parameters.get("p").gradients().copyFrom(new float[] {1, Float.NaN, 1, 1, 1});
          try (CapturedStep captured = optimizer.capture()) {
            for (int i = 0; i < 8; i++) {
              captured.step();
            }
            assertEquals(8, optimizer.skippedSteps());
            parameters.get("p").gradients().copyFrom(GRADIENTS);
            for (int i = 0; i < 3; i++) {
              captured.step();
            }
            IllegalStateException e = assertThrows(IllegalStateException.class, captured::step);
            assertTrue(e.getMessage().contains("-1"), e.getMessage());
            assertEquals(3, optimizer.stepCount());
          }
        });
  }

  /** By which gradients would be multiplied in two steps. */
  @Test
  void aLossScaleOutOfRangeIsLeftToPlainSteps() throws IOException {
    LossScaler scaler = LossScaler.dynamic(0x1p125, 2, 0.5, 1);
    use(
        builder -> builder.lossScaler(scaler),
        (optimizer, parameters) -> {
          parameters.get("p").gradients().zero();
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
            captured.step(); // finds 2^126 and leaves 2^127
            CaptureRefusedException e = assertThrows(CaptureRefusedException.class, captured::step);
            assertTrue(e.getMessage().contains("no normal float32 number"), e.getMessage());
            assertEquals(2, optimizer.stepCount());
            assertEquals(0x1p127, scaler.scale());
            assertThrows(CaptureRefusedException.class, captured::step);
            optimizer.step();
            assertEquals(3, optimizer.stepCount());
            scaler.restore(new LossScaler.State(1024, 0));
            captured.step();
            assertEquals(4, optimizer.stepCount());
            assertEquals(2048, scaler.scale());
          }
        });
  }

  /** Only there the host asks, rather than to assume that each step has changed the scale. */
  @Test
  void aLossScaleNearItsBoundsStaysInUse() throws IOException {
    LossScaler scaler = LossScaler.dynamic(0x1p124, 2, 0.5, 100);
    use(
        builder -> builder.lossScaler(scaler),
        (optimizer, parameters) -> {
          parameters.get("p").gradients().zero();
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
            long waits = CudaSim.waits();
            captured.step();
            captured.step(); // for which it may have become 2^126
            assertEquals(0, CudaSim.waits() - waits);
            for (int i = 0; i < 5; i++) {
              captured.step();
            }
            assertEquals(8, optimizer.stepCount());
            assertEquals(new LossScaler.State(0x1p124, 8), scaler.state());
          }
        });
  }

  @Test
  void aRestoredLossScaleMustBeAFloat32() throws IOException {
    LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 100);
    use(
        builder -> builder.lossScaler(scaler),
        (optimizer, parameters) -> {
          try (CapturedStep captured = optimizer.capture()) {
            for (int turn = 1; turn <= 2; turn++) {
              scaler.restore(new LossScaler.State(0.1, 0));
              for (Runnable refused : List.<Runnable>of(captured::step, captured::beforeLaunch)) {
                CaptureRefusedException e =
                    assertThrows(CaptureRefusedException.class, refused::run);
                assertTrue(e.getMessage().contains("does not stay a float32"), e.getMessage());
              }
              scaler.restore(new LossScaler.State(512, 0));
              captured.step();
              assertEquals(turn, optimizer.stepCount());
              assertEquals(new LossScaler.State(512, 1), scaler.state());
            }
          }
        });
  }

  @Test
  void warnsOfMissingState() throws IOException {
    use(
        builder -> builder.startAfter(1000),
        (optimizer, parameters) -> {
          try (LoggedWarnings logged = new LoggedWarnings();
              CapturedStep captured = optimizer.capture()) {
            captured.step();
            captured.step();
            assertEquals(1, logged.messages().size(), logged.messages()::toString);
            String message = logged.messages().get(0);
            assertTrue(message.startsWith("this optimizer starts after step 1000, "), message);
          }
        });
  }

  @Test
  void closesWithItsOptimizer() throws IOException {
    CapturedStep[] captured = new CapturedStep[1];
    use(
        builder -> builder.lossScaler(LossScaler.dynamic()),
        (optimizer, parameters) -> {
          captured[0] = optimizer.capture();
          captured[0].step();
          Tensor lossScale = captured[0].lossScale();
          optimizer.close();
          assertEquals(1, optimizer.stepCount());
          assertThrows(ClosedException.class, captured[0]::step);
          assertThrows(ClosedException.class, captured[0]::lossScale);
          assertThrows(ClosedException.class, lossScale::toFloats);
          captured[0].close();
        });
    captured[0].close();
    use(
        CaptureTest::plain,
        (optimizer, parameters) -> {
          captured[0] = optimizer.capture();
          captured[0].step();
          captured[0].close();
          captured[0].close();
          assertThrows(ClosedException.class, captured[0]::step);
          assertEquals(1, optimizer.stepCount());
          assertThrows(IllegalStateException.class, () -> optimizer.capture().lossScale());
          captured[0] = optimizer.capture();
          captured[0].step();
          parameters.get("p").values().device().close();
        });
    captured[0].close();
  }

  @Test
  void isOfNoUseOnceSomethingIsClosed() throws IOException {
    for (boolean isItself : new boolean[] {true, false}) {
      use(
          builder -> builder.lossScaler(LossScaler.dynamic()),
          (optimizer, parameters) -> {
            CapturedStep captured = optimizer.capture();
            if (isItself) {
              captured.close();
            } else {
              parameters.close();
            }
            for (Runnable refused :
                List.<Runnable>of(
                    captured::step,
                    captured::beforeLaunch,
                    captured::record,
                    captured::lossScale,
                    captured::lossScaleHandle)) {
              assertThrows(ClosedException.class, refused::run);
            }
          });
    }
  }

  /** What came of its steps is known without it, and without the device. */
  @Test
  void whatItDidIsKnownOnceItIsClosed() throws IOException {
    double[] norms = new double[2];
    LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 2);
    use(
        builder -> builder.clipNorm(1).lossScaler(scaler),
        (optimizer, parameters) -> {
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
            captured.step();
            parameters.get("p").gradients().copyFrom(new float[] {1, Float.NaN, 1, 1, 1});
            captured.step();
            parameters.get("p").gradients().copyFrom(GRADIENTS);
            captured.step();
          }
          norms[0] = optimizer.gradientNorm();
          optimizer.step();
          norms[1] = optimizer.gradientNorm();
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
          }
          parameters.get("p").values().device().close();
          assertEquals(5, optimizer.stepCount());
          assertEquals(1, optimizer.skippedSteps());
          assertEquals(new LossScaler.State(2048, 1), scaler.state());
        });
    assertTrue(norms[0] > 0, norms[0] + " is the norm");
    assertEquals(norms[1], norms[0]);
  }

  /** Then its steps count as far as they were known, and the optimizer goes no further. */
  @Test
  void closingSucceedsOnADeviceThatFails() throws IOException {
    boolean[] isReached = {true};
    for (long call = 1; isReached[0]; call++) {
      long failing = call;
      try (LoggedWarnings logged = new LoggedWarnings()) {
        use(
            builder -> builder.skipNonFinite(true),
            (optimizer, parameters) -> {
              CapturedStep captured = optimizer.capture();
              captured.step();
              CudaSim.failAt(failing, CudaSim.INVALID_VALUE, false);
              captured.close();
              isReached[0] = CudaSim.calls() >= failing;
              CudaSim.failNothing();
              assertThrows(ClosedException.class, captured::step);
              if (optimizer.stepCount() == 1) {
                optimizer.step();
                check(2, optimizer, parameters);
              } else {
                assertEquals(0, optimizer.stepCount(), "with call " + failing);
                assertTrue(Double.isNaN(optimizer.gradientNorm()), "with call " + failing);
                assertThrows(StepFailedException.class, optimizer::step);
              }
            });
        assertTrue(
            logged.messages().stream().allMatch(message -> message.contains("was closed")),
            logged.messages()::toString);
      }
    }
  }

  /** Whoever captures again and again keeps none but the last. */
  @Test
  void oneThatIsClosedIsForgotten() throws IOException {
    use(
        CaptureTest::plain,
        (optimizer, parameters) -> {
          WeakReference<CapturedStep> former = closed(optimizer);
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
            Garbage.collectUntil(() -> former.refersTo(null));
            assertTrue(former.refersTo(null), "it is collected");
          }
        });
  }

  private static WeakReference<CapturedStep> closed(Optimizer optimizer) {
    CapturedStep captured = optimizer.capture();
    captured.step();
    captured.close();
    return new WeakReference<>(captured);
  }

  @Test
  void aScheduleTakesNoStep() throws IOException {
    CapturedStep[] used = new CapturedStep[1];
    Runnable[] inside = new Runnable[1];
    int[] refused = new int[1];
    use(
        builder ->
            builder.learningRate(
                new Own(
                    step -> {
                      if (inside[0] != null) {
                        Runnable once = inside[0];
                        inside[0] = null;
                        assertThrows(ConcurrentUseException.class, once::run);
                        refused[0]++;
                      }
                      return 0.1;
                    })),
        (optimizer, parameters) -> {
          used[0] = optimizer.capture();
          for (Runnable call :
              List.<Runnable>of(
                  used[0]::step, used[0]::beforeLaunch, used[0]::record, used[0]::close)) {
            inside[0] = call;
            used[0].step();
          }
          assertEquals(4, refused[0]);
          assertEquals(4, optimizer.stepCount());
          used[0].close();
        });
  }

  @Test
  void isOneCallOfTheOptimizerAtATime() throws IOException {
    Optimizer[] used = new Optimizer[1];
    use(
        builder ->
            builder.learningRate(
                step -> {
                  used[0].capture();
                  return 0.1;
                }),
        (optimizer, parameters) -> {
          used[0] = optimizer;
          assertThrows(ConcurrentUseException.class, optimizer::step);
        });
  }

  @Test
  void allocatesNothingAndHardlyWaits() throws IOException {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    use(
        builder ->
            builder
                .rule(Prodigy.prodigy())
                .learningRate(Schedules.constant(1).warmUp(10))
                .clipNorm(1)
                .lossScaler(LossScaler.dynamic()),
        (optimizer, parameters) -> {
          try (CapturedStep captured = optimizer.capture()) {
            for (int i = 0; i < 200; i++) {
              captured.step();
            }
            long least = Long.MAX_VALUE;
            for (int attempt = 0; attempt < 50 && least > 0; attempt++) {
              long waits = CudaSim.waits();
              long live = CudaSim.live();
              long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
              for (int i = 0; i < 80; i++) {
                captured.step();
              }
              long after = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
              least = Math.min(least, after - before);
              assertEquals(live, CudaSim.live());
              assertTrue(CudaSim.waits() - waits <= 10, (CudaSim.waits() - waits) + " waits");
            }
            assertEquals(0, least, "bytes in 80 steps");
          }
        });
  }

  @Test
  void noStepFollowsTheGreatestCount() throws IOException {
    use(
        builder -> builder.rule(Sgd.sgd()).skipNonFinite(true).startAfter(Long.MAX_VALUE - 3),
        (optimizer, parameters) -> {
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
            captured.step();
            optimizer.step();
            for (Runnable step : Stream.<Runnable>of(captured::step, optimizer::step).toList()) {
              IllegalStateException e = assertThrows(IllegalStateException.class, step::run);
              assertTrue(e.getMessage().contains("no step can follow"), e.getMessage());
            }
            assertEquals(Long.MAX_VALUE, optimizer.stepCount());
          }
        });
  }

  /** Nor one that the host cannot yet know to be the last: it asks when it matters. */
  @Test
  void theGreatestCountIsReachedAhead() throws IOException {
    for (int skipped = 0; skipped < 2; skipped++) {
      boolean isOneSkipped = skipped == 1;
      use(
          builder -> builder.rule(Sgd.sgd()).skipNonFinite(true).startAfter(Long.MAX_VALUE - 3),
          (optimizer, parameters) -> {
            Tensor gradients = parameters.get("p").gradients();
            try (CapturedStep captured = optimizer.capture();
                Tensor finite = gradients.device().copyOf(GRADIENTS)) {
              if (isOneSkipped) {
                gradients.copyFrom(new float[] {1, Float.NaN, 1, 1, 1});
              }
              captured.step();
              gradients.copyFrom(finite); // in the order of the device's work
              long waits = CudaSim.waits();
              captured.step();
              captured.step();
              assertEquals(0, CudaSim.waits() - waits);
              if (isOneSkipped) {
                captured.step();
              }
              IllegalStateException e = assertThrows(IllegalStateException.class, captured::step);
              assertTrue(e.getMessage().contains("no step can follow"), e.getMessage());
              assertEquals(Long.MAX_VALUE, optimizer.stepCount());
              assertEquals(isOneSkipped ? 1 : 0, optimizer.skippedSteps());
            }
          });
    }
  }

  /** Neither the step's nor the device's memory is held for good. */
  @Test
  void whatIsPreparedIsFreed() throws IOException {
    use(
        builder -> builder.clipNorm(1),
        (optimizer, parameters) -> {
          optimizer.capture().close(); // kernels are loaded
          long live = CudaSim.live();
          try (CapturedStep captured = optimizer.capture()) {
            captured.step();
          }
          assertEquals(live, CudaSim.live());
        });
  }

  /** Nor that of plain steps for which the device decides. */
  @Test
  void whatIsPreparedIsFreedWithItsGroups() throws IOException {
    use(
        builder -> builder.group(ParameterGroup.matching("q*")).skipNonFinite(true),
        parameters -> parameters.add("q", VALUES),
        (optimizer, parameters) -> {
          List<Long> live = new ArrayList<>();
          for (int i = 0; i < 4; i++) {
            optimizer.step();
            optimizer.groups().freeze("q*");
            optimizer.step();
            optimizer.groups().unfreeze("q*");
            live.add(CudaSim.live());
          }
          assertEquals(live.get(1), live.get(3));
        });
  }
}
