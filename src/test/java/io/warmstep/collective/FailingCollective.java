package io.warmstep.collective;

import io.warmstep.testkit.Proxies;

/** A single worker's collective of which a call fails, whichever it is. */
public final class FailingCollective {
  private final Collective target = Collectives.inProcess(1).get(0);
  private final RuntimeException failure;
  private int left;

  /**
   * Fails once.
   *
   * @param calls how many calls succeed before
   * @param failure what the next one throws
   */
  public FailingCollective(int calls, RuntimeException failure) {
    this.left = calls;
    this.failure = failure;
  }

  /** The worker's endpoint. */
  public Collective endpoint() {
    return Proxies.of(
        Collective.class,
        (proxy, method, arguments) -> {
          if (left-- == 0) {
            throw failure;
          }
          return Proxies.invoke(target, method, arguments);
        });
  }
}
