package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.RuleMatrix;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Groups that are frozen, taken up again or added between steps have the bits that optimizers of
 * their own would give, which step when they do.
 */
class GroupChangesTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final Adam ADAM = Adam.adamW();

  /** Its first step is another than the rest, and the count of steps decides. */
  private static final Momentum MOMENTUM = Momentum.heavyBall(0.9).dampening(0.5);

  private static double rate(long step) {
    return 0.125 / step;
  }

  private static float[] values(int seed, int length) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }

  private static Parameters parameters(Device device, String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      builder.add(name, values(name.hashCode(), 100 * name.charAt(0)));
    }
    return builder.build();
  }

  private static void gradients(Parameters parameters, long step) {
    for (Parameter parameter : parameters) {
      int seed = parameter.name().hashCode() + (int) step;
      parameter.gradients().copyFrom(values(seed, (int) parameter.length()));
    }
  }

  private static OptimizerBuilder all(Parameters parameters) {
    return Optimizer.of(parameters)
        .rule(ADAM)
        .learningRate(GroupChangesTest::rate)
        .skipNonFinite(true)
        .zeroGradients(true);
  }

  private static void assertSame(
      Optimizer one, Parameters some, Optimizer other, Parameters others, String name) {
    Bits.assertSame(
        some.get(name).values().toDoubles(),
        others.get(name).values().toDoubles(),
        () -> name + " at step " + one.stepCount());
    for (String slot : one.stateNames(name)) {
      Bits.assertSame(
          one.state(name, slot).toDoubles(),
          other.state(name, slot).toDoubles(),
          () -> name + ", " + slot + " at step " + one.stepCount());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aFrozenGroupIsAsIfItWereNotThere(ContractBackend backend) {
    RuleMatrix.keepers().forEach(rule -> freezes(backend.shared(), rule));
  }

  private static Parameters matrices(Device device, String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      builder.add(name, values(name.hashCode(), 48)).shape(name, 6, 8);
    }
    return builder.build();
  }

  private static void freezes(Device device, UpdateRule rule) {
    try (Parameters both = matrices(device, "x", "y");
        Parameters x = matrices(device, "x");
        Parameters y = matrices(device, "y");
        Optimizer optimizer = all(both).group(ParameterGroup.matching("y").rule(rule)).build();
        Optimizer ofX = all(x).build();
        Optimizer ofY = Optimizer.of(y).rule(rule).learningRate(1).build()) {
      for (long step = 1; step <= 6; step++) {
        gradients(both, step);
        gradients(x, step);
        gradients(y, step);
        boolean isFrozen = step == 3 || step == 4;
        if (step == 3) {
          optimizer.groups().freeze("y");
        } else if (step == 5) {
          optimizer.groups().unfreeze("y");
        }
        assertEquals(isFrozen, optimizer.groups().isFrozen("y"));
        if (isFrozen) {
          float[] gradient = values(1, (int) both.get("y").length());
          gradient[7] = Float.NaN;
          both.get("y").gradients().copyFrom(gradient);
        } else {
          ofY.learningRate(rate(step));
          ofY.step();
        }
        optimizer.step();
        ofX.step();
        assertFalse(optimizer.isLastStepSkipped());
        assertEquals(isFrozen, Double.isNaN(both.get("y").gradients().toDoubles()[7]));
        if (isFrozen) {
          assertEquals(ofX.gradientNorm(), optimizer.gradientNorm());
        }
        assertSame(ofX, x, optimizer, both, "x");
        assertSame(ofY, y, optimizer, both, "y");
      }
      assertEquals(6, optimizer.groups().stepCount("x"));
      assertEquals(4, optimizer.groups().stepCount("y"));
      optimizer.groups().freeze("y");
      optimizer.groups().freeze("*");
      optimizer.step(); // of nothing
      assertSame(ofX, x, optimizer, both, "x");
      assertEquals(7, optimizer.stepCount());
      assertEquals(6, optimizer.groups().stepCount("x"));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void addedParametersCountTheirOwnStepsAlsoInCheckpoints(
      ContractBackend backend, @TempDir Path folder) throws IOException {
    ParameterGroup group = ParameterGroup.matching("z").rule(MOMENTUM);
    Path file = folder.resolve("run.safetensors");
    try (Device device = backend.open();
        Parameters x = parameters(device, "x");
        Parameters z = parameters(device, "z", "zz");
        Parameters aloneX = parameters(device, "x");
        Parameters aloneZ = parameters(device, "z");
        Optimizer optimizer = all(x).build();
        Optimizer ofX = all(aloneX).build();
        Optimizer ofZ = Optimizer.of(aloneZ).rule(MOMENTUM).learningRate(1).build()) {
      for (long step = 1; step <= 5; step++) {
        if (step == 3) {
          optimizer.groups().add(z, group);
          assertEquals(List.of("*", "z"), optimizer.groups().patterns());
        }
        gradients(x, step);
        gradients(z, step);
        gradients(aloneX, step);
        gradients(aloneZ, step);
        if (step >= 3) {
          ofZ.learningRate(rate(step));
          ofZ.step();
        }
        optimizer.step();
        ofX.step();
        assertSame(ofX, aloneX, optimizer, x, "x");
      }
      assertSame(ofZ, aloneZ, optimizer, z, "z");
      assertEquals(5, optimizer.groups().stepCount("x"));
      assertEquals(3, optimizer.groups().stepCount("zz"));
      optimizer.groups().freeze("z");
      optimizer.save(file);
      optimizer.groups().unfreeze("z");

      try (Parameters again = parameters(device, "x", "z", "zz");
          Optimizer restored =
              all(again).group(group).group(ParameterGroup.matching("zz")).build()) {
        assertTrue(restored.restore(file).toString().contains("z was frozen"));
        assertEquals(5, restored.stepCount());
        assertEquals(5, restored.groups().stepCount("x"));
        assertEquals(3, restored.groups().stepCount("z"));
        assertEquals(3, restored.groups().stepCount("zz"));
        assertTrue(restored.groups().isFrozen("z"));
        restored.groups().unfreeze("z");
        gradients(x, 6);
        gradients(z, 6);
        gradients(again, 6);
        optimizer.step();
        restored.step();
        for (String name : List.of("x", "z", "zz")) {
          assertSame(restored, again, optimizer, name.equals("x") ? x : z, name);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void whatDoesNotFitChangesNothing(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters x = parameters(device, "x");
        Parameters y = parameters(device, "y");
        Parameters sameName = parameters(device, "x");
        Device other = backend.open();
        Parameters elsewhere = parameters(other, "z");
        Optimizer optimizer = all(x).build()) {
      assertEquals(
          "pattern is \"y\", must be that of a group: there are *",
          assertThrows(IllegalArgumentException.class, () -> optimizer.groups().freeze("y"))
              .getMessage());
      assertEquals(
          "parameter \"x\" is there already, names must differ",
          assertThrows(IllegalArgumentException.class, () -> optimizer.groups().add(sameName))
              .getMessage());
      assertThrows(IllegalArgumentException.class, () -> optimizer.groups().add(elsewhere));
      assertThrows(
          IllegalArgumentException.class,
          () -> optimizer.groups().add(y, ParameterGroup.matching("nothing")));
      assertThrows(IllegalArgumentException.class, () -> optimizer.groups().stepCount("y"));
      optimizer.groups().add(y);
      optimizer.step();
      assertEquals(1, optimizer.groups().stepCount("y"));
    }
  }
}
