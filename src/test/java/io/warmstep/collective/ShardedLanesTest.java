package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.ShardedOptimizerBuilder;
import io.warmstep.Tensor;
import io.warmstep.rule.Sgd;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** Micro-batches whose sums are exact, so that no order of adding up matters. */
class ShardedLanesTest {
  private static final int LENGTH = 3 * 4096 + 5;

  private static final List<UnaryOperator<ShardedOptimizerBuilder>> ORDERS =
      List.of(builder -> builder.lanes(8), ShardedOptimizerBuilder::fast);

  /** Each step's micro-batches, one bit for each; never none. */
  private static int[] batches() {
    return new SplittableRandom(6).ints(12, 1, 256).toArray();
  }

  private static OptimizerBuilder of(Parameters parameters) {
    return Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1);
  }

  private static float[] filled(int length, float value) {
    float[] values = new float[length];
    Arrays.fill(values, value);
    return values;
  }

  private static float only(Tensor tensor) {
    float[] values = tensor.toFloats();
    for (float value : values) {
      assertEquals(values[0], value);
    }
    return values[0];
  }

  /** Also after steps in which they had some. */
  @Test
  void lanesWithoutMicroBatchesAreZeros() throws Exception {
    int[] first = {0x02, 0x80, 0xff, 0x02, 0x0a, 0x80, 0x01, 0xff, 0x40, 0x55};
    for (int[] steps : List.of(first, batches())) {
      for (UnaryOperator<ShardedOptimizerBuilder> order : ORDERS) {
        for (int size : new int[] {1, 2, 3}) {
          Workers.IN_PROCESS.run(
              size,
              collective -> {
                try (Device device = Devices.cpu(1);
                    Parameters parameters =
                        Parameters.on(device)
                            .add("w", new float[LENGTH])
                            .add("b", ElementType.BFLOAT16, 5)
                            .build();
                    ShardedOptimizer optimizer =
                        order.apply(of(parameters).sharded(collective)).build()) {
                  int sum = 0;
                  for (int step : steps) {
                    for (int j = 0; j < 8; j++) {
                      if ((step >> j & 1) == 1 && optimizer.isMine(j)) {
                        parameters.get("w").gradients().copyFrom(filled(LENGTH, 1 << j));
                        parameters.get("b").gradients().copyFrom(filled(5, 1 << j));
                        optimizer.accumulate(j);
                      }
                    }
                    parameters.get("b").values().zero();
                    optimizer.step();
                    sum += step;
                    assertEquals(-sum, only(parameters.get("w").values()));
                    assertEquals(-step, only(parameters.get("b").values()));
                  }
                }
                return null;
              });
        }
      }
    }
  }

  /** A tensor of the caller's memory, of each kind in turn. */
  private static Tensor lend(Device device, int turn) {
    if (turn % 3 == 0) {
      return device.borrow(new float[LENGTH]);
    }
    ByteBuffer bytes =
        turn % 3 == 1 ? ByteBuffer.allocate(LENGTH * 4) : ByteBuffer.allocateDirect(LENGTH * 4);
    return device.borrow(ElementType.FLOAT32, bytes.order(ByteOrder.nativeOrder()));
  }

  /** As where a framework has its gradients elsewhere after each backward pass. */
  @Test
  void gradientsThatMoveAreFollowed() throws Exception {
    for (UnaryOperator<ShardedOptimizerBuilder> order : ORDERS) {
      for (boolean zeroes : new boolean[] {false, true}) {
        Workers.IN_PROCESS.run(
            2,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters =
                      Parameters.on(device).borrow("w", lend(device, 0), lend(device, 0)).build();
                  ShardedOptimizer optimizer =
                      order
                          .apply(of(parameters).zeroGradients(zeroes).sharded(collective))
                          .build()) {
                int sum = 0;
                int turn = 0;
                for (int step : batches()) {
                  for (int j = 0; j < 8; j++) {
                    if ((step >> j & 1) == 1 && optimizer.isMine(j)) {
                      Tensor gradients = parameters.get("w").gradients();
                      Tensor next = lend(device, ++turn);
                      gradients.rebind(next);
                      next.copyFrom(filled(LENGTH, Float.NaN)); // what was there before
                      gradients.copyFrom(filled(LENGTH, 1 << j));
                      optimizer.accumulate(j);
                      if (zeroes) {
                        assertEquals(0, only(gradients));
                      }
                    }
                  }
                  if (step % 2 == 0) {
                    Tensor next = lend(device, ++turn);
                    parameters.get("w").gradients().rebind(next);
                    next.copyFrom(filled(LENGTH, Float.NaN));
                  }
                  optimizer.step();
                  sum += step;
                  assertEquals(-sum, only(parameters.get("w").values()));
                }
                assertTrue(turn > 12, turn + " times moved");
              }
              return null;
            });
      }
    }
  }

  /** What a transport is asked to add up. */
  private static final class Counting extends ForwardingCollective {
    final List<Long> lengths = new ArrayList<>();

    Counting(Collective target) {
      super(target);
    }

    @Override
    public void reduceScatter(List<Share> shares) {
      shares.forEach(share -> lengths.add(share.tensor().length()));
      super.reduceScatter(shares);
    }

    @Override
    public void reduceScatter(LaneTree tree, List<LaneShare> shares) {
      shares.forEach(share -> lengths.add(share.target().length()));
      super.reduceScatter(tree, shares);
    }
  }

  @Test
  void nothingEmptyIsAddedUp() throws Exception {
    for (UnaryOperator<ShardedOptimizerBuilder> order : ORDERS) {
      Workers.IN_PROCESS.run(
          3,
          collective -> {
            Counting counting = new Counting(collective);
            try (Device device = Devices.cpu(1);
                Parameters parameters =
                    Parameters.on(device)
                        .add("a", new float[2 * 4096])
                        .add("b", new float[0])
                        .add("c", new float[7])
                        .build();
                ShardedOptimizer optimizer =
                    order.apply(of(parameters).sharded(counting)).build()) {
              int own = 0;
              while (!optimizer.isMine(own)) {
                own++;
              }
              optimizer.accumulate(own);
              optimizer.step();
              assertEquals(List.of(4096L, 4096L, 7L), counting.lengths);
            }
            return null;
          });
    }
  }
}
