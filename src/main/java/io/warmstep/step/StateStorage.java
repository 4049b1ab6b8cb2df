package io.warmstep.step;

import io.warmstep.StateType;
import io.warmstep.check.Arguments;

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

  @Override
  public String toString() {
    return type + ", smallTensor " + smallTensor;
  }
}
