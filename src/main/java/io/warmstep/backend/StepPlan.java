package io.warmstep.backend;

import io.warmstep.rule.UpdateRule;
import java.util.List;

/**
 * What one step does; fixed for the life of an optimizer.
 *
 * @param groups the parameter groups, each under one rule
 * @param clipNorm largest global gradient norm, or 0 for no clipping by norm
 * @param clipValue largest magnitude of a gradient element, or 0 for no clipping by value
 * @param zeroGradients whether gradients are set to zero in the pass that reads them
 * @param skipNonFinite whether a step with a NaN or infinite gradient changes nothing
 */
public record StepPlan(
    List<Group> groups,
    double clipNorm,
    double clipValue,
    boolean zeroGradients,
    boolean skipNonFinite) {
  /**
   * Copies the list.
   *
   * @param groups the parameter groups, each under one rule
   * @param clipNorm largest global gradient norm, or 0 for no clipping by norm
   * @param clipValue largest magnitude of a gradient element, or 0 for no clipping by value
   * @param zeroGradients whether gradients are set to zero in the pass that reads them
   * @param skipNonFinite whether a step with a NaN or infinite gradient changes nothing
   */
  public StepPlan {
    groups = List.copyOf(groups);
  }

  /**
   * Whether a step needs the global gradient norm.
   *
   * @return true if it clips by norm or looks for non-finite gradients
   */
  public boolean needsNorm() {
    return clipNorm > 0 || skipNonFinite;
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
