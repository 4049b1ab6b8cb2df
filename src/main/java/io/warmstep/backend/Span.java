package io.warmstep.backend;

import io.warmstep.ElementType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Parameters of one group whose elements follow each other in all their memories, so that a backend
 * may treat them as one. An owned model is a span for each group and element type. Under a rule
 * that adds something up over each tensor, and with adaptive clipping, every parameter is a span of
 * its own. A group whose sums are added up with other workers has a span in any case, without
 * elements if this worker has none, since its state moves everywhere.
 */
public final class Span {
  private final int group;
  private final List<Operand> operands;
  private final List<StepPlan.Entry> entries = new ArrayList<>();
  private long length;

  private Span(int group, StepPlan.Entry first) {
    this.group = group;
    this.operands = first.operands();
    add(first);
  }

  /**
   * Merges the parameters of a plan.
   *
   * @param plan what a step does
   * @return the spans in the order of the plan, none empty but of such groups
   */
  public static List<Span> of(StepPlan plan) {
    List<Span> spans = new ArrayList<>();
    List<Integer> shared = plan.sharedGroups();
    for (int group = 0; group < plan.groups().size(); group++) {
      Span last = null;
      StepPlan.Group planned = plan.groups().get(group);
      boolean mayMerge = planned.rule().sums().isEmpty() && !planned.adaptiveClip().isUsed();
      for (StepPlan.Entry entry : planned.entries()) {
        if (entry.length() == 0) {
          continue;
        }
        if (last != null && mayMerge && last.isContinuedBy(entry)) {
          last.add(entry);
        } else {
          last = new Span(group, entry);
          spans.add(last);
        }
      }
      if (last == null && shared.contains(group)) {
        spans.add(new Span(group, planned.entries().get(0)));
      }
    }
    return spans;
  }

  /**
   * The parameters as spans of their own.
   *
   * @return as many as there are entries
   */
  public List<Span> parts() {
    return entries.stream().map(entry -> new Span(group, entry)).toList();
  }

  private boolean isContinuedBy(StepPlan.Entry entry) {
    for (int i = 0; i < operands.size(); i++) {
      if (!operands.get(i).isContinuedBy(length, entry.operands().get(i))) {
        return false;
      }
    }
    Optional<MemorySlice> average = average();
    return average.isEmpty() || Operand.isContinuedBy(average.get(), length, entry.average().get());
  }

  private void add(StepPlan.Entry entry) {
    entries.add(entry);
    length += entry.length();
  }

  /**
   * The group that the parameters are of.
   *
   * @return its index in the plan
   */
  public int group() {
    return group;
  }

  /**
   * Type of the parameters.
   *
   * @return the element type
   */
  public ElementType type() {
    return operands.get(0).storage().type();
  }

  /**
   * Whether all operands are stored as plain elements of the parameters' type and, state, of its
   * arithmetic, and there is no average: what every backend has its fastest way for.
   *
   * @return false if a step has to convert one operand in another way than the next
   */
  public boolean isUniform() {
    if (average().isPresent()) {
      return false;
    }
    for (Operand operand : operands) {
      ElementType expected = operand.role() == Operand.Role.STATE ? type().arithmetic() : type();
      if (operand.encoding() != Encoding.PLAIN || operand.storage().type() != expected) {
        return false;
      }
    }
    return true;
  }

  /**
   * Where the elements begin.
   *
   * @return the first parameter's operands: values, gradients, then state
   */
  public List<Operand> operands() {
    return operands;
  }

  /**
   * Count of elements.
   *
   * @return the sum over the parameters
   */
  public long length() {
    return length;
  }

  /**
   * Length of the first dimension, of a span that is one parameter.
   *
   * @return at least 1
   */
  public long rows() {
    return entries.get(0).shape().get(0);
  }

  /**
   * Where the average of the parameters lies.
   *
   * @return the first parameter's, as float32, if an average is kept
   */
  public Optional<MemorySlice> average() {
    return entries.get(0).average();
  }

  /**
   * Where the rule's state lies that holds one value for a tensor.
   *
   * @return a slice for each such slot
   */
  public List<MemorySlice> kept() {
    return entries.get(0).kept();
  }

  /**
   * Where the factors of the parameter's squares lie, of a span that is one parameter.
   *
   * @return empty if it has none
   */
  public Optional<StepPlan.Factors> factors() {
    return entries.get(0).factors();
  }

  /**
   * The parameters, one after the other, since some things count from each one's first element.
   *
   * @return the entries of the plan, none empty unless the span is
   */
  public List<StepPlan.Entry> entries() {
    return entries;
  }
}
