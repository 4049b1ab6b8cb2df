package io.warmstep.cli.lab;

/** The user asked to stop: what is unfinished is given up, what is finished is kept. */
final class StoppedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  StoppedException() {
    super("stopped");
  }
}
