package io.warmstep.testkit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** Gradients that lie elsewhere in every step, against a processor's that stay where they are. */
public final class Rebinding {
  private static final int[] LENGTHS = {5000, 70, 2 * 4096 + 3, 1};

  /** The caller's memory. */
  public interface Lender {
    /**
     * Lends memory that was not lent before.
     *
     * @param turn chooses its alignment and kind
     */
    Tensor lend(ElementType type, int length, int turn);
  }

  /** What is done around a step. */
  public interface Stepper {
    void step(Optimizer optimizer, boolean isRebound);
  }

  private Rebinding() {}

  /** Checks the bits of a few steps. */
  public static void check(Device device, ElementType type, Lender lender, Stepper stepper) {
    check(device, type, builder -> {}, lender, stepper);
  }

  /** Likewise where two of the tensors have their gradients clipped, each by its own norm. */
  public static void checkClipped(Device device, ElementType type, Lender lender, Stepper stepper) {
    check(
        device,
        type,
        builder ->
            builder
                .group(ParameterGroup.matching("p1").adaptiveClip(1e-3))
                .group(ParameterGroup.matching("p2").adaptiveClip(1e-4)),
        lender,
        stepper);
  }

  /** Likewise where every second step is reported, and the reports. */
  public static void checkReported(
      Device device, ElementType type, Lender lender, Stepper stepper) {
    List<List<StepReport>> all = new ArrayList<>();
    check(
        device,
        type,
        builder -> {
          List<StepReport> reports = new ArrayList<>();
          all.add(reports);
          builder.listener(reports::add, 2);
        },
        lender,
        stepper);
    assertEquals(3, all.get(0).size());
    assertEquals(all.get(1), all.get(0));
  }

  private static void check(
      Device device,
      ElementType type,
      Consumer<OptimizerBuilder> options,
      Lender lender,
      Stepper stepper) {
    SplittableRandom random = new SplittableRandom(5);
    List<Tensor> lent = new ArrayList<>();
    ParametersBuilder builder = Parameters.on(device);
    try (Device cpu = Devices.cpu(1)) {
      ParametersBuilder expectedBuilder = Parameters.on(cpu);
      for (int i = 0; i < LENGTHS.length; i++) {
        double[] values = Numbers.ordinary(random, type, LENGTHS[i]);
        Tensor p = lender.lend(type, LENGTHS[i], i);
        Tensor g = lender.lend(type, LENGTHS[i], i + 1);
        p.copyFrom(values);
        lent.add(p);
        lent.add(g);
        builder.borrow("p" + i, p, g);
        expectedBuilder.add("p" + i, type, LENGTHS[i]);
      }
      builder.add("owned", type, 100);
      expectedBuilder.add("owned", type, 100);
      try (Parameters parameters = builder.build();
          Parameters expected = expectedBuilder.build();
          Optimizer optimizer = optimizer(parameters, options);
          Optimizer reference = optimizer(expected, options)) {
        for (int i = 0; i < LENGTHS.length; i++) {
          expected.get("p" + i).values().copyFrom(parameters.get("p" + i).values().toDoubles());
        }
        for (int step = 0; step < 6; step++) {
          boolean isRebound = step > 0 && step < 5;
          for (int i = 0; i < LENGTHS.length; i++) {
            String name = "p" + i;
            Tensor gradients = parameters.get(name).gradients();
            if (isRebound && (i != 1 || step % 2 == 1)) {
              Tensor other = lender.lend(type, LENGTHS[i], i + step + 2);
              other.copyFrom(Numbers.ordinary(random, type, LENGTHS[i]));
              double[] content = other.toDoubles();
              gradients.rebind(other);
              assertArrayEquals(content, gradients.toDoubles(), "nothing is copied");
              lent.add(other); // the memory that the gradients had
            }
            double[] next = Numbers.ordinary(random, type, LENGTHS[i]);
            gradients.copyFrom(next);
            expected.get(name).gradients().copyFrom(next);
          }
          stepper.step(optimizer, isRebound);
          reference.step();
          for (int i = 0; i < LENGTHS.length; i++) {
            String name = "p" + i;
            String where = type + ", " + name + ", step " + step;
            Bits.assertSame(
                expected.get(name).values().toDoubles(),
                parameters.get(name).values().toDoubles(),
                () -> where);
            assertArrayEquals(
                new double[LENGTHS[i]], parameters.get(name).gradients().toDoubles(), where);
          }
          assertEquals(reference.gradientNorm(), optimizer.gradientNorm(), "norm, step " + step);
        }
      }
      lent.forEach(Tensor::close);
    }
  }

  private static Optimizer optimizer(Parameters parameters, Consumer<OptimizerBuilder> options) {
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(Adam.adamW())
            .learningRate(0.01)
            .clipNorm(0.5)
            .zeroGradients(true);
    options.accept(builder);
    return builder.build();
  }
}
