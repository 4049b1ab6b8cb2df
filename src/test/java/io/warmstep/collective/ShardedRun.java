package io.warmstep.collective;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.ShardedOptimizer;
import io.warmstep.ShardedOptimizerBuilder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.function.UnaryOperator;

/** A model whose gradients are made up, trained by one optimizer or by several workers. */
public final class ShardedRun {
  static final int LANES = 8;

  private final Map<String, Integer> lengths = new LinkedHashMap<>();
  private final List<ElementType> types;
  private final UnaryOperator<OptimizerBuilder> choices;
  private int microBatches = LANES;
  private int badStep = -1;

  public ShardedRun(List<ElementType> types, UnaryOperator<OptimizerBuilder> choices) {
    this.types = types;
    this.choices = choices;
    int[] all = {5, 2 * 4096 + 17, 0, 10_000, 1, 4096, 300};
    for (int i = 0; i < all.length; i++) {
      lengths.put("p" + i, all[i]);
    }
  }

  /** The same parameters in the reverse order, with the same values, types and gradients. */
  ShardedRun reversed() {
    List<String> names = new ArrayList<>(lengths.keySet());
    Collections.reverse(names);
    names.forEach(name -> lengths.put(name, lengths.remove(name)));
    return this;
  }

  /** A parameter's number, whatever the order. */
  private static int index(String name) {
    return Integer.parseInt(name.substring(1));
  }

  ShardedRun microBatches(int count) {
    microBatches = count;
    return this;
  }

  /** Makes one gradient of a step a NaN. */
  ShardedRun badStep(int step) {
    badStep = step;
    return this;
  }

  Parameters parameters(Device device, long seed) {
    ParametersBuilder builder = Parameters.on(device);
    for (Map.Entry<String, Integer> one : lengths.entrySet()) {
      int i = index(one.getKey());
      ElementType type = types.get(i % types.size());
      builder.add(one.getKey(), type, random(seed + i + 1, one.getValue(), 1));
      long rows = one.getValue() == 10_000 ? 100 : one.getValue() == 0 ? 0 : 1;
      long columns = rows == 0 ? 3 : one.getValue() / rows;
      builder.shape(one.getKey(), rows, columns); // some rules need two
    }
    return builder.build();
  }

  private static float[] random(long seed, int length, double scale) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) ((random.nextDouble() * 2 - 1) * scale);
    }
    return values;
  }

  private float[] gradient(int index, long step, long microBatch, int length) {
    float[] gradient = random(1000 * step + 10 * microBatch + index, length, 3);
    if (step == badStep && microBatch == 5 && length > 5000) {
      gradient[5000] = Float.NaN;
    }
    return gradient;
  }

  private OptimizerBuilder builder(Parameters parameters) {
    return choices.apply(Optimizer.of(parameters).learningRate(0.01).gradientScale(1.0 / 8));
  }

  Optimizer optimizer(Parameters parameters) {
    return builder(parameters).build();
  }

  ShardedOptimizer optimizer(Parameters parameters, Collective collective) {
    return optimizer(parameters, collective, UnaryOperator.identity());
  }

  /** One with a worker's own choices. */
  ShardedOptimizer optimizer(
      Parameters parameters, Collective collective, UnaryOperator<OptimizerBuilder> own) {
    ShardedOptimizerBuilder sharded = own.apply(builder(parameters)).sharded(collective);
    return sharded.lanes(LANES).build();
  }

  /** One optimizer that accumulates by as many lanes, and so takes the mean itself. */
  Optimizer accumulating(Parameters parameters, UnaryOperator<OptimizerBuilder> own) {
    return own.apply(builder(parameters)).gradientScale(microBatches / 8.0).lanes(LANES).build();
  }

  /** Steps with gradients that were added up by plain loops. */
  void steps(Parameters parameters, Optimizer optimizer, int from, int to) {
    for (int step = from; step < to; step++) {
      for (Parameter parameter : parameters) {
        int index = index(parameter.name());
        boolean isDouble = parameter.values().type() == ElementType.FLOAT64;
        double[][] lanes = new double[LANES][(int) parameter.length()];
        for (int lane = 0; lane < LANES; lane++) {
          for (int j = lane; j < microBatches; j += LANES) {
            float[] term = stored(parameter, gradient(index, step, j, lanes[lane].length));
            for (int i = 0; i < term.length; i++) {
              lanes[lane][i] = j < LANES ? term[i] : sum(lanes[lane][i], term[i], isDouble);
            }
          }
        }
        for (int width = 1; width < LANES; width *= 2) {
          for (int lane = 0; lane < LANES; lane += 2 * width) {
            for (int i = 0; i < lanes[lane].length; i++) {
              lanes[lane][i] = sum(lanes[lane][i], lanes[lane + width][i], isDouble);
            }
          }
        }
        parameter.gradients().copyFrom(lanes[0]);
      }
      optimizer.step();
    }
  }

  /** As a gradient of the parameter's type holds it. */
  private static float[] stored(Parameter parameter, float[] values) {
    parameter.gradients().copyFrom(values);
    return parameter.gradients().toFloats();
  }

  private static double sum(double a, double b, boolean isDouble) {
    return isDouble ? a + b : (float) a + (float) b;
  }

  void steps(Parameters parameters, ShardedOptimizer optimizer, int from, int to) {
    for (int step = from; step < to; step++) {
      for (int j = 0; j < microBatches; j++) {
        if (optimizer.isMine(j)) {
          setGradients(parameters, step, j);
          optimizer.accumulate(j);
        }
      }
      optimizer.step();
    }
  }

  /** The bits of all parameters after steps of one optimizer. */
  public String alone(int steps) {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, 0);
        Optimizer optimizer = optimizer(parameters)) {
      steps(parameters, optimizer, 0, steps);
      return bits(parameters);
    }
  }

  /** The same of one optimizer that accumulates. */
  public String accumulated(int steps) {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, 0);
        Optimizer optimizer = accumulating(parameters, UnaryOperator.identity())) {
      accumulate(parameters, optimizer, 0, steps);
      return bits(parameters);
    }
  }

  /** Steps of an optimizer that accumulates. */
  void accumulate(Parameters parameters, Optimizer optimizer, int from, int to) {
    for (int step = from; step < to; step++) {
      for (int j = 0; j < microBatches; j++) {
        setGradients(parameters, step, j);
        optimizer.accumulate();
      }
      optimizer.step();
    }
  }

  private void setGradients(Parameters parameters, int step, int microBatch) {
    for (Parameter parameter : parameters) {
      int index = index(parameter.name());
      int length = (int) parameter.length();
      parameter.gradients().copyFrom(gradient(index, step, microBatch, length));
    }
  }

  /** The bits that each worker has after as many steps; all but the first begin elsewhere. */
  public List<String> shared(Workers workers, int size, int steps) throws Exception {
    return shared(workers, size, steps, rank -> Devices.cpu(1));
  }

  /** The same on devices by rank. */
  public List<String> shared(Workers workers, int size, int steps, IntFunction<Device> devices)
      throws Exception {
    return workers.run(
        size,
        collective -> {
          try (Device device = devices.apply(collective.rank());
              Parameters parameters = parameters(device, collective.rank());
              ShardedOptimizer optimizer = optimizer(parameters, collective)) {
            steps(parameters, optimizer, 0, steps);
            return bits(parameters);
          }
        });
  }

  /** Those that workers have who save after some steps, and others who go on from there. */
  public List<String> continued(
      Path folder,
      int steps,
      int size,
      IntFunction<Device> devices,
      int to,
      int others,
      IntFunction<Device> othersDevices)
      throws Exception {
    Workers.IN_PROCESS.run(
        size,
        collective -> {
          try (Device device = devices.apply(collective.rank());
              Parameters parameters = parameters(device, 0);
              ShardedOptimizer optimizer = optimizer(parameters, collective)) {
            steps(parameters, optimizer, 0, steps);
            optimizer.save(folder);
          }
          return null;
        });
    return Workers.IN_PROCESS.run(
        others,
        collective -> {
          try (Device device = othersDevices.apply(collective.rank());
              Parameters parameters = parameters(device, 77);
              ShardedOptimizer optimizer = optimizer(parameters, collective)) {
            optimizer.restore(folder);
            steps(parameters, optimizer, steps, to);
            return bits(parameters);
          }
        });
  }

  static String bits(Parameters parameters) {
    Map<String, String> text = new TreeMap<>();
    for (Parameter parameter : parameters) {
      double[] values = parameter.values().toDoubles();
      long[] bits = new long[values.length];
      for (int i = 0; i < values.length; i++) {
        bits[i] = Double.doubleToLongBits(values[i]);
      }
      String first = values.length == 0 ? "" : String.valueOf(values[0]);
      text.put(parameter.name(), Arrays.hashCode(bits) + " " + first);
    }
    return text.toString();
  }
}
