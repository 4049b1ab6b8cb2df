package io.warmstep.testkit;

import io.warmstep.rule.Adam;
import io.warmstep.rule.DoubleBlock;
import io.warmstep.rule.FloatBlock;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import java.util.Arrays;

/**
 * The rules again, one element at a time, from the formulas in the records' documentation. Scalars
 * of a step are computed in double and rounded once; the order of operations is the contract's. A
 * rule that is not here is taken at its word: its own Java loop, over one element. What it computes
 * is then a matter of PyTorch's values.
 */
final class ElementRule {
  private ElementRule() {}

  /**
   * Updates one element.
   *
   * @param element parameter and state, updated in place: index 0 is the parameter, then the slots
   * @param scaled the gradient after unscaling, clipping and the sign of maximize
   */
  static void update(
      Arithmetic a, UpdateRule rule, long step, double rate, double[] element, double scaled) {
    if (!(rule instanceof Sgd
        || rule instanceof Momentum
        || rule instanceof RmsProp
        || rule instanceof Adam)) {
      ownLoop(a, rule, step, rate, element, scaled);
      return;
    }
    double l2 = a.round(l2(rule));
    double g = l2 == 0 ? scaled : a.fma(l2, element[0], scaled);
    if (rule instanceof Sgd) {
      element[0] = a.fma(a.round(-rate), g, element[0]);
    } else if (rule instanceof Momentum momentum) {
      momentum(a, momentum, step, rate, element, g);
    } else if (rule instanceof RmsProp rmsProp) {
      rmsProp(a, rmsProp, rate, element, g);
    } else {
      adam(a, (Adam) rule, step, rate, element, g);
    }
  }

  private static void ownLoop(
      Arithmetic a, UpdateRule rule, long step, double rate, double[] element, double g) {
    double[] scalars = new double[rule.scalarNames().size()];
    StepValues at = new StepValues(step, rate);
    rule.scalars(at, scalars);
    if (a == Arithmetic.FLOAT64) {
      double[][] arrays = new double[element.length][];
      for (int i = 0; i < element.length; i++) {
        arrays[i] = new double[] {element[i]};
      }
      DoubleBlock block = new DoubleBlock();
      block.step(scalars, 1, rule.l2(at));
      double[][] state = Arrays.copyOfRange(arrays, 1, arrays.length);
      block.range(arrays[0], new double[] {g}, state, 0, 1);
      rule.update(block);
      for (int i = 0; i < element.length; i++) {
        element[i] = arrays[i][0];
      }
      return;
    }
    float[][] arrays = new float[element.length][];
    for (int i = 0; i < element.length; i++) {
      arrays[i] = new float[] {(float) element[i]};
    }
    float[] rounded = new float[scalars.length];
    for (int i = 0; i < scalars.length; i++) {
      rounded[i] = (float) scalars[i];
    }
    FloatBlock block = new FloatBlock();
    block.step(rounded, 1, (float) rule.l2(at));
    float[][] state = Arrays.copyOfRange(arrays, 1, arrays.length);
    block.range(arrays[0], new float[] {(float) g}, state, 0, 1);
    rule.update(block);
    for (int i = 0; i < element.length; i++) {
      element[i] = arrays[i][0];
    }
  }

  private static double l2(UpdateRule rule) {
    return is(rule, "decoupled") ? 0 : number(rule, "weightDecay");
  }

  private static boolean is(UpdateRule rule, String name) {
    return Boolean.TRUE.equals(RuleSettings.values(rule).get(name));
  }

  private static double number(UpdateRule rule, String name) {
    return RuleSettings.number(rule, name);
  }

  private static void momentum(
      Arithmetic a, Momentum rule, long step, double rate, double[] element, double g) {
    double mu = a.round(number(rule, "momentum"));
    double fresh = a.round(step == 1 ? 1 : 1 - number(rule, "dampening"));
    double b = a.fma(mu, element[1], a.times(fresh, g));
    element[1] = b;
    double direction = is(rule, "nesterov") ? a.fma(mu, b, g) : b;
    element[0] = a.fma(a.round(-rate), direction, element[0]);
  }

  private static void rmsProp(Arithmetic a, RmsProp rule, double rate, double[] element, double g) {
    double alpha = a.round(number(rule, "alpha"));
    double fresh = a.round(1 - number(rule, "alpha"));
    double v = a.fma(alpha, element[1], a.times(a.times(fresh, g), g));
    element[1] = v;
    double variance = v;
    int slot = 2;
    if (is(rule, "centered")) {
      double mean = a.fma(alpha, element[slot], a.times(fresh, g));
      element[slot++] = mean;
      double centered = a.fma(-mean, mean, v);
      variance = centered <= 0 ? 0 : centered;
    }
    double d = a.over(g, a.plus(a.root(variance), a.round(number(rule, "eps"))));
    if (number(rule, "momentum") > 0) {
      d = a.fma(a.round(number(rule, "momentum")), element[slot], d);
      element[slot] = d;
    }
    element[0] = a.fma(a.round(-rate), d, element[0]);
  }

  private static void adam(
      Arithmetic a, Adam rule, long step, double rate, double[] element, double g) {
    double stepSize = a.round(rate / (1 - ExactPower.of(number(rule, "beta1"), step)));
    double keep = a.round(is(rule, "decoupled") ? 1 - rate * number(rule, "weightDecay") : 1);
    double rootScale = a.round(1 / Math.sqrt(1 - ExactPower.of(number(rule, "beta2"), step)));
    double m =
        a.fma(
            a.round(number(rule, "beta1")),
            element[1],
            a.times(a.round(1 - number(rule, "beta1")), g));
    double fresh = a.times(a.round(1 - number(rule, "beta2")), g);
    double v = a.fma(a.round(number(rule, "beta2")), element[2], a.times(fresh, g));
    element[1] = m;
    element[2] = v;
    double u = v;
    if (is(rule, "amsgrad")) {
      u = v > element[3] || Double.isNaN(v) ? v : element[3];
      element[3] = u;
    }
    double denominator = a.fma(a.root(u), rootScale, a.round(number(rule, "eps")));
    element[0] = a.fma(-stepSize, a.over(m, denominator), a.times(keep, element[0]));
  }
}
