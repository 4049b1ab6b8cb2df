package io.warmstep.backend.cuda;

import io.warmstep.backend.StreamTimer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/** Two events of the stream; the driver's clock has a resolution of about half a microsecond. */
final class CudaTimer implements StreamTimer {
  private final CudaContext context;
  private final CUstream stream;
  private final CUevent begin;
  private final CUevent end;
  private final float[] millis = new float[1];
  private boolean isClosed;

  CudaTimer(CudaContext context, CUstream stream) {
    this.context = context;
    this.stream = stream;
    this.begin = newEvent();
    try {
      this.end = newEvent();
    } catch (RuntimeException | Error e) {
      destroy(begin);
      throw e;
    }
  }

  private CUevent newEvent() {
    CUevent event = new CUevent();
    context.create(
        () ->
            context.check(
                () -> JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DEFAULT),
                "cuEventCreate"),
        () -> destroy(event));
    return event;
  }

  private void destroy(CUevent event) {
    context.destroy("cuEventDestroy", () -> JCudaDriver.cuEventDestroy(event));
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
    context.run(
        "cuEventRecord",
        () -> context.check(() -> JCudaDriver.cuEventRecord(event, stream), "cuEventRecord"));
  }

  @Override
  public double millis() {
    context.run(
        "cuEventElapsedTime",
        () -> {
          context.check(() -> JCudaDriver.cuEventSynchronize(end), "cuEventSynchronize");
          context.check(
              () -> JCudaDriver.cuEventElapsedTime(millis, begin, end), "cuEventElapsedTime");
        });
    return millis[0];
  }

  @Override
  public void close() {
    if (!isClosed) {
      isClosed = true;
      destroy(begin);
      destroy(end);
    }
  }
}
