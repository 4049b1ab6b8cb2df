package io.warmstep.backend.cpu;

import io.warmstep.rule.Access;

/** One thread's block of float64 arithmetic and the arrays for copies. */
final class DoubleWork {
  private final CpuDoubleBlock block = new CpuDoubleBlock();
  private final double[][] state;
  private final double[] parameterCopy;
  private double[] gradientCopy;
  private double[][] stateCopy;

  /** Inverse roots of what factors stand for, at the index of a span's values. */
  private double[] inverses = {};

  private final ElementScratch scratch;

  DoubleWork(int slots, int blockLength) {
    this.state = new double[slots][];
    this.parameterCopy = new double[blockLength];
    this.scratch = new ElementScratch(blockLength);
  }

  /** Makes room for all copies; without this, the first block that needs them does. */
  void allocateCopies() {
    if (gradientCopy == null) {
      int length = parameterCopy.length;
      gradientCopy = new double[length];
      stateCopy = new double[state.length][length];
    }
  }

  /** Makes room for what a span's elements are copied by. */
  void prepare(CpuSpan span) {
    span.prepare(scratch);
    if (span.factors != null && inverses.length < span.inPlaceEnd()) {
      inverses = new double[span.inPlaceEnd()];
    }
  }

  /** Updates some elements of a span, from one on. */
  void updateInPlace(CpuSpan span, long at, int n) {
    GroupStep group = span.group;
    CpuMemory[] memories = span.memories;
    long[] offsets = span.offsets;
    int start = memories[0].indexAt(offsets[0] + at);
    double[] parameters = (double[]) memories[0].arrayAt(offsets[0] + at);
    for (int i = 2; i < memories.length; i++) {
      state[i - 2] = (double[]) memories[i].arrayAt(offsets[i] + at);
    }
    if (span.factors != null) {
      span.load(span.inverses(), at, inverses, start, n, scratch);
      state[span.inverses() - 2] = inverses;
    }
    begin(span, group.gradients.doubleScale() * span.doubleFactor);
    block.range(
        parameters, (double[]) memories[1].arrayAt(offsets[1] + at), state, start, start + n);
    if (group.keepsParameters) {
      System.arraycopy(parameters, start, parameterCopy, 0, n);
    }
    group.rule.update(block);
    if (group.keepsParameters) {
      System.arraycopy(parameterCopy, 0, parameters, start, n);
    }
  }

  /**
   * The same on copies. State that lies in arrays at one index, low enough for the copies to lie at
   * the same index of theirs, is worked on in place all the same.
   *
   * @param start that index, or -1 if state must be copied too
   */
  void updateCopies(CpuSpan span, long at, int n, int start) {
    allocateCopies();
    GroupStep group = span.group;
    Access access = group.updating;
    CpuMemory[] memories = span.memories;
    int from = Math.max(start, 0);
    span.load(0, at, parameterCopy, from, n, scratch);
    if (access.reads(1)) {
      span.load(1, at, gradientCopy, from, n, scratch);
    }
    for (int i = 2; i < memories.length; i++) {
      if (start >= 0) {
        state[i - 2] = (double[]) memories[i].arrayAt(span.offsets[i] + at);
      } else if (access.reads(i)) {
        span.load(i, at, stateCopy[i - 2], 0, n, scratch);
      }
    }
    begin(span, group.gradients.prepare(gradientCopy, span.doubleFactor, from, from + n));
    block.range(parameterCopy, gradientCopy, start >= 0 ? state : stateCopy, from, from + n);
    group.rule.update(block);
    if (!group.keepsParameters) {
      span.store(0, at, parameterCopy, from, n, scratch);
    } else if (span.hasAverage()) {
      span.load(0, at, parameterCopy, from, n, scratch);
    }
    if (span.hasAverage()) {
      span.average(at, parameterCopy, from, n, scratch);
    }
    for (int i = 2; i < memories.length && start < 0; i++) {
      if (access.writes(i)) {
        span.store(i, at, stateCopy[i - 2], 0, n, scratch);
      }
    }
  }

  /** The numbers of a span in this step. */
  private void begin(CpuSpan span, double scale) {
    GroupStep group = span.group;
    block.step(group.doubleScalars, scale, group.gradients.weightDecay());
    block.tensor(span.doubleNumbers);
    block.factored(span.factors != null);
  }
}
