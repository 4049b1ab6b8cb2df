package io.warmstep.golden;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * A tensor of a golden case in plain float32 arithmetic: PyTorch's sequence of operations, one
 * tensor operation after the other, each rounded. What a user of PyTorch gets, and so the yardstick
 * for float32.
 */
final class PlainFloat32 {
  private static final Set<String> OPTIMIZERS = Set.of("SGD", "RMSprop", "Adam", "AdamW");

  private final GoldenCase golden;
  private final double[][] gradients;
  private final float lr;
  private final float weightDecay;
  private final boolean maximize;
  private final float[] params;
  private final Map<String, float[]> state = new LinkedHashMap<>();
  private int step;

  PlainFloat32(GoldenCase golden, GoldenCase.Start tensor) {
    this.golden = golden;
    this.gradients = tensor.gradients();
    this.lr = (float) golden.learningRate();
    this.weightDecay =
        (float) golden.hyper("weight_decay", golden.optimizer().equals("AdamW") ? 0.01 : 0);
    this.maximize = golden.option("maximize");
    this.params = floats(tensor.values());
  }

  /** Whether a case's operations are here. */
  static boolean has(GoldenCase golden) {
    return OPTIMIZERS.contains(golden.optimizer());
  }

  void advanceTo(int target) {
    while (step < target) {
      float[] g = floats(gradients[step]);
      step++;
      clip(g);
      for (int i = 0; i < g.length; i++) {
        float gi = maximize ? -g[i] : g[i];
        switch (golden.optimizer()) {
          case "SGD" -> sgd(i, gi);
          case "RMSprop" -> rmsProp(i, gi);
          case "Adam", "AdamW" -> adam(i, gi);
          default -> throw new AssertionError(golden.optimizer());
        }
      }
    }
  }

  /** The parameter itself, for rules that move it after this one. */
  float[] params() {
    return params;
  }

  /** The parameter or a slot of its state. */
  double[] value(String name) {
    return doubles(name.equals(GoldenCase.PARAMS) ? params : state.get(name));
  }

  private void clip(float[] g) {
    float maxNorm = (float) golden.clip("clip_grad_norm");
    if (maxNorm > 0) {
      float sum = 0;
      for (float x : g) {
        sum += x * x;
      }
      float factor = Math.min(1, maxNorm / ((float) Math.sqrt(sum) + 1e-6f));
      for (int i = 0; i < g.length; i++) {
        g[i] *= factor;
      }
    }
    float bound = (float) golden.clip("clip_grad_value");
    for (int i = 0; bound > 0 && i < g.length; i++) {
      g[i] = Math.max(-bound, Math.min(bound, g[i]));
    }
  }

  private float[] slot(String name) {
    return state.computeIfAbsent(name, n -> new float[params.length]);
  }

  private float decayed(int i, float g) {
    return weightDecay == 0 ? g : g + weightDecay * params[i];
  }

  private void sgd(int i, float raw) {
    float g = decayed(i, raw);
    float momentum = (float) golden.hyper("momentum", 0);
    if (momentum != 0) {
      float[] b = slot("momentum_buffer");
      float fresh = (float) (1 - golden.hyper("dampening", 0));
      b[i] = step == 1 ? g : b[i] * momentum + fresh * g;
      g = golden.option("nesterov") ? g + momentum * b[i] : b[i];
    }
    params[i] += -lr * g;
  }

  private void rmsProp(int i, float raw) {
    float g = decayed(i, raw);
    float alpha = (float) golden.hyper("alpha", 0.99);
    float fresh = (float) (1 - golden.hyper("alpha", 0.99));
    float momentum = (float) golden.hyper("momentum", 0);
    float[] v = slot("square_avg");
    v[i] = v[i] * alpha + fresh * g * g;
    float variance = v[i];
    if (golden.option("centered")) {
      float[] a = slot("grad_avg");
      a[i] = a[i] * alpha + g * fresh;
      variance = v[i] - a[i] * a[i];
    }
    float root = (float) Math.sqrt(variance) + (float) golden.hyper("eps", 1e-8);
    if (momentum > 0) {
      float[] b = slot("momentum_buffer");
      b[i] = b[i] * momentum + g / root;
      params[i] += -lr * b[i];
    } else {
      params[i] += -lr * g / root;
    }
  }

  private void adam(int i, float raw) {
    double beta1 = golden.beta(0, 0.9);
    double beta2 = golden.beta(1, 0.999);
    double rate = golden.hyper("lr", 1e-3);
    boolean decoupled = golden.optimizer().equals("AdamW");
    if (decoupled) {
      params[i] *= (float) (1 - rate * golden.hyper("weight_decay", 0.01));
    }
    float g = decoupled ? raw : decayed(i, raw);
    float[] m = slot("exp_avg");
    float[] v = slot("exp_avg_sq");
    m[i] = m[i] * (float) beta1 + g * (float) (1 - beta1);
    v[i] = v[i] * (float) beta2 + (float) (1 - beta2) * g * g;
    float u = v[i];
    if (golden.option("amsgrad")) {
      float[] largest = slot("max_exp_avg_sq");
      largest[i] = Math.max(largest[i], v[i]);
      u = largest[i];
    }
    float correction = (float) Math.sqrt(1 - Math.pow(beta2, step));
    float denominator = (float) Math.sqrt(u) / correction + (float) golden.hyper("eps", 1e-8);
    float stepSize = (float) (rate / (1 - Math.pow(beta1, step)));
    params[i] += -stepSize * m[i] / denominator;
  }

  private static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  private static double[] doubles(float[] values) {
    double[] doubles = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      doubles[i] = values[i];
    }
    return doubles;
  }
}
