package io.warmstep.rule;

import java.util.List;

/** The rules of this library, each with its usual defaults. */
public final class Rules {
  private static final List<UpdateRule> ALL =
      List.of(Sgd.sgd(), Momentum.heavyBall(0.9), RmsProp.rmsProp(), Adam.adam());

  private Rules() {}

  /**
   * One instance of every rule; what must hold for all rules is tested over this list.
   *
   * @return the rules, in the order in which documents list them
   */
  public static List<UpdateRule> all() {
    return ALL;
  }
}
