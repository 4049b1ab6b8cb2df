package io.warmstep.backend.cpu;

import io.warmstep.rule.FloatBlock;
import io.warmstep.rule.UpdateRule;

/** One thread's block of float32 arithmetic and the arrays for copies. */
final class FloatWork {
  private final FloatBlock block = new FloatBlock();
  private final float[][] state;
  private final float[] parameterCopy;
  private final float[] gradientCopy;
  private final float[][] stateCopy;
  private final short[] halves;
  private final boolean clips;
  private final float clipValue;
  private float[] scalars;
  private float scale;
  private float weightDecay;

  FloatWork(int slots, int blockLength, boolean clips, float clipValue) {
    this.state = new float[slots][];
    this.parameterCopy = new float[blockLength];
    this.gradientCopy = new float[blockLength];
    this.stateCopy = new float[slots][blockLength];
    this.halves = new short[blockLength];
    this.clips = clips;
    this.clipValue = clipValue;
  }

  void step(float[] scalars, float scale, float weightDecay) {
    this.scalars = scalars;
    this.scale = scale;
    this.weightDecay = weightDecay;
  }

  /** Memories and offsets are those of parameters, gradients and then state. */
  void updateInPlace(UpdateRule rule, CpuMemory[] memories, long[] offsets, long at, int n) {
    int start = memories[0].indexAt(offsets[0] + at);
    for (int i = 2; i < memories.length; i++) {
      state[i - 2] = (float[]) memories[i].arrayAt(offsets[i] + at);
    }
    block.step(scalars, scale, weightDecay);
    block.range(
        (float[]) memories[0].arrayAt(offsets[0] + at),
        (float[]) memories[1].arrayAt(offsets[1] + at),
        state,
        start,
        start + n);
    rule.update(block);
  }

  void updateCopies(UpdateRule rule, CpuMemory[] memories, long[] offsets, long at, int n) {
    memories[0].load(offsets[0] + at, parameterCopy, n, halves);
    memories[1].load(offsets[1] + at, gradientCopy, n, halves);
    for (int i = 2; i < memories.length; i++) {
      memories[i].load(offsets[i] + at, stateCopy[i - 2], n, halves);
    }
    float scaleLeft = scale;
    if (clips) {
      clip(n);
      scaleLeft = 1;
    }
    block.step(scalars, scaleLeft, weightDecay);
    block.range(parameterCopy, gradientCopy, stateCopy, 0, n);
    rule.update(block);
    memories[0].store(offsets[0] + at, parameterCopy, n, halves);
    for (int i = 2; i < memories.length; i++) {
      memories[i].store(offsets[i] + at, stateCopy[i - 2], n, halves);
    }
  }

  private void clip(int n) {
    float[] g = gradientCopy;
    float by = scale;
    float bound = clipValue;
    for (int i = 0; i < n; i++) {
      g[i] = Math.max(-bound, Math.min(bound, by * g[i]));
    }
  }
}
