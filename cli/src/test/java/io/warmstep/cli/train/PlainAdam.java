package io.warmstep.cli.train;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongToDoubleFunction;

/** A textbook Adam for tests of the model and the training loop alone. */
final class PlainAdam implements Trainer.Update {
  private final List<Mlp.Parameter> parameters;
  private final List<float[]> first = new ArrayList<>();
  private final List<float[]> second = new ArrayList<>();
  private final LongToDoubleFunction rate;
  private long step;

  PlainAdam(Mlp model, LongToDoubleFunction rate) {
    this.parameters = model.parameters();
    this.rate = rate;
    for (Mlp.Parameter parameter : parameters) {
      first.add(new float[parameter.values().length]);
      second.add(new float[parameter.values().length]);
    }
  }

  static LongToDoubleFunction warmUpThenCosine(double base, long warmUp, long steps) {
    return step ->
        step <= warmUp
            ? base * step / warmUp
            : base * 0.5 * (1 + Math.cos(Math.PI * (step - warmUp - 1) / (steps - warmUp)));
  }

  @Override
  public double step() {
    step++;
    double lr = rate.applyAsDouble(step);
    double size = lr / (1 - Math.pow(0.9, step));
    double correction = Math.sqrt(1 - Math.pow(0.999, step));
    for (int p = 0; p < parameters.size(); p++) {
      float[] m = first.get(p);
      float[] v = second.get(p);
      float[] values = parameters.get(p).values();
      float[] gradient = parameters.get(p).gradient();
      for (int i = 0; i < values.length; i++) {
        m[i] = 0.9f * m[i] + 0.1f * gradient[i];
        v[i] = 0.999f * v[i] + 0.001f * gradient[i] * gradient[i];
        values[i] -= (float) (size * m[i] / (Math.sqrt(v[i]) / correction + 1e-8));
      }
    }
    return lr;
  }
}
