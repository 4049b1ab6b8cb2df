package io.warmstep.backend;

import io.warmstep.ElementType;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepOptions;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * What one step does; fixed for the life of an optimizer.
 *
 * @param groups the parameter groups, each under one rule
 * @param options what a step does besides its rule
 */
public record StepPlan(List<Group> groups, StepOptions options) {
  /** Elements of a leaf of the norm's tree, and sums of a node. */
  public static final int LEAF = 4096;

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
   * The parameters whose gradients the global norm adds up in one arithmetic, in its order.
   *
   * @param arithmetic float32 or float64
   * @return the entries in the order in which the parameters were added, none empty
   */
  public List<Entry> normOrder(ElementType arithmetic) {
    return groups.stream()
        .flatMap(group -> group.entries().stream())
        .filter(entry -> entry.length() > 0 && entry.arithmetic() == arithmetic)
        .sorted(Comparator.comparingInt(Entry::index))
        .toList();
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

    /**
     * All that the step works on.
     *
     * @return values, gradients, then state
     */
    public List<MemorySlice> slices() {
      return Stream.concat(Stream.of(values, gradients), state.stream()).toList();
    }

    private ElementType arithmetic() {
      return values.memory().type().arithmetic();
    }
  }
}
