package io.warmstep;

import io.warmstep.collective.Collective;
import io.warmstep.collective.Gathering;
import io.warmstep.step.UpdateProgress;
import java.util.OptionalInt;

/**
 * Gives all workers the parameters that a step has updated, those that are done while others are
 * not, as far as the device says so.
 */
final class GatheredUpdate implements UpdateProgress {
  private final Collective collective;
  private final Shards shards;

  /** That of the present step, once it has begun. */
  private Gathering gathering;

  GatheredUpdate(Collective collective, Shards shards) {
    this.collective = collective;
    this.shards = shards;
  }

  private Gathering begun() {
    if (gathering == null) {
      gathering = collective.gather(shards.shares(collective.size(), OptionalInt.empty()));
    }
    return gathering;
  }

  @Override
  public void updated(long elements) {
    begun().ready(elements);
  }

  /** After the update, of a step that happened. */
  void finish() {
    begun().finish();
    gathering = null;
  }
}
