package io.warmstep.backend.cpu;

import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.StepOptions;

/** One thread's blocks and working memory. */
final class CpuWorker {
  private final StepOptions options;
  private final CpuRun[] runs;
  private final FloatWork floats;
  private final DoubleWork doubles;
  private CpuMeter meter; // once a step is measured

  CpuWorker(StepOptions options, CpuRun[] runs, int slots) {
    this.options = options;
    this.runs = runs;
    floats = new FloatWork(slots, longestCopy(false));
    doubles = new DoubleWork(slots, longestCopy(true));
    prepareCopies();
  }

  /** Makes room for what has to be copied, so that no step does. */
  void prepareCopies() {
    for (CpuRun run : runs) {
      if (run.isDouble) {
        doubles.prepare(run);
      } else {
        floats.prepare(run);
      }
    }
    if (!isInPlaceThroughout(false)) {
      floats.allocateCopies();
    }
    if (!isInPlaceThroughout(true)) {
      doubles.allocateCopies();
    }
  }

  private boolean isInPlaceThroughout(boolean isDouble) {
    for (CpuRun run : runs) {
      if (run.isDouble == isDouble && (run.preparesGradients() || !run.isInPlaceThroughout())) {
        return false;
      }
    }
    return true;
  }

  /** Length of the longest block that could be copied, in one of the arithmetic types. */
  private int longestCopy(boolean isDouble) {
    long longest = 0;
    for (CpuRun run : runs) {
      if (run.isDouble == isDouble) {
        longest = Math.max(longest, run.length);
      }
    }
    return (int) Math.min(longest, CpuStepProgram.COPY_BLOCK);
  }

  /** Makes room for {@link #updateMeasured}. */
  void prepareMeter() {
    meter = meter == null ? new CpuMeter(this) : meter;
    for (CpuRun run : runs) {
      meter.prepare(run);
    }
  }

  /** The same as {@link #update}, of whole tiles, with what it changes. */
  void updateMeasured(CpuRun run, long from, long to, UpdateTiles tiles) {
    meter.update(run, from, to, tiles);
  }

  void update(CpuRun run, long from, long to) {
    CpuMemory gradients = run.memories[1];
    for (long at = from; at < to; ) {
      long n = Math.min(to - at, run.contiguousFrom(at));
      if (run.factors != null) {
        n = Math.min(n, CpuStepProgram.COPY_BLOCK);
      }
      boolean inPlace = !run.preparesGradients() && run.isInPlace(at, n);
      if (!inPlace || run.group.keepsParameters) {
        n = Math.min(n, CpuStepProgram.COPY_BLOCK);
      } else if (options.zeroGradients()) {
        n = Math.min(n, CpuStepProgram.ZERO_BLOCK);
      }
      updateBlock(run, at, (int) n, inPlace);
      if (options.zeroGradients()) {
        gradients.zero(run.offsets[1] + at, n);
      }
      at += n;
    }
  }

  private void updateBlock(CpuRun run, long at, int n, boolean inPlace) {
    if (run.isDouble && inPlace) {
      doubles.updateInPlace(run, at, n);
    } else if (run.isDouble) {
      doubles.updateCopies(run, at, n, run.stateIndex(at, n));
    } else if (inPlace) {
      floats.updateInPlace(run, at, n);
    } else {
      floats.updateCopies(run, at, n, run.stateIndex(at, n));
    }
  }
}
