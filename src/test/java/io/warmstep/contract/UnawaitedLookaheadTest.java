package io.warmstep.contract;

import io.warmstep.CaptureRefusedException;
import io.warmstep.CapturedStep;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.ContractBackend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Slow weights move after each k-th step of their group that happened, also where the device alone
 * knows which steps did: in random orders of steps that happen and that do not, at rates of 0 too,
 * of micro-batches, of groups that are frozen and unfrozen, and of progress that is restored within
 * a cycle.
 */
class UnawaitedLookaheadTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final int STEPS = 60; // several times around the ring
  private static final List<Integer> SEEDS = List.of(1, 2, 3, 4);

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void hasTheBitsOfTheProcessor(ContractBackend backend) throws IOException {
    for (int seed : SEEDS) {
      boolean hasDoubles = backend.shared().supports(ElementType.FLOAT64);
      double[] expected;
      try (Device cpu = Devices.cpu(1)) {
        expected = new Training(seed, hasDoubles).on(cpu);
      }
      double[] actual = new Training(seed, hasDoubles).on(backend.shared());
      Bits.assertSame(expected, actual, () -> "seed " + seed);
    }
  }

  /** Every fifth step changes no parameters. */
  private record Pausing() implements Schedule {
    @Override
    public double rate(long step) {
      return step % 5 == 0 ? 0 : 0.01 / step;
    }

    @Override
    public boolean isKnownAhead() {
      return true;
    }
  }

  /** One order of calls, and what they lead to. */
  private static final class Training {
    private final boolean hasDoubles;
    private final SplittableRandom random;
    private final boolean isReported;
    private final boolean isCaptured;
    private final boolean accumulates;
    private final Stream.Builder<double[]> results = Stream.builder();
    private final List<double[]> reports = new ArrayList<>(); // which a device may deliver later
    private CapturedStep captured;

    Training(int seed, boolean hasDoubles) {
      this.hasDoubles = hasDoubles;
      random = new SplittableRandom(seed);
      isReported = seed % 2 == 0;
      accumulates = seed % 4 == 2;
      isCaptured = seed % 4 == 1; // where the device has such steps
    }

    double[] on(Device device) throws IOException {
      ParametersBuilder builder =
          Parameters.on(device)
              .add("a", ElementType.FLOAT32, 5000)
              .add("b", ElementType.FLOAT32, 77)
              .add("h", ElementType.BFLOAT16, 300)
              .add("plain", ElementType.FLOAT32, 9);
      if (hasDoubles) {
        builder.add("d", ElementType.FLOAT64, 50);
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer = optimizer(parameters)) {
        for (Parameter parameter : parameters) {
          parameter.values().copyFrom(numbers(parameter, 1));
        }
        List<Tensor> gradients = new ArrayList<>();
        for (Parameter parameter : parameters) {
          for (int i = 0; i < 3; i++) {
            float[] g = numbers(parameter, 1000);
            g[random.nextInt(g.length)] = i < 2 ? 1 : Float.NaN;
            Tensor tensor = device.allocate(parameter.gradients().type(), g.length);
            tensor.copyFrom(g);
            gradients.add(tensor);
          }
        }
        train(parameters, optimizer, gradients);
        gradients.forEach(Tensor::close);
      }
      return results.build().flatMapToDouble(DoubleStream::of).toArray();
    }

    private float[] numbers(Parameter parameter, double bound) {
      float[] numbers = new float[(int) parameter.length()];
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] = (float) random.nextDouble(-bound, bound);
      }
      return numbers;
    }

    private Optimizer optimizer(Parameters parameters) {
      OptimizerBuilder builder =
          Optimizer.of(parameters)
              .rule(lookahead(Adam.adamW()))
              .learningRate(new Pausing())
              .group(ParameterGroup.matching("b").rule(lookahead(Momentum.heavyBall(0.9))))
              .group(ParameterGroup.matching("h").rule(lookahead(Adam.adamW())))
              .group(ParameterGroup.matching("plain").rule(Sgd.sgd()))
              .zeroGradients(random.nextBoolean());
      if (random.nextBoolean()) {
        builder.lossScaler(LossScaler.dynamic(1024, 2, 0.5, 5));
      } else {
        builder.skipNonFinite(true);
      }
      if (random.nextBoolean()) {
        builder.stateType(StateType.INT8, 64);
      }
      if (isReported) {
        builder.listener(report -> reports.add(numbers(report)), 3);
      }
      return builder.build();
    }

    private Lookahead lookahead(UpdateRule rule) {
      double[] alphas = {0.5, 0.8, 1};
      return Lookahead.around(rule).k(random.nextInt(1, 5)).alpha(alphas[random.nextInt(3)]);
    }

    private void train(Parameters parameters, Optimizer optimizer, List<Tensor> gradients)
        throws IOException {
      BytesChannel file = new BytesChannel();
      optimizer.checkpoint().save(file);
      for (int step = 0; step < STEPS; step++) {
        int microBatches = accumulates ? random.nextInt(1, 4) : 0;
        for (int i = 0; i < Math.max(1, microBatches); i++) {
          int kind = random.nextInt(4) == 0 ? 2 : random.nextInt(2); // not finite, or one of two
          int next = 0;
          for (Parameter parameter : parameters) { // a copy that waits for nothing
            parameter.gradients().copyFrom(gradients.get(3 * next++ + kind));
          }
          if (microBatches > 0) {
            optimizer.accumulate();
          }
        }
        step(optimizer);
        switch (random.nextInt(16)) {
          case 0 -> freeze(optimizer, random.nextBoolean() ? "b" : "h");
          case 1 -> {
            file = new BytesChannel();
            optimizer.checkpoint().save(file);
          }
          case 2 -> optimizer.checkpoint().restore(file.position(0));
          case 3 -> results.add(optimizer.state("a", "slow_params").toDoubles());
          case 4 -> addCounts(optimizer);
          default -> {} // the host runs ahead
        }
      }
      optimizer.flushReports();
      reports.forEach(results::add);
      addCounts(optimizer);
      for (Parameter parameter : parameters) {
        results.add(parameter.values().toDoubles());
        results.add(parameter.gradients().toDoubles());
        results.add(new double[] {optimizer.groups().stepCount(parameter.name())});
        optimizer
            .stateNames(parameter.name())
            .forEach(slot -> results.add(optimizer.state(parameter.name(), slot).toDoubles()));
      }
    }

    /** Captured or not, which has the same bits. */
    private void step(Optimizer optimizer) {
      if (isCaptured && random.nextBoolean()) {
        try {
          captured = captured == null ? optimizer.capture() : captured;
          captured.step();
        } catch (CaptureRefusedException e) { // but on CUDA
          optimizer.step();
        }
      } else {
        optimizer.step();
      }
    }

    private void freeze(Optimizer optimizer, String group) {
      if (optimizer.groups().isFrozen(group)) {
        optimizer.groups().unfreeze(group);
      } else {
        optimizer.groups().freeze(group);
      }
      captured = null; // closes with its optimizer
    }

    private void addCounts(Optimizer optimizer) {
      results.add(
          new double[] {
            optimizer.stepCount(),
            optimizer.skippedSteps(),
            optimizer.learningRate(),
            optimizer.isLastStepSkipped() ? 1 : 0,
            optimizer.groups().stepCount("b")
          });
    }

    private static double[] numbers(StepReport report) {
      return DoubleStream.concat(
              DoubleStream.of(report.step(), report.skippedSteps(), report.gradientNorm()),
              report.updates().stream()
                  .flatMapToDouble(
                      update ->
                          DoubleStream.of(update.toWeight(), update.lost(), update.largest())))
          .toArray();
    }
  }
}
