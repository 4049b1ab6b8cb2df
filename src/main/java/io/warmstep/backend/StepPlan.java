package io.warmstep.backend;

import io.warmstep.ElementType;
import io.warmstep.check.Arguments;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.AdaptiveClip;
import io.warmstep.step.LeafExchange;
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
  /** Most rows of a tile of a matrix whose squares are added up over rows and columns. */
  public static final int FACTOR_ROWS = 64;

  /** Most columns of such a tile. */
  public static final int FACTOR_COLUMNS = 256;

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
   * The groups whose sums this step adds up with other workers.
   *
   * @return their indices
   */
  public List<Integer> sharedGroups() {
    List<Integer> shared = new ArrayList<>();
    for (int i = 0; i < groups.size() && options.leafExchange() != null; i++) {
      boolean areOfGroup = groups.get(i).rule().sums().map(TensorSums::areOfGroup).orElse(false);
      if (areOfGroup && !groups.get(i).entries().isEmpty()) {
        shared.add(i);
      }
    }
    return shared;
  }

  /**
   * Prepares to exchange the norm's leaves with other workers, in the order of {@link #normOrder}.
   *
   * @param own this worker's
   * @return their exchange
   */
  public LeafExchange.Prepared exchangeNorm(LeafExchange.Leaves own) {
    return options
        .leafExchange()
        .prepareNorm(own, runs(ElementType.FLOAT32), runs(ElementType.FLOAT64));
  }

  private List<LeafExchange.Run> runs(ElementType arithmetic) {
    return normOrder(arithmetic).stream()
        .map(
            entry ->
                new LeafExchange.Run(
                    entry.index(), Math.toIntExact((entry.length() + LEAF - 1) / LEAF)))
        .toList();
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
   * @param adaptiveClip how the gradient of each is clipped; none under a rule with sums
   */
  public record Group(UpdateRule rule, List<Entry> entries, AdaptiveClip adaptiveClip) {
    /**
     * Parameters whose gradients are not clipped tensor by tensor.
     *
     * @param rule how they are updated
     * @param entries the parameters, in the order in which they were added
     */
    public Group(UpdateRule rule, List<Entry> entries) {
      this(rule, entries, AdaptiveClip.NONE);
    }

    /**
     * Copies the list.
     *
     * @param rule how they are updated
     * @param entries the parameters, in the order in which they were added
     * @param adaptiveClip how the gradient of each is clipped; none under a rule with sums
     */
    public Group {
      int kept = kept(rule);
      int first = rule.sums().map(TensorSums::firstNumbers).orElse(0);
      int numbers = rule.sums().map(sums -> sums.numberNames().size()).orElse(0);
      requireAtMost(rule, "slots of state", rule.stateSlots().size() - kept, MAX_OPERANDS - 2);
      if (rule.isFactored() && rule.sums().isEmpty()) {
        throw new AssertionError("rule " + rule.name() + " has factors and no sums");
      }
      if (adaptiveClip.isUsed() && rule.sums().isPresent()) {
        throw new AssertionError("rule " + rule.name() + " has sums and adaptive clipping");
      }
      if (rule.sums().isPresent() && entries.stream().anyMatch(entry -> entry.first() != 0)) {
        throw new AssertionError("rule " + rule.name() + " has sums and a part of a parameter");
      }
      requireAtMost(rule, "slots of tensors' state", kept, rule.sums().isEmpty() ? 0 : MAX_KEPT);
      requireAtMost(rule, "scalars", rule.scalarNames().size() + numbers, MAX_SCALARS);
      requireAtMost(rule, "scalars", rule.scalarNames().size() + first, MAX_SCALARS);
      requireAtMost(rule, "sums", rule.sums().map(sums -> sums.kinds().size()).orElse(0), MAX_SUMS);
      requireAtMost(rule, "numbers of a tensor", numbers, MAX_NUMBERS);
      entries = List.copyOf(entries);
    }

    /**
     * How many elements the group has in the whole model, of which the plan may be of a part.
     *
     * @return the sum over its parameters
     */
    public long elements() {
      return entries.stream().mapToLong(Entry::whole).sum();
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

    /**
     * Whether a rule is a pass of the optimizer's own, which has no gradients.
     *
     * @param rule the rule
     * @return false for all that users choose
     */
    public static boolean isPass(UpdateRule rule) {
      return rule.sums().isEmpty() && !rule.access().reads(1);
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
   * @param isFactored see {@link UpdateRule#isFactored}
   * @param groups their indices in the plan
   */
  public record SameRule(
      String kernel,
      String sumsKernel,
      int scalars,
      Optional<TensorSums> sums,
      boolean isFactored,
      List<Integer> groups) {
    /**
     * Copies the list.
     *
     * @param kernel its name
     * @param sumsKernel that of the sums, see {@link UpdateRule#sumsKernel}
     * @param scalars how many the rule has
     * @param sums what is added up over each tensor first, if anything
     * @param isFactored see {@link UpdateRule#isFactored}
     * @param groups their indices in the plan
     */
    public SameRule {
      groups = List.copyOf(groups);
    }

    private static SameRule of(UpdateRule rule, List<Integer> groups) {
      return new SameRule(
          rule.kernel(),
          rule.sumsKernel(),
          rule.scalarNames().size(),
          rule.sums(),
          rule.isFactored(),
          groups);
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
   * Where the factors of a parameter's squares lie, a value for each row and for each column of its
   * matrices. These are as many as the dimensions before the last two have indices.
   *
   * @param rows of one matrix after the other
   * @param columns likewise
   * @param matrices how many there are
   * @param height rows of a matrix
   * @param width its columns
   */
  public record Factors(
      MemorySlice rows, MemorySlice columns, long matrices, long height, long width) {
    private static Factors of(List<Long> shape, MemorySlice rows, MemorySlice columns) {
      int last = shape.size() - 1;
      long height = shape.get(last - 1);
      long width = shape.get(last);
      long matrices = shape.subList(0, last - 1).stream().reduce(1L, Math::multiplyExact);
      return new Factors(rows, columns, matrices, height, width);
    }

    /**
     * Tiles beside each other in a matrix.
     *
     * @return at least 1
     */
    public long across() {
      return (width - 1) / FACTOR_COLUMNS + 1;
    }

    /**
     * Tiles below each other in a matrix.
     *
     * @return at least 1
     */
    public long down() {
      return (height - 1) / FACTOR_ROWS + 1;
    }

    /**
     * Tiles of all matrices.
     *
     * @return how many there are
     */
    public long tiles() {
      return Math.multiplyExact(matrices, Math.multiplyExact(across(), down()));
    }

    /**
     * Room for the sums of the rows of all tiles.
     *
     * @return elements
     */
    public long rowSums() {
      return Math.multiplyExact(matrices * height, across());
    }

    /**
     * Room for the sums of the columns of all tiles.
     *
     * @return elements
     */
    public long columnSums() {
      return Math.multiplyExact(matrices * width, down());
    }
  }

  /**
   * One parameter. All its operands have the same length.
   *
   * @param index position among all parameters of the plan, from 0: the global norm adds in this
   *     order
   * @param length count of elements
   * @param shape lengths of its dimensions, whose product that is
   * @param operands values, gradients, then a state for each slot of elements of the group's rule
   *     that the parameter has
   * @param kept for each slot that holds one value for the parameter or its group, where that lies
   * @param factors where the slots of rows and columns lie, if it has them
   * @param average where the parameter's average lies, if one is kept
   * @param first number of its first element, from which random numbers count: where this is a
   *     worker's part of a parameter, that within the whole of it; a multiple of {@link #LEAF}
   * @param whole how many elements the whole of it has
   * @param number that its random numbers follow from: {@link #index} unless it is {@link
   *     #numbered} otherwise
   */
  public record Entry(
      int index,
      long length,
      List<Long> shape,
      List<Operand> operands,
      List<MemorySlice> kept,
      Optional<Factors> factors,
      Optional<MemorySlice> average,
      long first,
      long whole,
      int number) {
    /**
     * Copies the list.
     *
     * @param index position among all parameters of the plan, from 0: the global norm adds in this
     *     order
     * @param length count of elements
     * @param shape lengths of its dimensions, whose product that is
     * @param operands values, gradients, then a state for each slot of elements of the group's rule
     *     that the parameter has
     * @param kept for each slot that holds one value for the parameter, where that lies
     * @param factors where the slots of rows and columns lie, if it has them
     * @param average where the parameter's average lies, if one is kept
     * @param first number of its first element, a multiple of {@link #LEAF}
     * @param whole how many elements the whole of it has
     * @param number that its random numbers follow from
     */
    public Entry {
      if (first % LEAF != 0) {
        throw new AssertionError("a part of a parameter begins at its element " + first);
      }
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
     * @param slots one for each that a parameter of the shape has
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
      List<Operand> operands = new ArrayList<>(2 + slots.size());
      operands.add(values);
      operands.add(new Operand(Operand.Role.GRADIENTS, gradients));
      List<MemorySlice> kept = new ArrayList<>();
      List<MemorySlice> factors = new ArrayList<>(); // of rows, then of columns
      List<StateSlot> its = rule.stateSlots(shape.size());
      for (int i = 0; i < its.size(); i++) {
        if (its.get(i).isFactor()) {
          factors.add(slots.get(i).slice());
        } else if (its.get(i).isOneValue()) {
          kept.add(slots.get(i).slice());
        } else {
          operands.add(slots.get(i));
        }
      }
      Optional<Factors> matrices =
          factors.isEmpty()
              ? Optional.empty()
              : Optional.of(Factors.of(shape, factors.get(0), factors.get(1)));
      return new Entry(
          index, length, shape, operands, kept, matrices, Optional.empty(), 0, length, index);
    }

    /**
     * This parameter with an average, or without one.
     *
     * @param average where it lies, as float32
     * @return a copy
     */
    public Entry withAverage(Optional<MemorySlice> average) {
      return new Entry(
          index, length, shape, operands, kept, factors, average, first, whole, number);
    }

    /**
     * The same as a part of a parameter.
     *
     * @param first number of the first element within the whole, see {@link #first}
     * @param whole how many elements that has
     * @return a copy
     */
    public Entry partOf(long first, long whole) {
      return new Entry(
          index, length, shape, operands, kept, factors, average, first, whole, number);
    }

    /**
     * The same with random numbers of its own.
     *
     * @param number that they follow from, and no other parameter's
     * @return a copy
     */
    public Entry numbered(int number) {
      return new Entry(
          index, length, shape, operands, kept, factors, average, first, whole, number);
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
