package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import io.warmstep.step.LeafExchange;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The first phase of rules that add something up over each tensor or each group, and the numbers
 * that come of it. Leaves are summed in parallel; those of one sum are then combined in their
 * order.
 */
final class CpuSums {
  private static final int LEAF = StepPlan.LEAF;

  private final WorkerPool pool;
  private final Tensor[] tensors;
  private final Whole[] wholes;
  private final LeafIndex index;
  private final FloatLeaves[] floats; // of each thread
  private final DoubleLeaves[] doubles;
  private final WorkerPool.Job job = this::sumChunk;

  /** What leaves are combined over, a tensor or those of a group, and the sums of its leaves. */
  private static final class Whole {
    final CpuSpan[] spans;
    final long count;
    final boolean begins;
    final float[][] floatSums;
    final double[][] doubleSums;
    final int[][] exponents;

    /** With the leaves of other workers, or null. */
    final JoinedSums joined;

    Whole(List<CpuSpan> spans, LeafExchange exchange) {
      CpuSpan span = spans.get(0);
      boolean isGroup = span.group.sums.areOfGroup();
      this.spans = spans.toArray(CpuSpan[]::new);
      this.count = isGroup ? span.group.elements : span.length;
      this.begins = span.group.sums.firstNumbers() > 0;
      int leaves =
          spans.stream().mapToInt(each -> LeafIndex.leaves(each.length)).reduce(0, Math::addExact);
      int sums = span.group.sums.kinds().size();
      this.floatSums = new float[span.isDouble ? 0 : sums][leaves];
      this.doubleSums = new double[span.isDouble ? sums : 0][leaves];
      this.exponents = new int[sums][leaves];
      this.joined =
          isGroup && exchange != null
              ? new JoinedSums(
                  exchange,
                  span.group.sums,
                  span.isDouble,
                  span.isDouble ? doubleSums : floatSums,
                  exponents)
              : null;
    }
  }

  /** A span, and where its leaves are among those of a whole. */
  private record Tensor(CpuSpan span, Whole whole, int first) {}

  private CpuSums(StepOptions options, CpuSpan[] summed, WorkerPool pool) {
    this.pool = pool;
    this.wholes = wholes(summed, options.leafExchange());
    this.tensors =
        Arrays.stream(wholes).flatMap(whole -> tensors(whole).stream()).toArray(Tensor[]::new);
    this.index =
        new LeafIndex(
            Arrays.stream(tensors).mapToLong(each -> each.span.length).toArray(), pool.threads());
    int slots =
        Arrays.stream(tensors).mapToInt(each -> each.span.memories.length - 2).max().orElse(0);
    boolean hasDoubles = Arrays.stream(summed).anyMatch(span -> span.isDouble);
    boolean hasFloats = Arrays.stream(summed).anyMatch(span -> !span.isDouble);
    this.floats = new FloatLeaves[hasFloats ? pool.threads() : 0];
    this.doubles = new DoubleLeaves[hasDoubles ? pool.threads() : 0];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = new FloatLeaves(slots);
    }
    for (int i = 0; i < doubles.length; i++) {
      doubles[i] = new DoubleLeaves(slots);
    }
    prepare();
  }

  private static Whole[] wholes(CpuSpan[] summed, LeafExchange exchange) {
    Map<Object, List<CpuSpan>> together = new LinkedHashMap<>();
    for (CpuSpan span : summed) {
      Object whole = span.group.sums.areOfGroup() ? span.group : span;
      together.computeIfAbsent(whole, key -> new ArrayList<>()).add(span);
    }
    return together.values().stream()
        .map(spans -> new Whole(spans, exchange))
        .toArray(Whole[]::new);
  }

  private static List<Tensor> tensors(Whole whole) {
    List<Tensor> tensors = new ArrayList<>();
    int first = 0;
    for (CpuSpan span : whole.spans) {
      tensors.add(new Tensor(span, whole, first));
      first += LeafIndex.leaves(span.length);
    }
    return tensors;
  }

  /** Null if no rule adds anything up. */
  static CpuSums of(StepOptions options, CpuSpan[] spans, WorkerPool pool) {
    CpuSpan[] summed =
        Arrays.stream(spans).filter(span -> span.group.sums != null).toArray(CpuSpan[]::new);
    return summed.length == 0 ? null : new CpuSums(options, summed, pool);
  }

  /** Makes room for what has to be copied, so that no step does. */
  void prepare() {
    for (Tensor tensor : tensors) {
      if (tensor.span.isDouble) {
        Arrays.stream(doubles).forEach(leaf -> leaf.prepare(tensor.span));
      } else {
        Arrays.stream(floats).forEach(leaf -> leaf.prepare(tensor.span));
      }
    }
  }

  /** Does the first phase of all tensors and forms the numbers of all that is added up. */
  void compute() {
    for (Whole whole : wholes) {
      if (whole.begins && whole.spans[0].isDouble) {
        doubles[0].begin(whole.spans[0]);
      } else if (whole.begins) {
        floats[0].begin(whole.spans[0]);
      }
    }
    pool.run(job, index.chunks());
    for (Whole whole : wholes) {
      formNumbers(whole);
    }
  }

  private void formNumbers(Whole whole) {
    JoinedSums joined = whole.joined;
    if (joined != null) {
      joined.join();
    }
    int[][] exponents = joined == null ? whole.exponents : joined.rootExponents();
    if (whole.spans[0].isDouble) {
      double[][] sums = joined == null ? whole.doubleSums : joined.doubleRoots();
      doubles[0].numbers(whole.spans, whole.count, sums, exponents);
    } else {
      float[][] sums = joined == null ? whole.floatSums : joined.floatRoots();
      floats[0].numbers(whole.spans, whole.count, sums, exponents);
    }
  }

  private void sumChunk(int worker, int chunk) {
    int end = index.chunkEnd(chunk);
    for (int leaf = index.chunkStart(chunk); leaf < end; ) {
      int number = index.tensorOf(leaf);
      Tensor tensor = tensors[number];
      CpuSpan span = tensor.span;
      Whole whole = tensor.whole;
      int count = Math.min(end, index.first(number + 1)) - leaf;
      int own = leaf - index.first(number);
      long at = (long) own * LEAF;
      int n = (int) Math.min((long) count * LEAF, span.length - at);
      int place = tensor.first + own;
      if (span.isDouble) {
        doubles[worker].sum(span, at, n, whole.doubleSums, whole.exponents, place);
      } else {
        floats[worker].sum(span, at, n, whole.floatSums, whole.exponents, place);
      }
      leaf += count;
    }
  }
}
