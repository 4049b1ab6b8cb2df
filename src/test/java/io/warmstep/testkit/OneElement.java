package io.warmstep.testkit;

import io.warmstep.backend.cpu.CpuDoubleBlock;
import io.warmstep.backend.cpu.CpuFloatBlock;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;

/**
 * A step of a rule's own Java loops, over one element at a time: no vector of several elements and
 * no neighbour has a part in it.
 */
abstract class OneElement {
  /**
   * A step.
   *
   * @param slots state of an element
   * @param terms sums of the rule's first phase
   * @param scalars of the step, not yet rounded
   * @param weightDecay weight decay that is added to gradients
   */
  static OneElement of(
      UpdateRule rule, Arithmetic a, int slots, int terms, double[] scalars, double weightDecay) {
    return a == Arithmetic.FLOAT64
        ? new Doubles(rule, slots, terms, scalars, weightDecay)
        : new Floats(rule, slots, terms, scalars, weightDecay);
  }

  /** Gives the rule the numbers of the tensor whose elements follow. */
  abstract void tensor(double[] numbers);

  /** Says that state has moved already. */
  abstract void moved();

  /** Says that state 0 is an inverse root. */
  abstract void factored();

  /** Updates an element: the parameter, then its state. */
  abstract void update(double[] element, double gradient);

  /** Does the first phase; the terms are those of the element {@code i} in the rows of terms. */
  abstract void sum(double[] element, double gradient, double[][] termsOfAll, int i);

  private static final class Floats extends OneElement {
    private final UpdateRule rule;
    private final TensorSums sums;
    private final CpuFloatBlock block = new CpuFloatBlock();
    private final float[] parameter = new float[1];
    private final float[] gradient = new float[1];
    private final float[][] state;
    private final float[][] terms;

    Floats(UpdateRule rule, int slots, int terms, double[] scalars, double weightDecay) {
      this.rule = rule;
      sums = rule.sums().orElse(null);
      state = new float[slots][1];
      this.terms = new float[terms][1];
      block.step(Numbers.floats(scalars), 1, (float) weightDecay);
      block.range(parameter, gradient, state, 0, 1);
    }

    @Override
    void tensor(double[] numbers) {
      block.tensor(Numbers.floats(numbers));
    }

    @Override
    void moved() {
      block.moved(true);
    }

    @Override
    void factored() {
      block.factored(true);
    }

    private void load(double[] element, double g) {
      parameter[0] = (float) element[0];
      gradient[0] = (float) g;
      for (int slot = 0; slot < state.length; slot++) {
        state[slot][0] = (float) element[1 + slot];
      }
    }

    private void store(double[] element) {
      element[0] = parameter[0];
      for (int slot = 0; slot < state.length; slot++) {
        element[1 + slot] = state[slot][0];
      }
    }

    @Override
    void update(double[] element, double g) {
      load(element, g);
      rule.update(block);
      store(element);
    }

    @Override
    void sum(double[] element, double g, double[][] termsOfAll, int i) {
      load(element, g);
      block.terms(terms);
      sums.sum(block);
      store(element);
      for (int term = 0; term < terms.length; term++) {
        termsOfAll[term][i] = block.terms(term)[0];
      }
    }
  }

  private static final class Doubles extends OneElement {
    private final UpdateRule rule;
    private final TensorSums sums;
    private final CpuDoubleBlock block = new CpuDoubleBlock();
    private final double[] parameter = new double[1];
    private final double[] gradient = new double[1];
    private final double[][] state;
    private final double[][] terms;

    Doubles(UpdateRule rule, int slots, int terms, double[] scalars, double weightDecay) {
      this.rule = rule;
      sums = rule.sums().orElse(null);
      state = new double[slots][1];
      this.terms = new double[terms][1];
      block.step(scalars, 1, weightDecay);
      block.range(parameter, gradient, state, 0, 1);
    }

    @Override
    void tensor(double[] numbers) {
      block.tensor(numbers);
    }

    @Override
    void moved() {
      block.moved(true);
    }

    @Override
    void factored() {
      block.factored(true);
    }

    private void load(double[] element, double g) {
      parameter[0] = element[0];
      gradient[0] = g;
      for (int slot = 0; slot < state.length; slot++) {
        state[slot][0] = element[1 + slot];
      }
    }

    private void store(double[] element) {
      element[0] = parameter[0];
      for (int slot = 0; slot < state.length; slot++) {
        element[1 + slot] = state[slot][0];
      }
    }

    @Override
    void update(double[] element, double g) {
      load(element, g);
      rule.update(block);
      store(element);
    }

    @Override
    void sum(double[] element, double g, double[][] termsOfAll, int i) {
      load(element, g);
      block.terms(terms);
      sums.sum(block);
      store(element);
      for (int term = 0; term < terms.length; term++) {
        termsOfAll[term][i] = block.terms(term)[0];
      }
    }
  }
}
