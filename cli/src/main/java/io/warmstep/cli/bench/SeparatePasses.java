package io.warmstep.cli.bench;

import io.warmstep.Device;
import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.cli.train.Precision;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What a full step does, on the processor, as training loops do it elsewhere: a pass that divides
 * gradients by the loss scale and checks them, one that sums their squares, one that clips them,
 * the update, one that rounds float32 masters to parameters of 16 bits where all their bits are
 * kept, and one that sets gradients to zero. All passes are plain Java loops over whole arrays on
 * several threads but for the update, which is Warmstep's own and stores what the step stores. It
 * takes gradients in float32, as loops that unscale and clip those of 16 bits have them.
 */
final class SeparatePasses implements AutoCloseable {
  private static final int BLOCK = 4096;

  private static final int LANES = 8;

  private static final int MAX_ELEMENTS = Integer.MAX_VALUE - 8;

  /** Of parameters as the model has them. */
  private final Storage storage;

  private final Storage gradientStorage;

  private final int length;
  private final int threads;
  private final ExecutorService executor;

  /** Parameters of the model. */
  private final Object values;

  /** What the update changes and a pass rounds to the model's, or null where it changes these. */
  private final float[] masters;

  /** Gradients of the model, or null where it has them in float32. */
  private final Object modelGradients;

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
   * @param work in place of which they are done, which {@link #refusal} has nothing against
   */
  SeparatePasses(Device device, int threads, StepWork work) {
    this.storage = Storage.of(work.precision().type());
    this.gradientStorage = Storage.of(work.precision().gradients());
    this.length = Math.toIntExact(work.elements());
    this.threads = threads;
    this.values = storage.newArray(length);
    this.masters = hasMasters(work.precision()) ? new float[length] : null;
    this.gradients = new float[length];
    this.modelGradients =
        work.precision().gradients() == ElementType.FLOAT32
            ? null
            : gradientStorage.newArray(length);
    StepWork updating = updateOf(work);
    this.parameters =
        updating.parameters(
            device,
            borrow(device, updating.precision().type(), masters == null ? values : masters),
            device.borrow(gradients));
    this.update = updating.optimizer(parameters);
    this.fresh = gradients.clone();
    if (masters != null) { // they begin as the parameters of the model
      storage.store(masters, 0, values, 0, length);
      storage.load(values, 0, masters, 0, length);
    }
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

  private static boolean hasMasters(Precision precision) {
    return precision.masters() == MasterWeights.EXACT;
  }

  /** What is left of a full step, of the parameters or of their masters, in float32. */
  private static StepWork updateOf(StepWork work) {
    Precision all = work.precision();
    Precision precision =
        new Precision(
            hasMasters(all) ? ElementType.FLOAT32 : all.type(),
            ElementType.FLOAT32,
            hasMasters(all) ? MasterWeights.NONE : all.masters(),
            all.state(),
            all.smallTensor(),
            all.rounding(),
            all.seed(),
            all.averageDecay());
    UpdateRule rule = work.rule();
    // A full step's clipping takes the place of the rule's own, and is a pass of its own here.
    return new StepWork(
        rule.clipNorm() == 0 ? rule : RuleSettings.with(rule, Map.of("maxGradNorm", 0.0)),
        precision,
        false,
        work.lengths());
  }

  private static Tensor borrow(Device device, ElementType type, Object array) {
    return array instanceof float[] floats
        ? device.borrow(floats)
        : device.borrow(type, (short[]) array);
  }

  /**
   * Says why there are no passes that do the same.
   *
   * @param work a full step, in place of which they would be done
   * @param report of the device, which must update Java arrays in place
   * @return the reason, or null if there are
   */
  static String refusal(StepWork work, DeviceReport report) {
    ElementType type = work.precision().type();
    if (!report.backend().equals("cpu")) {
      return "they are plain Java loops, and for steps on the cpu";
    }
    if (type == ElementType.FLOAT64) {
      return "they are of float32, and not of float64";
    }
    if (work.microBatches() > 1) {
      return "they add up no micro-batches";
    }
    if (work.isReported()) {
      return "they are reported to nobody";
    }
    if (work.rule().isOfOneType() && type.isHalf()) {
      return String.format(
          Locale.ROOT,
          "they pass gradients on in float32, and %s takes those of %s parameters in %s alone",
          work.rule().name(),
          type,
          type);
    }
    return work.elements() > MAX_ELEMENTS
        ? "they are of no more than " + MAX_ELEMENTS + " parameters"
        : null;
  }

  /** The optimizer of the update, whose state is that of a step. */
  Optimizer update() {
    return update;
  }

  /** Copies parameters of the model, from an element on. */
  void copyValues(int from, float[] target) {
    storage.load(values, from, target, 0, target.length);
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
    if (masters != null) {
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
      storage.store(masters, at, values, at, Math.min(BLOCK, to - at));
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
