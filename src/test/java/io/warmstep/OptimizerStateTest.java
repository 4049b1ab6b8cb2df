package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adagrad;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.StateSlot.Extent;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Proxies;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The memory of an optimizer's state: how much it is, what it holds at first, when it is freed. */
class OptimizerStateTest {
  private static final float[] VALUES = {1, -2, 3};

  /** A processor whose steps do nothing, which knows its memory and has room for only so much. */
  private static final class Counted implements AutoCloseable {
    final Set<Integer> held = new HashSet<>();
    final Device whole = Devices.cpu(1);
    final Device device = new Device(Proxies.of(BackendDevice.class, this::call));
    int room = Integer.MAX_VALUE;
    boolean refusesSteps;
    private int count;

    private Object call(Object proxy, Method method, Object[] arguments) throws Throwable {
      switch (method.getName()) {
        case "close":
          return null;
        case "prepare":
          if (refusesSteps) {
            throw new OutOfDeviceMemoryException("no room for a step", null);
          }
          return Proxies.of(
              StepProgram.class,
              (step, of, its) -> of.getReturnType() == boolean.class ? true : null);
        case "allocate":
        case "allocateBeside":
          if (held.size() >= room) {
            throw new OutOfDeviceMemoryException("full", null);
          }
          return counted((Memory) Proxies.invoke(whole.backend(), method, arguments), count++);
        default:
          return Proxies.invoke(whole.backend(), method, arguments);
      }
    }

    private Memory counted(Memory memory, int number) {
      held.add(number);
      return Proxies.of(
          Memory.class,
          (proxy, method, arguments) -> {
            switch (method.getName()) {
              case "equals":
                return proxy == arguments[0];
              case "close":
                held.remove(number);
                return null;
              case "copy":
                memory.copyByHost(
                    (long) arguments[0],
                    (Memory) arguments[1],
                    (long) arguments[2],
                    (long) arguments[3]);
                return null;
              default:
                return Proxies.invoke(memory, method, arguments);
            }
          });
    }

    @Override
    public void close() {
      device.close();
      whole.close();
    }
  }

  private static Parameters parameters(Device device, String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      builder.add(name, VALUES);
    }
    return builder.build();
  }

  private static OptimizerBuilder optimizer(Parameters parameters, UpdateRule rule) {
    return Optimizer.of(parameters).rule(rule).learningRate(0.1);
  }

  @Test
  void memoryIsFreedWithTheOptimizer() {
    try (Counted counted = new Counted();
        Parameters parameters = parameters(counted.device, "w")) {
      Set<Integer> before = Set.copyOf(counted.held);
      try (Optimizer optimizer = optimizer(parameters, Adam.adam()).build()) {
        assertEquals(before.size() + 2, counted.held.size(), optimizer.toString());
      }
      assertEquals(before, counted.held);
    }
  }

  @Test
  void memoryOfMicroBatchesIsFreedWithTheOptimizer() {
    try (Counted counted = new Counted();
        Parameters parameters = parameters(counted.device, "w")) {
      Set<Integer> before = Set.copyOf(counted.held);
      try (Optimizer optimizer = optimizer(parameters, Sgd.sgd()).lanes(2).build()) {
        optimizer.accumulate();
        optimizer.accumulate();
        assertTrue(counted.held.size() > before.size(), counted.held::toString);
      }
      assertEquals(before, counted.held);
    }
  }

  @Test
  void anOptimizerWithoutRoomHoldsNothing() {
    try (Counted counted = new Counted();
        Parameters parameters = parameters(counted.device, "w")) {
      Set<Integer> before = Set.copyOf(counted.held);
      counted.room = before.size() + 1;
      OptimizerBuilder builder = optimizer(parameters, Adam.adam());
      assertThrows(OutOfDeviceMemoryException.class, builder::build);
      assertEquals(before, counted.held);
    }
  }

  @Test
  void anOptimizerWithoutRoomForAStepHoldsNothing() {
    try (Counted counted = new Counted();
        Parameters parameters = parameters(counted.device, "w")) {
      Set<Integer> before = Set.copyOf(counted.held);
      counted.refusesSteps = true;
      OptimizerBuilder builder = optimizer(parameters, Adam.adam());
      assertThrows(OutOfDeviceMemoryException.class, builder::build);
      assertEquals(before, counted.held);
    }
  }

  @Test
  void addedParametersWithoutRoomForAStepHoldNothing() {
    try (Counted counted = new Counted();
        Parameters parameters = parameters(counted.device, "w");
        Parameters more = parameters(counted.device, "v");
        Optimizer optimizer = optimizer(parameters, Adam.adam()).build()) {
      Set<Integer> before = Set.copyOf(counted.held);
      counted.refusesSteps = true;
      assertThrows(OutOfDeviceMemoryException.class, () -> optimizer.groups().add(more));
      assertEquals(before, counted.held);
    }
  }

  @Test
  void addedParametersWithoutRoomHoldNothing() {
    try (Counted counted = new Counted();
        Parameters parameters = parameters(counted.device, "w");
        Parameters more = parameters(counted.device, "v");
        Optimizer optimizer = optimizer(parameters, Adam.adam()).build()) {
      Set<Integer> before = Set.copyOf(counted.held);
      long bytes = optimizer.stateBytes();
      counted.room = before.size() + 1;
      assertThrows(OutOfDeviceMemoryException.class, () -> optimizer.groups().add(more));
      assertEquals(before, counted.held);
      assertEquals(bytes, optimizer.stateBytes());
    }
  }

  /** Nor do they leave behind what their slots were: one of a tensor, of factors, or scratch. */
  @Test
  void addedParametersThatAreAddedAgainHaveTheStateOfTheirRule() {
    for (UpdateRule refused : List.of(NovoGrad.novoGrad(), Adafactor.adafactor(), Muon.muon())) {
      try (Counted counted = new Counted();
          Parameters parameters = parameters(counted.device, "w");
          Parameters more =
              Parameters.on(counted.device)
                  .add("v", new float[] {1, -2, 3, 4, 5, 6})
                  .shape("v", 2, 3)
                  .build();
          Optimizer optimizer = optimizer(parameters, Adam.adam()).build()) {
        counted.refusesSteps = true;
        assertThrows(
            OutOfDeviceMemoryException.class,
            () -> optimizer.groups().add(more, ParameterGroup.matching("v").rule(refused)));
        counted.refusesSteps = false;
        optimizer.groups().add(more);
        assertEquals(List.of("exp_avg", "exp_avg_sq"), optimizer.stateNames("v"));
        for (String slot : optimizer.stateNames("v")) {
          assertEquals(
              List.of(2L, 3L), optimizer.optimizerState().shape(more.get("v"), slot), slot);
          assertEquals(6, optimizer.state("v", slot).length(), slot);
        }
      }
    }
  }

  @Test
  void weightsThatCannotBeKeptAsideHoldNothing() {
    try (Counted counted = new Counted();
        Parameters parameters =
            Parameters.on(counted.device).add("w", VALUES).add("d", new double[] {1}).build();
        Optimizer optimizer =
            optimizer(parameters, ScheduleFreeSgd.scheduleFreeSgd()).startAfter(1).build()) {
      Set<Integer> before = Set.copyOf(counted.held);
      long bytes = optimizer.stateBytes();
      counted.room = before.size() + 1;
      assertThrows(OutOfDeviceMemoryException.class, optimizer::eval);
      assertEquals(before, counted.held);
      assertEquals(bytes, optimizer.stateBytes());
    }
  }

  @Test
  void whatMembersOfAGroupShareIsAllocatedOnce() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w", "v");
        Optimizer few = optimizer(parameters, Prodigy.prodigy()).build()) {
      long bytes = few.stateBytes();
      try (Optimizer more =
          optimizer(parameters, Prodigy.prodigy().useBiasCorrection(true)).build()) {
        assertEquals(bytes + 2 * Float.BYTES, more.stateBytes());
      }
    }
  }

  /** More elements than are written at a time, and none. */
  @Test
  void allElementsHaveTheirInitialValue() {
    UpdateRule rule = Adagrad.adagrad().initialAccumulatorValue(0.5);
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device).add("w", ElementType.FLOAT32, 70_000).build();
        Parameters empty = Parameters.on(device).add("w", new float[0]).build();
        Optimizer optimizer = optimizer(parameters, rule).build();
        Optimizer ofNone = optimizer(empty, rule).build()) {
      float[] expected = new float[70_000];
      Arrays.fill(expected, 0.5f);
      assertArrayEquals(expected, optimizer.state("w", "sum").toFloats());
      assertEquals(0, ofNone.state("w", "sum").length());
    }
  }

  /** One that goes on takes no step that would be its first. */
  @Test
  void aCopyIsThereWhenTheOptimizerIsBuilt() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Optimizer optimizer =
            optimizer(parameters, Lookahead.around(Adam.adam())).startAfter(5).build()) {
      parameters.get("w").values().copyFrom(new float[3]);
      assertArrayEquals(VALUES, optimizer.state("w", "slow_params").toFloats());
    }
  }

  @Test
  void anAverageIsUpdatedByEachStep() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w");
        Optimizer optimizer = optimizer(parameters, Adam.adam()).average(0.5).build()) {
      parameters.get("w").gradients().copyFrom(VALUES);
      optimizer.step();
      optimizer.step();
      float[] average = optimizer.state("w", "average").toFloats();
      float[] values = parameters.get("w").values().toFloats();
      for (int i = 0; i < VALUES.length; i++) {
        float sign = Math.signum(VALUES[i]);
        assertTrue(sign * average[i] < sign * VALUES[i], Arrays.toString(average));
        assertTrue(sign * average[i] > sign * values[i], Arrays.toString(average));
      }
    }
  }

  private static boolean copiesParameters(UpdateRule rule, String... requested) {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "w", "v");
        Optimizer optimizer = optimizer(parameters, rule).build()) {
      List.of(requested).forEach(name -> optimizer.state(name, "p0"));
      return optimizer.prepared().copiesParameters();
    }
  }

  /** Which captured steps ask for: they leave that to the device. */
  @Test
  void aFirstStepCopiesWhatNobodyHasRequested() {
    assertFalse(copiesParameters(Adam.adam()));
    assertTrue(copiesParameters(Prodigy.prodigy()));
    assertTrue(copiesParameters(Prodigy.prodigy(), "w"));
    assertTrue(copiesParameters(Prodigy.prodigy(), "v"));
    assertFalse(copiesParameters(Prodigy.prodigy(), "w", "v"));
  }

  /** A rule of somebody else's may have an average that does not start at zero. */
  @Test
  void averagesThatAreStoredInFewerBitsStartWhereTheRuleSays() {
    List<StateSlot> slots =
        List.of(new StateSlot("momentum_buffer", -0.5, Extent.ELEMENT, StateSlot.Content.MOMENT));
    UpdateRule momentum = Momentum.heavyBall(0.9);
    UpdateRule rule =
        Proxies.of(
            UpdateRule.class,
            (proxy, method, arguments) ->
                method.getName().equals("stateSlots")
                    ? slots
                    : Proxies.invoke(momentum, method, arguments));
    float[] expected = new float[70_000];
    Arrays.fill(expected, -0.5f);
    for (StateType type : StateType.values()) {
      try (Device device = Devices.cpu(1);
          Parameters parameters =
              Parameters.on(device).add("v", new float[33]).add("w", new float[70_000]).build();
          Optimizer optimizer =
              Optimizer.of(parameters).rule(rule).learningRate(1).stateType(type, 0).build()) {
        float[] few = optimizer.state("v", "momentum_buffer").toFloats();
        assertArrayEquals(Arrays.copyOf(expected, 33), few, type.toString());
        float[] many = optimizer.state("w", "momentum_buffer").toFloats();
        assertArrayEquals(expected, many, type.toString());
      }
    }
  }
}
