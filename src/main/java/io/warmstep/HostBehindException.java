package io.warmstep;

/**
 * A graph with a captured step was launched more often than {@link CapturedStep#beforeLaunch} was
 * called, so the device came to a step whose numbers the host had not computed. That launch changed
 * nothing but gradients that steps set to zero, and no count; nor did the call that tells of it.
 * Training can go on.
 */
public final class HostBehindException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param launches how many of them were found since the last call
   */
  HostBehindException(long launches) {
    super(
        launches
            + (launches == 1 ? " launch of a graph" : " launches of a graph")
            + " with a captured step came without beforeLaunch(), so there were no numbers for the"
            + " step and it was left out: call beforeLaunch() before each launch");
  }
}
