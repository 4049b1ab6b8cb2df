package io.warmstep.cli.bench;

import io.warmstep.ElementType;
import io.warmstep.rule.Access;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.util.List;

/**
 * The memory that a step works on.
 *
 * @param elements how many parameters
 * @param slots how many values of state an element has
 * @param elementBytes of a parameter, its gradient and its state
 * @param stateBytes of an element's state alone
 * @param elementTraffic bytes that a step must move for an element: what each phase of the rule
 *     reads and writes, mostly parameter, gradient and state, and parameter and state
 * @param cacheBytes of the device's last caches
 */
public record Footprint(
    long elements,
    int slots,
    long elementBytes,
    long stateBytes,
    long elementTraffic,
    long cacheBytes) {
  static Footprint of(long elements, ElementType type, UpdateRule rule, long cacheBytes) {
    List<StateSlot> slots = rule.stateSlots().stream().filter(slot -> !slot.isOneValue()).toList();
    long state = (long) slots.size() * type.arithmetic().bytes();
    List<Access> phases =
        rule.sums()
            .map(sums -> List.of(sums.summing(), sums.updating()))
            .orElse(List.of(Access.ALL));
    long traffic = 0;
    for (Access phase : phases) {
      for (int operand = 0; operand < 2 + slots.size(); operand++) {
        int bytes = operand < 2 ? type.bytes() : type.arithmetic().bytes();
        traffic += (phase.reads(operand) ? bytes : 0) + (phase.writes(operand) ? bytes : 0);
      }
    }
    return new Footprint(
        elements, slots.size(), 2L * type.bytes() + state, state, traffic, cacheBytes);
  }

  /**
   * Returns the size of all together.
   *
   * @return bytes
   */
  public long workingSet() {
    return elements * elementBytes;
  }

  /**
   * Returns the fewest bytes that a step can move.
   *
   * @return read and written bytes
   */
  public long traffic() {
    return elements * elementTraffic;
  }

  /**
   * Says whether all may stay in caches from one step to the next.
   *
   * @return whether memory is no limit
   */
  public boolean fitsCaches() {
    return workingSet() <= cacheBytes;
  }

  /**
   * Returns how many elements do not fit in caches.
   *
   * @return the least count
   */
  public long leastBeyondCaches() {
    return cacheBytes / elementBytes + 1;
  }
}
