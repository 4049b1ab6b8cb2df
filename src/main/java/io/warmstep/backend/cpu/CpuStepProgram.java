package io.warmstep.backend.cpu;

import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.backend.Memory;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.util.Arrays;
import java.util.List;

/**
 * A step as Java loops. All elements of the plan are numbered consecutively, cut into chunks and
 * shared among the threads; a chunk is cut where arrays end. Where parameters, gradients and state
 * lie in arrays at the same indices, the rule works in place; elsewhere it works on copies of a
 * small block, which fit the second-level cache.
 */
final class CpuStepProgram implements StepProgram {
  /** Less than this is not worth handing to another thread. */
  private static final int MIN_CHUNK = 16 * 1024;

  private static final int MAX_CHUNK = CpuDevice.PIECE_LENGTH;

  /** More than one chunk a thread evens out threads that wake late or are held up. */
  private static final int CHUNKS_PER_THREAD = 4;

  /** The same where a part of the elements is updated before the next. */
  private static final int CHUNKS_PER_PART = 2;

  /**
   * Elements copied at a time where a rule cannot work in place. Each copy begins slowly, before
   * the processor sees a stream and reads ahead, so blocks for the second-level cache beat those
   * for the first: 23 against 31 ms for Adam on 25 million parameters in buffers.
   */
  static final int COPY_BLOCK = 16 * 1024;

  /** Elements updated at a time when gradients are set to zero while still in the cache. */
  static final int ZERO_BLOCK = 8192;

  private final StepOptions options;
  private final WorkerPool pool;
  private final GroupStep[] groups;
  private final CpuSpan[] spans;
  private final CpuSpan[] filled; // those with elements
  private final long[] spanEnds;
  private final long total;
  private final int chunkLength;
  private final CpuWorker[] workers;
  private final GlobalNorm norm;
  private final FloatFactors floatFactors;
  private final DoubleFactors doubleFactors;
  private final CpuSums sums;
  private final CpuTensorFactors tensorFactors;
  private final FloatMatrices floatMatrices;
  private final DoubleMatrices doubleMatrices;
  private final WorkerPool.Job update = this::updateChunk;
  private final WorkerPool.Job measuredUpdate = this::updateMeasuredChunk;

  /** Number of the first chunk that the threads are to update. */
  private int firstChunk;

  /** Where a measured step puts what it sees; null in other steps. */
  private UpdateTiles tiles;

  CpuStepProgram(StepPlan plan, WorkerPool pool) {
    this.options = plan.options();
    this.pool = pool;
    this.groups =
        plan.groups().stream()
            .map(group -> new GroupStep(group, options))
            .toArray(GroupStep[]::new);
    this.spans =
        Span.of(plan).stream()
            .map(span -> new CpuSpan(groups[span.group()], span))
            .toArray(CpuSpan[]::new);
    this.filled = Arrays.stream(spans).filter(span -> span.length > 0).toArray(CpuSpan[]::new);
    this.spanEnds = new long[filled.length];
    long sum = 0;
    int slots = 0;
    for (int i = 0; i < filled.length; i++) {
      sum += filled[i].length;
      spanEnds[i] = sum;
      slots = Math.max(slots, filled[i].memories.length - 2);
    }
    this.total = sum;
    this.chunkLength = chunkLength(sum, pool.threads());
    this.workers = new CpuWorker[pool.threads()];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new CpuWorker(options, filled, slots);
    }
    this.norm = options.needsNorm() ? new GlobalNorm(plan, pool) : null;
    this.floatFactors = new FloatFactors(filled, pool);
    this.doubleFactors = new DoubleFactors(filled, pool);
    this.sums = CpuSums.of(options, spans, pool);
    this.tensorFactors = CpuTensorFactors.of(filled, pool);
    this.floatMatrices = new FloatMatrices(matrices(false), pool);
    this.doubleMatrices = new DoubleMatrices(matrices(true), pool);
  }

  private List<CpuSpan> matrices(boolean areDouble) {
    return Arrays.stream(filled)
        .filter(span -> span.isDouble == areDouble && span.group.rule.matrix().isPresent())
        .toList();
  }

  private static int chunkLength(long total, int threads) {
    if (threads == 1) {
      return MAX_CHUNK;
    }
    long share = total / ((long) threads * CHUNKS_PER_THREAD) + 1;
    long bounded = Math.min(Math.max(share, MIN_CHUNK), MAX_CHUNK);
    return (int) ((bounded + 15) & ~15L); // whole cache lines
  }

  @Override
  public void prepare(UpdateTiles measured) {
    try {
      for (CpuWorker worker : workers) {
        worker.prepareMeter();
      }
    } catch (OutOfMemoryError e) {
      throw new OutOfDeviceMemoryException(
          "no room on the Java heap to measure the step's update: raise it with -Xmx, or call"
              + " measureUpdates(false)",
          e);
    }
  }

  @Override
  public boolean run(StepInputs inputs, UpdateTiles measured) {
    tiles = measured;
    try {
      return run(inputs);
    } finally {
      tiles = null;
    }
  }

  @Override
  public boolean run(StepInputs inputs) {
    GradientScale scale = inputs.gradientScale();
    double clipping = 1;
    if (norm != null) {
      norm.compute(scale);
      if (options.skipNonFinite() && !norm.joined().isFinite()) {
        if (options.zeroGradients()) {
          zeroGradients();
        }
        return false;
      }
      clipping = norm.joined().clipFactor();
    }
    for (int i = 0; i < groups.length; i++) {
      groups[i].set(inputs, i, clipping);
    }
    if (tensorFactors != null) {
      tensorFactors.compute();
    }
    floatFactors.compute();
    doubleFactors.compute();
    if (sums != null) {
      sums.compute();
    }
    floatMatrices.compute();
    doubleMatrices.compute();
    update();
    return true;
  }

  /** In parts, if somebody hears of each. */
  private void update() {
    int chunks = (int) ((total + chunkLength - 1) / chunkLength);
    int part = options.updateProgress() == null ? chunks : CHUNKS_PER_PART * pool.threads();
    for (firstChunk = 0; firstChunk < chunks; firstChunk += part) {
      int n = Math.min(part, chunks - firstChunk);
      pool.run(tiles == null ? update : measuredUpdate, n);
      if (options.updateProgress() != null) {
        options.updateProgress().updated(Math.min(total, (firstChunk + n) * (long) chunkLength));
      }
    }
  }

  private void updateChunk(int worker, int chunk) {
    long from = (long) (firstChunk + chunk) * chunkLength;
    long to = Math.min(total, from + chunkLength);
    int index = spanAt(from);
    while (from < to) {
      CpuSpan span = filled[index];
      long spanStart = spanEnds[index] - span.length;
      long end = Math.min(to, spanEnds[index]);
      workers[worker].update(
          span, span.groupFrom(from - spanStart), span.groupFrom(end - spanStart));
      from = end;
      index++;
    }
  }

  /** The same with tiles in place of groups, which they consist of. */
  private void updateMeasuredChunk(int worker, int chunk) {
    long from = (long) (firstChunk + chunk) * chunkLength;
    long to = Math.min(total, from + chunkLength);
    for (int index = spanAt(from); from < to; index++) {
      CpuSpan span = filled[index];
      long spanStart = spanEnds[index] - span.length;
      long end = Math.min(to, spanEnds[index]);
      long first = span.tileFrom(from - spanStart);
      workers[worker].updateMeasured(span, first, span.tileFrom(end - spanStart), tiles);
      from = end;
    }
  }

  /** The first span that ends after an element. */
  private int spanAt(long element) {
    int index = Arrays.binarySearch(spanEnds, element);
    return index < 0 ? -index - 1 : index + 1;
  }

  @Override
  public double gradientNorm() {
    return norm == null ? Double.NaN : norm.joined().norm();
  }

  @Override
  public boolean keepNorm(Memory to) {
    double last = gradientNorm();
    to.write(0, new double[] {last}, 0, 1);
    return !Double.isNaN(last);
  }

  @Override
  public void zeroGradients() {
    for (CpuSpan span : filled) {
      span.memories[1].zero(span.offsets[1], span.length);
    }
  }

  @Override
  public boolean rebind(StepPlan plan) {
    List<Span> next = Span.of(plan);
    if (next.size() != spans.length) {
      return false;
    }
    for (int i = 0; i < spans.length; i++) {
      if (!spans[i].isBoundLike(next.get(i), groups)) {
        return false;
      }
    }
    for (int i = 0; i < spans.length; i++) {
      spans[i].bind(next.get(i));
    }
    for (CpuWorker worker : workers) {
      worker.prepareCopies();
    }
    if (norm != null) {
      norm.rebind(plan);
    }
    floatFactors.prepare();
    doubleFactors.prepare();
    if (sums != null) {
      sums.prepare();
    }
    if (tensorFactors != null) {
      tensorFactors.prepare();
    }
    return true;
  }

  @Override
  public void close() {}
}
