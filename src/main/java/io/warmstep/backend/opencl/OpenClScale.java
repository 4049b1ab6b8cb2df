package io.warmstep.backend.opencl;

import io.warmstep.backend.DeviceScale;
import io.warmstep.backend.Memory;
import java.nio.ByteBuffer;
import org.jocl.Pointer;

/** The loss scale in a buffer of its own. ahead.cl writes it, too. */
final class OpenClScale implements DeviceScale {
  private final OpenClContext context;
  private final OpenClMemory memory;
  private final ByteBuffer number = OpenCl.direct(Float.BYTES);
  private final Pointer source = Pointer.to(number); // made once, so that a step allocates nothing

  /**
   * Takes memory over.
   *
   * @param memory one float32
   */
  OpenClScale(OpenClContext context, OpenClMemory memory) {
    this.context = context;
    this.memory = memory;
  }

  @Override
  public long address() {
    return memory.buffer().getNativePointer();
  }

  @Override
  public Memory memory() {
    return memory;
  }

  @Override
  public void set(float scale) {
    number.putFloat(0, scale);
    context.fill(memory.buffer(), 0, Float.BYTES, source, Float.BYTES);
  }
}
