package io.warmstep.cli.bench;

import io.warmstep.Device;
import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.cli.train.Precision;
import io.warmstep.rule.UpdateRule;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What a full step does, on the processor, as training loops do it elsewhere: a pass that divides
 * gradients by the loss scale and checks them, one that sums their squares, one that clips them,
 * the update of float32 parameters, for parameters of 16 bits one that rounds these, and one that
 * sets gradients to zero. All passes are plain Java loops over whole arrays on several threads but
 * for the update, which is Warmstep's own.
 */
final class SeparatePasses implements AutoCloseable {
  private static final int BLOCK = 4096;

  private static final int LANES = 8;

  /** Of parameters as the model has them. */
  private final Storage storage;

  private final Storage gradientStorage;

  private final int length;
  private final int threads;
  private final ExecutorService executor;

  /** Parameters of the model, or null where it has them in float32. */
  private final Object modelValues;

  /** Gradients of the model, or null where it has them in float32. */
  private final Object modelGradients;

  private final float[] values;
  private final float[] gradients;

  /** What gradients are before a step. */
  private final float[] fresh;

  private final Parameters parameters;
  private final Optimizer update;

  private interface Pass {
    /** Goes over a range and returns a sum of it, or 0. */
    double over(int from, int to);
  }

  /**
   * Allocates the arrays and starts the threads.
   *
   * @param device the processor
   * @param threads of the passes
   * @param rule of the update
   * @param precision of which are the types of the model's parameters and gradients, float32 or 16
   *     bits
   * @param length count of elements, within an array's limit
   */
  SeparatePasses(Device device, int threads, UpdateRule rule, Precision precision, long length) {
    this.storage = Storage.of(precision.type());
    this.gradientStorage = Storage.of(precision.gradients());
    this.length = Math.toIntExact(length);
    this.threads = threads;
    this.values = random(new SplittableRandom(1));
    this.fresh = random(new SplittableRandom(2));
    this.gradients = fresh.clone();
    this.modelValues = modelArray(precision.type());
    this.modelGradients = modelArray(precision.gradients());
    this.parameters = Parameters.on(device).borrow("all", values, gradients).build();
    this.update = Optimizer.of(parameters).rule(rule).learningRate(1e-3).build();
    this.executor = // the caller is one of the threads
        Executors.newFixedThreadPool(
            Math.max(1, threads - 1),
            task -> {
              Thread thread = new Thread(task, "separate-passes");
              thread.setDaemon(true);
              return thread;
            });
    restore();
  }

  private Object modelArray(ElementType type) {
    return type == ElementType.FLOAT32 ? null : Storage.of(type).newArray(length);
  }

  private float[] random(SplittableRandom random) {
    float[] filled = new float[length];
    Filling.fill(filled, random);
    return filled;
  }

  /**
   * Whether there are such passes.
   *
   * @param work in place of which they would be done
   * @param report of the device, which must update Java arrays in place
   */
  static boolean canReplace(StepWork work, DeviceReport report) {
    return work.isFull()
        && work.microBatches() == 1
        && report.backend().equals("cpu")
        && work.precision().type() != ElementType.FLOAT64
        && work.elements() <= Integer.MAX_VALUE - 8;
  }

  /** Puts gradients back, which a step sets to zero. */
  void restore() {
    if (modelGradients == null) {
      System.arraycopy(fresh, 0, gradients, 0, length);
    } else {
      gradientStorage.store(fresh, 0, modelGradients, 0, length);
    }
  }

  /** Does a step. */
  void step() throws InterruptedException {
    double check = onThreads(this::unscale);
    if (check != 0) { // NaN, that is
      throw new IllegalStateException("a gradient is not finite");
    }
    double norm = Math.sqrt(onThreads(this::sumSquares));
    float clip = (float) Math.min(1, StepWork.MAX_NORM / (norm + 1e-6));
    onThreads((from, to) -> scale(clip, from, to));
    update.step();
    if (modelValues != null) {
      onThreads(this::round);
    }
    onThreads(this::zero);
  }

  private double onThreads(Pass pass) throws InterruptedException {
    List<Future<Double>> shares = new ArrayList<>();
    for (int i = 1; i < threads; i++) {
      int from = start(i);
      int to = start(i + 1);
      shares.add(executor.submit((Callable<Double>) () -> pass.over(from, to)));
    }
    double sum = pass.over(0, start(1));
    for (Future<Double> share : shares) {
      try {
        sum += share.get();
      } catch (ExecutionException e) {
        throw new IllegalStateException("a pass failed", e.getCause());
      }
    }
    return sum;
  }

  /** The first element of a thread's share. */
  private int start(int thread) {
    return (int) ((long) length * thread / threads);
  }

  /** Returns 0 if all are finite, else NaN. */
  private double unscale(int from, int to) {
    double sum = 0;
    for (int at = from; at < to; at += BLOCK) {
      int end = Math.min(to, at + BLOCK);
      if (modelGradients != null) {
        gradientStorage.load(modelGradients, at, gradients, at, end - at);
      }
      sum += unscale(gradients, (float) (1 / StepWork.LOSS_SCALE), at, end);
    }
    return sum;
  }

  /** Several sums, since one would be as slow as additions that wait for each other. */
  private static float unscale(float[] array, float inverse, int from, int to) {
    float[] sums = new float[LANES];
    int i = from;
    for (; i <= to - LANES; i += LANES) {
      for (int lane = 0; lane < LANES; lane++) {
        float value = array[i + lane] * inverse;
        array[i + lane] = value;
        sums[lane] += value * 0;
      }
    }
    for (; i < to; i++) {
      array[i] *= inverse;
      sums[0] += array[i] * 0;
    }
    float sum = 0;
    for (float one : sums) {
      sum += one;
    }
    return sum;
  }

  private double sumSquares(int from, int to) {
    double sum = 0;
    for (int at = from; at < to; at += BLOCK) {
      sum += sumSquares(gradients, at, Math.min(to, at + BLOCK));
    }
    return sum;
  }

  private static float sumSquares(float[] array, int from, int to) {
    float[] sums = new float[LANES];
    int i = from;
    for (; i <= to - LANES; i += LANES) {
      for (int lane = 0; lane < LANES; lane++) {
        sums[lane] += array[i + lane] * array[i + lane];
      }
    }
    for (; i < to; i++) {
      sums[0] += array[i] * array[i];
    }
    float sum = 0;
    for (float one : sums) {
      sum += one;
    }
    return sum;
  }

  private double scale(float factor, int from, int to) {
    float[] array = gradients;
    for (int i = from; i < to; i++) {
      array[i] *= factor;
    }
    return 0;
  }

  private double round(int from, int to) {
    for (int at = from; at < to; at += BLOCK) {
      storage.store(values, at, modelValues, at, Math.min(BLOCK, to - at));
    }
    return 0;
  }

  private double zero(int from, int to) {
    if (modelGradients == null) {
      Arrays.fill(gradients, from, to, 0);
    } else {
      gradientStorage.fill(modelGradients, from, to, 0);
    }
    return 0;
  }

  @Override
  public void close() {
    executor.shutdownNow();
    update.close();
    parameters.close();
  }
}
