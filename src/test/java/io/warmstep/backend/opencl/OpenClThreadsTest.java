package io.warmstep.backend.opencl;

import io.warmstep.Device;
import io.warmstep.Devices;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Devices that several threads open and close at the same time. */
@Tag("opencl")
class OpenClThreadsTest {
  private static final int THREADS = 8;
  private static final int CYCLES = 250;

  private static Void openAndClose() {
    for (int i = 0; i < CYCLES; i++) {
      Devices.require("opencl").close();
    }
    return null;
  }

  /** JOCL's map of contexts is not made for that: damaged, it ends the process. */
  @Test
  void eachHasAContextOfItsOwn() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try (Device device = Devices.require("opencl")) {
      List<Callable<Void>> calls =
          new ArrayList<>(Collections.nCopies(THREADS, OpenClThreadsTest::openAndClose));
      for (Future<Void> call : threads.invokeAll(calls)) {
        call.get();
      }
      device.synchronize();
    } finally {
      threads.shutdown();
    }
  }
}
