package io.warmstep.step;

import io.warmstep.ElementType;
import io.warmstep.StateType;
import io.warmstep.check.Arguments;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.storage.StateCodes;

/**
 * How the moments of parameters are stored.
 *
 * @param type how they are
 * @param smallTensor how many elements a parameter must have at least; smaller ones keep float32
 */
public record StateStorage(StateType type, long smallTensor) {
  /** Elements below which a parameter's state stays float32 unless asked otherwise. */
  public static final long SMALL_TENSOR = 4096;

  /** As computed. */
  public static final StateStorage FLOAT32 = new StateStorage(StateType.FLOAT32, SMALL_TENSOR);

  /**
   * Checks.
   *
   * @param type any
   * @param smallTensor at least 0
   */
  public StateStorage {
    Arguments.requirePresent(
        "stateType", type, "pass StateType.FLOAT32 to store state as computed");
    Arguments.requireAtLeast("smallTensor", smallTensor, 0, "pass 0 for all parameters");
  }

  /**
   * Whether any state is stored in fewer bits than it is computed in.
   *
   * @return false for float32
   */
  public boolean isNarrow() {
    return type != StateType.FLOAT32;
  }

  /**
   * Whether a slot of float32 arithmetic is stored in fewer bits, of parameters that are not small.
   *
   * @param slot of a rule
   * @return true of running averages of elements, unless all is stored as computed
   */
  public boolean narrows(StateSlot slot) {
    return isNarrow() && slot.extent() == StateSlot.Extent.ELEMENT && slot.isAverage();
  }

  /**
   * The same of any slot of a rule.
   *
   * @param rule any
   * @return false if the type has no effect on its state
   */
  public boolean narrows(UpdateRule rule) {
    return rule.stateSlots().stream().anyMatch(this::narrows);
  }

  /**
   * Whether a slot that is stored in fewer bits is rounded at random where a step rounds so.
   *
   * @param slot of a rule
   * @return false too of what is not stored in fewer bits
   */
  public boolean rounds(StateSlot slot) {
    return narrows(slot)
        && switch (type) {
          case FLOAT32 -> false;
          case BFLOAT16 -> true;
          case INT8 -> slot.content() == StateSlot.Content.SQUARE;
        };
  }

  /**
   * The same of any slot of a rule.
   *
   * @param rule any
   * @return false if rounding has no effect on its state
   */
  public boolean rounds(UpdateRule rule) {
    return rule.stateSlots().stream().anyMatch(this::rounds);
  }

  /**
   * The elements in which slots are stored that are stored in fewer bits, or the words of their
   * codes.
   *
   * @return their type
   */
  public ElementType stored() {
    return switch (type) {
      case FLOAT32 -> ElementType.FLOAT32;
      case BFLOAT16, INT8 -> ElementType.BFLOAT16;
    };
  }

  /**
   * How many of those a slot takes.
   *
   * @param length elements of the parameter
   * @return as many, unless they are codes
   */
  public long words(long length) {
    return switch (type) {
      case FLOAT32, BFLOAT16 -> length;
      case INT8 -> StateCodes.words(length);
    };
  }

  @Override
  public String toString() {
    return type + ", smallTensor " + smallTensor;
  }
}
