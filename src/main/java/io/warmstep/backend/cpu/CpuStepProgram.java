package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.UpdateRule;
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

  private static final int MAX_CHUNK = 256 * 1024;

  /** More than one chunk a thread evens out threads that wake late or are held up. */
  private static final int CHUNKS_PER_THREAD = 4;

  /**
   * Elements copied at a time where a rule cannot work in place. Each copy begins slowly, before
   * the processor sees a stream and reads ahead, so blocks for the second-level cache beat those
   * for the first: 23 against 31 ms for Adam on 25 million parameters in buffers.
   */
  static final int COPY_BLOCK = 16 * 1024;

  /** Elements updated at a time when gradients are set to zero while still in the cache. */
  private static final int ZERO_BLOCK = 8192;

  private final StepOptions options;
  private final WorkerPool pool;
  private final GroupStep[] groups;
  private final Run[] runs;
  private final long[] runEnds;
  private final long total;
  private final int chunkLength;
  private final Worker[] workers;
  private final GlobalNorm norm;
  private final WorkerPool.Job update = this::updateChunk;
  private double lastNorm = Double.NaN;

  /** A group's rule and the numbers of the present step. */
  private static final class GroupStep {
    final UpdateRule rule;
    final float[] floatScalars;
    final double[] doubleScalars;
    final int sign;
    float floatScale;
    float floatPrescale;
    double doubleScale;
    double weightDecay;
    boolean keepsParameters;

    GroupStep(UpdateRule rule) {
      this.rule = rule;
      this.floatScalars = new float[rule.scalarNames().size()];
      this.doubleScalars = new double[rule.scalarNames().size()];
      this.sign = rule.maximize() ? -1 : 1;
    }

    void set(
        double[] scalars,
        double weightDecay,
        boolean keepsParameters,
        float floatPrescale,
        float floatScale,
        double doubleScale) {
      for (int i = 0; i < floatScalars.length; i++) {
        floatScalars[i] = (float) scalars[i];
        doubleScalars[i] = scalars[i];
      }
      this.weightDecay = weightDecay;
      this.keepsParameters = keepsParameters;
      this.floatPrescale = floatPrescale;
      this.floatScale = sign * floatScale;
      this.doubleScale = sign * doubleScale;
    }
  }

  /** A span in terms of memories on the processor. */
  private static final class Run {
    final GroupStep group;
    final boolean isDouble;
    final CpuMemory[] memories; // values, gradients, then state
    final long[] offsets;
    final long length;

    Run(GroupStep group, Span span) {
      this.group = group;
      this.isDouble = span.type() == ElementType.FLOAT64;
      int operands = span.operands().size();
      this.memories = new CpuMemory[operands];
      this.offsets = new long[operands];
      this.length = span.length();
      bind(span);
    }

    /** Looks up where the operands lie. */
    void bind(Span span) {
      for (int i = 0; i < memories.length; i++) {
        MemorySlice slice = span.operands().get(i).slice();
        memories[i] = (CpuMemory) slice.memory();
        offsets[i] = slice.offset();
      }
    }

    boolean isBoundLike(Span span, GroupStep[] groups) {
      return span.length() == length
          && groups[span.group()] == group
          && (span.type() == ElementType.FLOAT64) == isDouble;
    }

    /** How many elements from one on lie in one array in every memory. */
    long contiguousFrom(long at) {
      long n = length - at;
      for (int i = 0; i < memories.length; i++) {
        n = Math.min(n, memories[i].contiguousFrom(offsets[i] + at));
      }
      return n;
    }

    /** The index of all state if copies of the rest fit at the same index, otherwise -1. */
    int stateIndex(long at, int n) {
      int index = 0;
      for (int i = 2; i < memories.length; i++) {
        int its = memories[i].indexAt(offsets[i] + at);
        if (memories[i].arrayAt(offsets[i] + at) == null || (i > 2 && its != index)) {
          return -1;
        }
        index = its;
      }
      return index + n <= Math.min(length, COPY_BLOCK) ? index : -1;
    }

    /** Whether one factor is enough for this step's gradients. */
    boolean scalesOnce() {
      return isDouble || group.floatPrescale == 1;
    }

    boolean isInPlaceThroughout() {
      return contiguousFrom(0) == length && isInPlace(0);
    }

    boolean isInPlace(long at) {
      int index = memories[0].indexAt(offsets[0] + at);
      for (int i = 0; i < memories.length; i++) {
        if (memories[i].arrayAt(offsets[i] + at) == null
            || memories[i].indexAt(offsets[i] + at) != index) {
          return false;
        }
      }
      return true;
    }
  }

  CpuStepProgram(StepPlan plan, WorkerPool pool) {
    this.options = plan.options();
    this.pool = pool;
    this.groups =
        plan.groups().stream().map(group -> new GroupStep(group.rule())).toArray(GroupStep[]::new);
    this.runs =
        Span.of(plan).stream().map(span -> new Run(groups[span.group()], span)).toArray(Run[]::new);
    this.runEnds = new long[runs.length];
    long sum = 0;
    int slots = 0;
    for (int i = 0; i < runs.length; i++) {
      sum += runs[i].length;
      runEnds[i] = sum;
      slots = Math.max(slots, runs[i].memories.length - 2);
    }
    this.total = sum;
    this.chunkLength = chunkLength(sum, pool.threads());
    this.workers = new Worker[pool.threads()];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(slots);
    }
    this.norm = options.needsNorm() ? new GlobalNorm(plan, pool) : null;
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
  public boolean run(StepInputs inputs) {
    GradientScale scale = inputs.gradientScale();
    float floatScale = scale.floatScale();
    double doubleScale = scale.scale();
    if (norm != null) {
      lastNorm = norm.compute(scale);
      if (options.skipNonFinite() && !norm.isFinite()) {
        if (options.zeroGradients()) {
          zeroGradients();
        }
        return false;
      }
      if (options.clipsByNorm()) {
        double factor =
            norm.hasDoubles()
                ? clipFactor(options.clipNorm(), lastNorm)
                : clipFactor((float) options.clipNorm(), (float) lastNorm);
        floatScale *= (float) factor;
        doubleScale *= factor;
      }
    }
    for (int i = 0; i < groups.length; i++) {
      groups[i].set(
          inputs.scalars(i),
          inputs.weightDecay(i),
          inputs.keepsParameters(i),
          scale.floatPrescale(),
          floatScale,
          doubleScale);
    }
    pool.run(update, (int) ((total + chunkLength - 1) / chunkLength));
    return true;
  }

  private static double clipFactor(double maxNorm, double norm) {
    return Math.min(1.0, maxNorm / (norm + 1e-6));
  }

  private static float clipFactor(float maxNorm, float norm) {
    return Math.min(1f, maxNorm / (norm + 1e-6f));
  }

  private void updateChunk(int worker, int chunk) {
    long from = (long) chunk * chunkLength;
    long to = Math.min(total, from + chunkLength);
    int index = Arrays.binarySearch(runEnds, from);
    index = index < 0 ? -index - 1 : index + 1; // the first run that ends after the chunk's start
    while (from < to) {
      Run run = runs[index];
      long runStart = runEnds[index] - run.length;
      long end = Math.min(to, runEnds[index]);
      workers[worker].update(run, from - runStart, end - runStart);
      from = end;
      index++;
    }
  }

  @Override
  public double gradientNorm() {
    return lastNorm;
  }

  @Override
  public boolean keepNorm(Memory to) {
    to.write(0, new double[] {lastNorm}, 0, 1);
    return !Double.isNaN(lastNorm);
  }

  @Override
  public void zeroGradients() {
    for (Run run : runs) {
      run.memories[1].zero(run.offsets[1], run.length);
    }
  }

  @Override
  public boolean rebind(StepPlan plan) {
    List<Span> spans = Span.of(plan);
    if (spans.size() != runs.length) {
      return false;
    }
    for (int i = 0; i < runs.length; i++) {
      if (!runs[i].isBoundLike(spans.get(i), groups)) {
        return false;
      }
    }
    for (int i = 0; i < runs.length; i++) {
      runs[i].bind(spans.get(i));
    }
    for (Worker worker : workers) {
      worker.prepareCopies();
    }
    if (norm != null) {
      norm.rebind(plan);
    }
    return true;
  }

  @Override
  public void close() {}

  /** One thread's blocks and working memory. */
  private final class Worker {
    private final FloatWork floats;
    private final DoubleWork doubles;

    Worker(int slots) {
      // A bound that is 0 as a float clips to zero; only one of 0 from the start clips nothing.
      boolean clips = options.clipValue() > 0;
      floats = new FloatWork(slots, longestCopy(false), clips, (float) options.clipValue());
      doubles = new DoubleWork(slots, longestCopy(true), clips, options.clipValue());
      prepareCopies();
    }

    /** Makes room for what has to be copied, so that no step does. */
    void prepareCopies() {
      for (Run run : runs) {
        for (CpuMemory memory : run.memories) {
          if (run.isDouble) {
            doubles.prepare(memory);
          } else {
            floats.prepare(memory);
          }
        }
      }
      boolean clips = options.clipValue() > 0;
      if (clips || !isInPlaceThroughout(false)) {
        floats.allocateCopies();
      }
      if (clips || !isInPlaceThroughout(true)) {
        doubles.allocateCopies();
      }
    }

    private boolean isInPlaceThroughout(boolean isDouble) {
      for (Run run : runs) {
        if (run.isDouble == isDouble && !run.isInPlaceThroughout()) {
          return false;
        }
      }
      return true;
    }

    /** Length of the longest block that could be copied, in one of the arithmetic types. */
    private int longestCopy(boolean isDouble) {
      long longest = 0;
      for (Run run : runs) {
        if (run.isDouble == isDouble) {
          longest = Math.max(longest, run.length);
        }
      }
      return (int) Math.min(longest, COPY_BLOCK);
    }

    void update(Run run, long from, long to) {
      CpuMemory gradients = run.memories[1];
      for (long at = from; at < to; ) {
        long n = Math.min(to - at, run.contiguousFrom(at));
        boolean inPlace = options.clipValue() == 0 && run.scalesOnce() && run.isInPlace(at);
        if (!inPlace || run.group.keepsParameters) {
          n = Math.min(n, COPY_BLOCK);
        } else if (options.zeroGradients()) {
          n = Math.min(n, ZERO_BLOCK);
        }
        updateBlock(run, at, (int) n, inPlace);
        if (options.zeroGradients()) {
          gradients.zero(run.offsets[1] + at, n);
        }
        at += n;
      }
    }

    private void updateBlock(Run run, long at, int n, boolean inPlace) {
      GroupStep group = run.group;
      UpdateRule rule = group.rule;
      if (run.isDouble) {
        doubles.step(group.doubleScalars, 1, group.doubleScale, group.weightDecay);
        doubles.keepParameters(group.keepsParameters);
        if (inPlace) {
          doubles.updateInPlace(rule, run.memories, run.offsets, at, n);
        } else {
          int start = run.stateIndex(at, n);
          doubles.updateCopies(rule, run.memories, run.offsets, at, n, start);
        }
      } else {
        floats.step(
            group.floatScalars, group.floatPrescale, group.floatScale, (float) group.weightDecay);
        floats.keepParameters(group.keepsParameters);
        if (inPlace) {
          floats.updateInPlace(rule, run.memories, run.offsets, at, n);
        } else {
          int start = run.stateIndex(at, n);
          floats.updateCopies(rule, run.memories, run.offsets, at, n, start);
        }
      }
    }
  }
}
