package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.StepPlan;
import io.warmstep.collective.Collectives;
import io.warmstep.collective.ForwardingCollective;
import io.warmstep.collective.Gathering;
import io.warmstep.collective.LaneShare;
import io.warmstep.collective.LaneTree;
import io.warmstep.collective.Share;
import io.warmstep.rule.Prodigy;
import io.warmstep.step.LeafExchange;
import io.warmstep.testkit.Allocations;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Where workers join what they add up, room for it is made once. */
class SharedAllocationTest {
  private static final int STEPS = 200;

  /** As if a second worker had the same leaves. Allocates nothing at a step. */
  private static LeafExchange.Prepared twice(LeafExchange.Leaves own) {
    int floats = own.floatSums().length;
    int doubles = own.doubleSums().length;
    LeafExchange.Leaves all = new LeafExchange.Leaves(2 * floats, 2 * doubles);
    return () -> {
      for (int worker = 0; worker < 2; worker++) {
        System.arraycopy(own.floatSums(), 0, all.floatSums(), worker * floats, floats);
        System.arraycopy(own.floatExponents(), 0, all.floatExponents(), worker * floats, floats);
        System.arraycopy(own.doubleSums(), 0, all.doubleSums(), worker * doubles, doubles);
        System.arraycopy(
            own.doubleExponents(), 0, all.doubleExponents(), worker * doubles, doubles);
      }
      return all;
    };
  }

  private static OptimizerBuilder prodigy(Parameters parameters) {
    return Optimizer.of(parameters).rule(Prodigy.prodigy()).learningRate(1).clipNorm(1);
  }

  private static void run(Runnable step, int times) {
    for (int i = 0; i < times; i++) {
      step.run();
    }
  }

  @ParameterizedTest
  @EnumSource
  void aStepOfAPartAllocatesNothing(ElementType type) {
    try (Device device = Devices.cpu(2);
        Parameters parameters =
            Parameters.on(device).add("w", type, 40_000).add("b", type, 10).build();
        Optimizer optimizer =
            prodigy(parameters)
                .buildShare(parameters, SharedAllocationTest::twice, null, Place::ofAll)) {
      Runnable step = optimizer::step;
      run(step, 100);
      long bytes = Allocations.fewest(() -> run(step, STEPS));
      assertEquals(0, bytes, "bytes allocated in " + STEPS + " steps");
    }
  }

  /** Counts what is allocated in its operations. */
  private static final class Counted extends ForwardingCollective {
    long bytes;

    Counted() {
      super(Collectives.inProcess(1).get(0));
    }

    private <T> T count(Supplier<T> operation) {
      long before = Allocations.ofThisThread();
      T result = operation.get();
      bytes += Allocations.ofThisThread() - before;
      return result;
    }

    private void run(Runnable operation) {
      long before = Allocations.ofThisThread();
      operation.run();
      bytes += Allocations.ofThisThread() - before;
    }

    @Override
    public void reduceScatter(List<Share> shares) {
      run(() -> super.reduceScatter(shares));
    }

    @Override
    public void reduceScatter(LaneTree tree, List<LaneShare> shares) {
      run(() -> super.reduceScatter(tree, shares));
    }

    @Override
    public void allGather(List<Share> shares) {
      run(() -> super.allGather(shares));
    }

    @Override
    public Gathering gather(List<Share> shares) {
      return gatherAtEnd(shares);
    }

    @Override
    public List<byte[]> exchange(byte[] message) {
      return count(() -> super.exchange(message));
    }
  }

  /** The bytes of a step without those of the collective's operations. */
  private static long bytesBesideOperations(int leaves) {
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device).add("w", new float[leaves * StepPlan.LEAF]).build();
        Counted collective = new Counted();
        ShardedOptimizer optimizer = prodigy(parameters).sharded(collective).build()) {
      run(optimizer::step, 500);
      long fewest = Long.MAX_VALUE;
      for (int i = 0; i < STEPS; i++) {
        collective.bytes = 0;
        long before = Allocations.ofThisThread();
        optimizer.step();
        long all = Allocations.ofThisThread() - before;
        fewest = Math.min(fewest, all - collective.bytes);
      }
      return fewest;
    }
  }

  @Test
  void aShardedStepAllocatesNothingForEachLeaf() {
    long few = bytesBesideOperations(2);
    long many = bytesBesideOperations(102);
    assertTrue(
        many - few < 100 * Float.BYTES,
        () -> few + " bytes with 2 leaves and " + many + " with 102");
  }
}
