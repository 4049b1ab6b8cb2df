package io.warmstep.testkit;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.util.Arrays;

/**
 * What a parameter and its state should be: plain loops over elements, with nothing shared, cut,
 * blocked or fused.
 */
public final class Reference {
  private final UpdateRule rule;
  private final ElementType type;
  private final Arithmetic arithmetic;
  private final ElementRule elementRule;

  /** One row per element: the parameter, then the rule's state. */
  private final double[][] elements;

  /** The rule's state that holds one value for all elements. */
  private final double[] kept;

  private final long[] shape;
  private final Extent extent;

  /** State of the rows and columns of matrices, by the rule's slot; null for other slots. */
  private final double[][] factors;

  /** Of a shape as {@link Shapes} gives it. */
  public Reference(UpdateRule rule, ElementType type, double[] parameters) {
    this(rule, type, parameters, Shapes.of(parameters.length));
  }

  public Reference(UpdateRule rule, ElementType type, double[] parameters, long[] shape) {
    this(rule, type, parameters, shape, Extent.repeated(1));
  }

  /**
   * Of a vector that has the same elements again and again, of which one time is followed.
   *
   * @param repeats how many times, also those of each step's gradients
   */
  public static Reference repeated(
      UpdateRule rule, ElementType type, double[] parameters, int repeats) {
    return new Reference(
        rule, type, parameters, new long[] {parameters.length}, Extent.repeated(repeats));
  }

  /**
   * Of some elements of a vector, of which all others are 0 and stay so.
   *
   * @param places their numbers, ascending
   * @param length of the vector
   */
  public static Reference sparse(
      UpdateRule rule, ElementType type, double[] parameters, long[] places, long length) {
    return new Reference(
        rule, type, parameters, new long[] {parameters.length}, Extent.sparse(places, length));
  }

  private Reference(
      UpdateRule rule, ElementType type, double[] parameters, long[] shape, Extent extent) {
    this.rule = rule;
    this.shape = shape;
    this.extent = extent;
    this.factors = new double[rule.stateSlots().size()][];
    this.type = type;
    this.arithmetic = Arithmetic.of(type);
    elementRule = new ElementRule(rule, arithmetic);
    this.kept = new double[StepPlan.Group.kept(rule)];
    this.elements = new double[parameters.length][1 + rule.stateSlots().size() - kept.length];
    for (int i = 0; i < parameters.length; i++) {
      elements[i][0] = parameters[i];
    }
    for (int slot = 0; slot < rule.stateSlots().size(); slot++) {
      StateSlot its = rule.stateSlots().get(slot);
      if (its.isFactor() && shape.length > 1) {
        factors[slot] = new double[(int) its.length(Arrays.stream(shape).boxed().toList())];
        continue;
      }
      double initial = arithmetic.round(rule.stateSlots().get(slot).initialValue());
      double[] values = new double[isKept(slot) ? 1 : parameters.length];
      Arrays.fill(values, initial);
      state(slot, rule.stateSlots().get(slot).copiesParameter() ? parameters : values);
    }
  }

  private boolean isKept(int slot) {
    return slot >= rule.stateSlots().size() - kept.length;
  }

  /** Steps with gradients as they are. */
  public void step(long step, double rate, double[] gradients) {
    step(step, rate, gradients, 1, 1, 0);
  }

  /**
   * Steps.
   *
   * @param step number of the step, from 1
   * @param rate the group's learning rate
   * @param gradientScale what gradients are multiplied by first
   * @param clipFactor what clipping by norm multiplies gradients by, 1 for none
   * @param clipValue largest magnitude of a gradient element, 0 for no such bound
   */
  public void step(
      long step,
      double rate,
      double[] gradients,
      double gradientScale,
      double clipFactor,
      double clipValue) {
    step(step, rate, gradients, gradientScale, clipFactor, clipValue, (slot, values) -> values);
  }

  /** What is left of the numbers of a slot once they are stored. */
  @FunctionalInterface
  public interface Storing {
    double[] left(int slot, double[] values);
  }

  /**
   * The same of a rule whose first phase moves state that is then rounded: what the second phase
   * moves is as it is computed.
   *
   * @param storing what is left of the former
   */
  public void step(
      long step,
      double rate,
      double[] gradients,
      double gradientScale,
      double clipFactor,
      double clipValue,
      Storing storing) {
    double scale = arithmetic.times(arithmetic.round(gradientScale), arithmetic.round(clipFactor));
    double bound = arithmetic.round(clipValue);
    double[] prepared = new double[elements.length];
    for (int i = 0; i < elements.length; i++) {
      double g = arithmetic.times(rule.maximize() ? -scale : scale, gradients[i]);
      if (clipValue > 0 && Math.abs(g) > bound) {
        g = Math.copySign(bound, g);
      }
      prepared[i] = g;
    }
    if (rule.sums().isPresent()) {
      new SummedRule(rule, arithmetic, step, rate)
          .update(elements, shape, kept, factors, prepared, storing, extent);
    } else {
      ElementRule.Update update = elementRule.step(step, rate);
      for (int i = 0; i < elements.length; i++) {
        update.update(elements[i], prepared[i]);
      }
    }
    for (double[] element : elements) {
      element[0] = Numbers.round(type, element[0]);
    }
  }

  public double[] parameters() {
    return column(0);
  }

  /** Replaces the parameters, by what is left of them once they are stored. */
  public void parameters(double[] values) {
    for (int i = 0; i < values.length; i++) {
      elements[i][0] = values[i];
    }
  }

  /** State by the rule's slot number. */
  public double[] state(int slot) {
    if (factors[slot] != null) {
      return factors[slot].clone();
    }
    return isKept(slot) ? new double[] {kept[keptIndex(slot)]} : column(1 + slot);
  }

  private int keptIndex(int slot) {
    return slot - (rule.stateSlots().size() - kept.length);
  }

  /** Starts a slot of state at other values than zeros. */
  public void state(int slot, double[] values) {
    if (factors[slot] != null) {
      System.arraycopy(values, 0, factors[slot], 0, factors[slot].length);
      return;
    }
    if (isKept(slot)) {
      kept[keptIndex(slot)] = values[0];
      return;
    }
    for (int i = 0; i < elements.length; i++) {
      elements[i][1 + slot] = values[i];
    }
  }

  /** Whether a parameter of the shape has a slot, by the rule's slot number. */
  public boolean has(int slot) {
    return rule.stateSlots().get(slot).isOf(shape.length);
  }

  public UpdateRule rule() {
    return rule;
  }

  private double[] column(int index) {
    double[] column = new double[elements.length];
    for (int i = 0; i < column.length; i++) {
      column[i] = elements[i][index];
    }
    return column;
  }
}
