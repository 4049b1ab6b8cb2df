package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.DeviceException;
import io.warmstep.Devices;
import org.junit.jupiter.api.Test;

/** Waiting for the caller's streams and events, on the device. On the simulated driver. */
class CudaOrderTest extends SimulatedTest {
  @Test
  void waitsForStreamsAndEventsOnTheDeviceAlone() {
    long context = CudaSim.newContext();
    long stream = CudaSim.newStream(context);
    long other = CudaSim.newStream(context);
    try (Device device = Devices.wrapCuda(context, stream)) {
      long live = CudaSim.live();
      long waits = CudaSim.waits();
      device.waitForStream(other);
      assertEquals(1, CudaSim.streamWaits(stream));
      assertEquals(0, CudaSim.streamWaits(other));
      assertEquals(live, CudaSim.live(), "handles");
      assertEquals(waits, CudaSim.waits(), "the host does not wait");
      DeviceException e = assertThrows(DeviceException.class, () -> device.waitForEvent(other));
      assertTrue(e.getMessage().contains("cuStreamWaitEvent"), e.getMessage());
      assertThrows(DeviceException.class, () -> device.waitForStream(live + 12345));
      assertEquals(live, CudaSim.live(), "handles after a failure");
      assertThrows(IllegalArgumentException.class, () -> device.waitForEvent(0));
      assertThrows(IllegalArgumentException.class, () -> device.waitForStream(0));
      assertEquals(0, CudaSim.current());
    }
    CudaSim.endContext(context, stream); // and the other one with it
  }

  @Test
  void aProcessorHasNothingToWaitFor() {
    try (Device cpu = Devices.cpu()) {
      for (Runnable wait : new Runnable[] {() -> cpu.waitForEvent(1), () -> cpu.waitForStream(1)}) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, wait::run);
        assertTrue(e.getMessage().contains("calling thread"), e.getMessage());
      }
    }
  }
}
