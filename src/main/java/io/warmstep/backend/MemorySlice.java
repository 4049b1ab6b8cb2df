package io.warmstep.backend;

/**
 * A part of a memory; its length is that of the parameter it belongs to.
 *
 * @param memory the whole
 * @param offset first element
 */
public record MemorySlice(Memory memory, long offset) {}
