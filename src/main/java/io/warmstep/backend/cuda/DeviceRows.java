package io.warmstep.backend.cuda;

import java.nio.ByteBuffer;

/** The rows of a table on the device, which are written again where addresses change. */
final class DeviceRows {
  private final Arena.Part part;
  private ByteBuffer written;
  private ByteBuffer present;

  /** Of a part that has not been uploaded yet. */
  DeviceRows(Arena.Part part) {
    this.part = part;
    this.written = Cuda.direct(part.content().capacity());
  }

  /** A buffer to write all rows into, from its beginning. */
  ByteBuffer begin() {
    return written.clear();
  }

  /** Has what was written uploaded with the arena. */
  void keep() {
    part.content().put(0, written, 0, written.capacity());
    swap();
  }

  /** With the context current: copies what was written to the device, unless it is there. */
  void upload(CudaContext context) {
    if (!written.clear().equals(present.clear())) {
      // The driver has read pageable memory when the call returns, so there is nothing to wait for.
      context.startWriting(part.address(), written, written.capacity());
      swap();
    }
  }

  private void swap() {
    ByteBuffer former = present == null ? Cuda.direct(written.capacity()) : present;
    present = written;
    written = former;
  }
}
