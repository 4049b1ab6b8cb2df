package io.warmstep.step;

/**
 * How far captured steps have come, as the device counts; reused, so that reading allocates
 * nothing.
 */
public final class CapturedCounts {
  /** Launches that the host had numbers for, since the device was last given a place to begin. */
  public long launches;

  /** Steps that happened, ever. */
  public long steps;

  /** Steps that were skipped, ever. */
  public long skipped;

  /** Launches that the host had no numbers for, ever. */
  public long early;

  /** What the loss of the next step is to be multiplied by; 1 without a loss scale. */
  public double lossScale = 1;

  /** Steps in a row with finite gradients since the loss scale last changed. */
  public int finiteSteps;

  /** Whether the last step was skipped. */
  public boolean isLastSkipped;

  /** Nothing has happened yet. */
  public CapturedCounts() {}
}
