package io.warmstep.backend;

import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepOptions;
import java.util.List;

/**
 * What one step does; fixed for the life of an optimizer.
 *
 * @param groups the parameter groups, each under one rule
 * @param options what a step does besides its rule
 */
public record StepPlan(List<Group> groups, StepOptions options) {
  /**
   * Copies the list.
   *
   * @param groups the parameter groups, each under one rule
   * @param options what a step does besides its rule
   */
  public StepPlan {
    groups = List.copyOf(groups);
  }

  /**
   * Parameters that share a rule and its scalars.
   *
   * @param rule how they are updated
   * @param entries the parameters, in the order in which they were added
   */
  public record Group(UpdateRule rule, List<Entry> entries) {
    /**
     * Copies the list.
     *
     * @param rule how they are updated
     * @param entries the parameters, in the order in which they were added
     */
    public Group {
      entries = List.copyOf(entries);
    }
  }

  /**
   * One parameter. All its slices have the same length.
   *
   * @param index position among all parameters of the plan, from 0: the global norm adds in this
   *     order
   * @param length count of elements
   * @param values the parameter
   * @param gradients its gradient, of the same type
   * @param state its state, one slice for each slot of the group's rule, of the arithmetic type
   */
  public record Entry(
      int index, long length, MemorySlice values, MemorySlice gradients, List<MemorySlice> state) {
    /**
     * Copies the list.
     *
     * @param index position among all parameters of the plan, from 0: the global norm adds in this
     *     order
     * @param length count of elements
     * @param values the parameter
     * @param gradients its gradient, of the same type
     * @param state its state, one slice for each slot of the group's rule, of the arithmetic type
     */
    public Entry {
      state = List.copyOf(state);
    }
  }
}
