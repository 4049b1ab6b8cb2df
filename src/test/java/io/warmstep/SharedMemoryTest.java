package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.BackendDevice;
import io.warmstep.collective.Collective;
import io.warmstep.collective.CollectiveException;
import io.warmstep.collective.WorkerLostException;
import io.warmstep.collective.Workers;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.Proxies;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Workers of which one has no memory for what all do together. */
class SharedMemoryTest {
  /** A processor that has no more memory once it is said to be full. */
  private static Device limited(Device whole, AtomicBoolean isFull) {
    return new Device(
        Proxies.of(
            BackendDevice.class,
            (proxy, method, arguments) -> {
              if (isFull.get() && method.getName().startsWith("allocate")) {
                throw new OutOfDeviceMemoryException("full", null);
              }
              if (method.getName().equals("close")) {
                return null; // which the other device does
              }
              return Proxies.invoke(whole.backend(), method, arguments);
            }));
  }

  /** Nobody takes the step that one cannot measure. */
  @ParameterizedTest
  @EnumSource(Workers.class)
  void aStepThatOneCannotMeasureIsTakenByNone(Workers workers) throws Exception {
    List<Exception> failures =
        workers.run(
            3,
            collective -> {
              AtomicBoolean isFull = new AtomicBoolean();
              List<Long> reported = new ArrayList<>();
              try (Device whole = Devices.cpu(1);
                  Device device = limited(whole, isFull);
                  Parameters parameters = Parameters.on(device).add("w", new float[9000]).build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Adam.adam())
                          .learningRate(1)
                          .listener(report -> reported.add(report.step()), 2)
                          .sharded(collective)
                          .build()) {
                optimizer.step();
                isFull.set(collective.rank() == 1);
                Exception failure = assertThrows(WarmstepException.class, optimizer::step);
                assertEquals(1, optimizer.stepCount());
                assertEquals(List.of(), reported);
                assertThrows(RuntimeException.class, optimizer::step); // none can follow
                return failure;
              }
            });
    assertInstanceOf(WorkerLostException.class, failures.get(0));
    assertInstanceOf(OutOfDeviceMemoryException.class, failures.get(1));
    assertInstanceOf(WorkerLostException.class, failures.get(2));
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void parametersThatOneCannotAddEndTraining(Workers workers) throws Exception {
    List<Exception> failures =
        workers.run(
            3,
            collective -> {
              AtomicBoolean isFull = new AtomicBoolean();
              try (Device whole = Devices.cpu(1);
                  Device device = limited(whole, isFull);
                  Parameters parameters = Parameters.on(device).add("w", new float[9000]).build();
                  Parameters more = Parameters.on(device).add("v", new float[9000]).build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Adam.adam())
                          .learningRate(1)
                          .sharded(collective)
                          .build()) {
                optimizer.step();
                isFull.set(collective.rank() == 1);
                Exception failure =
                    assertThrows(CollectiveException.class, () -> optimizer.groups().add(more));
                assertThrows(CollectiveException.class, optimizer::step);
                return failure;
              }
            });
    for (Exception failure : failures) {
      assertTrue(
          failure.getMessage().startsWith("only workers [1] could not add"), failure.getMessage());
    }
    assertInstanceOf(OutOfDeviceMemoryException.class, failures.get(1).getCause());
  }

  /** Where none can, training goes on, and what was to be added may be closed. */
  @ParameterizedTest
  @EnumSource(Workers.class)
  void parametersThatNobodyCanAddAreForgotten(Workers workers) throws Exception {
    workers.run(
        3,
        collective -> {
          AtomicBoolean isFull = new AtomicBoolean();
          try (Device whole = Devices.cpu(1);
              Device device = limited(whole, isFull);
              Parameters parameters = Parameters.on(device).add("w", new float[9000]).build();
              Parameters other = Parameters.on(device).add("v", new float[5000]).build();
              ShardedOptimizer optimizer =
                  Optimizer.of(parameters)
                      .rule(Adam.adam())
                      .learningRate(1)
                      .average(0.5)
                      .clipNorm(1)
                      .sharded(collective)
                      .build()) {
            optimizer.step();
            try (Parameters more = Parameters.on(device).add("v", new float[9000]).build()) {
              isFull.set(true);
              assertThrows(OutOfDeviceMemoryException.class, () -> optimizer.groups().add(more));
              isFull.set(false);
            }
            optimizer.eval(); // which sends all there are
            optimizer.train();
            optimizer.step();
            optimizer.groups().add(other);
            assertEquals(5000, sum(optimizer, collective));
            optimizer.step();
            assertEquals(3, optimizer.stepCount());
          }
          return null;
        });
  }

  /** How many elements of what was added all workers have. */
  private static long sum(ShardedOptimizer optimizer, Collective collective) {
    long sum = 0;
    byte[] own = ByteBuffer.allocate(Long.BYTES).putLong(optimizer.shard("v").count()).array();
    for (byte[] its : collective.exchange(own)) {
      sum += ByteBuffer.wrap(its).getLong();
    }
    return sum;
  }
}
