package io.warmstep.backend;

import io.warmstep.storage.Storage;

/**
 * One of the arrays that a step works on element by element.
 *
 * @param role what it is to a rule
 * @param slice where it lies; its length is that of the parameter
 */
public record Operand(Role role, MemorySlice slice) {
  /** What an operand is to a rule. */
  public enum Role {
    /** The parameter. */
    VALUES,
    /** Its gradient, of the same storage. */
    GRADIENTS,
    /** A slot of the rule's, of the arithmetic type. */
    STATE
  }

  /**
   * How its elements are stored.
   *
   * @return the memory's storage
   */
  public Storage storage() {
    return slice.memory().storage();
  }
}
