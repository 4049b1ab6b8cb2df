package io.warmstep.cli.bench;

import io.warmstep.ElementType;

/**
 * The memory that a step works on.
 *
 * @param elements how many parameters
 * @param elementBytes of a parameter, its gradient and its state
 * @param stateBytes of an element's state alone
 * @param elementTraffic bytes that a step must move for an element: reads of parameter, gradient
 *     and state, writes of parameter and state
 * @param cacheBytes of the device's last caches
 */
public record Footprint(
    long elements, long elementBytes, long stateBytes, long elementTraffic, long cacheBytes) {
  static Footprint of(long elements, ElementType type, int slots, long cacheBytes) {
    long state = (long) slots * type.arithmetic().bytes();
    return new Footprint(
        elements, 2L * type.bytes() + state, state, 3L * type.bytes() + 2 * state, cacheBytes);
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
