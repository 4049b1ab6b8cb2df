package io.warmstep.backend.opencl;

import io.warmstep.backend.Memory;
import io.warmstep.backend.StagedMemory;
import io.warmstep.storage.Storage;
import java.nio.ByteBuffer;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/** Elements in a buffer of the device, ours or the caller's. */
final class OpenClMemory extends StagedMemory {
  private final OpenClDevice device;
  private final Location location;
  private final long firstElement;
  private final long base;
  private cl_mem buffer;

  /**
   * Takes over one reference to the buffer, which {@link #close} gives back.
   *
   * @param base where the buffer begins as far as its alignment goes, 0 where a device places it
   */
  OpenClMemory(
      OpenClDevice device,
      Storage storage,
      cl_mem buffer,
      long firstElement,
      long length,
      long base,
      Location location) {
    super(device.staging(), storage, length);
    this.device = device;
    this.buffer = buffer;
    this.firstElement = firstElement;
    this.base = base;
    this.location = location == null ? new Location(this, 0) : location;
  }

  /** Whether the buffer is the caller's, who may have the tensor rebound. */
  boolean isBorrowed() {
    return location.base() != this;
  }

  cl_mem buffer() {
    return buffer;
  }

  /** Elements of the buffer before the first of this memory. */
  long firstElement() {
    return firstElement;
  }

  /** Whether the buffer begins where a vector may. */
  boolean isVectorAligned(int lanes) {
    return base % ((long) lanes * type().bytes()) == 0;
  }

  @Override
  public boolean isContinuedBy(long end, Memory next, long from) {
    OpenClMemory other = (OpenClMemory) next;
    return other.type() == type()
        && other.buffer.getNativePointer() == buffer.getNativePointer()
        && other.firstElement + from == firstElement + end;
  }

  @Override
  public Location location() {
    return location;
  }

  @Override
  protected void upload(ByteBuffer from, long at, int bytes) {
    device.context().write(buffer, byteAt(at), bytes, Pointer.to(from));
  }

  @Override
  protected void download(ByteBuffer to, long at, int bytes) {
    device.context().read(buffer, byteAt(at), bytes, Pointer.to(to));
  }

  @Override
  protected void downloadSettled(ByteBuffer to, long at, int bytes) {
    device.context().readSettled(buffer, byteAt(at), bytes, Pointer.to(to));
  }

  @Override
  public void copy(long at, Memory source, long from, long count) {
    OpenClMemory other = (OpenClMemory) source;
    device
        .context()
        .copy(other.buffer, other.byteAt(from), buffer, byteAt(at), count * type().bytes());
  }

  @Override
  public void zero(long at, long count) {
    device.context().zero(buffer, byteAt(at), count * type().bytes(), type().bytes());
  }

  private long byteAt(long element) {
    return (firstElement + element) * type().bytes();
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      OpenCl.released(() -> CL.clReleaseMemObject(buffer), "clReleaseMemObject");
      buffer = null;
    }
  }
}
