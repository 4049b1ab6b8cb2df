package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StreamTimer;
import io.warmstep.testkit.Proxies;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What a device, and whatever lives on it, asks of its backend, how often, and when no longer. */
class DeviceTest {
  /** What was asked, of what is listed here. */
  private final List<String> calls = new ArrayList<>();

  private final Device whole = Devices.cpu(1);
  private final Device device = new Device(watched(whole.backend()));

  /** How many elements can be allocated at once; more have no memory. */
  private long room = Long.MAX_VALUE;

  private boolean failsToWrite;

  @AfterEach
  void close() {
    device.close();
    whole.close();
  }

  /** A separate device without float64, which has streams and handles that must be freed. */
  private BackendDevice watched(BackendDevice backend) {
    return Proxies.of(
        BackendDevice.class,
        (proxy, method, arguments) ->
            switch (method.getName()) {
              case "synchronize" -> note("synchronize");
              case "waitForEvent", "waitForStream" -> note(method.getName() + " " + arguments[0]);
              case "close" -> note("close device");
              case "isAccelerator" -> true;
              case "supports" -> arguments[0] != ElementType.FLOAT64;
              case "timer" -> watched(backend.timer());
              case "allocate" -> {
                long length = (long) arguments[1];
                if (length > room) {
                  throw new OutOfDeviceMemoryException("full", null);
                }
                yield watched((Memory) Proxies.invoke(backend, method, arguments));
              }
              default -> Proxies.invoke(backend, method, arguments);
            });
  }

  private Memory watched(Memory memory) {
    return Proxies.of(
        Memory.class,
        (proxy, method, arguments) -> {
          if (method.getName().equals("close")) {
            return note("free " + memory.length());
          }
          if (method.getName().equals("write") && failsToWrite) {
            throw new DeviceException("no", null);
          }
          return Proxies.invoke(memory, method, arguments);
        });
  }

  private StreamTimer watched(StreamTimer timer) {
    return Proxies.of(
        StreamTimer.class,
        (proxy, method, arguments) ->
            method.getName().equals("close")
                ? note("close timer")
                : Proxies.invoke(timer, method, arguments));
  }

  private Object note(String call) {
    calls.add(call);
    return null;
  }

  private void assertCalls(String... expected) {
    assertEquals(List.of(expected), calls);
    calls.clear();
  }

  private static void assertClosed(Executable call) {
    assertEquals(
        "device cpu is closed: close it after its last use, or make another one",
        assertThrows(ClosedException.class, call).getMessage());
  }

  @Test
  void waitsForWhatItIsGiven() {
    device.synchronize();
    device.waitForEvent(5);
    device.waitForStream(-6);
    assertCalls("synchronize", "waitForEvent 5", "waitForStream -6");
    for (Executable wait :
        new Executable[] {() -> device.waitForEvent(0), () -> device.waitForStream(0)}) {
      String message = assertThrows(IllegalArgumentException.class, wait).getMessage();
      assertTrue(message.contains(" is 0, must be a raw handle: "), message);
    }
    device.close();
    assertCalls("close device");
    assertClosed(device::synchronize);
    assertClosed(() -> device.waitForEvent(5));
    assertClosed(() -> device.waitForStream(6));
    assertCalls();
  }

  @Test
  void saysWhatItsBackendSays() {
    assertTrue(device.isAccelerator());
    assertFalse(device.supports(ElementType.FLOAT64));
    assertTrue(device.supports(ElementType.BFLOAT16));
    assertFalse(whole.isAccelerator());
    assertTrue(whole.supports(ElementType.FLOAT64));
    device.close();
    assertClosed(device::isAccelerator);
    assertClosed(() -> device.supports(ElementType.FLOAT32));
  }

  @Test
  void copiesOfArraysAreTensors() {
    try (Tensor floats = device.copyOf(new float[] {1, -2});
        Tensor doubles = device.copyOf(new double[] {0.1, 3})) {
      assertEquals(ElementType.FLOAT32, floats.type());
      assertArrayEquals(new float[] {1, -2}, floats.toFloats());
      assertEquals(ElementType.FLOAT64, doubles.type());
      assertArrayEquals(new double[] {0.1, 3}, doubles.toDoubles());
    }
  }

  @Test
  void aCopyThatFailsLeavesNothing() {
    failsToWrite = true;
    assertThrows(DeviceException.class, () -> device.copyOf(new float[] {1, -2}));
    assertCalls("free 2");
    assertThrows(DeviceException.class, () -> device.copyOf(new double[] {1, -2, 3}));
    assertCalls("free 3");
  }

  @Test
  void aSetWithoutRoomLeavesNothing() {
    room = 3;
    ParametersBuilder builder =
        Parameters.on(device).add("small", new float[3]).add("large", ElementType.BFLOAT16, 4);
    assertEquals(
        "full", assertThrows(OutOfDeviceMemoryException.class, builder::build).getMessage());
    assertCalls("free 3", "free 3");
  }

  @Test
  void whatIsClosedIsFreedOnce() {
    Tensor tensor = device.allocate(ElementType.FLOAT32, 7);
    Parameters parameters = Parameters.on(device).add("w", new float[9]).build();
    DeviceTimer timer = device.timer();
    for (int i = 0; i < 2; i++) {
      tensor.close();
      parameters.close();
      timer.close();
    }
    device.close();
    device.close();
    assertCalls("free 7", "free 9", "free 9", "close timer", "close device");
  }

  /** A device frees what lives on it, whose handles are worth nothing then. */
  @Test
  void whatIsClosedAfterItsDeviceIsNotFreedAgain() {
    Tensor tensor = device.allocate(ElementType.FLOAT32, 7);
    Parameters parameters = Parameters.on(device).add("w", new float[9]).build();
    DeviceTimer timer = device.timer();
    device.close();
    tensor.close();
    parameters.close();
    timer.close();
    assertCalls("close device");
  }
}
