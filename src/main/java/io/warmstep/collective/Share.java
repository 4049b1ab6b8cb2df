package io.warmstep.collective;

import io.warmstep.Tensor;
import io.warmstep.check.Arguments;

/**
 * A tensor that belongs to one worker for the purpose of an operation. All workers have one of the
 * same type and length in the same position, each on its own device.
 *
 * @param tensor this worker's
 * @param owner rank of the worker that it belongs to
 */
public record Share(Tensor tensor, int owner) {
  /**
   * Checks the arguments.
   *
   * @param tensor this worker's
   * @param owner rank of the worker that it belongs to
   * @throws IllegalArgumentException if the owner is negative
   */
  public Share {
    Arguments.requirePresent("tensor", tensor, "pass this worker's, or a slice of one");
    Arguments.requireAtLeast("owner", owner, 0, "pass the rank of a worker");
  }
}
