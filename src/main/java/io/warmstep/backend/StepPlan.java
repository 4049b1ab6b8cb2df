package io.warmstep.backend;

import io.warmstep.ElementType;
import io.warmstep.check.Arguments;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one step does; fixed for the life of an optimizer.
 *
 * @param groups the parameter groups, each under one rule
 * @param options what a step does besides its rule
 */
public record StepPlan(List<Group> groups, StepOptions options) {
  /** Elements of a leaf of the norm's tree, and sums of a node. */
  public static final int LEAF = 4096;

  /** Most operands of an element: values, gradients and state. The kernels have room for them. */
  public static final int MAX_OPERANDS = 16;

  /** Most scalars of a rule. The kernels have room for them. */
  public static final int MAX_SCALARS = 16;

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
   * The groups by what a backend has kernels for.
   *
   * @return an entry for each rule's name, in the order of the plan
   */
  public List<SameRule> rules() {
    Map<String, List<Integer>> byName = new LinkedHashMap<>();
    for (int i = 0; i < groups.size(); i++) {
      byName.computeIfAbsent(groups.get(i).rule().name(), name -> new ArrayList<>()).add(i);
    }
    List<SameRule> rules = new ArrayList<>();
    byName.forEach(
        (name, members) ->
            rules.add(
                new SameRule(
                    name, groups.get(members.get(0)).rule().scalarNames().size(), members)));
    return rules;
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
      requireAtMost(rule, "slots of state", rule.stateSlots().size(), MAX_OPERANDS - 2);
      requireAtMost(rule, "scalars", rule.scalarNames().size(), MAX_SCALARS);
      entries = List.copyOf(entries);
    }

    private static void requireAtMost(UpdateRule rule, String what, int count, int most) {
      if (count > most) {
        throw Arguments.refusal(
            what + " of rule " + rule.name(), count, "at most " + most, "split the rule");
      }
    }
  }

  /**
   * Groups whose rules have one name, so that the same kernels update them.
   *
   * @param rule the name
   * @param scalars how many the rule has
   * @param groups their indices in the plan
   */
  public record SameRule(String rule, int scalars, List<Integer> groups) {
    /**
     * Copies the list.
     *
     * @param rule the name
     * @param scalars how many the rule has
     * @param groups their indices in the plan
     */
    public SameRule {
      groups = List.copyOf(groups);
    }
  }

  /**
   * One parameter. All its operands have the same length.
   *
   * @param index position among all parameters of the plan, from 0: the global norm adds in this
   *     order
   * @param length count of elements
   * @param operands values, gradients, then a state for each slot of the group's rule
   */
  public record Entry(int index, long length, List<Operand> operands) {
    /**
     * Copies the list.
     *
     * @param index position among all parameters of the plan, from 0: the global norm adds in this
     *     order
     * @param length count of elements
     * @param operands values, gradients, then a state for each slot of the group's rule
     */
    public Entry {
      operands = List.copyOf(operands);
    }

    /**
     * A parameter from where its operands lie.
     *
     * @param index see {@link #index}
     * @param length count of elements
     * @param values the parameter
     * @param gradients its gradient, of the same type
     * @param state of the arithmetic type, one for each slot
     * @return the entry
     */
    public static Entry of(
        int index,
        long length,
        MemorySlice values,
        MemorySlice gradients,
        List<MemorySlice> state) {
      List<Operand> operands = new ArrayList<>(2 + state.size());
      operands.add(new Operand(Operand.Role.VALUES, values));
      operands.add(new Operand(Operand.Role.GRADIENTS, gradients));
      state.forEach(slice -> operands.add(new Operand(Operand.Role.STATE, slice)));
      return new Entry(index, length, operands);
    }

    /**
     * The parameter.
     *
     * @return where it lies
     */
    public MemorySlice values() {
      return operands.get(0).slice();
    }

    /**
     * Its gradient.
     *
     * @return where it lies
     */
    public MemorySlice gradients() {
      return operands.get(1).slice();
    }

    private ElementType arithmetic() {
      return values().memory().type().arithmetic();
    }
  }
}
