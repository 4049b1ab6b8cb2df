package io.warmstep;

import io.warmstep.step.CapturedCounts;

/** An optimizer's progress, and whether it can continue. */
final class Progress {
  private long steps;
  private long skipped;
  private boolean isLastSkipped;
  private double learningRate = Double.NaN;
  private Throwable failure;

  Progress(long steps) {
    this.steps = steps;
  }

  long steps() {
    return steps;
  }

  long skipped() {
    return skipped;
  }

  boolean isLastSkipped() {
    return isLastSkipped;
  }

  /** The rate of the last step that happened, or NaN. */
  double learningRate() {
    return learningRate;
  }

  /**
   * The number of the next step.
   *
   * @throws IllegalStateException if there is none
   */
  long next() {
    if (steps == Long.MAX_VALUE) {
      throw new IllegalStateException(
          "the step count is " + steps + ", the greatest there is, so no step can follow");
    }
    return steps + 1;
  }

  /** Notes that a step has ended. */
  void advance(boolean happened, double rate) {
    if (happened) {
      steps++;
      learningRate = rate;
    } else {
      skipped++;
    }
    isLastSkipped = !happened;
  }

  /** Takes over steps that a device took by itself. */
  void takeOver(CapturedCounts counts, double rate) {
    steps = counts.steps;
    skipped = counts.skipped;
    isLastSkipped = counts.isLastSkipped;
    learningRate = rate;
  }

  /** Continues from another point, whatever happened before. */
  void restore(long steps, long skipped, double learningRate) {
    this.steps = steps;
    this.skipped = skipped;
    this.learningRate = learningRate;
    isLastSkipped = false;
    failure = null;
  }

  /** Notes that parameters and state are partly changed, so that no further step is valid. */
  void fail(Throwable cause) {
    failure = cause;
  }

  /**
   * Checks that no step failed.
   *
   * @param consequence what is rejected, or to be done
   */
  void checkNotFailed(String consequence) {
    if (failure != null) {
      throw new StepFailedException("an earlier step failed, so " + consequence, failure);
    }
  }
}
