package io.warmstep.backend.cuda;

import io.warmstep.backend.StreamTimer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/** Two events of the stream; the driver's clock has a resolution of about half a microsecond. */
final class CudaTimer implements StreamTimer {
  private final CudaDevice device;
  private final CudaContext context;
  private final CUevent begin;
  private final CUevent end;
  private final float[] millis = new float[1];

  CudaTimer(CudaDevice device) {
    this.device = device;
    this.context = device.context();
    this.begin = context.newEvent(CUevent_flags.CU_EVENT_DEFAULT);
    try {
      this.end = context.newEvent(CUevent_flags.CU_EVENT_DEFAULT);
    } catch (RuntimeException | Error e) {
      context.destroyEvent(begin);
      throw e;
    }
  }

  @Override
  public void start() {
    record(begin);
  }

  @Override
  public void stop() {
    record(end);
  }

  private void record(CUevent event) {
    context.run("cuEventRecord", () -> context.record(event));
  }

  @Override
  public double millis() {
    context.run(
        "cuEventElapsedTime",
        () -> {
          context.await(end);
          Cuda.check(
              JCudaDriver.cuEventElapsedTime(millis, begin, end),
              "cuEventElapsedTime",
              context.name);
        });
    return millis[0];
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      context.destroyEvent(begin);
      context.destroyEvent(end);
    }
  }
}
