package io.warmstep.testkit;

import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import java.util.Map;

/**
 * The rules again, one element at a time, from the formulas in the records' documentation. Scalars
 * of a step are computed in double and rounded once; the order of operations is the contract's. A
 * rule that is not here is taken at its word: its own Java loop, over one element. What it computes
 * is then a matter of PyTorch's values.
 */
final class ElementRule {
  private final UpdateRule rule;
  private final Arithmetic a;
  private final Map<String, Object> settings;

  /** What the rule keeps before the step {@link #keptAt}, after steps that had the same rate. */
  private double[] kept;

  private long keptAt;
  private double keptRate;

  /** What a step does to an element: the parameter, then its state, updated in place. */
  interface Update {
    /**
     * Updates an element.
     *
     * @param scaled the gradient after all factors: gradient scale over loss scale, clipping, the
     *     tensor's factor and the sign of maximize
     */
    void update(double[] element, double scaled);
  }

  ElementRule(UpdateRule rule, Arithmetic a) {
    this.rule = rule;
    this.a = a;
    settings = RuleSettings.values(rule);
  }

  /** A step at a rate. What its elements share is computed here, for elements are many. */
  Update step(long step, double rate) {
    Update update;
    if (rule instanceof Sgd) {
      double stepSize = a.round(-rate);
      update = (element, g) -> element[0] = a.fma(stepSize, g, element[0]);
    } else if (rule instanceof Momentum) {
      update = momentum(step, rate);
    } else if (rule instanceof RmsProp) {
      update = rmsProp(rate);
    } else if (rule instanceof Adam) {
      update = adam(step, rate);
    } else {
      return ownLoop(step, rate);
    }
    double weightDecay = a.round(is("decoupled") ? 0 : number("weightDecay"));
    return weightDecay == 0
        ? update
        : (element, scaled) -> update.update(element, a.fma(weightDecay, element[0], scaled));
  }

  private Update ownLoop(long step, double rate) {
    double[] scalars = new double[rule.scalarNames().size()];
    StepValues at = new StepValues(step, rate);
    at.keep(keptBefore(step, rate));
    rule.scalars(at, scalars);
    return OneElement.of(rule, a, rule.stateSlots().size(), 0, scalars, rule.coupledWeightDecay(at))
        ::update;
  }

  /** The numbers that the rule keeps, after steps that had all the same rate. */
  private double[] keptBefore(long step, double rate) {
    if (kept == null || step < keptAt || Double.compare(rate, keptRate) != 0) {
      kept = rule.keptNumbers().stream().mapToDouble(StateSlot::initialValue).toArray();
      keptAt = 1;
      keptRate = rate;
    }
    while (keptAt < step && kept.length > 0) {
      rule.advance(new StepValues(keptAt++, rate), kept);
    }
    return kept.clone();
  }

  private boolean is(String name) {
    return Boolean.TRUE.equals(settings.get(name));
  }

  private double number(String name) {
    return ((Number) settings.get(name)).doubleValue();
  }

  private Update momentum(long step, double rate) {
    double mu = a.round(number("momentum"));
    double fresh = a.round(step == 1 ? 1 : 1 - number("dampening"));
    double stepSize = a.round(-rate);
    boolean isNesterov = is("nesterov");
    return (element, g) -> {
      double b = a.fma(mu, element[1], a.times(fresh, g));
      element[1] = b;
      double direction = isNesterov ? a.fma(mu, b, g) : b;
      element[0] = a.fma(stepSize, direction, element[0]);
    };
  }

  private Update rmsProp(double rate) {
    double alpha = a.round(number("alpha"));
    double fresh = a.round(1 - number("alpha"));
    double eps = a.round(number("eps"));
    double momentum = a.round(number("momentum"));
    double stepSize = a.round(-rate);
    boolean isCentered = is("centered");
    boolean hasMomentum = number("momentum") > 0;
    return (element, g) -> {
      double v = a.fma(alpha, element[1], a.times(a.times(fresh, g), g));
      element[1] = v;
      double variance = v;
      int slot = 2;
      if (isCentered) {
        double mean = a.fma(alpha, element[slot], a.times(fresh, g));
        element[slot++] = mean;
        double centered = a.fma(-mean, mean, v);
        variance = centered <= 0 ? 0 : centered;
      }
      double d = a.over(g, a.plus(a.root(variance), eps));
      if (hasMomentum) {
        d = a.fma(momentum, element[slot], d);
        element[slot] = d;
      }
      element[0] = a.fma(stepSize, d, element[0]);
    };
  }

  private Update adam(long step, double rate) {
    double stepSize = a.round(rate / (1 - ExactPower.of(number("beta1"), step)));
    double keep = a.round(is("decoupled") ? 1 - rate * number("weightDecay") : 1);
    double rootScale = a.round(1 / Math.sqrt(1 - ExactPower.of(number("beta2"), step)));
    double beta1 = a.round(number("beta1"));
    double fresh1 = a.round(1 - number("beta1"));
    double beta2 = a.round(number("beta2"));
    double fresh2 = a.round(1 - number("beta2"));
    double eps = a.round(number("eps"));
    boolean isAmsgrad = is("amsgrad");
    return (element, g) -> {
      double m = a.fma(beta1, element[1], a.times(fresh1, g));
      double v = a.fma(beta2, element[2], a.times(a.times(fresh2, g), g));
      element[1] = m;
      element[2] = v;
      double u = v;
      if (isAmsgrad) {
        u = v > element[3] || Double.isNaN(v) ? v : element[3];
        element[3] = u;
      }
      double denominator = a.fma(a.root(u), rootScale, eps);
      element[0] = a.fma(-stepSize, a.over(m, denominator), a.times(keep, element[0]));
    };
  }
}
