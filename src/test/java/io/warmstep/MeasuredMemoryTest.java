package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.rule.Sgd;
import io.warmstep.testkit.Proxies;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** A device that has no room for what a reported step sees. */
class MeasuredMemoryTest {

  /** A processor of which steps have no room to measure while it is full. */
  private static Device limited(Device whole, AtomicBoolean isFull) {
    return new Device(
        Proxies.of(
            BackendDevice.class,
            (device, method, arguments) -> {
              if (method.getName().equals("close")) {
                return null; // which the other device does
              }
              Object result = Proxies.invoke(whole.backend(), method, arguments);
              return result instanceof StepProgram program ? limited(program, isFull) : result;
            }));
  }

  private static StepProgram limited(StepProgram program, AtomicBoolean isFull) {
    return Proxies.of(
        StepProgram.class,
        (step, method, arguments) -> {
          boolean makesRoom =
              Arrays.equals(method.getParameterTypes(), new Class<?>[] {UpdateTiles.class});
          if (makesRoom && isFull.get()) {
            throw new OutOfDeviceMemoryException("full", null);
          }
          return Proxies.invoke(program, method, arguments);
        });
  }

  @Test
  void aStepWithoutRoomChangesNothingAndCanBeTakenLater() {
    AtomicBoolean isFull = new AtomicBoolean(true);
    List<StepReport> reports = new ArrayList<>();
    try (Device whole = Devices.cpu(1);
        Device device = limited(whole, isFull);
        Parameters parameters = Parameters.on(device).add("w", new float[] {3, 4}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .listener(reports::add, 2)
                .build()) {
      Tensor values = parameters.get("w").values();
      parameters.get("w").gradients().copyFrom(new float[] {0, 1});
      optimizer.step(); // is not reported, so needs no room
      for (int i = 0; i < 2; i++) {
        assertThrows(OutOfDeviceMemoryException.class, optimizer::step);
        assertEquals(1, optimizer.stepCount());
        assertArrayEquals(new float[] {3, 3}, values.toFloats());
      }
      isFull.set(false);
      optimizer.step();
      assertArrayEquals(new float[] {3, 2}, values.toFloats());
      assertEquals(List.of(2L), reports.stream().map(StepReport::step).toList());
      assertEquals(1 / Math.sqrt(18), reports.get(0).updates().get(0).toWeight(), 1e-7);
    }
  }
}
