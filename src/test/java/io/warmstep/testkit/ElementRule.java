package io.warmstep.testkit;

import io.warmstep.rule.Adam;
import io.warmstep.rule.DoubleBlock;
import io.warmstep.rule.FloatBlock;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import java.util.Arrays;
import java.util.Map;

/**
 * The rules again, one element at a time, from the formulas in the records' documentation. Scalars
 * of a step are computed in double and rounded once; the order of operations is the contract's. A
 * rule that is not here is taken at its word: its own Java loop, over one element. What it computes
 * is then a matter of PyTorch's values.
 */
final class ElementRule {
  private final UpdateRule rule;

  /** Its hyperparameters by name, read once: elements are many. */
  private final Map<String, Object> settings;

  ElementRule(UpdateRule rule) {
    this.rule = rule;
    settings = RuleSettings.values(rule);
  }

  /**
   * Updates one element.
   *
   * @param element parameter and state, updated in place: index 0 is the parameter, then the slots
   * @param scaled the gradient after unscaling, clipping and the sign of maximize
   */
  void update(Arithmetic a, long step, double rate, double[] element, double scaled) {
    if (!(rule instanceof Sgd
        || rule instanceof Momentum
        || rule instanceof RmsProp
        || rule instanceof Adam)) {
      ownLoop(a, step, rate, element, scaled);
      return;
    }
    double l2 = a.round(is("decoupled") ? 0 : number("weightDecay"));
    double g = l2 == 0 ? scaled : a.fma(l2, element[0], scaled);
    if (rule instanceof Sgd) {
      element[0] = a.fma(a.round(-rate), g, element[0]);
    } else if (rule instanceof Momentum) {
      momentum(a, step, rate, element, g);
    } else if (rule instanceof RmsProp) {
      rmsProp(a, rate, element, g);
    } else {
      adam(a, step, rate, element, g);
    }
  }

  private void ownLoop(Arithmetic a, long step, double rate, double[] element, double g) {
    double[] scalars = new double[rule.scalarNames().size()];
    StepValues at = new StepValues(step, rate);
    at.keep(keptBefore(step, rate));
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

  /** The numbers that the rule keeps, after steps that had all the same rate. */
  private double[] keptBefore(long step, double rate) {
    double[] kept = rule.keptNumbers().stream().mapToDouble(StateSlot::initialValue).toArray();
    for (long before = 1; kept.length > 0 && before < step; before++) {
      rule.advance(new StepValues(before, rate), kept);
    }
    return kept;
  }

  private boolean is(String name) {
    return Boolean.TRUE.equals(settings.get(name));
  }

  private double number(String name) {
    return ((Number) settings.get(name)).doubleValue();
  }

  private void momentum(Arithmetic a, long step, double rate, double[] element, double g) {
    double mu = a.round(number("momentum"));
    double fresh = a.round(step == 1 ? 1 : 1 - number("dampening"));
    double b = a.fma(mu, element[1], a.times(fresh, g));
    element[1] = b;
    double direction = is("nesterov") ? a.fma(mu, b, g) : b;
    element[0] = a.fma(a.round(-rate), direction, element[0]);
  }

  private void rmsProp(Arithmetic a, double rate, double[] element, double g) {
    double alpha = a.round(number("alpha"));
    double fresh = a.round(1 - number("alpha"));
    double v = a.fma(alpha, element[1], a.times(a.times(fresh, g), g));
    element[1] = v;
    double variance = v;
    int slot = 2;
    if (is("centered")) {
      double mean = a.fma(alpha, element[slot], a.times(fresh, g));
      element[slot++] = mean;
      double centered = a.fma(-mean, mean, v);
      variance = centered <= 0 ? 0 : centered;
    }
    double d = a.over(g, a.plus(a.root(variance), a.round(number("eps"))));
    if (number("momentum") > 0) {
      d = a.fma(a.round(number("momentum")), element[slot], d);
      element[slot] = d;
    }
    element[0] = a.fma(a.round(-rate), d, element[0]);
  }

  private void adam(Arithmetic a, long step, double rate, double[] element, double g) {
    double stepSize = a.round(rate / (1 - ExactPower.of(number("beta1"), step)));
    double keep = a.round(is("decoupled") ? 1 - rate * number("weightDecay") : 1);
    double rootScale = a.round(1 / Math.sqrt(1 - ExactPower.of(number("beta2"), step)));
    double m =
        a.fma(a.round(number("beta1")), element[1], a.times(a.round(1 - number("beta1")), g));
    double fresh = a.times(a.round(1 - number("beta2")), g);
    double v = a.fma(a.round(number("beta2")), element[2], a.times(fresh, g));
    element[1] = m;
    element[2] = v;
    double u = v;
    if (is("amsgrad")) {
      u = v > element[3] || Double.isNaN(v) ? v : element[3];
      element[3] = u;
    }
    double denominator = a.fma(a.root(u), rootScale, a.round(number("eps")));
    element[0] = a.fma(-stepSize, a.over(m, denominator), a.times(keep, element[0]));
  }
}
