package io.warmstep.backend;

import io.warmstep.ElementType;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;

/**
 * Room on a device for what a step sees of its own update: a row of numbers for each tile of 2048
 * elements of a parameter, counted from its first. Sums are of the parameters' arithmetic, added by
 * halves like a leaf of the global norm, with the last tile padded with zeros; the counts beside
 * them, of the same type, are at most 2048 and so exact.
 */
public final class UpdateTiles {
  /** Elements of a tile. */
  public static final int TILE = 2048;

  /** In a row, the sum of the squares of changes: of what is stored after the step, less before. */
  public static final int CHANGE = 0;

  /** The sum of the squares of the values before the step. */
  public static final int SIZE = 1;

  /** How many elements have a gradient that moves them: one that is finite and not 0. */
  public static final int MOVING = 2;

  /** How many of these have a change of 0. */
  public static final int STILL = 3;

  /**
   * The first of two numbers for each slot of state that is stored as codes: how many are the
   * largest number or not finite, and how many of the moving elements have a code of 0.
   */
  public static final int CODES = 4;

  private final MemorySlice[] rows;

  /**
   * Lays out the rows of a plan.
   *
   * @param plan what a step does
   * @param allocator makes memory for a count of elements of float32 or float64
   */
  public UpdateTiles(StepPlan plan, BiFunction<ElementType, Long, Memory> allocator) {
    List<StepPlan.Entry> entries = new ArrayList<>();
    plan.groups().forEach(group -> entries.addAll(group.entries()));
    int last = entries.stream().mapToInt(StepPlan.Entry::index).max().orElse(-1);
    rows = new MemorySlice[last + 1];
    for (ElementType type : List.of(ElementType.FLOAT32, ElementType.FLOAT64)) {
      List<StepPlan.Entry> own =
          entries.stream()
              .filter(entry -> entry.values().memory().type().arithmetic() == type)
              .toList();
      long length = own.stream().mapToLong(UpdateTiles::numbers).sum();
      Memory memory = length == 0 ? null : allocator.apply(type, length);
      long at = 0;
      for (StepPlan.Entry entry : own) {
        if (entry.length() > 0) {
          rows[entry.index()] = new MemorySlice(memory, at);
          at += numbers(entry);
        }
      }
    }
  }

  private static long numbers(StepPlan.Entry entry) {
    int slots = (int) entry.operands().stream().filter(its -> its.encoding().isCoded()).count();
    return count(entry.length()) * width(slots);
  }

  /**
   * How many tiles a parameter has.
   *
   * @param length its elements
   * @return the count, the last tile included
   */
  public static long count(long length) {
    return (length + TILE - 1) / TILE;
  }

  /**
   * How many numbers a row has.
   *
   * @param slots how many of the parameter's slots of state are stored as codes
   * @return the count
   */
  public static int width(int slots) {
    return CODES + 2 * slots;
  }

  /**
   * Where a parameter's rows lie, one after the other.
   *
   * @param parameter its index in the plan
   * @return the first row, or null if the parameter is empty or not measured
   */
  public MemorySlice rows(int parameter) {
    return parameter < rows.length ? rows[parameter] : null;
  }
}
