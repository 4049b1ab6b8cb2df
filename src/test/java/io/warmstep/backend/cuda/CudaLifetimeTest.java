package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.DeviceLostException;
import io.warmstep.DeviceTimer;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.StepFailedException;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.Garbage;
import io.warmstep.testkit.LoggedWarnings;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What becomes of handles whose owner was forgotten, or whose context went before them. */
class CudaLifetimeTest extends SimulatedTest {
  private LoggedWarnings logged;

  @BeforeEach
  void listen() {
    logged = new LoggedWarnings();
  }

  @AfterEach
  void stopListening() {
    CudaSim.capture(false);
    logged.close();
  }

  /** All that can hold something of the device. */
  private record Everything(
      Tensor tensor,
      Parameters parameters,
      Optimizer optimizer,
      Parameters others,
      Optimizer reported,
      DeviceTimer timer) {
    static Everything on(Device device) {
      Tensor tensor = device.copyOf(new float[] {1, 2, 3});
      Parameters parameters =
          Parameters.on(device)
              .add("p", new float[] {4, 5})
              .borrow("q", tensor, device.copyOf(new float[] {1, 1, 1}))
              .build();
      Optimizer optimizer =
          Optimizer.of(parameters)
              .rule(Adam.adam())
              .learningRate(0.1)
              .clipNorm(1)
              .skipNonFinite(true)
              .build();
      optimizer.step();
      optimizer.capture().step();
      Parameters others = Parameters.on(device).add("r", new float[] {6, 7}).build();
      DeviceTimer timer = device.timer();
      timer.start();
      return new Everything(tensor, parameters, optimizer, others, withReport(others), timer);
    }

    void close() {
      timer.close();
      reported.close();
      others.close();
      optimizer.close();
      parameters.close();
      tensor.close();
    }
  }

  /** What is reported to a listener is kept on the device. */
  private static Optimizer withReport(Parameters parameters) {
    Optimizer optimizer =
        Optimizer.of(parameters)
            .rule(Adam.adam())
            .learningRate(0.1)
            .listener(report -> {}, 1)
            .build();
    optimizer.step();
    optimizer.flushReports();
    return optimizer;
  }

  private static void forget(Device device) {
    Everything everything = Everything.on(device);
    assertEquals(2, everything.optimizer.stepCount());
    assertEquals(1, everything.reported.stepCount());
  }

  /** What is logged beside reports of what was forgotten. */
  private List<String> ofClosing() {
    return logged.messages().stream().filter(one -> !one.endsWith("was never closed")).toList();
  }

  private long neverClosed() {
    return logged.messages().stream().filter(one -> one.endsWith("was never closed")).count();
  }

  /** What a device with a loaded kernel holds. */
  private static long used(Device device) {
    try (Parameters parameters = Parameters.on(device).add("p", new float[2]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(0.1)
                .clipNorm(1)
                .skipNonFinite(true)
                .build()) {
      optimizer.step();
      optimizer.capture().step();
      withReport(parameters).close();
    }
    return CudaSim.live();
  }

  @Test
  void whatIsForgottenIsFreedAtTheNextAllocation() {
    try (Device device = Devices.require("cuda")) {
      assertFreedAtTheNextAllocation(device);
    }
  }

  @Test
  void whatIsForgottenInTheCallersContextIsFreedAtTheNextAllocation() {
    long context = CudaSim.newContext();
    try (Device device = Devices.wrapCuda(context, 0)) {
      assertFreedAtTheNextAllocation(device);
    }
    CudaSim.endContext(context, 0);
  }

  private void assertFreedAtTheNextAllocation(Device device) {
    long before = used(device);
    forget(device);
    CudaSim.capture(true); // no thread of the library's own may free anything
    Garbage.collectUntil(() -> neverClosed() == 7);
    assertEquals(7, neverClosed());
    CudaSim.capture(false);
    device.copyOf(new float[] {1}).close();
    assertEquals(before, CudaSim.live(), "handles and allocations");
  }

  @Test
  void aForgottenDeviceIsFreed() {
    final long before = CudaSim.live();
    forget(Devices.require("cuda"));
    CudaSim.capture(true); // which freeing must not end
    Garbage.collectUntil(() -> CudaSim.live() == before);
    assertEquals(before, CudaSim.live(), "handles and allocations");
    assertEquals(List.of(), ofClosing());
  }

  /** Whose context may be gone by then. */
  @Test
  void aForgottenDeviceOfTheCallersIsLeftToTheContext() {
    for (boolean isDestroyedBefore : new boolean[] {true, false}) {
      final long before = CudaSim.live();
      long context = CudaSim.newContext();
      long stream = CudaSim.newStream(context);
      forget(Devices.wrapCuda(context, stream));
      if (isDestroyedBefore) {
        CudaSim.endContext(context, stream);
      }
      CudaSim.failAt(0, 0, false); // counts calls from here
      String expected =
          "device cuda of a context of the caller's was never closed: what it allocated there is"
              + " freed when that context is destroyed";
      Garbage.collectUntil(() -> logged.messages().contains(expected));
      assertTrue(logged.messages().contains(expected), logged.messages()::toString);
      assertEquals(0, CudaSim.calls(), "calls of the driver");
      if (!isDestroyedBefore) {
        CudaSim.endContext(context, stream);
      }
      assertEquals(before, CudaSim.live());
      stopListening();
      listen();
    }
  }

  @Test
  void aClosedDeviceKeepsNoTimer() {
    long context = CudaSim.newContext();
    final long before = CudaSim.live();
    Device device = Devices.wrapCuda(context, 0);
    DeviceTimer timer = device.timer();
    device.close();
    assertEquals(before, CudaSim.live());
    timer.close();
    CudaSim.endContext(context, 0);
  }

  @Test
  void aContextThatWasDestroyedTooEarlyIsOneWarning() {
    final long before = CudaSim.live();
    long context = CudaSim.newContext();
    long stream = CudaSim.newStream(context);
    Device device = Devices.wrapCuda(context, stream);
    Everything everything = Everything.on(device);
    CudaSim.endContext(context, stream);
    assertEquals(before, CudaSim.live(), "what was in the context went with it");

    StepFailedException failed =
        assertThrows(StepFailedException.class, everything.optimizer::step);
    DeviceLostException lost =
        assertThrows(
            DeviceLostException.class,
            () -> {
              throw failed.getCause();
            });
    assertTrue(
        lost.getMessage()
            .endsWith(
                "CUDA_ERROR_INVALID_CONTEXT (201): the context was destroyed and took its memory"
                    + " along; keep it until the device is closed, and open a device of another"
                    + " context to go on"),
        lost.getMessage());
    everything.close();
    device.close();
    assertEquals(
        List.of(
            "the CUDA context of Simulated device (no GPU) was destroyed while a device used it,"
                + " and took along what was allocated: close the device first"),
        ofClosing());

    IllegalArgumentException refused =
        assertThrows(IllegalArgumentException.class, () -> Devices.wrapCuda(context, 0));
    assertEquals(
        "context is 0x"
            + Long.toHexString(context)
            + ", which the driver does not know: it must be a CUcontext that was not destroyed",
        refused.getMessage());
  }

  /** A cause that fails every release is reported once. */
  @Test
  void aFailureOfManyReleasesIsOneWarning() {
    Device device = Devices.require("cuda");
    Everything everything = Everything.on(device);
    CudaSim.failAt(1, CudaSim.LAUNCH_FAILED, true);
    everything.close();
    device.close();
    CudaSim.failNothing();
    assertEquals(
        List.of(
            "cuCtxPushCurrent gave CUDA_ERROR_LAUNCH_FAILED (719) when something on Simulated"
                + " device (no GPU) was closed; what else fails with this code is not logged"),
        ofClosing());
  }
}
