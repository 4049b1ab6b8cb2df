package io.warmstep.collective;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

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
    return (Collective)
        Proxy.newProxyInstance(
            Collective.class.getClassLoader(),
            new Class<?>[] {Collective.class},
            (proxy, method, arguments) -> {
              if (left-- == 0) {
                throw failure;
              }
              try {
                return method.invoke(target, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }
}
