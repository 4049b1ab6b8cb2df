package io.warmstep.backend;

import io.warmstep.ElementType;
import io.warmstep.check.Arguments;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

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

  /** Most scalars of a rule and numbers of a tensor. The kernels have room for them. */
  public static final int MAX_SCALARS = 16;

  /** Most sums over a tensor. The kernels have room for them. */
  public static final int MAX_SUMS = 2;

  /** Most numbers of a tensor. The kernels have room for them. */
  public static final int MAX_NUMBERS = 4;

  /**
   * Most slots of state that hold one value for a tensor or a group. The kernels have room for
   * them.
   */
  public static final int MAX_KEPT = 5;

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
   * @return an entry for each rule's kernel, in the order of the plan
   */
  public List<SameRule> rules() {
    Map<String, List<Integer>> byKernel = new LinkedHashMap<>();
    for (int i = 0; i < groups.size(); i++) {
      byKernel.computeIfAbsent(groups.get(i).rule().kernel(), name -> new ArrayList<>()).add(i);
    }
    List<SameRule> rules = new ArrayList<>();
    byKernel.forEach(
        (kernel, members) -> rules.add(SameRule.of(groups.get(members.get(0)).rule(), members)));
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
      int kept = kept(rule);
      int first = rule.sums().map(TensorSums::firstNumbers).orElse(0);
      int numbers = rule.sums().map(sums -> sums.numberNames().size()).orElse(0);
      requireAtMost(rule, "slots of state", rule.stateSlots().size() - kept, MAX_OPERANDS - 2);
      requireAtMost(rule, "slots of tensors' state", kept, rule.sums().isEmpty() ? 0 : MAX_KEPT);
      requireAtMost(rule, "scalars", rule.scalarNames().size() + numbers, MAX_SCALARS);
      requireAtMost(rule, "scalars", rule.scalarNames().size() + first, MAX_SCALARS);
      requireAtMost(rule, "sums", rule.sums().map(sums -> sums.kinds().size()).orElse(0), MAX_SUMS);
      requireAtMost(rule, "numbers of a tensor", numbers, MAX_NUMBERS);
      entries = List.copyOf(entries);
    }

    /**
     * How many of a rule's slots of state hold one value for a tensor or a group.
     *
     * @param rule the rule
     * @return the count of its last slots
     */
    public static int kept(UpdateRule rule) {
      return (int) rule.stateSlots().stream().filter(StateSlot::isOneValue).count();
    }

    private static void requireAtMost(UpdateRule rule, String what, int count, int most) {
      if (count > most) {
        throw Arguments.refusal(
            what + " of rule " + rule.name(), count, "at most " + most, "split the rule");
      }
    }
  }

  /**
   * Groups whose rules have one kernel, so that the same launches update them.
   *
   * @param kernel its name
   * @param sumsKernel that of the sums, see {@link UpdateRule#sumsKernel}
   * @param scalars how many the rule has
   * @param sums what is added up over each tensor first, if anything
   * @param groups their indices in the plan
   */
  public record SameRule(
      String kernel,
      String sumsKernel,
      int scalars,
      Optional<TensorSums> sums,
      List<Integer> groups) {
    /**
     * Copies the list.
     *
     * @param kernel its name
     * @param sumsKernel that of the sums, see {@link UpdateRule#sumsKernel}
     * @param scalars how many the rule has
     * @param sums what is added up over each tensor first, if anything
     * @param groups their indices in the plan
     */
    public SameRule {
      groups = List.copyOf(groups);
    }

    private static SameRule of(UpdateRule rule, List<Integer> groups) {
      return new SameRule(
          rule.kernel(), rule.sumsKernel(), rule.scalarNames().size(), rule.sums(), groups);
    }

    /**
     * Whether terms are added up over each group rather than over each tensor.
     *
     * @return false without sums
     */
    public boolean isOfGroups() {
      return sums.map(TensorSums::areOfGroup).orElse(false);
    }

    /**
     * How many numbers each tensor has.
     *
     * @return 0 without sums
     */
    public int numbers() {
      return sums.map(its -> its.numberNames().size()).orElse(0);
    }
  }

  /**
   * One parameter. All its operands have the same length.
   *
   * @param index position among all parameters of the plan, from 0: the global norm adds in this
   *     order
   * @param length count of elements
   * @param shape lengths of its dimensions, whose product that is
   * @param operands values, gradients, then a state for each slot of the group's rule
   * @param kept for each slot that holds one value for the parameter or its group, where that lies
   * @param average where the parameter's average lies, if one is kept
   */
  public record Entry(
      int index,
      long length,
      List<Long> shape,
      List<Operand> operands,
      List<MemorySlice> kept,
      Optional<MemorySlice> average) {
    /**
     * Copies the list.
     *
     * @param index position among all parameters of the plan, from 0: the global norm adds in this
     *     order
     * @param length count of elements
     * @param shape lengths of its dimensions, whose product that is
     * @param operands values, gradients, then a state for each slot of the group's rule
     * @param kept for each slot that holds one value for the parameter, where that lies
     * @param average where the parameter's average lies, if one is kept
     */
    public Entry {
      shape = List.copyOf(shape);
      operands = List.copyOf(operands);
      kept = List.copyOf(kept);
    }

    /**
     * A parameter whose operands are stored as plain elements.
     *
     * @param index see {@link #index}
     * @param length count of elements
     * @param shape lengths of its dimensions
     * @param values the parameter
     * @param gradients its gradient
     * @param rule whose slots of state these are
     * @param slots of the arithmetic type, one for each
     * @return the entry
     */
    public static Entry of(
        int index,
        long length,
        List<Long> shape,
        MemorySlice values,
        MemorySlice gradients,
        UpdateRule rule,
        List<MemorySlice> slots) {
      return of(
          index,
          length,
          shape,
          new Operand(Operand.Role.VALUES, values),
          gradients,
          rule,
          slots.stream().map(slice -> new Operand(Operand.Role.STATE, slice)).toList());
    }

    /**
     * A parameter from where its operands lie.
     *
     * @param index see {@link #index}
     * @param length count of elements
     * @param shape lengths of its dimensions
     * @param values the parameter
     * @param gradients its gradient, of the same arithmetic
     * @param rule whose slots of state these are
     * @param slots one for each
     * @return the entry
     */
    public static Entry of(
        int index,
        long length,
        List<Long> shape,
        Operand values,
        MemorySlice gradients,
        UpdateRule rule,
        List<Operand> slots) {
      int ofElements = slots.size() - Group.kept(rule);
      List<Operand> operands = new ArrayList<>(2 + ofElements);
      operands.add(values);
      operands.add(new Operand(Operand.Role.GRADIENTS, gradients));
      operands.addAll(slots.subList(0, ofElements));
      List<MemorySlice> kept =
          slots.subList(ofElements, slots.size()).stream().map(Operand::slice).toList();
      return new Entry(index, length, shape, operands, kept, Optional.empty());
    }

    /**
     * This parameter with an average, or without one.
     *
     * @param average where it lies, as float32
     * @return a copy
     */
    public Entry withAverage(Optional<MemorySlice> average) {
      return new Entry(index, length, shape, operands, kept, average);
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
