package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.BackendDevice;
import io.warmstep.collective.CollectiveException;
import io.warmstep.collective.WorkerLostException;
import io.warmstep.collective.Workers;
import io.warmstep.rule.Adam;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
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
        (BackendDevice)
            Proxy.newProxyInstance(
                BackendDevice.class.getClassLoader(),
                new Class<?>[] {BackendDevice.class},
                (proxy, method, arguments) -> {
                  if (isFull.get() && method.getName().startsWith("allocate")) {
                    throw new OutOfDeviceMemoryException("full", null);
                  }
                  if (method.getName().equals("close")) {
                    return null; // which the other device does
                  }
                  try {
                    return method.invoke(whole.backend(), arguments);
                  } catch (InvocationTargetException e) {
                    throw e.getCause();
                  }
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
}
