package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.Device;
import io.warmstep.DeviceException;
import io.warmstep.DeviceLostException;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.KernelBuildException;
import io.warmstep.OutOfDeviceMemoryException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** One catch clause is enough for whatever a device fails with. */
class DeviceFailureTest {
  @Test
  void allFailuresOfADeviceHaveOneBase() {
    List<DeviceException> failures =
        List.of(
            new DeviceException("a", null),
            new DeviceLostException("b", null),
            new OutOfDeviceMemoryException("c", null),
            new KernelBuildException("d", null));
    assertEquals(
        List.of("a", "b", "c", "d"), failures.stream().map(Throwable::getMessage).toList());
  }

  @Test
  void tooMuchMemoryIsOne() {
    try (Device device = Devices.cpu(1)) {
      assertThrows(
          DeviceException.class, () -> device.allocate(ElementType.FLOAT64, Long.MAX_VALUE / 16));
    }
  }
}
