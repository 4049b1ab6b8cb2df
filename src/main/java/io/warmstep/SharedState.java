package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.rule.StateSlot;
import io.warmstep.storage.Storage;
import java.util.HashMap;
import java.util.Map;

/**
 * The layout of a set of parameters' state. A slot that owned parameters of one allocation share,
 * stored in the same way, lies in one allocation, too: at the same offsets if all of them have it,
 * otherwise contiguously. Any other is allocated for its parameter only.
 */
final class SharedState {
  /** Offsets match the parameters' modulo this many elements, so that vectors fit in both. */
  private static final int ALIGNMENT = 16;

  private final Parameters parameters;
  private final Allocator allocator;
  private final Map<Key, Long> elements = new HashMap<>();
  private final Map<Key, Map<Parameter, Long>> offsets = new HashMap<>(); // contiguous
  private final Map<Key, Long> ends = new HashMap<>();

  /** Whether each has one element of storage per element of the parameter. */
  private final Map<Key, Boolean> areElements = new HashMap<>();

  private final Map<Key, Memory> memories = new HashMap<>();

  /** Allocates. */
  interface Allocator {
    /**
     * Allocates memory for a slot.
     *
     * @param values the values with which it is used
     * @param length number of elements
     * @param slot the slot, which has its initial value
     * @param storage of the elements
     */
    Memory allocate(MemorySlice values, long length, StateSlot slot, Storage storage);
  }

  /** The slots that share an allocation, for one of the parameters' allocations. */
  private record Key(Memory values, StateSlot slot, Storage storage) {}

  SharedState(Parameters parameters, Allocator allocator) {
    this.parameters = parameters;
    this.allocator = allocator;
  }

  /**
   * Announces a slot of a parameter. All slots are announced before the first is requested.
   *
   * @param length number of the storage's elements: the parameter's or, for groups, the words
   */
  void plan(Parameter parameter, StateSlot slot, Storage storage, long length) {
    MemorySlice values = parameter.values().slice();
    if (parameters.owns(parameter)) {
      Key key = new Key(values.memory(), slot, storage);
      elements.merge(key, length, Long::sum);
      long end = ends.getOrDefault(key, 0L);
      long place = length == parameter.length() ? values.offset() : 0;
      long at = end + Math.floorMod(place - end, ALIGNMENT);
      offsets.computeIfAbsent(key, k -> new HashMap<>()).put(parameter, at);
      areElements.merge(key, length == parameter.length(), Boolean::logicalAnd);
      ends.put(key, at + length);
    }
  }

  /** The location of a parameter's slot, of the length that was planned. */
  MemorySlice slice(Parameter parameter, StateSlot slot, Storage storage, long planned) {
    MemorySlice values = parameter.values().slice();
    if (!parameters.owns(parameter)) {
      return new MemorySlice(allocator.allocate(values, planned, slot, storage), 0);
    }
    Key key = new Key(values.memory(), slot, storage);
    long all = values.memory().length();
    boolean isWhole = areElements.get(key) && elements.get(key) == all;
    long length = isWhole ? all : ends.get(key);
    Memory memory =
        memories.computeIfAbsent(
            key,
            k -> allocator.allocate(new MemorySlice(values.memory(), 0), length, slot, storage));
    return new MemorySlice(memory, isWhole ? values.offset() : offsets.get(key).get(parameter));
  }
}
