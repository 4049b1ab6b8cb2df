package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.Memory;
import java.nio.ByteBuffer;
import org.jocl.CL;
import org.jocl.cl_mem;

/** Elements in a buffer of the device, ours or the caller's. */
final class OpenClMemory implements Memory {
  private final OpenClDevice device;
  private final ElementType type;
  private final long length;
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
      ElementType type,
      cl_mem buffer,
      long firstElement,
      long length,
      long base,
      Location location) {
    this.device = device;
    this.type = type;
    this.buffer = buffer;
    this.firstElement = firstElement;
    this.length = length;
    this.base = base;
    this.location = location == null ? new Location(this, 0) : location;
  }

  @Override
  public ElementType type() {
    return type;
  }

  @Override
  public long length() {
    return length;
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
    return base % ((long) lanes * type.bytes()) == 0;
  }

  @Override
  public Location location() {
    return location;
  }

  @Override
  public void write(long at, Object array, int offset, int count) {
    int chunk = device.stagingBytes() / type.bytes();
    int done = 0;
    while (done < count) { // done never goes beyond count, which may be near 2^31
      int from = offset + done;
      int n = Math.min(chunk, count - done);
      device.upload(buffer, byteAt(at + done), n * type.bytes(), to -> put(array, from, n, to));
      done += n;
    }
  }

  @Override
  public void read(long at, Object array, int offset, int count) {
    int chunk = device.stagingBytes() / type.bytes();
    int done = 0;
    while (done < count) {
      int to = offset + done;
      int n = Math.min(chunk, count - done);
      device.download(buffer, byteAt(at + done), n * type.bytes(), from -> get(from, array, to, n));
      done += n;
    }
  }

  @Override
  public void copy(long at, Memory source, long from, long count) {
    OpenClMemory other = (OpenClMemory) source;
    device
        .context()
        .copy(other.buffer, other.byteAt(from), buffer, byteAt(at), count * type.bytes());
  }

  @Override
  public void zero(long at, long count) {
    device.context().zero(buffer, byteAt(at), count * type.bytes(), type.bytes());
  }

  private long byteAt(long element) {
    return (firstElement + element) * type.bytes();
  }

  private void put(Object array, int from, int n, ByteBuffer to) {
    switch (type) {
      case FLOAT32 -> to.asFloatBuffer().put((float[]) array, from, n);
      case FLOAT64 -> to.asDoubleBuffer().put((double[]) array, from, n);
      case FLOAT16, BFLOAT16 -> to.asShortBuffer().put((short[]) array, from, n);
    }
  }

  private void get(ByteBuffer from, Object array, int to, int n) {
    switch (type) {
      case FLOAT32 -> from.asFloatBuffer().get((float[]) array, to, n);
      case FLOAT64 -> from.asDoubleBuffer().get((double[]) array, to, n);
      case FLOAT16, BFLOAT16 -> from.asShortBuffer().get((short[]) array, to, n);
    }
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      OpenCl.released(() -> CL.clReleaseMemObject(buffer), "clReleaseMemObject");
      buffer = null;
    }
  }
}
