package io.warmstep.backend.opencl;

import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.UpdateTiles;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/**
 * A launch of the update that also measures it: a work-group for each tile of {@link UpdateTiles}.
 * See measure.h.
 */
final class MeasuredUpdate implements AutoCloseable {
  private final ReleaseStack resources = new ReleaseStack();
  private final OpenClContext context;
  private final int[] parameters; // of the segments
  private final long[] places; // of their first rows on the device, -1 for none
  private final long[] next;
  private final ByteBuffer table;
  private final cl_mem placeBuffer;
  private final int rowsArgument;
  private final Kernel kernel;
  private final Segments segments;

  /**
   * Takes over a kernel, and segments that are not on the device yet.
   *
   * @param parameters of the segments, by their indices in the plan
   * @param argument the kernel's first that is set here; the other is the next
   */
  MeasuredUpdate(
      OpenClContext context, Kernel kernel, Segments segments, int[] parameters, int argument) {
    this.context = context;
    this.kernel = resources.add(kernel);
    this.segments = resources.add(segments);
    this.parameters = parameters;
    this.rowsArgument = argument + 1;
    places = new long[parameters.length];
    Arrays.fill(places, Long.MIN_VALUE); // the device has none yet
    next = new long[parameters.length];
    table = OpenCl.direct(Long.BYTES * places.length);
    try {
      segments.upload(context);
      placeBuffer = resources.add(context.allocate(table.capacity()));
      kernel.setBuffer(argument, placeBuffer);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  Kernel kernel() {
    return kernel;
  }

  Segments segments() {
    return segments;
  }

  /** Gives the kernel the place of the rows. */
  void prepare(UpdateTiles tiles) {
    MemorySlice some = null;
    for (int i = 0; i < next.length; i++) {
      MemorySlice rows = tiles.rows(parameters[i]);
      next[i] = rows == null ? -1 : OpenClSpan.offset(rows);
      some = rows == null ? some : rows;
    }
    if (!Arrays.equals(places, next)) {
      table.clear().asLongBuffer().put(next);
      context.write(placeBuffer, 0, table.capacity(), Pointer.to(table));
      System.arraycopy(next, 0, places, 0, next.length);
    }
    if (some != null) {
      kernel.setBuffer(rowsArgument, OpenClSpan.buffer(some));
    }
  }

  @Override
  public void close() {
    resources.close();
  }
}
