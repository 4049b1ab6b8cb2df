package io.warmstep.cli.train;

import io.warmstep.cli.data.DataSet;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A multi-layer perceptron for classification: dense layers with ReLU between them, softmax and
 * cross-entropy at the end, float32, minibatches, on one thread.
 *
 * <p>Forward: {@code z1 = x * W1 + b1}, {@code a1 = max(z1, 0)}, {@code z2 = a1 * W2 + b2}, …, and
 * the loss of a row with class c is {@code log(sum_j exp(z_j)) - z_c}. Equal seeds and data give
 * equal bits everywhere: the order of the additions is fixed, and exp and log are {@link
 * StrictMath}'s.
 */
public final class Mlp {
  /** Rows that are evaluated at once; bounds the scratch memory. */
  private static final int EVALUATION_ROWS = 256;

  /** Keeps the weights between two layers within one array. */
  private static final int MAX_LAYER_SIZE = 32_768;

  private final int inputs;
  private final int classes;
  private final List<Layer> layers = new ArrayList<>();
  private int capacity;

  /**
   * One tensor that is trained, and its gradient beside it.
   *
   * @param name {@code dense1.weight}, {@code dense1.bias}, {@code dense2.weight}, …
   * @param shape weight: inputs, outputs (row-major); bias: outputs
   * @param values the values; whoever trains the model writes here
   * @param gradient the derivative of the loss, written by {@link Mlp#computeGradients}
   */
  public record Parameter(String name, int[] shape, float[] values, float[] gradient) {
    Parameter(String name, int... shape) {
      this(name, shape, new float[size(shape)], new float[size(shape)]);
    }

    private static int size(int[] shape) {
      return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }
  }

  /**
   * The quality on a whole data set.
   *
   * @param loss the mean cross-entropy, in nats
   * @param accuracy the share of the rows whose class has the highest probability
   */
  public record Evaluation(double loss, double accuracy) {}

  /** A dense layer with the scratch that its passes need. */
  private static final class Layer {
    final int inputs;
    final int outputs;
    final Parameter weight;
    final Parameter bias;
    final float[] transposedWeight;
    float[] activations;
    float[] deltas;

    Layer(int number, int inputs, int outputs) {
      this.inputs = inputs;
      this.outputs = outputs;
      weight = new Parameter("dense" + number + ".weight", inputs, outputs);
      bias = new Parameter("dense" + number + ".bias", outputs);
      transposedWeight = new float[inputs * outputs];
    }
  }

  /**
   * Creates a model with He-uniform weights (He et al. 2015: uniform in ±sqrt(6 / inputs of the
   * layer)) and biases 0.
   *
   * @param inputs the number of features, at least 1
   * @param hidden the sizes of the hidden layers, each from 1 to 32,768; empty for a linear
   *     classifier
   * @param classes the number of classes, at least 2
   * @param seed the seed of the weights
   * @throws IllegalArgumentException if a size is out of range
   */
  public Mlp(int inputs, List<Integer> hidden, int classes, long seed) {
    if (inputs < 1 || classes < 2) {
      throw new IllegalArgumentException(
          "a model needs at least 1 input and 2 classes, got " + inputs + " and " + classes);
    }
    this.inputs = inputs;
    this.classes = classes;
    SplittableRandom random = new SplittableRandom(seed);
    int from = inputs;
    for (int to : hidden) {
      if (to < 1 || to > MAX_LAYER_SIZE) {
        throw new IllegalArgumentException(
            "--hidden is " + to + ", must be sizes from 1 to " + MAX_LAYER_SIZE);
      }
      addLayer(from, to, random);
      from = to;
    }
    addLayer(from, classes, random);
  }

  private void addLayer(int from, int to, SplittableRandom random) {
    Layer layer = new Layer(layers.size() + 1, from, to);
    double bound = Math.sqrt(6.0 / from);
    float[] weight = layer.weight.values();
    for (int i = 0; i < weight.length; i++) {
      weight[i] = (float) ((2 * random.nextDouble() - 1) * bound);
    }
    layers.add(layer);
  }

  /**
   * Returns what is trained, layer by layer.
   *
   * @return weights and biases with their gradients; the arrays are the model's own
   */
  public List<Parameter> parameters() {
    return layers.stream().flatMap(layer -> List.of(layer.weight, layer.bias).stream()).toList();
  }

  /**
   * Returns a hash of the bits of all values, to compare models by.
   *
   * @return SHA-256 over names and values, in hexadecimal digits
   */
  public String bits() {
    try {
      MessageDigest hash = MessageDigest.getInstance("SHA-256");
      for (Parameter parameter : parameters()) {
        hash.update(parameter.name.getBytes(StandardCharsets.UTF_8));
        ByteBuffer bytes = ByteBuffer.allocate(parameter.values.length * Float.BYTES);
        bytes.asFloatBuffer().put(parameter.values);
        hash.update(bytes);
      }
      return HexFormat.of().formatHex(hash.digest());
    } catch (NoSuchAlgorithmException e) { // every JDK has it
      throw new IllegalStateException(e);
    }
  }

  /**
   * Computes the gradient of the mean loss over a minibatch, overwriting every {@link
   * Parameter#gradient}.
   *
   * @param features rows times inputs, row-major, from index 0
   * @param labels the class of each row
   * @param rows how many rows the minibatch has, at least 1
   * @return the mean loss of the minibatch before any update
   */
  public double computeGradients(float[] features, int[] labels, int rows) {
    return computeGradients(features, labels, rows, rows);
  }

  /**
   * Computes the part of rows in the gradient of the mean loss over a minibatch that has others,
   * too, overwriting every {@link Parameter#gradient}.
   *
   * @param features rows times inputs, row-major, from index 0
   * @param labels the class of each row
   * @param rows how many rows there are, at least 1
   * @param outOf how many rows the whole minibatch has
   * @return the part of these rows in the mean loss before any update
   */
  public double computeGradients(float[] features, int[] labels, int rows, int outOf) {
    ensureCapacity(rows);
    forward(features, 0, rows);
    Layer last = layers.get(layers.size() - 1);
    double loss = 0;
    for (int row = 0; row < rows; row++) {
      loss += softmaxDelta(last, row, labels[row], outOf);
    }
    for (int i = layers.size() - 1; i >= 0; i--) {
      float[] input = i == 0 ? features : layers.get(i - 1).activations;
      backward(layers.get(i), input, i == 0 ? null : layers.get(i - 1), rows);
    }
    return loss / outOf;
  }

  /**
   * Computes loss and accuracy on a whole data set.
   *
   * @param data rows with as many features and at most as many classes as the model
   * @return the quality
   */
  public Evaluation evaluate(DataSet data) {
    return evaluate(data, new double[data.rows()]);
  }

  /**
   * Computes the loss of each row of a data set.
   *
   * @param data rows with as many features and at most as many classes as the model
   * @return the cross-entropies, in nats
   */
  public double[] losses(DataSet data) {
    double[] losses = new double[data.rows()];
    evaluate(data, losses);
    return losses;
  }

  private Evaluation evaluate(DataSet data, double[] losses) {
    ensureCapacity(Math.min(EVALUATION_ROWS, data.rows()));
    Layer last = layers.get(layers.size() - 1);
    double loss = 0;
    int correct = 0;
    for (int start = 0; start < data.rows(); start += EVALUATION_ROWS) {
      int rows = Math.min(EVALUATION_ROWS, data.rows() - start);
      forward(data.features(), start * inputs, rows);
      for (int row = 0; row < rows; row++) {
        int label = data.labels()[start + row];
        int at = row * classes;
        losses[start + row] = logSumExp(last.activations, at) - last.activations[at + label];
        loss += losses[start + row];
        correct += indexOfMax(last.activations, at) == label ? 1 : 0;
      }
    }
    return new Evaluation(loss / data.rows(), (double) correct / data.rows());
  }

  private void ensureCapacity(int rows) {
    if (rows > capacity) {
      for (Layer layer : layers) {
        layer.activations = new float[Math.multiplyExact(rows, layer.outputs)];
        layer.deltas = new float[rows * layer.outputs];
      }
      capacity = rows;
    }
  }

  private void forward(float[] features, int start, int rows) {
    float[] input = features;
    int inputStart = start;
    for (Layer layer : layers) {
      float[] out = layer.activations;
      for (int row = 0; row < rows; row++) {
        System.arraycopy(layer.bias.values(), 0, out, row * layer.outputs, layer.outputs);
      }
      DenseMath.addProduct(
          input, inputStart, layer.weight.values(), out, rows, layer.inputs, layer.outputs);
      if (layer != layers.get(layers.size() - 1)) {
        for (int i = 0; i < rows * layer.outputs; i++) {
          out[i] = Math.max(out[i], 0f);
        }
      }
      input = out;
      inputStart = 0;
    }
  }

  /** Writes (softmax - one-hot) / rows, the derivative of the mean loss, and returns the loss. */
  private double softmaxDelta(Layer last, int row, int label, int rows) {
    int at = row * classes;
    double logSum = logSumExp(last.activations, at);
    for (int j = at; j < at + classes; j++) {
      double probability = StrictMath.exp(last.activations[j] - logSum);
      last.deltas[j] = (float) ((probability - (j == at + label ? 1 : 0)) / rows);
    }
    return logSum - last.activations[at + label];
  }

  /** The weights' and biases' gradients, and the deltas of the layer below if there is one. */
  private static void backward(Layer layer, float[] input, Layer below, int rows) {
    float[] biasGradient = layer.bias.gradient();
    Arrays.fill(biasGradient, 0f);
    Arrays.fill(layer.weight.gradient(), 0f);
    for (int row = 0; row < rows; row++) {
      int at = row * layer.outputs;
      for (int j = 0; j < layer.outputs; j++) {
        biasGradient[j] += layer.deltas[at + j];
      }
    }
    DenseMath.addTransposedProduct(
        input, 0, layer.deltas, layer.weight.gradient(), rows, layer.inputs, layer.outputs);
    if (below != null) {
      DenseMath.transpose(
          layer.weight.values(), layer.transposedWeight, layer.inputs, layer.outputs);
      Arrays.fill(below.deltas, 0, rows * below.outputs, 0f);
      DenseMath.addProduct(
          layer.deltas, 0, layer.transposedWeight, below.deltas, rows, layer.outputs, layer.inputs);
      for (int i = 0; i < rows * below.outputs; i++) {
        below.deltas[i] = below.activations[i] > 0f ? below.deltas[i] : 0f;
      }
    }
  }

  private double logSumExp(float[] logits, int at) {
    float highest = logits[at + indexOfMax(logits, at)];
    double sum = 0;
    for (int j = at; j < at + classes; j++) {
      sum += StrictMath.exp(logits[j] - highest);
    }
    return highest + StrictMath.log(sum);
  }

  private int indexOfMax(float[] logits, int at) {
    int best = 0;
    for (int j = 1; j < classes; j++) {
      if (logits[at + j] > logits[at + best]) {
        best = j;
      }
    }
    return best;
  }
}
