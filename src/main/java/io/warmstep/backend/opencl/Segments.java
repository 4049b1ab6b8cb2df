package io.warmstep.backend.opencl;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/**
 * The tables by which a work-group finds its work: segments of some longs each, and for each tile
 * the segment that it is in, left out if there is only one. Written once. See step.cl.
 */
final class Segments implements AutoCloseable {
  private final int fieldCount;

  private final List<long[]> segments = new ArrayList<>();
  private final List<Long> tileCounts = new ArrayList<>();
  private long tiles;
  private cl_mem segmentBuffer;
  private cl_mem tileBuffer;

  /** Segments of so many longs. */
  Segments(int fieldCount) {
    this.fieldCount = fieldCount;
  }

  /**
   * Adds a segment.
   *
   * @param tileCount how many tiles it has
   * @param fields what follows the number of the first tile
   */
  void add(long tileCount, long... fields) {
    long[] segment = new long[fieldCount];
    segment[0] = tiles;
    System.arraycopy(fields, 0, segment, 1, fields.length);
    segments.add(segment);
    tileCounts.add(tileCount);
    tiles += tileCount;
  }

  long tiles() {
    return tiles;
  }

  boolean hasTileTable() {
    return segments.size() > 1;
  }

  /**
   * Replaces what follows the number of the first tile in the segments, in their order.
   *
   * @param fields as they were added, of each segment
   */
  void rewrite(OpenClContext context, List<long[]> fields) {
    boolean changes = false;
    ByteBuffer table = OpenCl.direct(segments.size() * fieldCount * Long.BYTES);
    for (int i = 0; i < segments.size(); i++) {
      long[] segment = segments.get(i);
      long[] next = segment.clone();
      System.arraycopy(fields.get(i), 0, next, 1, fields.get(i).length);
      changes |= !Arrays.equals(segment, next);
      segments.set(i, next);
      for (long field : next) {
        table.putLong(field);
      }
    }
    if (changes) {
      context.write(segmentBuffer, 0, table.capacity(), Pointer.to(table.clear()));
    }
  }

  void upload(OpenClContext context) {
    ByteBuffer table = OpenCl.direct(segments.size() * fieldCount * Long.BYTES);
    for (long[] segment : segments) {
      for (long field : segment) {
        table.putLong(field);
      }
    }
    segmentBuffer = context.upload(table);
    ByteBuffer numbers = OpenCl.direct(hasTileTable() ? Math.toIntExact(tiles * Integer.BYTES) : 0);
    for (int i = 0; hasTileTable() && i < segments.size(); i++) {
      for (long tile = 0; tile < tileCounts.get(i); tile++) {
        numbers.putInt(i);
      }
    }
    tileBuffer = context.upload(numbers);
  }

  cl_mem segmentBuffer() {
    return segmentBuffer;
  }

  cl_mem tileBuffer() {
    return tileBuffer;
  }

  @Override
  public void close() {
    release(segmentBuffer);
    release(tileBuffer);
    segmentBuffer = null;
    tileBuffer = null;
  }

  private static void release(cl_mem buffer) {
    if (buffer != null) {
      OpenCl.released(() -> CL.clReleaseMemObject(buffer), "clReleaseMemObject");
    }
  }
}
