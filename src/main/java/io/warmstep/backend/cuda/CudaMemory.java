package io.warmstep.backend.cuda;

import io.warmstep.backend.Memory;
import io.warmstep.backend.StagedMemory;
import io.warmstep.storage.Storage;
import java.nio.ByteBuffer;

/** Elements at an address of the device, ours or the caller's. */
final class CudaMemory extends StagedMemory {
  private final CudaDevice device;
  private final long allocation;
  private final boolean isBorrowed;
  private final long address;

  /** Sets all to zero; null until needed. */
  private Runnable zeroing;

  CudaMemory(CudaDevice device, Storage storage, long address, long length) {
    this(device, storage, address, 0, length, true);
  }

  /** Elements after the first few of an allocation. */
  CudaMemory(CudaDevice device, Storage storage, long allocation, int skipped, long length) {
    this(device, storage, allocation, skipped, length, false);
  }

  private CudaMemory(
      CudaDevice device,
      Storage storage,
      long allocation,
      int skipped,
      long length,
      boolean isBorrowed) {
    super(device.staging(), storage, length);
    this.device = device;
    this.allocation = allocation;
    this.isBorrowed = isBorrowed;
    this.address = allocation + storage.bytes(skipped);
  }

  /** Whether the memory is the caller's, who may have the tensor rebound. */
  boolean isBorrowed() {
    return isBorrowed;
  }

  /** Address of an element. */
  long addressOf(long element) {
    return address + element * type().bytes();
  }

  @Override
  public boolean isContinuedBy(long end, Memory next, long from) {
    return next.type() == type() && ((CudaMemory) next).addressOf(from) == addressOf(end);
  }

  @Override
  public Location location() {
    return new Location(CudaDevice.ADDRESSES, address);
  }

  @Override
  protected void upload(ByteBuffer from, long at, int bytes) {
    device.context().write(addressOf(at), from, bytes);
  }

  @Override
  protected void download(ByteBuffer to, long at, int bytes) {
    device.context().read(addressOf(at), to, bytes);
  }

  @Override
  protected void downloadSettled(ByteBuffer to, long at, int bytes) {
    device.context().readSettled(addressOf(at), to, bytes);
  }

  @Override
  public void copy(long at, Memory source, long from, long count) {
    long other = ((CudaMemory) source).addressOf(from);
    device.context().copy(addressOf(at), other, count * type().bytes());
  }

  @Override
  public void zero(long at, long count) {
    if (at != 0 || count != length()) {
      device.context().zero(addressOf(at), count * type().bytes());
      return;
    }
    if (zeroing == null) {
      zeroing = device.context().zeroing(address, count * type().bytes());
    }
    zeroing.run();
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      device.context().free(allocation);
    }
  }
}
