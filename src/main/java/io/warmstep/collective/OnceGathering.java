package io.warmstep.collective;

/** A gathering that is finished once, after which it rejects reports. */
abstract class OnceGathering implements Gathering {
  private boolean isFinished;

  /** Sends those of this worker's elements that are ready. */
  abstract void send(long elements);

  /** Sends the rest, and returns when everything has arrived. */
  abstract void sendRest();

  @Override
  public final void ready(long elements) {
    requireUnfinished("ready()");
    send(elements);
  }

  @Override
  public final void finish() {
    requireUnfinished("finish()");
    isFinished = true;
    sendRest();
  }

  private void requireUnfinished(String call) {
    if (isFinished) {
      throw new IllegalStateException(
          call + " was called after finish(): begin another gathering with gather()");
    }
  }
}
