package io.warmstep.backend.cpu;

import io.warmstep.rule.DoubleBlock;
import io.warmstep.rule.UpdateRule;

/** One thread's block of float64 arithmetic and the arrays for copies. */
final class DoubleWork {
  private final DoubleBlock block = new DoubleBlock();
  private final double[][] state;
  private final double[] parameterCopy;
  private final double[] gradientCopy;
  private final double[][] stateCopy;
  private final short[] halves;
  private final boolean clips;
  private final double clipValue;
  private double[] scalars;
  private double scale;
  private double weightDecay;

  DoubleWork(int slots, int blockLength, boolean clips, double clipValue) {
    this.state = new double[slots][];
    this.parameterCopy = new double[blockLength];
    this.gradientCopy = new double[blockLength];
    this.stateCopy = new double[slots][blockLength];
    this.halves = new short[blockLength];
    this.clips = clips;
    this.clipValue = clipValue;
  }

  void step(double[] scalars, double scale, double weightDecay) {
    this.scalars = scalars;
    this.scale = scale;
    this.weightDecay = weightDecay;
  }

  /** Memories and offsets are those of parameters, gradients and then state. */
  void updateInPlace(UpdateRule rule, CpuMemory[] memories, long[] offsets, long at, int n) {
    int start = memories[0].indexAt(offsets[0] + at);
    for (int i = 2; i < memories.length; i++) {
      state[i - 2] = (double[]) memories[i].arrayAt(offsets[i] + at);
    }
    block.step(scalars, scale, weightDecay);
    block.range(
        (double[]) memories[0].arrayAt(offsets[0] + at),
        (double[]) memories[1].arrayAt(offsets[1] + at),
        state,
        start,
        start + n);
    rule.update(block);
  }

  /**
   * The same on copies. State that lies in arrays at one index, low enough for the copies to lie at
   * the same index of theirs, is worked on in place all the same.
   *
   * @param start that index, or -1 if state must be copied too
   */
  void updateCopies(
      UpdateRule rule, CpuMemory[] memories, long[] offsets, long at, int n, int start) {
    int from = Math.max(start, 0);
    memories[0].load(offsets[0] + at, parameterCopy, from, n, halves);
    memories[1].load(offsets[1] + at, gradientCopy, from, n, halves);
    for (int i = 2; i < memories.length; i++) {
      if (start >= 0) {
        state[i - 2] = (double[]) memories[i].arrayAt(offsets[i] + at);
      } else {
        memories[i].load(offsets[i] + at, stateCopy[i - 2], 0, n, halves);
      }
    }
    double scaleLeft = scale;
    if (clips) {
      clip(from, from + n);
      scaleLeft = 1;
    }
    block.step(scalars, scaleLeft, weightDecay);
    block.range(parameterCopy, gradientCopy, start >= 0 ? state : stateCopy, from, from + n);
    rule.update(block);
    memories[0].store(offsets[0] + at, parameterCopy, from, n, halves);
    for (int i = 2; i < memories.length && start < 0; i++) {
      memories[i].store(offsets[i] + at, stateCopy[i - 2], 0, n, halves);
    }
  }

  private void clip(int from, int to) {
    double[] g = gradientCopy;
    double by = scale;
    double bound = clipValue;
    for (int i = from; i < to; i++) {
      g[i] = Math.max(-bound, Math.min(bound, by * g[i]));
    }
  }
}
