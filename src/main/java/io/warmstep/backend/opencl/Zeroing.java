package io.warmstep.backend.opencl;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jocl.cl_mem;

/**
 * Setting gradients to zero: a launch for each buffer that they lie in, however many spans it has,
 * or the driver's own filling where it has one.
 */
final class Zeroing implements AutoCloseable {
  /** Longs of a segment: see zero.cl. */
  private static final int SEGMENT = 3;

  private final OpenClContext context;
  private final ReleaseStack resources = new ReleaseStack();
  private final List<Fill> fills = new ArrayList<>();
  private final List<Kernel> launches = new ArrayList<>();

  /** What the driver fills, in bytes. */
  private record Fill(cl_mem buffer, long at, long length, int elementBytes) {}

  Zeroing(OpenClContext context, Programs programs, List<OpenClSpan> spans) {
    this.context = context;
    Map<Long, List<OpenClSpan>> byBuffer = new LinkedHashMap<>();
    for (OpenClSpan span : spans) {
      if (span.length > 0) {
        byBuffer
            .computeIfAbsent(span.gradients().getNativePointer(), key -> new ArrayList<>())
            .add(span);
      }
    }
    try {
      byBuffer.values().forEach(together -> add(programs, together));
    } catch (RuntimeException | Error e) {
      resources.close();
      throw e;
    }
  }

  private void add(Programs programs, List<OpenClSpan> spans) {
    OpenClSpan first = spans.get(0);
    int bytes = first.gradientBytes();
    if (spans.size() == 1) {
      long at = first.gradientOffset() * bytes;
      fills.add(new Fill(first.gradients(), at, first.length * bytes, bytes));
      return;
    }
    int tile = programs.shape().zeroTile();
    Segments segments = resources.add(new Segments(SEGMENT));
    for (OpenClSpan span : spans) {
      segments.add((span.length + tile - 1) / tile, span.length, span.gradientOffset());
    }
    segments.upload(context);
    Kernel kernel = resources.add(programs.zero(bytes));
    kernel.setInt(0, segments.hasTileTable() ? 1 : 0);
    kernel.setBuffer(1, segments.segmentBuffer());
    kernel.setBuffer(2, segments.tileBuffer());
    kernel.setBuffer(3, first.gradients());
    launches.add(kernel.workGroups(segments.tiles()));
  }

  void run() {
    for (int i = 0; i < fills.size(); i++) { // an iterator would allocate
      Fill fill = fills.get(i);
      context.zero(fill.buffer, fill.at, fill.length, fill.elementBytes);
    }
    for (int i = 0; i < launches.size(); i++) {
      launches.get(i).launch();
    }
  }

  @Override
  public void close() {
    resources.close();
  }
}
