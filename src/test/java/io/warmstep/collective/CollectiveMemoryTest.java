package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Tensor;
import io.warmstep.testkit.Allocations;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What workers hold beside the tensors. */
class CollectiveMemoryTest {
  private static final BufferPoolMXBean DIRECT =
      ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
          .filter(pool -> pool.getName().equals("direct"))
          .findFirst()
          .orElseThrow();

  /** 40 MB, of which a worker owns half. */
  private static final int LENGTH = 10_000_000;

  @Test
  void theBucketsOfAllLinksAreBounded() {
    for (int size = 2; size <= LaneTree.MAX_LANES; size++) {
      long payloads = 2L * Bucket.PER_DIRECTION * Bucket.payload(size) * (size - 1);
      assertTrue(payloads <= Bucket.MAX_MEMORY, payloads + " bytes with " + size + " workers");
      assertTrue(payloads >= Bucket.MAX_MEMORY / 4 || size < 16, "too small with " + size);
    }
  }

  /**
   * Each worker's buckets, which it keeps, and all that its thread allocates, garbage included: far
   * less than its share of the tensor, and than the 64 MB that it may take.
   */
  @Test
  void anOperationTakesNoMemoryForEachElement() throws Exception {
    int size = 2;
    long most = 2L * Bucket.PER_DIRECTION * Bucket.allocate(size, false).capacity() * (size - 1);
    long before = DIRECT.getTotalCapacity();
    CyclicBarrier allHaveBuckets = new CyclicBarrier(size);
    List<Long> direct =
        Workers.TCP.run(
            size,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Tensor tensor = device.allocate(ElementType.FLOAT32, LENGTH)) {
                List<Share> shares =
                    List.of(
                        new Share(tensor.slice(0, LENGTH / 2), 0),
                        new Share(tensor.slice(LENGTH / 2, LENGTH / 2), 1));
                long heap = Allocations.ofThisThread();
                collective.reduceScatter(shares);
                collective.allGather(shares);
                long allocated = Allocations.ofThisThread() - heap;
                assertTrue(allocated < 16_000_000, allocated + " bytes allocated");
                allHaveBuckets.await(60, TimeUnit.SECONDS);
                long taken = DIRECT.getTotalCapacity() - before; // of both workers, which are open
                allHaveBuckets.await(60, TimeUnit.SECONDS);
                return taken;
              }
            });
    for (long taken : direct) {
      assertTrue(taken <= size * most + (1 << 20), taken + " bytes of direct memory");
    }
  }
}
