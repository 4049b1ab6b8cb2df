package io.warmstep.backend;

import io.warmstep.storage.Storage;
import java.util.Optional;

/**
 * One of the arrays that a step works on element by element.
 *
 * @param role what it is to a rule
 * @param slice where it lies; its length is that of the parameter
 * @param encoding how its numbers follow from that
 * @param rest what the encoding keeps beside the slice, as many elements, or half as many words of
 *     masters of 24 bits; empty where it keeps nothing
 */
public record Operand(Role role, MemorySlice slice, Encoding encoding, Optional<MemorySlice> rest) {
  /** What an operand is to a rule. */
  public enum Role {
    /** The parameter. */
    VALUES,
    /** Its gradient, of the same arithmetic. */
    GRADIENTS,
    /** A slot of the rule's, of that arithmetic. */
    STATE
  }

  /**
   * An operand whose elements are stored as their type says.
   *
   * @param role what it is to a rule
   * @param slice where it lies
   */
  public Operand(Role role, MemorySlice slice) {
    this(role, slice, Encoding.PLAIN, Optional.empty());
  }

  /**
   * How its elements are stored.
   *
   * @return the memory's storage
   */
  public Storage storage() {
    return slice.memory().storage();
  }

  /** Whether elements of another operand follow those of this one, in all of their memories. */
  boolean isContinuedBy(long length, Operand next) {
    return encoding == next.encoding
        && encoding != Encoding.STOCHASTIC // random numbers count from a parameter's first element
        && !encoding.isPacked() // groups count likewise
        && isContinuedBy(slice, length, next.slice)
        && rest.isPresent() == next.rest.isPresent()
        && (rest.isEmpty() || isContinuedBy(rest.get(), length, next.rest.get()));
  }

  /** Whether elements of another slice follow those of a slice. */
  static boolean isContinuedBy(MemorySlice own, long length, MemorySlice next) {
    return own.memory().isContinuedBy(own.offset() + length, next.memory(), next.offset());
  }
}
