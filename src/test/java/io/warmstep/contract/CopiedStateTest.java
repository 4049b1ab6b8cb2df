package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Asgd;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.ContractBackend;
import java.io.IOException;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * State that starts as a copy of its parameter, whose values are loaded after the optimizer is
 * built.
 */
class CopiedStateTest {
  private static final String ALL = "backendsAndCopies";
  private static final float[] BUILT = {9, -9, 9};
  private static final float[] LOADED = {1, 2, -3};
  private static final float[] LATER = {0.5f, 4, 8};
  private static final float[] GRADIENTS = {1, -2, 0.25f};

  /** A way of training, the state that it copies, and other state that it has. */
  private record Copy(String slot, String other, Consumer<OptimizerBuilder> settings) {
    static Copy of(UpdateRule rule, String slot, String other) {
      return new Copy(slot, other, builder -> builder.rule(rule));
    }

    Optimizer build(Parameters parameters) {
      OptimizerBuilder builder = Optimizer.of(parameters).learningRate(0.5).skipNonFinite(true);
      settings.accept(builder);
      return builder.build();
    }

    @Override
    public String toString() {
      return slot;
    }
  }

  private static final List<Copy> COPIES =
      List.of(
          Copy.of(Prodigy.prodigy(), "p0", "exp_avg"),
          Copy.of(ScheduleFreeSgd.scheduleFreeSgd().momentum(0.9), "z", null),
          Copy.of(Asgd.asgd(), "ax", null),
          Copy.of(Lookahead.around(Adam.adam()).k(2), "slow_params", "exp_avg"),
          new Copy("average", "exp_avg", builder -> builder.rule(Adam.adamW()).average(0.99)));

  static Stream<Arguments> backendsAndCopies() {
    return ContractBackend.inTurn(COPIES);
  }

  private static Parameters parameters(Device device, float[] values) {
    return Parameters.on(device).add("w", values).add("v", values).build();
  }

  private static void load(Parameters parameters, float[] values) {
    parameters.get("w").values().copyFrom(values);
    parameters.get("v").values().copyFrom(values);
  }

  private static void step(Parameters parameters, Optimizer optimizer) {
    parameters.get("w").gradients().copyFrom(GRADIENTS);
    parameters.get("v").gradients().copyFrom(GRADIENTS);
    optimizer.step();
  }

  private static void skip(Parameters parameters, Optimizer optimizer) {
    parameters.get("w").gradients().copyFrom(new float[] {0, Float.NaN, 0});
    optimizer.step();
  }

  /** Steps both, and compares what they come to with each other. */
  private static void compareSteps(
      Parameters expected, Optimizer right, Parameters parameters, Optimizer optimizer) {
    for (int i = 0; i < 3; i++) {
      step(expected, right);
      step(parameters, optimizer);
    }
    for (String name : List.of("w", "v")) {
      assertArrayEquals(
          expected.get(name).values().toFloats(), parameters.get(name).values().toFloats(), name);
      for (String slot : right.stateNames(name)) {
        assertArrayEquals(
            right.state(name, slot).toDoubles(), optimizer.state(name, slot).toDoubles(), slot);
      }
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource(ALL)
  void followsUntilTheFirstStepThatHappens(ContractBackend backend, Copy copy) {
    try (Device device = backend.open();
        Parameters parameters = parameters(device, BUILT);
        Parameters expected = parameters(device, LATER);
        Optimizer optimizer = copy.build(parameters);
        Optimizer right = copy.build(expected)) {
      load(parameters, LOADED);
      skip(parameters, optimizer);
      skip(expected, right);
      load(parameters, LATER);
      compareSteps(expected, right, parameters, optimizer);
      load(parameters, BUILT);
      load(expected, BUILT);
      compareSteps(expected, right, parameters, optimizer);
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource(ALL)
  void isACopyOfTheMomentWhenItIsRequested(ContractBackend backend, Copy copy) {
    try (Device device = backend.open();
        Parameters parameters = parameters(device, BUILT);
        Optimizer optimizer = copy.build(parameters)) {
      load(parameters, LOADED);
      skip(parameters, optimizer);
      assertArrayEquals(LOADED, optimizer.state("w", copy.slot).toFloats());
      load(parameters, LATER); // may be what the caller has written, now
      assertArrayEquals(LOADED, optimizer.state("w", copy.slot).toFloats());
      assertArrayEquals(LATER, optimizer.state("v", copy.slot).toFloats());
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource(ALL)
  void isTakenAsItWasWritten(ContractBackend backend, Copy copy) {
    try (Device device = backend.open();
        Parameters parameters = parameters(device, BUILT);
        Parameters expected = parameters(device, LOADED);
        Optimizer optimizer = copy.build(parameters);
        Optimizer right = copy.build(expected)) {
      optimizer.state("w", copy.slot).copyFrom(LATER);
      load(parameters, LOADED);
      optimizer.state("v", copy.slot).copyFrom(LATER);
      right.state("w", copy.slot).copyFrom(LATER);
      right.state("v", copy.slot).copyFrom(LATER);
      compareSteps(expected, right, parameters, optimizer);
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource(ALL)
  void followsWhileOtherStateIsRequested(ContractBackend backend, Copy copy) {
    try (Device device = backend.open();
        Parameters parameters = parameters(device, BUILT);
        Parameters expected = parameters(device, LOADED);
        Optimizer optimizer = copy.build(parameters);
        Optimizer right = copy.build(expected)) {
      assertThrows(IllegalArgumentException.class, () -> optimizer.state("w", "none"));
      if (copy.other != null) {
        optimizer.state("w", copy.other);
      }
      load(parameters, LOADED);
      compareSteps(expected, right, parameters, optimizer);
    }
  }

  /** After a step it is what the step left, whether it was requested before or not. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource(ALL)
  void followsNoLongerAfterAStep(ContractBackend backend, Copy copy) {
    try (Device device = backend.open();
        Parameters parameters = parameters(device, LOADED);
        Optimizer optimizer = copy.build(parameters)) {
      optimizer.state("v", copy.slot);
      step(parameters, optimizer);
      load(parameters, LATER);
      assertArrayEquals(
          optimizer.state("v", copy.slot).toFloats(), optimizer.state("w", copy.slot).toFloats());
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource(ALL)
  void isSavedAsItIsThen(ContractBackend backend, Copy copy) throws IOException {
    BytesChannel file = new BytesChannel();
    try (Device device = backend.open();
        Parameters parameters = parameters(device, BUILT);
        Parameters expected = parameters(device, LOADED);
        Optimizer optimizer = copy.build(parameters);
        Optimizer right = copy.build(expected)) {
      load(parameters, LOADED);
      optimizer.checkpoint().save(file);
      load(parameters, LATER);
      optimizer.checkpoint().restore(file.position(0));
      compareSteps(expected, right, parameters, optimizer);
    }
  }

  /** A layer that a checkpoint does not have is initialized after it has been restored. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource(ALL)
  void followsAfterACheckpointWithoutTheParameter(ContractBackend backend, Copy copy)
      throws IOException {
    BytesChannel file = new BytesChannel();
    try (Device device = backend.open();
        Parameters saved = Parameters.on(device).add("w", LOADED).build();
        Parameters parameters = parameters(device, BUILT);
        Optimizer former = copy.build(saved)) {
      former.checkpoint().save(file);
      ParameterGroup[] apart = {ParameterGroup.matching("w"), ParameterGroup.matching("v")};
      Copy both =
          new Copy(
              copy.slot, copy.other, copy.settings.andThen(b -> b.group(apart[0]).group(apart[1])));
      try (Optimizer optimizer = both.build(parameters)) {
        optimizer.checkpoint().allowAdded().restore(file.position(0));
        load(parameters, LATER);
        assertArrayEquals(LOADED, optimizer.state("w", copy.slot).toFloats());
        assertArrayEquals(LATER, optimizer.state("v", copy.slot).toFloats());
      }
    }
  }

  /** A group that is frozen before its first step follows its parameters until it steps. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource(ALL)
  void followsWhileItsGroupIsFrozen(ContractBackend backend, Copy copy) {
    Copy apart =
        new Copy(
            copy.slot,
            copy.other,
            copy.settings.andThen(
                b -> b.group(ParameterGroup.matching("w")).group(ParameterGroup.matching("v"))));
    try (Device device = backend.open();
        Parameters parameters = parameters(device, BUILT);
        Optimizer optimizer = apart.build(parameters)) {
      optimizer.groups().freeze("w");
      step(parameters, optimizer);
      load(parameters, LOADED);
      assertEquals(0, optimizer.groups().stepCount("w"));
      assertArrayEquals(LOADED, optimizer.state("w", copy.slot).toFloats());
    }
  }
}
