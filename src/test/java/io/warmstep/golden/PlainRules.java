package io.warmstep.golden;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * A golden case's tensors in plain float32 arithmetic: the {@code definitions} of modern.json, one
 * operation after the other, each rounded, and sums from the first element to the last. Scalars are
 * computed in double and rounded once, as PyTorch takes Python's numbers.
 */
final class PlainRules {
  /** A parameter, its present gradient and its state. */
  private static final class Tensor {
    private final long[] shape;
    private final double[][] gradients;
    private final float[] p;
    private final float[] g;
    private final Map<String, float[]> state = new LinkedHashMap<>();

    Tensor(GoldenCase.Start start) {
      shape = start.shape();
      gradients = start.gradients();
      p = new float[start.values().length];
      g = new float[p.length];
      for (int i = 0; i < p.length; i++) {
        p[i] = (float) start.values()[i];
      }
    }

    float[] slot(String name) {
      return slot(name, p.length);
    }

    float[] slot(String name, int length) {
      return state.computeIfAbsent(name, n -> new float[length]);
    }

    /** State that starts as the parameter. */
    float[] copied(String name) {
      return state.computeIfAbsent(name, n -> p.clone());
    }
  }

  private static final Map<String, BiConsumer<PlainRules, Tensor>> OF_TENSOR =
      Map.ofEntries(
          Map.entry("Adagrad", PlainRules::adagrad),
          Map.entry("Adadelta", PlainRules::adadelta),
          Map.entry("Adamax", PlainRules::adamax),
          Map.entry("NAdam", PlainRules::nadam),
          Map.entry("NAdamW", PlainRules::nadamw),
          Map.entry("RAdam", PlainRules::radam),
          Map.entry("Rprop", PlainRules::rprop),
          Map.entry("ASGD", PlainRules::asgd),
          Map.entry("Lion", PlainRules::lion),
          Map.entry("AdaBelief", PlainRules::adabelief),
          Map.entry("AdEMAMix", PlainRules::ademamix),
          Map.entry("Adan", PlainRules::adan),
          Map.entry("ScheduleFreeSGD", PlainRules::scheduleFree),
          Map.entry("ScheduleFreeAdamW", PlainRules::scheduleFree),
          Map.entry("CautiousAdamW", PlainRules::cautiousAdamw),
          Map.entry("LAMB", PlainRules::lamb),
          Map.entry("LARS", PlainRules::lars),
          Map.entry("NovoGrad", PlainRules::novograd),
          Map.entry("StableAdamW", PlainRules::stableAdamw),
          Map.entry("Adafactor", PlainRules::adafactor),
          Map.entry("Muon", PlainRules::muon));

  private final GoldenCase golden;
  private final JsonObject hyper;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final double lr;
  private int step;

  /** Steps taken, those included that found nothing to count. */
  private int taken;

  /** NAdam's product of momenta. */
  private float product = 1;

  /** ASGD's rate and weight. */
  private float eta;

  private float mu = 1;

  /** Schedule-Free's sum of weights and largest rate; then those of the step. */
  private double weightSum;

  private double largestRate;
  private double gamma;
  private double share;

  /** The rule that Lookahead is around. */
  private final Map<String, PlainFloat32> inner = new LinkedHashMap<>();

  /** Prodigy's. */
  private double d;

  private double largestD;
  private double numerator;

  PlainRules(GoldenCase golden) {
    this.golden = golden;
    this.hyper = golden.json().getAsJsonObject("hyper");
    this.lr = golden.learningRate();
    golden.tensors().forEach((name, start) -> tensors.put(name, new Tensor(start)));
    golden
        .around()
        .ifPresent(
            around ->
                golden
                    .tensors()
                    .forEach((name, start) -> inner.put(name, new PlainFloat32(around, start))));
    eta = (float) lr;
    d = number("d0", 1e-6);
    largestD = d;
  }

  /** Whether a case's operations are here. */
  static boolean has(GoldenCase golden) {
    return OF_TENSOR.containsKey(golden.optimizer())
        || golden.optimizer().equals("Prodigy")
        || golden.around().filter(PlainFloat32::has).isPresent();
  }

  void advanceTo(int target) {
    for (int at = taken; at < target; at++) {
      for (Tensor t : tensors.values()) {
        for (int i = 0; i < t.g.length; i++) {
          float g = (float) t.gradients[at][i];
          t.g[i] = golden.option("maximize") ? -g : g;
        }
      }
      step++;
      taken++;
      switch (golden.optimizer()) {
        case "Prodigy" -> prodigy();
        case "LAMB" -> clip(number("max_grad_norm", 1), 0, true);
        case "Adan" -> clip(number("max_grad_norm", 0), number("eps", 1e-8), false);
        case "NAdam" -> product *= (float) momentum(step);
        case "ScheduleFreeSGD", "ScheduleFreeAdamW" -> weigh();
        case "Lookahead" -> tensors.forEach((name, t) -> lookahead(t, inner.get(name)));
        default -> {}
      }
      BiConsumer<PlainRules, Tensor> rule = OF_TENSOR.get(golden.optimizer());
      if (rule != null) {
        tensors.values().forEach(t -> rule.accept(this, t));
      }
      if (golden.optimizer().equals("ASGD")) {
        double lambd = number("lambd", 1e-4);
        eta = (float) (lr / Math.pow(1 + lambd * lr * step, number("alpha", 0.75)));
        mu = (float) (1 / Math.max(1, step - number("t0", 1e6)));
      }
    }
  }

  double[] value(String tensor, String name) {
    Tensor t = tensors.get(tensor);
    float[] values =
        switch (name) {
          case GoldenCase.PARAMS -> t.p;
          case GoldenCase.EVALUATED -> evaluated(t);
          default -> t.state.get(name);
        };
    double[] doubles = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      doubles[i] = values[i];
    }
    return doubles;
  }

  private double number(String name, double byDefault) {
    JsonElement value = hyper.get(name);
    return value == null ? byDefault : value.isJsonNull() ? 0 : value.getAsDouble();
  }

  /** The same of a list. */
  private double number(String name, int index, double byDefault) {
    return hyper.has(name) ? hyper.getAsJsonArray(name).get(index).getAsDouble() : byDefault;
  }

  private boolean option(String name, boolean byDefault) {
    return hyper.has(name) ? hyper.get(name).getAsBoolean() : byDefault;
  }

  private static float root(float x) {
    return (float) Math.sqrt(x);
  }

  private static float sumOfSquares(float[] values) {
    float sum = 0;
    for (float x : values) {
      sum += x * x;
    }
    return sum;
  }

  private static float norm(float[] values) {
    return root(sumOfSquares(values));
  }

  private double correction(double beta) {
    return 1 - Math.pow(beta, step);
  }

  /** Moves a running average. */
  private static void average(float[] m, float[] g, double beta) {
    average(m, g, beta, 1 - beta);
  }

  private static void average(float[] m, float[] g, double beta, double fresh) {
    for (int i = 0; i < m.length; i++) {
      m[i] = m[i] * (float) beta + (float) fresh * g[i];
    }
  }

  /** Moves a running average of squares. */
  private static void averageSquares(float[] v, float[] g, double beta, double fresh) {
    for (int i = 0; i < v.length; i++) {
      v[i] = v[i] * (float) beta + (float) fresh * g[i] * g[i];
    }
  }

  private static void addTo(float[] to, double factor, float[] what) {
    for (int i = 0; i < to.length; i++) {
      to[i] += (float) factor * what[i];
    }
  }

  private static void addQuotient(float[] to, double factor, float[] above, float[] below) {
    for (int i = 0; i < to.length; i++) {
      to[i] += (float) factor * above[i] / below[i];
    }
  }

  private static void scale(float[] what, double factor) {
    for (int i = 0; i < what.length; i++) {
      what[i] *= (float) factor;
    }
  }

  /** L2 decay. */
  private void decay(Tensor t) {
    double weight = number("weight_decay", 0);
    if (weight != 0) {
      addTo(t.g, weight, t.p);
    }
  }

  /** Decoupled decay. */
  private void shrink(Tensor t, double byDefault) {
    double weight = number("weight_decay", byDefault);
    if (weight != 0) {
      scale(t.p, 1 - lr * weight);
    }
  }

  /** The largest so far. */
  private static float[] largest(Tensor t, String name, float[] v) {
    float[] largest = t.slot(name);
    for (int i = 0; i < v.length; i++) {
      largest[i] = Math.max(largest[i], v[i]);
    }
    return largest;
  }

  /** What Adam divides by. */
  private static float[] denominators(float[] v, double correction, double eps) {
    float[] q = new float[v.length];
    for (int i = 0; i < v.length; i++) {
      q[i] = root(v[i]) / (float) Math.sqrt(correction) + (float) eps;
    }
    return q;
  }

  /** Gradients of all tensors by the norm of them all. */
  private void clip(double most, double eps, boolean divides) {
    if (most == 0) {
      return;
    }
    float sum = 0;
    for (Tensor t : tensors.values()) {
      sum += sumOfSquares(t.g);
    }
    float norm = root(sum);
    for (Tensor t : tensors.values()) {
      for (int i = 0; i < t.g.length; i++) {
        if (divides) {
          t.g[i] /= Math.max(1, norm / (float) most);
        } else {
          t.g[i] *= Math.min(1, (float) most / (norm + (float) eps));
        }
      }
    }
  }

  private void adagrad(Tensor t) {
    decay(t);
    float[] sum = t.slot("sum");
    double rate = lr / (1 + (step - 1) * number("lr_decay", 0));
    for (int i = 0; i < sum.length; i++) {
      if (step == 1) {
        sum[i] = (float) number("initial_accumulator_value", 0);
      }
      sum[i] += t.g[i] * t.g[i];
      t.p[i] += -(float) rate * t.g[i] / (root(sum[i]) + (float) number("eps", 1e-10));
    }
  }

  private void adadelta(Tensor t) {
    decay(t);
    double rho = number("rho", 0.9);
    float eps = (float) number("eps", 1e-6);
    float[] v = t.slot("square_avg");
    float[] a = t.slot("acc_delta");
    averageSquares(v, t.g, rho, 1 - rho);
    float[] delta = new float[v.length];
    for (int i = 0; i < v.length; i++) {
      delta[i] = root(a[i] + eps) / root(v[i] + eps) * t.g[i];
    }
    averageSquares(a, delta, rho, 1 - rho);
    addTo(t.p, -lr, delta);
  }

  private void adamax(Tensor t) {
    decay(t);
    double beta1 = golden.beta(0, 0.9);
    float[] m = t.slot("exp_avg");
    float[] u = t.slot("exp_inf");
    average(m, t.g, beta1);
    for (int i = 0; i < u.length; i++) {
      u[i] =
          Math.max(
              u[i] * (float) golden.beta(1, 0.999), Math.abs(t.g[i]) + (float) number("eps", 1e-8));
    }
    addQuotient(t.p, -lr / correction(beta1), m, u);
  }

  /** NAdam's momentum of a step. */
  private double momentum(int at) {
    return golden.beta(0, 0.9) * (1 - 0.5 * Math.pow(0.96, at * number("momentum_decay", 4e-3)));
  }

  private void nadam(Tensor t) {
    if (option("decoupled_weight_decay", false)) {
      shrink(t, 0);
    } else {
      decay(t);
    }
    double beta2 = golden.beta(1, 0.999);
    float[] m = t.slot("exp_avg");
    float[] v = t.slot("exp_avg_sq");
    average(m, t.g, golden.beta(0, 0.9));
    averageSquares(v, t.g, beta2, 1 - beta2);
    float[] q = new float[v.length];
    for (int i = 0; i < q.length; i++) {
      q[i] = root(v[i] / (float) correction(beta2)) + (float) number("eps", 1e-8);
    }
    double next = momentum(step + 1);
    addQuotient(t.p, -lr * (1 - momentum(step)) / (1 - product), t.g, q);
    addQuotient(t.p, -lr * next / (1 - product * next), m, q);
  }

  private void nadamw(Tensor t) {
    shrink(t, 0.01);
    double beta1 = golden.beta(0, 0.9);
    double beta2 = golden.beta(1, 0.999);
    float[] m = t.slot("exp_avg");
    float[] v = t.slot("exp_avg_sq");
    average(m, t.g, beta1);
    averageSquares(v, t.g, beta2, 1 - beta2);
    float[] n = m.clone();
    average(n, t.g, beta1);
    float[] q = denominators(v, correction(beta2), number("eps", 1e-8));
    addQuotient(t.p, -lr / correction(beta1), n, q);
  }

  /** RAdam's and AdaBelief's length of the average's memory at a step, or its limit. */
  private double length(double beta2, boolean atTheLimit) {
    double limit = 2 / (1 - beta2) - 1;
    double power = Math.pow(beta2, step);
    return atTheLimit ? limit : limit - 2 * step * power / (1 - power);
  }

  private double rectification(double beta2) {
    double rho = length(beta2, false);
    double limit = length(beta2, true);
    return Math.sqrt(
        (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho) * correction(beta2));
  }

  private void radam(Tensor t) {
    if (option("decoupled_weight_decay", false)) {
      shrink(t, 0);
    } else {
      decay(t);
    }
    double beta2 = golden.beta(1, 0.999);
    float[] m = t.slot("exp_avg");
    float[] v = t.slot("exp_avg_sq");
    average(m, t.g, golden.beta(0, 0.9));
    averageSquares(v, t.g, beta2, 1 - beta2);
    boolean rectifies = length(beta2, false) > 5;
    float factor = rectifies ? (float) rectification(beta2) : 1;
    for (int i = 0; i < m.length; i++) {
      float corrected = m[i] / (float) correction(golden.beta(0, 0.9)) * (float) lr;
      float adapted =
          rectifies ? corrected * (factor / (root(v[i]) + (float) number("eps", 1e-8))) : corrected;
      t.p[i] -= adapted;
    }
  }

  private void rprop(Tensor t) {
    float[] previous = t.slot("prev");
    float[] size = t.slot("step_size");
    for (int i = 0; i < size.length; i++) {
      if (step == 1) {
        size[i] = (float) lr;
      }
      float sign = Math.signum(t.g[i] * previous[i]);
      double factor = sign > 0 ? number("etas", 1, 1.2) : sign < 0 ? number("etas", 0, 0.5) : 1;
      size[i] =
          Math.max(
              (float) number("step_sizes", 0, 1e-6),
              Math.min((float) number("step_sizes", 1, 50), size[i] * (float) factor));
      float g = sign < 0 ? 0 : t.g[i];
      t.p[i] -= Math.signum(g) * size[i];
      previous[i] = g;
    }
  }

  private void asgd(Tensor t) {
    decay(t);
    scale(t.p, 1 - number("lambd", 1e-4) * eta);
    addTo(t.p, -eta, t.g);
    float[] ax = t.slot("ax");
    for (int i = 0; i < ax.length; i++) {
      ax[i] = mu == 1 ? t.p[i] : ax[i] + (t.p[i] - ax[i]) * mu;
    }
  }

  /** What a cautious rule multiplies an update by, of each element. */
  private static float[] mask(float[] update, float[] g) {
    float sum = 0;
    float[] mask = new float[g.length];
    for (int i = 0; i < g.length; i++) {
      mask[i] = update[i] * g[i] > 0 ? 1 : 0;
      sum += mask[i];
    }
    float mean = Math.max(sum / g.length, 1e-3f);
    for (int i = 0; i < g.length; i++) {
      mask[i] /= mean;
    }
    return mask;
  }

  private void lion(Tensor t) {
    shrink(t, 0);
    float[] m = t.slot("exp_avg");
    float[] u = m.clone();
    average(u, t.g, golden.beta(0, 0.9));
    for (int i = 0; i < u.length; i++) {
      u[i] = Math.signum(u[i]);
    }
    if (option("caution", false)) {
      float[] mask = mask(u, t.g);
      for (int i = 0; i < u.length; i++) {
        u[i] *= mask[i];
      }
    }
    addTo(t.p, -lr, u);
    average(m, t.g, golden.beta(1, 0.99));
  }

  private void cautiousAdamw(Tensor t) {
    shrink(t, 0.01);
    double beta1 = golden.beta(0, 0.9);
    double beta2 = golden.beta(1, 0.999);
    float[] m = t.slot("exp_avg");
    float[] v = t.slot("exp_avg_sq");
    average(m, t.g, beta1);
    averageSquares(v, t.g, beta2, 1 - beta2);
    float[] masked = mask(m, t.g);
    for (int i = 0; i < m.length; i++) {
      masked[i] *= m[i];
    }
    float[] squares = option("amsgrad", false) ? largest(t, "max_exp_avg_sq", v) : v;
    float[] q = denominators(squares, correction(beta2), number("eps", 1e-8));
    addQuotient(t.p, -lr / correction(beta1), masked, q);
  }

  private void adabelief(Tensor t) {
    if (option("fixed_decay", false)) {
      scale(t.p, 1 - number("weight_decay", 0));
    } else if (option("weight_decouple", true)) {
      shrink(t, 0);
    } else {
      decay(t);
    }
    double beta1 = golden.beta(0, 0.9);
    double beta2 = golden.beta(1, 0.999);
    double eps = number("eps", 1e-16);
    float[] m = t.slot("exp_avg");
    float[] s = t.slot("exp_avg_var");
    average(m, t.g, beta1);
    float[] residual = new float[m.length];
    for (int i = 0; i < m.length; i++) {
      residual[i] = t.g[i] - m[i];
    }
    averageSquares(s, residual, beta2, 1 - beta2);
    for (int i = 0; i < s.length; i++) {
      s[i] += (float) eps;
    }
    float[] squares = option("amsgrad", false) ? largest(t, "max_exp_avg_var", s) : s;
    double size = lr / correction(beta1);
    if (!option("rectify", true)) {
      addQuotient(t.p, -size, m, denominators(squares, correction(beta2), eps));
    } else if (length(beta2, false) >= 5) {
      addQuotient(t.p, -size * rectification(beta2), m, denominators(squares, 1, eps));
    } else {
      addTo(t.p, -size, m);
    }
  }

  private void ademamix(Tensor t) {
    double beta1 = golden.beta(0, 0.9);
    double beta2 = golden.beta(1, 0.999);
    double beta3 = golden.beta(2, 0.9999);
    double alpha = number("alpha", 2);
    double warmup = number("alpha_warmup", 0);
    if (step < warmup) {
      alpha *= step / warmup;
    }
    warmup = number("beta3_warmup", 0);
    if (step < warmup) {
      double done = step / warmup;
      double half = (1 - done) * halving(beta1) + done * halving(beta3);
      beta3 = Math.pow(0.5, 1 / (1 + half));
    }
    float[] slow = t.slot("exp_avg_slow");
    float[] v = t.slot("exp_avg_sq");
    float[] fast = t.g;
    if (beta1 != 0) {
      fast = t.slot("exp_avg_fast");
      average(fast, t.g, beta1);
    }
    average(slow, t.g, beta3);
    averageSquares(v, t.g, beta2, 1 - beta2);
    float[] q = denominators(v, correction(beta2), number("eps", 1e-8));
    for (int i = 0; i < v.length; i++) {
      float update = (fast[i] / (float) correction(beta1) + (float) alpha * slow[i]) / q[i];
      t.p[i] += -(float) lr * (update + (float) number("weight_decay", 0) * t.p[i]);
    }
  }

  private static double halving(double beta) {
    return Math.log(0.5) / Math.log(beta + 1e-8) - 1;
  }

  private void adan(Tensor t) {
    double beta1 = golden.beta(0, 0.98);
    double beta2 = golden.beta(1, 0.92);
    double beta3 = golden.beta(2, 0.99);
    double weight = number("weight_decay", 0);
    float[] negated = t.slot("neg_pre_grad");
    float[] difference = new float[t.g.length];
    float[] ahead = new float[t.g.length];
    for (int i = 0; i < negated.length; i++) {
      difference[i] = step == 1 ? 0 : negated[i] + t.g[i];
      ahead[i] = difference[i] * (float) beta2 + t.g[i];
      negated[i] = -t.g[i];
    }
    float[] m = t.slot("exp_avg");
    float[] c = t.slot("exp_avg_diff");
    float[] n = t.slot("exp_avg_sq");
    average(m, t.g, beta1);
    average(c, difference, beta2);
    averageSquares(n, ahead, beta3, 1 - beta3);
    float[] q = denominators(n, correction(beta3), number("eps", 1e-8));
    boolean proximal = !option("no_prox", false);
    if (!proximal) {
      scale(t.p, 1 - lr * weight);
    }
    addQuotient(t.p, -lr / correction(beta1), m, q);
    addQuotient(t.p, -lr * beta2 / correction(beta2), c, q);
    for (int i = 0; proximal && i < t.p.length; i++) {
      t.p[i] /= (float) (1 + lr * weight);
    }
  }

  private double scheduleFreeMomentum() {
    return golden.optimizer().equals("ScheduleFreeSGD")
        ? number("momentum", 0.9)
        : golden.beta(0, 0.9);
  }

  private void weigh() {
    double warmup = number("warmup_steps", 0);
    gamma = step < warmup ? lr * step / warmup : lr;
    largestRate = Math.max(largestRate, gamma);
    double weight =
        Math.pow(step, number("r", 0)) * Math.pow(largestRate, number("weight_lr_power", 2));
    weightSum += weight;
    share = weightSum == 0 ? 0 : weight / weightSum;
  }

  private void scheduleFree(Tensor t) {
    float[] z = t.copied("z");
    float[] update = t.g;
    if (golden.optimizer().equals("ScheduleFreeAdamW")) {
      double beta2 = golden.beta(1, 0.999);
      double inner = number("inner_momentum", 0);
      float[] v = t.slot("exp_avg_sq");
      averageSquares(v, t.g, beta2, 1 - beta2);
      if (inner != 0) {
        float[] m = t.slot("exp_avg");
        average(m, t.g, inner);
        for (int i = 0; i < m.length; i++) {
          update[i] = m[i] / (float) correction(inner);
        }
      }
      for (int i = 0; i < v.length; i++) {
        update[i] /= root(v[i] / (float) correction(beta2)) + (float) number("eps", 1e-8);
      }
    }
    decay(t);
    for (int i = 0; i < z.length; i++) {
      t.p[i] += (float) share * (z[i] - t.p[i]);
    }
    addTo(t.p, gamma * (scheduleFreeMomentum() * (1 - share) - 1), update);
    addTo(z, -gamma, update);
  }

  private float[] evaluated(Tensor t) {
    float weight = (float) (1 - 1 / scheduleFreeMomentum());
    float[] z = t.state.get("z");
    float[] x = t.p.clone();
    for (int i = 0; i < x.length; i++) {
      x[i] += weight * (z[i] - x[i]);
    }
    return x;
  }

  private void lamb(Tensor t) {
    double beta1 = golden.beta(0, 0.9);
    double beta2 = golden.beta(1, 0.999);
    double weight = number("weight_decay", 0.01);
    boolean corrects = option("bias_correction", true);
    float[] m = t.slot("exp_avg");
    float[] v = t.slot("exp_avg_sq");
    average(m, t.g, beta1, option("grad_averaging", true) ? 1 - beta1 : 1);
    averageSquares(v, t.g, beta2, 1 - beta2);
    float[] u = denominators(v, corrects ? correction(beta2) : 1, number("eps", 1e-6));
    for (int i = 0; i < u.length; i++) {
      u[i] = m[i] / (float) (corrects ? correction(beta1) : 1) / u[i];
    }
    if (weight != 0) {
      addTo(u, weight, t.p);
    }
    if (weight != 0 || option("always_adapt", false)) {
      float above = norm(t.p);
      float below = norm(u);
      float ratio = above > 0 && below > 0 ? above / below : 1;
      scale(u, option("trust_clip", false) ? Math.min(ratio, 1) : ratio);
    }
    addTo(t.p, -lr, u);
  }

  private void lars(Tensor t) {
    double weight = number("weight_decay", 0);
    if (weight != 0 || option("always_adapt", false)) {
      float above = norm(t.p);
      float below = norm(t.g);
      float ratio = 1;
      if (above > 0 && below > 0) {
        ratio =
            (float) number("trust_coeff", 0.001)
                * above
                / (below + (float) weight * above + (float) number("eps", 1e-8));
      }
      if (option("trust_clip", false)) {
        ratio = Math.min(ratio / (float) lr, 1);
      }
      decay(t);
      scale(t.g, ratio);
    }
    double momentum = number("momentum", 0);
    if (momentum != 0) {
      float[] b = t.slot("momentum_buffer");
      average(b, t.g, momentum, step == 1 ? 1 : 1 - number("dampening", 0));
      for (int i = 0; i < b.length; i++) {
        t.g[i] = option("nesterov", false) ? t.g[i] + (float) momentum * b[i] : b[i];
      }
    }
    addTo(t.p, -lr, t.g);
  }

  private void novograd(Tensor t) {
    double beta1 = golden.beta(0, 0.95);
    double beta2 = golden.beta(1, 0.98);
    float[] v = t.slot("exp_avg_sq", 1);
    float squares = sumOfSquares(t.g);
    v[0] = v[0] == 0 ? squares : v[0] * (float) beta2 + (float) (1 - beta2) * squares;
    float used = v[0];
    if (option("amsgrad", false)) {
      float[] largest = t.slot("max_exp_avg_sq", 1);
      largest[0] = Math.max(largest[0], v[0]);
      used = largest[0];
    }
    for (int i = 0; i < t.g.length; i++) {
      t.g[i] /= root(used) + (float) number("eps", 1e-8);
    }
    decay(t);
    if (option("grad_averaging", false)) {
      scale(t.g, 1 - beta1);
    }
    float[] m = t.slot("exp_avg");
    average(m, t.g, beta1, 1);
    addTo(t.p, -lr, m);
  }

  private void stableAdamw(Tensor t) {
    double fresh1 = (1 - golden.beta(0, 0.9)) / correction(golden.beta(0, 0.9));
    double fresh2 = (1 - golden.beta(1, 0.99)) / correction(golden.beta(1, 0.99));
    double eps = number("eps", 1e-6);
    float[] m = t.slot("exp_avg");
    float[] v = t.slot("exp_avg_sq");
    average(m, t.g, 1 - fresh1, fresh1);
    averageSquares(v, t.g, 1 - fresh2, fresh2);
    float sum = 0;
    for (int i = 0; i < v.length; i++) {
      sum += t.g[i] * t.g[i] / Math.max(v[i], (float) (eps * eps));
    }
    float rate = (float) lr / Math.max(1, root(sum / v.length));
    float weight = (float) number("weight_decay", 0.01);
    if (option("decouple_lr", false)) {
      weight /= (float) number("max_lr", lr);
    }
    scale(t.p, 1 - rate * weight);
    addQuotient(t.p, -rate, m, denominators(v, 1, eps));
  }

  private void prodigy() {
    double beta1 = golden.beta(0, 0.9);
    double beta2 = golden.beta(1, 0.999);
    double beta3 = number("beta3", Math.sqrt(beta2));
    double first = number("d0", 1e-6);
    boolean decouples = option("decouple", true);
    double rate = d * lr;
    if (option("use_bias_correction", false)) {
      rate *= Math.sqrt(correction(beta2)) / correction(beta1);
    }
    double above = numerator * beta3;
    double below = 0;
    for (Tensor t : tensors.values()) {
      float[] start = t.copied("p0");
      if (!decouples) {
        decay(t);
      }
      float product = 0;
      for (int i = 0; i < start.length; i++) {
        product += t.g[i] * (start[i] - t.p[i]);
      }
      above += d / first * rate * product;
      average(t.slot("exp_avg"), t.g, beta1, d * (1 - beta1));
      averageSquares(t.slot("exp_avg_sq"), t.g, beta2, d * d * (1 - beta2));
      float[] s = t.slot("s");
      average(s, t.g, beta3, d / first * (option("safeguard_warmup", false) ? d : rate));
      float sum = 0;
      for (float x : s) {
        sum += Math.abs(x);
      }
      below += sum;
    }
    if (below == 0) {
      step--;
      return;
    }
    numerator = above;
    double estimate = number("d_coef", 1) * above / below;
    if (d == first) {
      d = Math.max(d, estimate);
    }
    largestD = Math.max(largestD, estimate);
    d = Math.min(largestD, d * number("growth_rate", Double.POSITIVE_INFINITY));
    for (Tensor t : tensors.values()) {
      if (decouples) {
        scale(t.p, 1 - rate * number("weight_decay", 0));
      }
      float[] q = denominators(t.slot("exp_avg_sq"), 1, d * number("eps", 1e-8));
      addQuotient(t.p, -rate, t.slot("exp_avg"), q);
    }
  }

  private void adafactor(Tensor t) {
    double fresh = Math.pow(step, number("beta2_decay", -0.8));
    float eps1 = (float) (hyper.has("eps") ? number("eps", 0, 0) : Math.ulp(1.0));
    double size = Math.min(lr, 1 / Math.sqrt(step));
    int n = t.p.length;
    float alpha =
        Math.max((float) number("eps", 1, 1e-3), norm(t.p) / (float) Math.sqrt(n)) * (float) size;
    shrink(t, 0);
    float[] u = new float[n];
    if (t.shape.length < 2) {
      float[] v = t.slot("variance");
      for (int i = 0; i < n; i++) {
        v[i] += (float) fresh * (t.g[i] * t.g[i] - v[i]);
      }
      System.arraycopy(v, 0, u, 0, n);
    } else {
      factored(t, (float) fresh, eps1, u);
    }
    for (int i = 0; i < n; i++) {
      u[i] = 1 / root(Math.max(u[i], eps1 * eps1)) * t.g[i];
    }
    float divisor = Math.max(1, norm(u) / (float) (Math.sqrt(n) * number("d", 1)));
    addTo(t.p, -(alpha / divisor), u);
  }

  /** Each of the leading dimensions' matrices by itself. */
  private static void factored(Tensor t, float fresh, float eps1, float[] v) {
    int columns = (int) t.shape[t.shape.length - 1];
    int rows = (int) t.shape[t.shape.length - 2];
    float[] r = t.slot("row_var", v.length / columns);
    float[] c = t.slot("col_var", v.length / rows);
    for (int matrix = 0; matrix < v.length / rows / columns; matrix++) {
      float mean = 0;
      float[] columnSums = new float[columns];
      for (int i = 0; i < rows; i++) {
        float sum = 0;
        for (int j = 0; j < columns; j++) {
          float g = t.g[(matrix * rows + i) * columns + j];
          sum += g * g;
          columnSums[j] += g * g;
        }
        int at = matrix * rows + i;
        r[at] += fresh * (sum / columns - r[at]);
        mean += r[at];
      }
      mean /= rows;
      for (int j = 0; j < columns; j++) {
        int at = matrix * columns + j;
        c[at] += fresh * (columnSums[j] / rows - c[at]);
      }
      for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
          v[(matrix * rows + i) * columns + j] =
              r[matrix * rows + i] * c[matrix * columns + j] / Math.max(mean, eps1);
        }
      }
    }
  }

  private void muon(Tensor t) {
    double momentum = number("momentum", 0.95);
    float[] b = t.slot("momentum_buffer");
    average(b, t.g, momentum);
    float[] u = b.clone();
    if (option("nesterov", true)) {
      average(u, t.g, momentum);
    }
    int rows = (int) t.shape[0];
    int columns = (int) t.shape[1];
    boolean turns = rows > columns;
    float[] x = turns ? transposed(u, rows, columns) : u;
    int least = Math.min(rows, columns);
    int most = Math.max(rows, columns);
    float size = Math.max(norm(x), (float) number("eps", 1e-7));
    for (int i = 0; i < x.length; i++) {
      x[i] /= size;
    }
    float a = (float) number("ns_coefficients", 0, 3.4445);
    float first = (float) number("ns_coefficients", 1, -4.775);
    float second = (float) number("ns_coefficients", 2, 2.0315);
    for (int k = 0; k < number("ns_steps", 5); k++) {
      float[] gram = product(x, transposed(x, least, most), least, most, least);
      float[] polynomial = product(gram, gram, least, least, least);
      for (int i = 0; i < gram.length; i++) {
        polynomial[i] = first * gram[i] + second * polynomial[i];
      }
      float[] moved = product(polynomial, x, least, least, most);
      for (int i = 0; i < x.length; i++) {
        x[i] = a * x[i] + moved[i];
      }
    }
    shrink(t, 0.1);
    boolean matches =
        hyper.has("adjust_lr_fn")
            && hyper.get("adjust_lr_fn").getAsString().equals("match_rms_adamw");
    double factor =
        matches ? 0.2 * Math.sqrt(most) : Math.sqrt(Math.max(1, (double) rows / columns));
    addTo(t.p, -lr * factor, turns ? transposed(x, columns, rows) : x);
  }

  private void lookahead(Tensor t, PlainFloat32 fast) {
    float[] slow = t.copied("slow_params");
    fast.advanceTo(step);
    float[] p = fast.params();
    float alpha = (float) number("alpha", 0.5);
    float rest = (float) (1 - number("alpha", 0.5));
    if (step % (int) number("k", 5) == 0) {
      for (int i = 0; i < p.length; i++) {
        p[i] = p[i] * alpha + rest * slow[i];
        slow[i] = p[i];
      }
    }
    System.arraycopy(p, 0, t.p, 0, p.length);
  }

  private static float[] transposed(float[] matrix, int rows, int columns) {
    float[] result = new float[matrix.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        result[j * rows + i] = matrix[i * columns + j];
      }
    }
    return result;
  }

  private static float[] product(float[] left, float[] right, int rows, int inner, int columns) {
    float[] result = new float[rows * columns];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        float sum = 0;
        for (int k = 0; k < inner; k++) {
          sum += left[i * inner + k] * right[k * columns + j];
        }
        result[i * columns + j] = sum;
      }
    }
    return result;
  }
}
