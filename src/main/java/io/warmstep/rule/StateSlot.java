package io.warmstep.rule;

/**
 * One value that a rule remembers for each parameter between steps.
 *
 * @param name PyTorch's name for it, such as {@code exp_avg}
 * @param initialValue what every element holds before the first step
 */
public record StateSlot(String name, double initialValue) {
  /**
   * A slot that starts at zero.
   *
   * @param name PyTorch's name for it
   */
  public StateSlot(String name) {
    this(name, 0.0);
  }
}
