package io.warmstep.benchmarks;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.cli.bench.ModelShapes;
import io.warmstep.cli.bench.PlainLoop;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.UpdateRule;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A step on the CPU, and the plain loop with the same reads and writes that bounds it. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {"-Xms4g", "-Xmx6g"})
public class CpuStep {
  @Param({"sgd", "momentum", "rmsprop", "adam"})
  String rule;

  @Param({"float32"})
  String dtype;

  /** A number of parameters in one tensor, or resnet50 or gpt2 for the list of that model. */
  @Param({"10", "100000", "25000000", "resnet50"})
  String size;

  private Device device;
  private Parameters parameters;
  private Optimizer optimizer;
  private PlainLoop loop;

  /** Allocates the step's data and the loop's. */
  @Setup
  public void setUp() {
    UpdateRule updateRule = NamedRules.named(rule);
    ElementType type = ElementType.parse(dtype);
    List<Long> lengths =
        switch (size) {
          case "resnet50" -> ModelShapes.resNet50();
          case "gpt2" -> ModelShapes.gpt2Small();
          default -> List.of(Long.parseLong(size));
        };
    int threads = Runtime.getRuntime().availableProcessors();
    device = Devices.cpu(threads);
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < lengths.size(); i++) {
      builder.add("tensor" + i, type, lengths.get(i));
    }
    parameters = builder.build();
    SplittableRandom random = new SplittableRandom(1);
    for (Parameter parameter : parameters) {
      float[] gradient = new float[(int) parameter.length()];
      for (int i = 0; i < gradient.length; i++) {
        gradient[i] = (float) random.nextDouble(-1, 1);
      }
      parameter.gradients().copyFrom(gradient);
    }
    optimizer = Optimizer.of(parameters).rule(updateRule).learningRate(1e-3).build();
    loop = new PlainLoop(type, parameters.length(), updateRule.stateSlots().size(), threads);
  }

  /** Frees all. */
  @TearDown
  public void tearDown() {
    loop.close();
    optimizer.close();
    parameters.close();
    device.close();
  }

  /** One step. */
  @Benchmark
  public void step() {
    optimizer.step();
  }

  /**
   * One pass of the plain loop; handing it to its threads is included.
   *
   * @throws InterruptedException if interrupted
   */
  @Benchmark
  public void plainLoop() throws InterruptedException {
    loop.run(1);
  }
}
