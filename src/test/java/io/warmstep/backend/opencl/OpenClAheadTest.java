package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.TestDevices;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Muon;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.StoredForm;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Steps whose outcome only the device knows have the bits of steps whose outcome the host waits
 * for, as on the processor.
 */
@Tag("opencl")
class OpenClAheadTest {
  private static final int STEPS = 70; // several times around the ring

  static Stream<Arguments> backendsAndRules() {
    List<UpdateRule> rules =
        List.of(
            Sgd.sgd(),
            Adam.adamW().amsgrad(true),
            Lamb.lamb(),
            Prodigy.prodigy(),
            Adafactor.adafactor(),
            RuleMatrix.withFewProducts(Muon.muon()));
    return ContractBackend.inTurn(rules);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void stepsHaveTheBitsOfTheProcessor(ContractBackend backend, UpdateRule rule) {
    double[] expected;
    try (Device cpu = Devices.cpu(1)) {
      expected = train(cpu, rule, true);
    }
    try (Device device = backend.open()) {
      Bits.assertSame(
          expected, train(device, rule, device.supports(ElementType.FLOAT64)), () -> "");
    }
  }

  /** Two groups, types with two arithmetics, and steps of other kinds between. */
  private static double[] train(Device device, UpdateRule rule, boolean hasFloat64) {
    Stream.Builder<double[]> results = Stream.builder();
    ParametersBuilder builder =
        Parameters.on(device)
            .add("a", ElementType.FLOAT32, 5000)
            .add("a.bias", ElementType.FLOAT32, 7)
            .shape("a", 50, 100)
            .shape("a.bias", 1, 7);
    if (!(rule instanceof Prodigy)) { // which takes one type in a group
      builder.add("h", ElementType.BFLOAT16, 300).shape("h", 15, 20);
      if (hasFloat64) {
        builder.add("d", ElementType.FLOAT64, 50).shape("d", 5, 10);
      }
    }
    LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 5);
    try (Parameters parameters = builder.build();
        Optimizer optimizer =
            ahead(parameters, rule)
                .group(ParameterGroup.matching("*.bias").learningRateFactor(0.5))
                .lossScaler(scaler)
                .zeroGradients(true)
                .clipNorm(3)
                .build()) {
      SplittableRandom random = new SplittableRandom(5);
      for (int step = 0; step < STEPS; step++) {
        boolean isFinite = random.nextInt(5) != 0 || step == 0;
        parameters.forEach(
            parameter -> {
              float[] g = new float[(int) parameter.length()];
              for (int i = 0; i < g.length; i++) {
                g[i] = (float) (1000 * random.nextDouble(-1, 1));
              }
              g[g.length - 1] = isFinite ? 1 : Float.POSITIVE_INFINITY;
              parameter.gradients().copyFrom(g);
            });
        if (step % 13 == 12) {
          optimizer.step(0.5);
        } else {
          optimizer.step();
        }
        if (step % 7 == 3) {
          results.add(
              new double[] {
                scaler.scale(),
                optimizer.stepCount(),
                optimizer.skippedSteps(),
                optimizer.learningRate(),
                optimizer.gradientNorm(),
                optimizer.isLastStepSkipped() ? 1 : 0
              });
        }
        parameters.forEach(parameter -> results.add(parameter.gradients().toDoubles()));
      }
      parameters.forEach(
          parameter -> {
            results.add(parameter.values().toDoubles());
            optimizer
                .stateNames(parameter.name())
                .forEach(slot -> results.add(optimizer.state(parameter.name(), slot).toDoubles()));
          });
    }
    return results.build().flatMapToDouble(DoubleStream::of).toArray();
  }

  private static OptimizerBuilder ahead(Parameters parameters, UpdateRule rule) {
    return Optimizer.of(parameters).rule(rule).learningRate(Schedules.cosine(0.01, 100).warmUp(10));
  }

  static Stream<StoredForm> forms() {
    return StoredForm.ofEachChoice().stream();
  }

  /** With masters, small state and an average; gradients are not finite in every third step. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("forms")
  void howeverNumbersAreStored(StoredForm form) {
    double[] expected;
    try (Device cpu = Devices.cpu(1)) {
      expected = train(cpu, form);
    }
    try (Device device = TestDevices.of(OpenClTestDevices.openInOwnShape())) {
      Bits.assertSame(expected, train(device, form), () -> form.toString());
    }
  }

  private static double[] train(Device device, StoredForm form) {
    Stream.Builder<double[]> results = Stream.builder();
    try (Parameters parameters = form.parameters(device, 5000);
        Optimizer optimizer = form.optimizer(parameters, Adam.adamW())) {
      SplittableRandom random = new SplittableRandom(6);
      for (int step = 1; step <= 20; step++) {
        boolean isFinite = step % 3 != 0;
        parameters.forEach(
            parameter -> {
              float[] g = new float[(int) parameter.length()];
              for (int i = 0; i < g.length; i++) {
                g[i] = (float) random.nextDouble(-1, 1);
              }
              g[0] = isFinite ? 1 : Float.NaN;
              parameter.gradients().copyFrom(g);
            });
        optimizer.step();
      }
      results.add(new double[] {optimizer.stepCount(), optimizer.skippedSteps()});
      parameters.forEach(parameter -> results.add(parameter.values().toDoubles()));
    }
    return results.build().flatMapToDouble(DoubleStream::of).toArray();
  }

  @Test
  void anotherOptimizerGoesOnWhereOneWasClosed() {
    try (Device device = TestDevices.of(OpenClTestDevices.openInOwnShape());
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build()) {
      for (int turn = 0; turn < 3; turn++) {
        try (Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(true).build()) {
          parameters.get("p").gradients().copyFrom(new float[] {turn == 1 ? Float.NaN : 1, 1});
          optimizer.step();
        }
      }
      assertArrayEquals(new float[] {-1, 0}, parameters.get("p").values().toFloats());
    }
  }
}
