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
  private final Own ownFloats;
  private final Own ownDoubles;
  private final LeafExchange.Leaves own;
  private final LeafExchange.Prepared exchange;
  private final Tree floats = new Tree(Float.BYTES);
  private final Tree doubles = new Tree(Double.BYTES);

  WholeLeaves(CudaContext context, StepPlan plan, LeafTree floats, LeafTree doubles) {
    this.context = context;
    this.ownFloats = new Own(floats, Float.BYTES);
    this.ownDoubles = new Own(doubles, Double.BYTES);
    this.own = new LeafExchange.Leaves(floats.leaves(), doubles.leaves());
    this.exchange = plan.exchangeNorm(own);
  }

  /** What is copied from the device of one arithmetic type. */
  private static final class Own {
    final LeafTree tree;
    final ByteBuffer sums;
    final ByteBuffer exponents;

    Own(LeafTree tree, int realBytes) {
      this.tree = tree;
      this.sums = Cuda.direct(Math.multiplyExact(tree.leaves(), realBytes));
      this.exponents = Cuda.direct(Math.multiplyExact(tree.leaves(), Integer.BYTES));
    }

    void startReading(CudaContext context) {
      if (tree.leaves() > 0) {
        startReading(context, tree.sums(), sums);
        startReading(context, tree.exponents(), exponents);
      }
    }

    private static void startReading(CudaContext context, long from, ByteBuffer to) {
      context.startReading(Pointer.to((Buffer) to), Cuda.pointer(from), to.capacity());
    }
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
    readOwn();
    LeafExchange.Leaves all = exchange.all();
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

  private void readOwn() {
    ownFloats.startReading(context);
    ownDoubles.startReading(context);
    context.waitForStream();
    ownFloats.sums.asFloatBuffer().get(own.floatSums());
    ownFloats.exponents.asIntBuffer().get(own.floatExponents());
    ownDoubles.sums.asDoubleBuffer().get(own.doubleSums());
    ownDoubles.exponents.asIntBuffer().get(own.doubleExponents());
  }

  /** The stream must have done its work. */
  @Override
  public void close() {
    floats.free();
    doubles.free();
  }
}
