package io.warmstep.testkit;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
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

  /** One row an element: the parameter, then the rule's state. */
  private final double[][] elements;

  /** The rule's state that holds one value for all elements. */
  private final double[] kept;

  private final int rows;

  /** Of a shape as {@link Shapes} gives it. */
  public Reference(UpdateRule rule, ElementType type, double[] parameters) {
    this(rule, type, parameters, (int) Shapes.of(parameters.length)[0]);
  }

  public Reference(UpdateRule rule, ElementType type, double[] parameters, int rows) {
    this.rule = rule;
    this.rows = rows;
    this.type = type;
    this.arithmetic = Arithmetic.of(type);
    elementRule = new ElementRule(rule, arithmetic);
    this.kept = new double[StepPlan.Group.kept(rule)];
    this.elements = new double[parameters.length][1 + rule.stateSlots().size() - kept.length];
    for (int i = 0; i < parameters.length; i++) {
      elements[i][0] = parameters[i];
    }
    for (int slot = 0; slot < rule.stateSlots().size(); slot++) {
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
      new SummedRule(rule, arithmetic, step, rate).update(elements, rows, kept, prepared);
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
    return isKept(slot) ? new double[] {kept[keptIndex(slot)]} : column(1 + slot);
  }

  private int keptIndex(int slot) {
    return slot - (rule.stateSlots().size() - kept.length);
  }

  /** Starts a slot of state at other values than zeros. */
  public void state(int slot, double[] values) {
    if (isKept(slot)) {
      kept[keptIndex(slot)] = values[0];
      return;
    }
    for (int i = 0; i < elements.length; i++) {
      elements[i][1 + slot] = values[i];
    }
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
