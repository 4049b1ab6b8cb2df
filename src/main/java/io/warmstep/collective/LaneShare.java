package io.warmstep.collective;

import io.warmstep.Tensor;
import io.warmstep.check.Arguments;
import java.util.List;

/**
 * One worker's contribution to a sum over {@linkplain LaneTree lanes} that belongs to one worker.
 *
 * @param target receives the sum at its owner; it is unchanged at the others. The type and length
 *     must be the same at all workers
 * @param owner rank of the worker that the sum belongs to
 * @param nodes the sums of this worker's {@link LaneTree#nodes}, of the same length. One that is
 *     not of the target's arithmetic type is widened first. The target may be among them
 */
public record LaneShare(Tensor target, int owner, List<Tensor> nodes) {
  /**
   * Checks the arguments and copies the list.
   *
   * @param target receives the sum at its owner
   * @param owner rank of the worker that the sum belongs to
   * @param nodes the sums of this worker's nodes
   * @throws IllegalArgumentException if the owner is negative, or a node has another length or
   *     arithmetic than the target
   */
  public LaneShare {
    Arguments.requirePresent("target", target, "pass this worker's, or a slice of one");
    Arguments.requireAtLeast("owner", owner, 0, "pass the rank of a worker");
    nodes = List.copyOf(nodes);
    for (Tensor node : nodes) {
      if (node.length() != target.length()
          || node.type().arithmetic() != target.type().arithmetic()) {
        throw Arguments.refusal(
            "node", node, "as long as the target, in its arithmetic", "the target is " + target);
      }
    }
  }
}
