package io.warmstep.backend.cpu;

import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.StepOptions;

/** One thread's blocks and working memory. */
final class CpuWorker {
  private final StepOptions options;
  private final CpuSpan[] spans;
  private final FloatWork floats;
  private final DoubleWork doubles;
  private CpuMeter meter; // once a step is measured

  CpuWorker(StepOptions options, CpuSpan[] spans, int slots) {
    this.options = options;
    this.spans = spans;
    floats = new FloatWork(slots, longestCopy(false));
    doubles = new DoubleWork(slots, longestCopy(true));
    prepareCopies();
  }

  /** Makes room for what has to be copied, so that no step does. */
  void prepareCopies() {
    for (CpuSpan span : spans) {
      if (span.isDouble) {
        doubles.prepare(span);
      } else {
        floats.prepare(span);
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
    for (CpuSpan span : spans) {
      if (span.isDouble == isDouble && (span.preparesGradients() || !span.isInPlaceThroughout())) {
        return false;
      }
    }
    return true;
  }

  /** Length of the longest block that could be copied, in one of the arithmetic types. */
  private int longestCopy(boolean isDouble) {
    long longest = 0;
    for (CpuSpan span : spans) {
      if (span.isDouble == isDouble) {
        longest = Math.max(longest, span.length);
      }
    }
    return (int) Math.min(longest, CpuStepProgram.COPY_BLOCK);
  }

  /** Makes room for {@link #updateMeasured}. */
  void prepareMeter() {
    meter = meter == null ? new CpuMeter(this) : meter;
    for (CpuSpan span : spans) {
      meter.prepare(span);
    }
  }

  /** The same as {@link #update}, of whole tiles, with what it changes. */
  void updateMeasured(CpuSpan span, long from, long to, UpdateTiles tiles) {
    meter.update(span, from, to, tiles);
  }

  void update(CpuSpan span, long from, long to) {
    CpuMemory gradients = span.memories[1];
    for (long at = from; at < to && !span.group.isIdle; ) {
      long n = Math.min(to - at, span.contiguousFrom(at));
      if (span.factors != null) {
        n = Math.min(n, CpuStepProgram.COPY_BLOCK);
      }
      boolean inPlace = !span.preparesGradients() && span.isInPlace(at, n);
      if (!inPlace || span.group.keepsParameters) {
        n = Math.min(n, CpuStepProgram.COPY_BLOCK);
      } else if (options.zeroGradients()) {
        n = Math.min(n, CpuStepProgram.ZERO_BLOCK);
      }
      updateBlock(span, at, (int) n, inPlace);
      if (options.zeroGradients()) {
        gradients.zero(span.offsets[1] + at, n);
      }
      at += n;
    }
  }

  private void updateBlock(CpuSpan span, long at, int n, boolean inPlace) {
    if (span.isDouble && inPlace) {
      doubles.updateInPlace(span, at, n);
    } else if (span.isDouble) {
      doubles.updateCopies(span, at, n, span.stateIndex(at, n));
    } else if (inPlace) {
      floats.updateInPlace(span, at, n);
    } else {
      floats.updateCopies(span, at, n, span.stateIndex(at, n));
    }
  }
}
