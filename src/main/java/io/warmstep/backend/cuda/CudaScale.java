package io.warmstep.backend.cuda;

import io.warmstep.backend.DeviceScale;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StepRefusedException;
import java.nio.ByteBuffer;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdeviceptr;

/** The loss scale in global memory. captured.cu writes it, too. */
final class CudaScale implements DeviceScale {
  private final CudaContext context;
  private final CudaMemory memory;
  private final ByteBuffer number = Cuda.direct(Float.BYTES);

  // Made once, so that a step allocates nothing.
  private final Pointer source = Pointer.to(number);
  private final CUdeviceptr target;
  private final CUcontext popped = new CUcontext();
  private final CudaContext.Work send = this::send;

  /**
   * Takes memory over.
   *
   * @param memory one float32
   */
  CudaScale(CudaContext context, CudaMemory memory) {
    this.context = context;
    this.memory = memory;
    this.target = Cuda.pointer(memory.addressOf(0));
  }

  @Override
  public long address() {
    return memory.addressOf(0);
  }

  @Override
  public Memory memory() {
    return memory;
  }

  @Override
  public void set(float scale) {
    number.putFloat(0, scale);
    context.run("cuMemcpyHtoDAsync", send, popped);
  }

  private void send() {
    if (context.isCapturing()) {
      throw new StepRefusedException(
          "the device's stream is capturing a CUDA graph, which would set the loss scale in each of"
              + " its launches: end the capture before the loss scale is changed");
    }
    context.startWriting(target, source, Float.BYTES);
  }
}
