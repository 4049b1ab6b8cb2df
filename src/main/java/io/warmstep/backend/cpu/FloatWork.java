package io.warmstep.backend.cpu;

import io.warmstep.rule.Access;
import io.warmstep.rule.FloatBlock;

/** One thread's block of float32 arithmetic and the arrays for copies. */
final class FloatWork {
  private final FloatBlock block = new FloatBlock();
  private final float[][] state;
  private final float[] parameterCopy;
  private final boolean clips;
  private final float clipValue;
  private float[] gradientCopy;
  private float[][] stateCopy;

  /** What factors stand for, at the index of a run's values. */
  private float[] squares = {};

  private final ElementScratch scratch;
  private float[] scalars;
  private float prescale;
  private float scale;
  private float weightDecay;
  private boolean keepsParameters;
  private Access access = Access.ALL;

  FloatWork(int slots, int blockLength, boolean clips, float clipValue) {
    this.state = new float[slots][];
    this.parameterCopy = new float[blockLength];
    this.scratch = new ElementScratch(blockLength);
    this.clips = clips;
    this.clipValue = clipValue;
  }

  /** Makes room for all copies; without this, the first block that needs them does. */
  void allocateCopies() {
    if (gradientCopy == null) {
      int length = parameterCopy.length;
      gradientCopy = new float[length];
      stateCopy = new float[state.length][length];
    }
  }

  /** Makes room for what a run's elements are copied by. */
  void prepare(CpuRun run) {
    run.prepare(scratch);
    if (run.factors != null && squares.length < run.inPlaceEnd()) {
      squares = new float[run.inPlaceEnd()];
    }
  }

  /** A gradient is multiplied by prescale, if that is not 1, and then by scale. */
  void step(float[] scalars, float prescale, float scale, float weightDecay) {
    this.scalars = scalars;
    this.prescale = prescale;
    this.scale = scale;
    this.weightDecay = weightDecay;
  }

  /** Whether parameters get their bits back, whatever the rule makes of them. */
  void keepParameters(boolean keeps) {
    keepsParameters = keeps;
  }

  /** The numbers of the tensor that the elements are of, and what the update uses. */
  void tensor(float[] numbers, Access access) {
    block.tensor(numbers);
    this.access = access;
  }

  /** Updates some elements of a run, from one on. */
  void updateInPlace(CpuRun run, long at, int n) {
    CpuMemory[] memories = run.memories;
    long[] offsets = run.offsets;
    int start = memories[0].indexAt(offsets[0] + at);
    float[] parameters = (float[]) memories[0].arrayAt(offsets[0] + at);
    for (int i = 2; i < memories.length; i++) {
      state[i - 2] = (float[]) memories[i].arrayAt(offsets[i] + at);
    }
    if (run.factors != null) {
      run.load(run.squares(), at, squares, start, n, scratch);
      state[run.squares() - 2] = squares;
    }
    block.step(scalars, scale, weightDecay);
    block.range(
        parameters, (float[]) memories[1].arrayAt(offsets[1] + at), state, start, start + n);
    if (keepsParameters) {
      System.arraycopy(parameters, start, parameterCopy, 0, n);
    }
    run.group.rule.update(block);
    if (keepsParameters) {
      System.arraycopy(parameterCopy, 0, parameters, start, n);
    }
  }

  /**
   * The same on copies. State that lies in arrays at one index, low enough for the copies to lie at
   * the same index of theirs, is worked on in place all the same.
   *
   * @param start that index, or -1 if state must be copied too
   */
  void updateCopies(CpuRun run, long at, int n, int start) {
    allocateCopies();
    CpuMemory[] memories = run.memories;
    int from = Math.max(start, 0);
    run.load(0, at, parameterCopy, from, n, scratch);
    if (access.reads(1)) {
      run.load(1, at, gradientCopy, from, n, scratch);
    }
    for (int i = 2; i < memories.length; i++) {
      if (start >= 0) {
        state[i - 2] = (float[]) memories[i].arrayAt(run.offsets[i] + at);
      } else if (access.reads(i)) {
        run.load(i, at, stateCopy[i - 2], 0, n, scratch);
      }
    }
    float scaleLeft = scale;
    if (prescale != 1) {
      scale(gradientCopy, prescale, from, from + n);
    }
    if (clips) {
      clip(gradientCopy, scale, clipValue, from, from + n);
      scaleLeft = 1;
    }
    block.step(scalars, scaleLeft, weightDecay);
    block.range(parameterCopy, gradientCopy, start >= 0 ? state : stateCopy, from, from + n);
    run.group.rule.update(block);
    if (!keepsParameters) {
      run.store(0, at, parameterCopy, from, n, scratch);
    } else if (run.hasAverage()) {
      run.load(0, at, parameterCopy, from, n, scratch);
    }
    if (run.hasAverage()) {
      run.average(at, parameterCopy, from, n, scratch);
    }
    for (int i = 2; i < memories.length && start < 0; i++) {
      if (access.writes(i)) {
        run.store(i, at, stateCopy[i - 2], 0, n, scratch);
      }
    }
  }

  /** Multiplies gradients. */
  static void scale(float[] g, float by, int from, int to) {
    for (int i = from; i < to; i++) {
      g[i] *= by;
    }
  }

  /** Multiplies gradients and then clips them by value. */
  static void clip(float[] g, float by, float bound, int from, int to) {
    for (int i = from; i < to; i++) {
      g[i] = Math.max(-bound, Math.min(bound, by * g[i]));
    }
  }
}
