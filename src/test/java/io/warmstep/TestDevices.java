package io.warmstep;

import io.warmstep.backend.BackendDevice;

/** Opens devices that {@link Devices} does not offer. */
public final class TestDevices {
  private TestDevices() {}

  public static Device of(BackendDevice backend) {
    return new Device(backend);
  }
}
