package io.warmstep.backend.opencl;

import java.util.ArrayList;
import java.util.List;
import org.jocl.cl_mem;

/**
 * The workspace of matrix phases. Their launches come one after the other, so that all of a step,
 * and of another form of it, may use the same.
 */
final class MatrixSpace {
  private final OpenClContext context;
  private final ReleaseStack resources;
  private final List<Buffers> allocated = new ArrayList<>();

  /**
   * Four buffers.
   *
   * @param elementBytes size of each of the first two
   * @param squareBytes size of each of the others
   */
  record Buffers(
      long elementBytes, long squareBytes, cl_mem x, cl_mem next, cl_mem gram, cl_mem polynomial) {}

  /**
   * Nothing is allocated yet.
   *
   * @param resources frees what is allocated
   */
  MatrixSpace(OpenClContext context, ReleaseStack resources) {
    this.context = context;
    this.resources = resources;
  }

  /** Buffers of at least these sizes. */
  Buffers buffers(long elementBytes, long squareBytes) {
    for (Buffers buffers : allocated) {
      if (buffers.elementBytes >= elementBytes && buffers.squareBytes >= squareBytes) {
        return buffers;
      }
    }
    Buffers buffers =
        new Buffers(
            elementBytes,
            squareBytes,
            resources.add(context.allocate(elementBytes)),
            resources.add(context.allocate(elementBytes)),
            resources.add(context.allocate(squareBytes)),
            resources.add(context.allocate(squareBytes)));
    allocated.add(buffers);
    return buffers;
  }
}
