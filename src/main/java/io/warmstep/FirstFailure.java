package io.warmstep;

import io.warmstep.collective.CollectiveException;

/** The reason why workers could not finish a step together, after which no step can follow. */
final class FirstFailure {
  private CollectiveException failure;

  /** Keeps the first failure; returns its argument. */
  CollectiveException keep(CollectiveException e) {
    if (failure == null) {
      failure = e;
    }
    return e;
  }

  void requireNone() {
    if (failure != null) {
      throw new CollectiveException(
          "an earlier step failed, since the workers could not finish it together: restore a"
              + " checkpoint into a new optimizer: "
              + failure.getMessage(),
          failure);
    }
  }
}
