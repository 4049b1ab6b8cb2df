package io.warmstep.contract;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Muon;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Steps with a loss scaler, of which devices do not tell the host whether they happen unless it
 * asks: with micro-batches and with factors of single steps, which the device must divide by the
 * scale that it has by then, and with reports.
 */
class UnawaitedStepsTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final int STEPS = 50; // several times around the ring

  private static final List<UpdateRule> RULES =
      List.of(
          Sgd.sgd(),
          Adam.adamW().amsgrad(true),
          Lamb.lamb(),
          RuleMatrix.withFewProducts(Muon.muon()));

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void haveTheBitsOfTheProcessor(ContractBackend backend) {
    for (UpdateRule rule : RULES) {
      for (boolean zeroes : new boolean[] {false, true}) {
        double[] expected;
        try (Device cpu = Devices.cpu(1)) {
          expected = train(cpu, rule, zeroes, true);
        }
        Bits.assertSame(expected, train(backend.shared(), rule, zeroes, true), rule::toString);
      }
      double[] expected;
      try (Device cpu = Devices.cpu(1)) {
        expected = train(cpu, rule, true, false);
      }
      Bits.assertSame(expected, train(backend.shared(), rule, true, false), rule::toString);
    }
  }

  private static double[] train(
      Device device, UpdateRule rule, boolean zeroes, boolean accumulates) {
    Stream.Builder<double[]> results = Stream.builder();
    List<double[]> reports = new ArrayList<>(); // which a device may deliver later
    ParametersBuilder builder =
        Parameters.on(device)
            .add("a", ElementType.FLOAT32, 1200)
            .shape("a", 30, 40)
            .add("b", ElementType.FLOAT32, 1200)
            .shape("b", 40, 30)
            .add("h", ElementType.BFLOAT16, 48)
            .shape("h", 6, 8);
    LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 5);
    try (Parameters parameters = builder.build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(rule)
                .learningRate(Schedules.cosine(0.01, 100).warmUp(10))
                .group(ParameterGroup.matching("b").learningRateFactor(0.5))
                .lossScaler(scaler)
                .zeroGradients(zeroes)
                .clipNorm(3)
                .listener(report -> reports.add(numbers(report)), 3)
                .build()) {
      SplittableRandom random = new SplittableRandom(5);
      List<Tensor[]> finite = new ArrayList<>();
      List<Tensor[]> broken = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        finite.add(gradients(device, parameters, random, true));
        broken.add(gradients(device, parameters, random, false));
      }
      for (int step = 0; step < STEPS; step++) {
        boolean isFinite = random.nextInt(5) != 0 || step == 0;
        int batches = 1 + random.nextInt(3);
        for (int batch = 0; batch < batches; batch++) {
          Tensor[] chosen = (isFinite || batch > 0 ? finite : broken).get(random.nextInt(4));
          int next = 0;
          for (Parameter parameter : parameters) { // a copy that waits for nothing
            parameter.gradients().copyFrom(chosen[next++]);
          }
          if (accumulates) {
            optimizer.accumulate();
          }
        }
        double factor = random.nextBoolean() ? 1 : random.nextDouble(0.1, 2);
        if (factor == 1) {
          optimizer.step();
        } else {
          optimizer.step(factor);
        }
        if (random.nextInt(7) == 0) {
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
        if (step % 20 == 0) { // not always, as it waits for the device
          parameters.forEach(parameter -> results.add(parameter.gradients().toDoubles()));
        }
      }
      optimizer.flushReports();
      reports.forEach(results::add);
      results.add(new double[] {optimizer.stepCount(), optimizer.skippedSteps(), scaler.scale()});
      parameters.forEach(
          parameter -> {
            results.add(parameter.values().toDoubles());
            optimizer
                .stateNames(parameter.name())
                .forEach(slot -> results.add(optimizer.state(parameter.name(), slot).toDoubles()));
          });
      Stream.concat(finite.stream(), broken.stream()).flatMap(Stream::of).forEach(Tensor::close);
    }
    return results.build().flatMapToDouble(DoubleStream::of).toArray();
  }

  private static double[] numbers(StepReport report) {
    return DoubleStream.concat(
            DoubleStream.of(
                report.step(),
                report.learningRate(),
                report.gradientNorm(),
                report.clipRate(),
                report.skippedSteps()),
            report.updates().stream()
                .flatMapToDouble(
                    update -> DoubleStream.of(update.toWeight(), update.lost(), update.largest())))
        .toArray();
  }

  private static Tensor[] gradients(
      Device device, Parameters parameters, SplittableRandom random, boolean areFinite) {
    List<Tensor> tensors = new ArrayList<>();
    for (Parameter parameter : parameters) {
      float[] g = new float[(int) parameter.length()];
      for (int i = 0; i < g.length; i++) {
        g[i] = (float) (1000 * random.nextDouble(-1, 1));
      }
      g[g.length - 1] = areFinite ? 1 : Float.POSITIVE_INFINITY;
      Tensor tensor = device.allocate(parameter.gradients().type(), g.length);
      tensor.copyFrom(g);
      tensors.add(tensor);
    }
    return tensors.toArray(Tensor[]::new);
  }
}
