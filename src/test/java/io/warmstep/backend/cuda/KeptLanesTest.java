package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.ShardedOptimizerBuilder;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.collective.Collective;
import io.warmstep.collective.Collectives;
import io.warmstep.collective.FailingCollective;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What sums of micro-batches, and reports of workers, keep on a device. Simulated. */
class KeptLanesTest extends SimulatedTest {
  private static final int LANES = 4;
  private static final int LENGTH = 100_000;
  private static final long NO_LIMIT = 8L << 30;

  private static final List<UnaryOperator<ShardedOptimizerBuilder>> ORDERS =
      List.of(builder -> builder.lanes(LANES), ShardedOptimizerBuilder::fast);

  /** Whose reports keep rows, and whose keep copies. */
  private static final List<UpdateRule> RULES =
      List.of(Sgd.sgd(), Lookahead.around(Sgd.sgd()).k(1000));

  @AfterEach
  void endLimit() {
    CudaSim.memoryLimit(NO_LIMIT);
  }

  private static Collective alone() {
    return Collectives.inProcess(1).get(0);
  }

  private static Parameters parameters(Device device) {
    return Parameters.on(device)
        .add("a", new float[LENGTH])
        .add("b", new float[] {1, 2, 3, 4})
        .add("c", new double[LENGTH])
        .build();
  }

  private static OptimizerBuilder of(
      Parameters parameters, UpdateRule rule, List<StepReport> reports) {
    return Optimizer.of(parameters)
        .rule(rule)
        .learningRate(1)
        .group(ParameterGroup.matching("b"))
        .clipNorm(1e9)
        .listener(reports::add, 1);
  }

  /** A step of twice as many micro-batches as lanes, each with gradients of its number. */
  private static void step(Parameters parameters, ShardedOptimizer optimizer) {
    for (int j = 0; j < 2 * LANES; j++) {
      for (Parameter parameter : parameters) {
        double[] gradients = new double[(int) parameter.length()];
        gradients[0] = j;
        gradients[gradients.length - 1] = 1;
        parameter.gradients().copyFrom(gradients);
      }
      optimizer.accumulate(j);
    }
    optimizer.step();
  }

  private static List<Long> kept() {
    return List.of(CudaSim.live(), CudaSim.liveBytes());
  }

  @Test
  void closedOptimizersReturnAll() {
    for (UnaryOperator<ShardedOptimizerBuilder> order : ORDERS) {
      for (UpdateRule rule : RULES) {
        try (Device device = Devices.require("cuda");
            Parameters parameters = parameters(device)) {
          List<List<Long>> turns = new ArrayList<>();
          for (int turn = 0; turn < 3; turn++) {
            try (ShardedOptimizer optimizer =
                order.apply(of(parameters, rule, new ArrayList<>()).sharded(alone())).build()) {
              step(parameters, optimizer);
              optimizer.groups().freeze("b");
              step(parameters, optimizer);
            }
            turns.add(kept());
          }
          assertEquals(turns.get(1), turns.get(2)); // all kernels are loaded
        }
      }
    }
  }

  @Test
  void frozenGroupsReturnTheirs() {
    for (UnaryOperator<ShardedOptimizerBuilder> order : ORDERS) {
      for (UpdateRule rule : RULES) {
        try (Device device = Devices.require("cuda");
            Parameters parameters = parameters(device);
            ShardedOptimizer optimizer =
                order.apply(of(parameters, rule, new ArrayList<>()).sharded(alone())).build()) {
          List<List<Long>> turns = new ArrayList<>();
          for (int turn = 0; turn < 3; turn++) {
            step(parameters, optimizer);
            List<Long> all = kept();
            optimizer.groups().freeze("*");
            long sums = all.get(1) - CudaSim.liveBytes();
            assertTrue(sums >= LENGTH * 12L, sums + " bytes of sums returned");
            step(parameters, optimizer);
            List<Long> few = kept();
            assertTrue(few.get(1) < all.get(1) - LENGTH * 12L, few + " of " + all);
            optimizer.groups().unfreeze("*");
            turns.add(List.of(all.get(0), all.get(1), few.get(0), few.get(1)));
          }
          assertEquals(turns.get(1), turns.get(2));
        }
      }
    }
  }

  /** Of the sum of one type and not the other, say. */
  @Test
  void withoutRoomForALaneNothingIsKept() {
    for (UnaryOperator<ShardedOptimizerBuilder> order : ORDERS) {
      try (Device device = Devices.require("cuda");
          Parameters parameters = parameters(device);
          ShardedOptimizer optimizer =
              order.apply(of(parameters, Sgd.sgd(), new ArrayList<>()).sharded(alone())).build()) {
        for (long room = 0; room <= LENGTH * 12L; room += LENGTH * 3L) {
          CudaSim.memoryLimit(CudaSim.liveBytes() + room);
          assertThrows(OutOfDeviceMemoryException.class, () -> optimizer.accumulate(0));
          List<Long> kept = kept(); // with kernels that stay loaded
          assertThrows(OutOfDeviceMemoryException.class, () -> optimizer.accumulate(0));
          assertEquals(kept, kept(), "with room for " + room + " bytes");
        }
        CudaSim.memoryLimit(NO_LIMIT);
        step(parameters, optimizer);
        assertArrayEquals(new float[] {-27, 2, 3, -4}, parameters.get("b").values().toFloats());
      }
    }
  }

  /** Where gradients come to lie side by side, or no longer do, the addition is another program. */
  @Test
  void gradientsThatMoveKeepNoFormerPrograms() {
    for (UnaryOperator<ShardedOptimizerBuilder> order : ORDERS) {
      long[] handles = {CudaSim.newMemory(64), CudaSim.newMemory(64), CudaSim.newMemory(64)};
      try (Device device = Devices.require("cuda")) {
        ElementType type = ElementType.FLOAT32;
        Tensor a = device.borrowHandle(type, handles[0], 0, 4);
        Tensor b = device.borrowHandle(type, handles[0], 4, 4);
        Tensor first = device.borrowHandle(type, handles[1], 0, 4);
        Tensor second = device.borrowHandle(type, handles[1], 4, 4);
        Tensor other = device.borrowHandle(type, handles[2], 4, 4);
        a.zero();
        b.zero();
        try (Parameters parameters =
                Parameters.on(device).borrow("a", a, first).borrow("b", b, second).build();
            ShardedOptimizer optimizer =
                order
                    .apply(
                        Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).sharded(alone()))
                    .build()) {
          List<List<Long>> turns = new ArrayList<>();
          for (int turn = 0; turn < 6; turn++) {
            for (int j = 0; j < LANES; j++) {
              parameters.get("a").gradients().copyFrom(new float[] {1, 0, 0, 2});
              parameters.get("b").gradients().copyFrom(new float[] {3, 0, 0, 4});
              optimizer.accumulate(j);
            }
            second.rebind(other);
            optimizer.step();
            turns.add(kept());
          }
          assertEquals(turns.get(3), turns.get(5));
          assertArrayEquals(new float[] {-24, 0, 0, -48}, a.toFloats());
          assertArrayEquals(new float[] {-72, 0, 0, -96}, b.toFloats());
        }
        List.of(a, b, first, second, other).forEach(Tensor::close);
      } finally {
        for (long handle : handles) {
          CudaSim.freeMemory(handle);
        }
      }
    }
  }

  /** A single worker sends nothing, which would wait for the device otherwise. */
  @Test
  void reportsAreOfStepsThatHaveEnded() {
    for (UpdateRule rule : RULES) {
      List<List<StepReport>> all = new ArrayList<>();
      for (String name : List.of("cpu", "cuda")) {
        List<StepReport> reports = new ArrayList<>();
        try (Device device = Devices.require(name);
            Parameters parameters = parameters(device);
            ShardedOptimizer optimizer =
                of(parameters, rule, reports).sharded(alone()).lanes(LANES).build()) {
          for (int i = 0; i < 3; i++) {
            step(parameters, optimizer);
          }
        }
        all.add(reports);
      }
      assertEquals(3, all.get(0).size());
      assertEquals(all.get(0), all.get(1));
    }
  }

  /** Wherever in it the transport fails. */
  @Test
  void whatCannotBeBuiltKeepsNothing() {
    try (Device device = Devices.require("cuda");
        Parameters parameters = parameters(device)) {
      of(parameters, Sgd.sgd(), new ArrayList<>()).sharded(alone()).build().close();
      List<Long> kept = kept(); // with kernels that stay loaded
      int failures = 0;
      for (boolean isBuilt = false; !isBuilt; ) {
        RuntimeException failure = new IllegalStateException("the transport fails");
        FailingCollective collective = new FailingCollective(failures, failure);
        OptimizerBuilder builder = of(parameters, Sgd.sgd(), new ArrayList<>());
        try (ShardedOptimizer optimizer = builder.sharded(collective.endpoint()).build()) {
          isBuilt = optimizer.stepCount() == 0;
        } catch (IllegalStateException e) {
          assertSame(failure, e);
          failures++;
        }
        assertEquals(kept, kept(), failures + " calls");
      }
      assertTrue(failures > 5, failures + " failures");
    }
  }
}
