package io.warmstep;

import io.warmstep.collective.Collective;
import io.warmstep.collective.Gathering;
import io.warmstep.step.UpdateProgress;
import java.util.OptionalInt;

/**
 * Gives all workers the parameters that a step has updated, finished ones while others are not, as
 * far as the device reports them.
 */
final class GatheredUpdate implements UpdateProgress {
  private final Collective collective;
  private Shards shards;
  private boolean changesLater;

  /** The current step's gathering, once it has begun. */
  private Gathering gathering;

  GatheredUpdate(Collective collective, Shards shards) {
    this.collective = collective;
    this.shards = shards;
  }

  /**
   * Takes the parts that subsequent steps update.
   *
   * @param changesLater whether parameters may change in a step once they are updated, so that
   *     nothing may be sent before its end
   */
  void use(Shards next, boolean changesLater) {
    shards = next;
    this.changesLater = changesLater;
  }

  private Gathering begun() {
    if (gathering == null) {
      gathering = collective.gather(shards.shares(collective.size(), OptionalInt.empty()));
    }
    return gathering;
  }

  @Override
  public void updated(long elements) {
    if (!changesLater) {
      begun().ready(elements);
    }
  }

  /** After the update, if the step happened. */
  void finish() {
    begun().finish();
    gathering = null;
  }
}
