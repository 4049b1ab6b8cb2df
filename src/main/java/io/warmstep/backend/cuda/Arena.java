package io.warmstep.backend.cuda;

import io.warmstep.OutOfDeviceMemoryException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * One allocation for all that a prepared step keeps on the device. Parts are reserved first, so
 * that their addresses are known when the kernels' arguments are written. The tables are uploaded
 * at the end, a copy for each and one wait, and leave the host then.
 */
final class Arena implements AutoCloseable {
  private static final int ALIGNMENT = 256;

  private final CudaContext context;
  private final List<Part> parts = new ArrayList<>();
  private long bytes;
  private long address;

  /** A part of the allocation. */
  final class Part {
    private final long offset;
    private ByteBuffer content;

    private Part(long offset, ByteBuffer content) {
      this.offset = offset;
      this.content = content;
    }

    /** Where it lies; known once the arena is allocated. */
    long address() {
      return address + offset;
    }

    /** What is uploaded to it; null if kernels write it, and after the upload. */
    ByteBuffer content() {
      return content;
    }
  }

  Arena(CudaContext context) {
    this.context = context;
  }

  /** A part that kernels write. */
  Part reserve(long size) {
    return add(size, null);
  }

  /** A part to be filled on the host before {@link #upload}. */
  Part table(long size) {
    if (size > Integer.MAX_VALUE) {
      throw new OutOfDeviceMemoryException(
          "a table of " + size + " bytes is too large: use fewer parameters", null);
    }
    return add(size, Cuda.direct((int) size));
  }

  private Part add(long size, ByteBuffer content) {
    Part part = new Part(bytes, content);
    parts.add(part);
    bytes += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return part;
  }

  void allocate() {
    address = context.allocate(bytes);
  }

  void upload() {
    context.run(
        "upload",
        () -> {
          for (Part part : parts) {
            if (part.content != null && part.content.capacity() > 0) {
              context.startWriting(part.address(), part.content, part.content.capacity());
            }
          }
          context.waitForStream();
        });
    for (Part part : parts) {
      part.content = null;
    }
  }

  @Override
  public void close() {
    context.free(address);
    address = 0;
  }
}
