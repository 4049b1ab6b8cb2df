package io.warmstep.backend;

/**
 * A step cannot be run as things stand, and nothing has changed: the optimizer stays usable. Its
 * message says what to do.
 */
public final class StepRefusedException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Refuses.
   *
   * @param message why, and what to do
   */
  public StepRefusedException(String message) {
    super(message);
  }
}
