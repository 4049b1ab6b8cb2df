package io.warmstep.spark;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * A multi-layer perceptron for classification: dense layers with ReLU between them, softmax and
 * cross-entropy at the end, in float32, row by row. Equal values give equal bits on every machine:
 * the order of additions is fixed, and exp and log are {@link StrictMath}'s.
 *
 * <p>A layer's weight is its inputs times its outputs, row-major.
 */
final class Perceptron implements GradientFunction<Example> {
  private static final long serialVersionUID = 1L;

  private final int[] sizes;

  /** Of the present row, by layer: what it takes in, and the loss's derivative by that. */
  private transient float[][] inputs;

  private transient float[][] deltas;

  /**
   * Describes a network.
   *
   * @param sizes of the input, of each hidden layer, and how many classes there are
   */
  Perceptron(int... sizes) {
    this.sizes = sizes.clone();
  }

  static String weight(int layer) {
    return "dense" + (layer + 1) + ".weight";
  }

  static String bias(int layer) {
    return "dense" + (layer + 1) + ".bias";
  }

  /**
   * Values to begin with: weights uniform within ±sqrt(6 / inputs of the layer) (He et al. 2015),
   * biases 0.
   */
  Map<String, float[]> initial(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, float[]> values = new LinkedHashMap<>();
    for (int layer = 0; layer < sizes.length - 1; layer++) {
      double bound = Math.sqrt(6.0 / sizes[layer]);
      float[] weight = new float[Math.multiplyExact(sizes[layer], sizes[layer + 1])];
      for (int i = 0; i < weight.length; i++) {
        weight[i] = (float) ((2 * random.nextDouble() - 1) * bound);
      }
      values.put(weight(layer), weight);
      values.put(bias(layer), new float[sizes[layer + 1]]);
    }
    return values;
  }

  /**
   * The scores of a row before the softmax.
   *
   * @param weights and biases by layer
   */
  float[] scores(float[][] weights, float[][] biases, float[] features) {
    float[] in = features;
    for (int layer = 0; layer < weights.length; layer++) {
      float[] out = new float[sizes[layer + 1]];
      forward(in, weights[layer], biases[layer], out, layer < weights.length - 1);
      in = out;
    }
    return in;
  }

  @Override
  public double gradients(List<Example> rows, ModelParameters model) {
    int layers = sizes.length - 1;
    if (inputs == null) {
      inputs = new float[sizes.length][];
      deltas = new float[sizes.length][];
      for (int layer = 1; layer < sizes.length; layer++) {
        inputs[layer] = new float[sizes[layer]];
        deltas[layer] = new float[sizes[layer]];
      }
    }
    double loss = 0;
    for (Example row : rows) {
      inputs[0] = row.features();
      for (int layer = 0; layer < layers; layer++) {
        forward(
            inputs[layer],
            model.values(weight(layer)),
            model.values(bias(layer)),
            inputs[layer + 1],
            layer < layers - 1);
      }
      loss += softmax(inputs[layers], deltas[layers], row.label());
      for (int layer = layers - 1; layer >= 0; layer--) {
        backward(layer, model);
      }
    }
    return loss;
  }

  private static void forward(
      float[] in, float[] weight, float[] bias, float[] out, boolean isHidden) {
    System.arraycopy(bias, 0, out, 0, out.length);
    for (int i = 0; i < in.length; i++) {
      if (in[i] != 0) { // so are about half of those behind a ReLU
        addScaled(in[i], weight, i * out.length, out, 0, out.length);
      }
    }
    if (isHidden) {
      for (int j = 0; j < out.length; j++) {
        out[j] = Math.max(out[j], 0f);
      }
    }
  }

  /** The loss of a row, and its derivative by the scores: softmax minus one-hot. */
  private static double softmax(float[] scores, float[] delta, int label) {
    double highest = Double.NEGATIVE_INFINITY;
    for (float score : scores) {
      highest = Math.max(highest, score);
    }
    double sum = 0;
    for (float score : scores) {
      sum += StrictMath.exp(score - highest);
    }
    double logSum = highest + StrictMath.log(sum);
    for (int j = 0; j < scores.length; j++) {
      delta[j] = (float) (StrictMath.exp(scores[j] - logSum) - (j == label ? 1 : 0));
    }
    return logSum - scores[label];
  }

  private void backward(int layer, ModelParameters model) {
    float[] in = inputs[layer];
    float[] delta = deltas[layer + 1];
    float[] weight = model.values(weight(layer));
    float[] gradient = model.gradients(weight(layer));
    addScaled(1, delta, 0, model.gradients(bias(layer)), 0, delta.length);
    for (int i = 0; i < in.length; i++) {
      if (in[i] != 0) {
        addScaled(in[i], delta, 0, gradient, i * delta.length, delta.length);
      }
      if (layer > 0) {
        deltas[layer][i] = in[i] > 0 ? dot(weight, i * delta.length, delta) : 0;
      }
    }
  }

  /** Adds multiples of elements to others. */
  private static void addScaled(
      float factor, float[] from, int start, float[] to, int toStart, int count) {
    for (int j = 0; j < count; j++) {
      to[toStart + j] += factor * from[start + j];
    }
  }

  /** In four sums, which the processor works on at the same time. */
  private static float dot(float[] row, int start, float[] other) {
    float a = 0;
    float b = 0;
    float c = 0;
    float d = 0;
    int j = 0;
    for (; j + 4 <= other.length; j += 4) {
      a += row[start + j] * other[j];
      b += row[start + j + 1] * other[j + 1];
      c += row[start + j + 2] * other[j + 2];
      d += row[start + j + 3] * other[j + 3];
    }
    for (; j < other.length; j++) {
      a += row[start + j] * other[j];
    }
    return (a + b) + (c + d);
  }
}
