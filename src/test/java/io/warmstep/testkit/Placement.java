package io.warmstep.testkit;

/** Where a parameter and its gradient lie. */
public enum Placement {
  /** In the allocation of the parameter set. */
  OWNED(false),
  /** In a tensor that the caller allocated on the device. */
  ALLOCATED(false),
  /** In a whole array of the caller's. */
  ARRAY(true),
  /** In the middle of an array, from an odd index on, between guard zones. */
  ARRAY_AT_OFFSET(true),
  /** In a heap buffer, between guard zones. */
  HEAP_BUFFER(true),
  /** In a direct buffer, between guard zones. */
  DIRECT(true),
  /** In a direct buffer at an address that no element type is aligned to. */
  DIRECT_UNALIGNED(true);

  private final boolean isHost;

  Placement(boolean isHost) {
    this.isHost = isHost;
  }

  boolean isHost() {
    return isHost;
  }
}
