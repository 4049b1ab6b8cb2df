package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.Memory;
import java.nio.ByteBuffer;

/** Elements at an address of the device, ours or the caller's. */
final class CudaMemory implements Memory {
  private final CudaDevice device;
  private final ElementType type;
  private final long length;
  private final long allocation;
  private final long address;

  CudaMemory(CudaDevice device, ElementType type, long address, long length) {
    this(device, type, address, 0, length);
  }

  /** Elements after the first few of an allocation. */
  CudaMemory(CudaDevice device, ElementType type, long allocation, int skipped, long length) {
    this.device = device;
    this.type = type;
    this.allocation = allocation;
    this.address = allocation + (long) skipped * type.bytes();
    this.length = length;
  }

  @Override
  public ElementType type() {
    return type;
  }

  @Override
  public long length() {
    return length;
  }

  /** Address of an element. */
  long addressOf(long element) {
    return address + element * type.bytes();
  }

  @Override
  public Location location() {
    return new Location(CudaDevice.ADDRESSES, address);
  }

  @Override
  public void write(long at, Object array, int offset, int count) {
    int chunk = device.stagingBytes() / type.bytes();
    int done = 0;
    while (done < count) { // done never goes beyond count, which may be near 2^31
      int from = offset + done;
      int n = Math.min(chunk, count - done);
      device.upload(addressOf(at + done), n * type.bytes(), to -> put(array, from, n, to));
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
      device.download(addressOf(at + done), n * type.bytes(), from -> get(from, array, to, n));
      done += n;
    }
  }

  @Override
  public void copy(long at, Memory source, long from, long count) {
    long other = ((CudaMemory) source).addressOf(from);
    device.context().copy(addressOf(at), other, count * type.bytes());
  }

  @Override
  public void zero(long at, long count) {
    device.context().zero(addressOf(at), count * type.bytes());
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
      device.context().free(allocation);
    }
  }
}
