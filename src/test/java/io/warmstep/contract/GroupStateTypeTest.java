package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Groups whose state is stored in types of their own have the bits of optimizers of that type. */
class GroupStateTypeTest {
  private static final int LENGTH = 300;
  private static final List<StateType> TYPES =
      List.of(StateType.FLOAT32, StateType.BFLOAT16, StateType.INT8);

  static List<ContractBackend> backends() {
    return ContractBackend.all();
  }

  private static String name(StateType type) {
    return type + ".weight";
  }

  private static ParameterGroup group(StateType type) {
    return ParameterGroup.matching(type + ".*").stateType(type, LENGTH);
  }

  private static OptimizerBuilder grouped(OptimizerBuilder builder, StateType base) {
    TYPES.stream().filter(type -> type != base).forEach(type -> builder.group(group(type)));
    return builder;
  }

  private static Parameters parameters(Device device) {
    var builder = Parameters.on(device);
    SplittableRandom random = new SplittableRandom(5);
    for (StateType type : TYPES) {
      double[] values = Numbers.ordinary(random, ElementType.FLOAT32, LENGTH);
      builder.add(name(type), Numbers.floats(values));
    }
    return builder.build();
  }

  private static OptimizerBuilder builder(Parameters parameters) {
    return Optimizer.of(parameters)
        .rule(Adam.adamW())
        .learningRate(0.01)
        .rounding(Rounding.STOCHASTIC, 42);
  }

  private static void step(Optimizer optimizer, Parameters parameters, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (StateType type : TYPES) {
      parameters
          .get(name(type))
          .gradients()
          .copyFrom(Numbers.ordinary(random, ElementType.FLOAT32, LENGTH));
    }
    optimizer.step();
  }

  private static void assertSame(
      Parameters expected, Optimizer like, Parameters parameters, Optimizer actual, String name) {
    Bits.assertSame(
        expected.get(name).values().toDoubles(),
        parameters.get(name).values().toDoubles(),
        () -> name);
    for (String slot : like.stateNames(name)) {
      assertEquals(like.state(name, slot).type(), actual.state(name, slot).type(), name);
      Bits.assertSame(
          like.state(name, slot).toDoubles(),
          actual.state(name, slot).toDoubles(),
          () -> name + ", " + slot);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void eachGroupHasItsType(ContractBackend backend) {
    Device device = backend.shared();
    for (StateType base : TYPES) {
      try (Parameters mixed = parameters(device);
          // Of the base type are those of no group.
          Optimizer optimizer = grouped(builder(mixed).stateType(base, 0), base).build()) {
        for (int step = 0; step < 3; step++) {
          step(optimizer, mixed, step);
        }
        for (StateType type : TYPES) {
          UnaryOperator<OptimizerBuilder> form =
              type == StateType.FLOAT32
                  ? builder -> builder.rounding(Rounding.NEAREST)
                  : builder -> builder.stateType(type, 0);
          try (Parameters plain = parameters(device);
              Optimizer like = form.apply(builder(plain)).build()) {
            for (int step = 0; step < 3; step++) {
              step(like, plain, step);
            }
            assertSame(plain, like, mixed, optimizer, name(type));
          }
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void checkpointsKnowIt(ContractBackend backend, @TempDir Path folder) throws IOException {
    Path file = folder.resolve("run.safetensors");
    try (Device cpu = Devices.cpu();
        Parameters saved = parameters(backend.shared());
        Optimizer optimizer = typed(saved);
        Parameters other = parameters(cpu);
        Optimizer restored = typed(other);
        Parameters plain = parameters(cpu);
        Optimizer untyped = builder(plain).stateType(StateType.INT8, 0).build()) {
      step(optimizer, saved, 1);
      optimizer.save(file);
      restored.restore(file);
      step(optimizer, saved, 2);
      step(restored, other, 2);
      for (StateType type : TYPES) {
        assertSame(saved, optimizer, other, restored, name(type));
      }
      String message =
          assertThrows(CheckpointMismatchException.class, () -> untyped.restore(file)).getMessage();
      assertTrue(message.contains(name(StateType.FLOAT32)), message);
    }
  }

  private static Optimizer typed(Parameters parameters) {
    return grouped(builder(parameters), null).build();
  }

  /** Parameters that come later have groups of their own. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void laterParametersToo(ContractBackend backend) {
    Device device = backend.shared();
    try (Parameters first = Parameters.on(device).add("a", new float[64]).build();
        Parameters more =
            Parameters.on(device).add("b.x", new float[64]).add("c", new float[64]).build();
        Optimizer optimizer = Optimizer.of(first).rule(Adam.adam()).learningRate(1).build()) {
      float[] ones = new float[64];
      Arrays.fill(ones, 1);
      optimizer.groups().add(more, ParameterGroup.matching("b.*").stateType(StateType.BFLOAT16, 0));
      assertEquals(ElementType.FLOAT32, optimizer.state("a", "exp_avg").type());
      assertEquals(ElementType.BFLOAT16, optimizer.state("b.x", "exp_avg").type());
      assertEquals(ElementType.FLOAT32, optimizer.state("c", "exp_avg").type());
      first.get("a").gradients().copyFrom(ones);
      more.get("b.x").gradients().copyFrom(ones);
      optimizer.step();
      assertEquals(
          optimizer.state("a", "exp_avg").toDoubles()[0],
          optimizer.state("b.x", "exp_avg").toDoubles()[0],
          0.001);
    }
  }
}
