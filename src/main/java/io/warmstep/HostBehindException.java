package io.warmstep;

/**
 * Thrown if a graph with a captured step was launched more often than {@link
 * CapturedStep#beforeLaunch} was called, so that the device reached a step whose numbers the host
 * had not computed. Such a launch changes nothing, gradients included, which the next prepared one
 * finds as they are then; neither it nor the call that reports it changes any count. Only {@link
 * Optimizer#gradientNorm} may give the norm that it found. Training can continue.
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
