package io.warmstep.backend.opencl;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.TestDevices;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Results do not depend on the shape of the work: every width of vectors and of work-groups. */
@Tag("opencl")
class WorkShapesTest {
  /**
   * Two leaves of the norm, a tile with a tail, less than a vector, and an odd place to begin at.
   */
  private static final int[] LENGTHS = {4096 + 203, 1, 70, 2048 + 37};

  private static final Adam RULE = Adam.adam().amsgrad(true).weightDecay(0.01);

  private static final List<WorkShape> SHAPES =
      List.of(
          WorkShape.ofProcessor(1, 1),
          WorkShape.ofProcessor(8, 8),
          WorkShape.ofProcessor(16, 16),
          WorkShape.ofGpu(1),
          WorkShape.ofGpu(16),
          WorkShape.ofGpu(1024));

  /** Each shape with each type, or by default with the next two. */
  static Stream<Arguments> shapesAndTypes() {
    List<Arguments> cases = new ArrayList<>();
    for (int i = 0; i < SHAPES.size(); i++) {
      for (ElementType type : ElementType.values()) {
        if (RuleMatrix.IS_FULL || (i + type.ordinal()) % 4 < 2) {
          cases.add(Arguments.of(SHAPES.get(i), type));
        }
      }
    }
    return cases.stream();
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("shapesAndTypes")
  void haveTheBitsOfTheProcessor(WorkShape shape, ElementType type) {
    double[] expected;
    try (Device cpu = Devices.cpu(1)) {
      expected = train(cpu, type, builder -> builder);
    }
    try (Device device = TestDevices.of(OpenClTestDevices.open(shape))) {
      Bits.assertSame(expected, train(device, type, builder -> builder), () -> shape + ", " + type);
    }
  }

  /** Each shape with one or the other; codes differ with the width of vectors. */
  static Stream<Arguments> shapesAndMasters() {
    return IntStream.range(0, SHAPES.size())
        .mapToObj(
            i ->
                Arguments.of(
                    SHAPES.get(i), i % 2 == 0 ? MasterWeights.NONE : MasterWeights.BITS_24));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("shapesAndMasters")
  void roundAtRandomAsTheProcessorDoes(WorkShape shape, MasterWeights masters) {
    UnaryOperator<OptimizerBuilder> storage =
        builder ->
            builder
                .masterWeights(masters)
                .stateType(StateType.INT8, 0)
                .rounding(Rounding.STOCHASTIC, 0x123456789L);
    double[] expected;
    try (Device cpu = Devices.cpu(1)) {
      expected = train(cpu, ElementType.BFLOAT16, storage);
    }
    try (Device device = TestDevices.of(OpenClTestDevices.open(shape))) {
      Bits.assertSame(
          expected, train(device, ElementType.BFLOAT16, storage), () -> shape + ", " + masters);
    }
  }

  /**
   * Norms and what is seen of updates, then parameters, gradients and state of owned and borrowed
   * tensors.
   */
  private static double[] train(
      Device device, ElementType type, UnaryOperator<OptimizerBuilder> configure) {
    SplittableRandom random = new SplittableRandom(3);
    Stream.Builder<double[]> results = Stream.builder();
    List<StepReport> reports = new ArrayList<>();
    try (Tensor values = device.allocate(type, LENGTHS[0]);
        Tensor gradients = device.allocate(type, LENGTHS[0]);
        Parameters parameters =
            Parameters.on(device)
                .borrow("lent", values, gradients)
                .add("p0", type, LENGTHS[0])
                .add("p1", type, LENGTHS[1])
                .add("p2", type, LENGTHS[2])
                .add("p3", type, LENGTHS[3])
                .build();
        Optimizer optimizer =
            configure
                .apply(Optimizer.of(parameters))
                .rule(RULE)
                .learningRate(0.01)
                .clipNorm(0.7)
                .zeroGradients(true)
                .listener(reports::add, 2)
                .build()) {
      for (int step = 0; step < 2; step++) {
        parameters.forEach(
            p -> p.gradients().copyFrom(Numbers.ordinary(random, type, (int) p.length())));
        optimizer.step();
        results.add(new double[] {optimizer.gradientNorm()});
      }
      optimizer.flushReports();
      StepReport.Update update = reports.get(0).updates().get(0);
      results.add(new double[] {update.toWeight(), update.lost(), update.largest()});
      parameters.forEach(
          p -> p.gradients().copyFrom(Numbers.ordinary(random, type, (int) p.length())));
      optimizer.zeroGradients();
      parameters.forEach(
          p -> {
            results.add(p.values().toDoubles());
            results.add(p.gradients().toDoubles());
            optimizer
                .stateNames(p.name())
                .forEach(slot -> results.add(optimizer.state(p.name(), slot).toDoubles()));
          });
    }
    return results.build().flatMapToDouble(Arrays::stream).toArray();
  }
}
