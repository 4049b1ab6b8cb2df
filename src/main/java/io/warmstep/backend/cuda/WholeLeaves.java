package io.warmstep.backend.cuda;

import io.warmstep.backend.StepPlan;
import io.warmstep.step.LeafExchange;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import jcuda.Pointer;

/**
 * The leaves of the norm of a whole model, where the step is of one worker's part of it. They go by
 * way of the host, into memory that is allocated at the first step, since only the exchange says
 * how many the others have.
 */
final class WholeLeaves implements AutoCloseable {
  private static final int ALIGNMENT = 256;

  private final CudaContext context;
  private final LeafExchange exchange;
  private final LeafTree ownFloats;
  private final LeafTree ownDoubles;
  private final Tree floats = new Tree(Float.BYTES);
  private final Tree doubles = new Tree(Double.BYTES);

  WholeLeaves(CudaContext context, LeafExchange exchange, LeafTree floats, LeafTree doubles) {
    this.context = context;
    this.exchange = exchange;
    this.ownFloats = floats;
    this.ownDoubles = doubles;
  }

  /** Sums and exponents of leaves, and behind them room for those of nodes. */
  private final class Tree {
    final int realBytes;
    int count;
    ByteBuffer host;
    long address;

    Tree(int realBytes) {
      this.realBytes = realBytes;
    }

    int exponents() {
      return aligned(count * realBytes);
    }

    int leavesEnd() {
      return exponents() + aligned(count * Integer.BYTES);
    }

    int nodes() {
      return (count + StepPlan.LEAF - 1) / StepPlan.LEAF;
    }

    void resize(int leaves) {
      if (host != null && count == leaves) {
        return;
      }
      free();
      count = leaves;
      host = Cuda.direct(leavesEnd());
      address =
          context.allocate(
              leavesEnd() + aligned(nodes() * realBytes) + (long) nodes() * Integer.BYTES);
    }

    /** With the context current: what it has put into the host's memory goes to the device. */
    void upload(ByteBuffer arguments, int at) {
      if (count > 0) {
        context.startWriting(address, host, leavesEnd());
      }
      long nodeSums = address + leavesEnd();
      arguments.putLong(at, address).putLong(at + 8, address + exponents());
      arguments.putLong(at + 16, nodeSums);
      arguments.putLong(at + 24, nodeSums + aligned(nodes() * realBytes));
      arguments.putInt(at + 32, count);
    }

    void free() {
      context.free(address);
      address = 0;
    }
  }

  private static int aligned(int bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  /**
   * With the context current: waits for this worker's leaves, and has the last launch of the norm
   * find those of all.
   *
   * @param arguments of that launch
   * @return its blocks
   */
  int gather(ByteBuffer arguments) {
    LeafExchange.Leaves all = exchange.all(own());
    floats.resize(all.floatSums().length);
    floats.host.asFloatBuffer().put(all.floatSums());
    ints(floats.host, floats.exponents()).asIntBuffer().put(all.floatExponents());
    doubles.resize(all.doubleSums().length);
    doubles.host.asDoubleBuffer().put(all.doubleSums());
    ints(doubles.host, doubles.exponents()).asIntBuffer().put(all.doubleExponents());
    floats.upload(arguments, 0);
    doubles.upload(arguments, Layout.TREE_BYTES);
    int blocks = Math.max(1, floats.nodes() + doubles.nodes());
    arguments.putInt(Layout.NORM_BLOCKS, blocks);
    return blocks;
  }

  private static ByteBuffer ints(ByteBuffer buffer, int from) {
    return buffer.duplicate().order(buffer.order()).position(from);
  }

  private LeafExchange.Leaves own() {
    LeafExchange.Leaves own =
        new LeafExchange.Leaves(
            new float[ownFloats.leaves()],
            new int[ownFloats.leaves()],
            new double[ownDoubles.leaves()],
            new int[ownDoubles.leaves()]);
    ByteBuffer sums = Cuda.direct(own.floatSums().length * Float.BYTES);
    ByteBuffer exponents = Cuda.direct(own.floatExponents().length * Integer.BYTES);
    ByteBuffer doubleSums = Cuda.direct(own.doubleSums().length * Double.BYTES);
    ByteBuffer doubleExponents = Cuda.direct(own.doubleExponents().length * Integer.BYTES);
    startReading(ownFloats.sums(), sums);
    startReading(ownFloats.exponents(), exponents);
    startReading(ownDoubles.sums(), doubleSums);
    startReading(ownDoubles.exponents(), doubleExponents);
    context.waitForStream();
    sums.asFloatBuffer().get(own.floatSums());
    exponents.asIntBuffer().get(own.floatExponents());
    doubleSums.asDoubleBuffer().get(own.doubleSums());
    doubleExponents.asIntBuffer().get(own.doubleExponents());
    return own;
  }

  private void startReading(long from, ByteBuffer to) {
    if (to.capacity() > 0) {
      context.startReading(Pointer.to((Buffer) to), Cuda.pointer(from), to.capacity());
    }
  }

  /** The stream must have done its work. */
  @Override
  public void close() {
    floats.free();
    doubles.free();
  }
}
