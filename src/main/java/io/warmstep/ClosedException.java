package io.warmstep;

/** Thrown if a device, tensor, parameter set or optimizer is used after it was closed. */
public final class ClosedException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param what the closed object
   */
  public ClosedException(String what) {
    super(what + " is closed: close it after its last use, or make another one");
  }
}
