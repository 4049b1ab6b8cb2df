package io.warmstep.backend;

/**
 * A part of a memory; its length is that of the parameter it belongs to.
 *
 * @param memory the whole
 * @param offset first element
 */
public record MemorySlice(Memory memory, long offset) {
  /**
   * Whether elements of two slices share memory.
   *
   * @param other of the same device and type
   * @param length count of elements of both
   * @return true if any does
   */
  public boolean overlaps(MemorySlice other, long length) {
    Memory.Location ours = memory.location();
    Memory.Location theirs = other.memory.location();
    if (ours.base() != theirs.base()) {
      return false;
    }
    int bytes = memory.type().bytes();
    long start = ours.start() + offset * bytes;
    long otherStart = theirs.start() + other.offset * bytes;
    return start < otherStart + length * bytes && otherStart < start + length * bytes;
  }
}
