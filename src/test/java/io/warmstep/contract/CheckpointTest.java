package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.PlateauSchedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.io.IOException;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A run that is saved on one backend and restored on another goes on with the same bits. */
class CheckpointTest {
  private static final int LENGTH = 4_099;

  static Stream<Arguments> runs() {
    Stream<UpdateRule> rules =
        Stream.concat(RuleMatrix.entries().stream(), RuleMatrix.rich().stream()).distinct();
    return rules.flatMap(
        rule ->
            ContractBackend.representatives().stream()
                .flatMap(
                    backend ->
                        Stream.of(
                            Arguments.of(rule, backend, true),
                            Arguments.of(rule, backend, false))));
  }

  private static byte[] saved(Run run) throws IOException {
    BytesChannel channel = new BytesChannel();
    run.optimizer.checkpoint().save(channel);
    return channel.content();
  }

  /** A model with parameters of every type, owned and borrowed, and its optimizer. */
  private static final class Run implements AutoCloseable {
    final TestModel model;
    final PlateauSchedule plateau = Schedules.reduceOnPlateau(0.01).patience(0).factor(0.5);
    final LossScaler scaler = LossScaler.dynamic(4, 2, 0.5, 3);
    final Optimizer optimizer;

    Run(Device device, ContractBackend backend, UpdateRule rule, int seed) {
      SplittableRandom random = new SplittableRandom(seed);
      model = new TestModel(device);
      for (ElementType type : backend.types()) {
        for (Placement placement : List.of(Placement.OWNED, Placement.ALLOCATED)) {
          double[] values = Numbers.ordinary(random, type, LENGTH);
          model.add(type + "." + placement, type, placement, values);
        }
      }
      optimizer =
          Optimizer.of(model.parameters())
              .rule(rule)
              .group(ParameterGroup.matching("float64.*").learningRateFactor(0.5))
              .learningRate(plateau.warmUp(3))
              .clipNorm(3)
              .zeroGradients(true)
              .lossScaler(scaler)
              .build();
    }

    void steps(int from, int to) {
      for (int step = from; step <= to; step++) {
        SplittableRandom random = new SplittableRandom(step);
        for (Parameter parameter : model.parameters()) {
          double[] gradients = Numbers.ordinary(random, parameter.values().type(), LENGTH);
          gradients[7] = step == 3 ? Double.NaN : gradients[7];
          model.gradients(parameter.name(), gradients);
        }
        optimizer.step();
        plateau.report(step % 3);
      }
    }

    @Override
    public void close() {
      optimizer.close();
      model.close();
    }
  }

  private static void assertSame(Run expected, Run actual) {
    assertEquals(expected.optimizer.stepCount(), actual.optimizer.stepCount());
    assertEquals(expected.optimizer.skippedSteps(), actual.optimizer.skippedSteps());
    assertEquals(expected.optimizer.learningRate(), actual.optimizer.learningRate());
    assertEquals(expected.scaler.state(), actual.scaler.state());
    assertEquals(expected.plateau.state(), actual.plateau.state());
    for (Parameter parameter : expected.model.parameters()) {
      String name = parameter.name();
      Bits.assertSame(expected.model.values(name), actual.model.values(name), () -> name);
      for (String slot : expected.optimizer.stateNames(name)) {
        Bits.assertSame(
            expected.optimizer.state(name, slot).toDoubles(),
            actual.optimizer.state(name, slot).toDoubles(),
            () -> name + "." + slot);
      }
    }
  }

  /**
   * From the processor to the backend, or from there to the processor. Both write the same bytes,
   * so this holds from any backend to any other.
   */
  @ParameterizedTest(name = "{0}, {1}, from the cpu: {2}")
  @MethodSource("runs")
  void goesOnWithTheSameBits(UpdateRule rule, ContractBackend backend, boolean fromCpu)
      throws IOException {
    BytesChannel file = new BytesChannel();
    try (Device cpu = Devices.cpu(2)) {
      Device other = backend.shared();
      try (Run whole = new Run(cpu, backend, rule, 1);
          Run first = new Run(fromCpu ? cpu : other, backend, rule, 1);
          Run second = new Run(fromCpu ? other : cpu, backend, rule, 2)) {
        whole.steps(1, 8);
        first.steps(1, 5);
        first.optimizer.checkpoint().save(file);
        first.steps(6, 6); // what comes after saving must not matter
        second.steps(1, 1);
        file.position(0);
        RestoreReport report = second.optimizer.checkpoint().restore(file);
        assertEquals(4, report.stepCount());
        assertEquals(List.of(), report.notes());
        assertTrue(report.parametersRestored());
        second.steps(6, 8);
        assertSame(whole, second);
        assertArrayEquals(saved(whole), saved(second));
      }
    }
  }
}
