package io.warmstep.cli.verify;

import io.warmstep.CaptureRefusedException;
import io.warmstep.CapturedStep;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Runs the same steps on a device and in Java on one thread, and compares parameters, gradients and
 * state bit for bit. Every NaN is equal to every other.
 */
public final class BitComparison {
  /** How many differences are described. */
  private static final int DESCRIBED = 5;

  private static final double RATE = 0.0123;

  private final Device device;
  private final Device reference;
  private final Map<String, Map<ElementType, Count>> counts = new LinkedHashMap<>();
  private final List<String> differences = new ArrayList<>();

  private BitComparison(Device device, Device reference) {
    this.device = device;
    this.reference = reference;
  }

  /**
   * How much was compared.
   *
   * @param values elements of parameters, gradients and state
   * @param mismatches those of them that differ
   */
  public record Count(long values, long mismatches) {
    private Count plus(Count other) {
      return new Count(values + other.values, mismatches + other.mismatches);
    }
  }

  /**
   * What came out.
   *
   * @param counts by the rule's name and the type; a type that the device does not support is left
   *     out
   * @param differences a description of the first few
   */
  public record Result(Map<String, Map<ElementType, Count>> counts, List<String> differences) {
    /**
     * All that was compared.
     *
     * @return the sum
     */
    public Count total() {
      return counts.values().stream()
          .flatMap(types -> types.values().stream())
          .reduce(new Count(0, 0), Count::plus);
    }
  }

  /** Is notified of the progress. */
  @FunctionalInterface
  public interface Listener {
    /**
     * A case is done.
     *
     * @param done how many are
     * @param total of how many
     */
    void onCase(int done, int total);
  }

  /**
   * Compares a device with Java.
   *
   * @param device where to run
   * @param isQuick whether few cases that cover every two choices are enough
   * @param listener is notified after each case
   * @return what came out
   * @throws io.warmstep.WarmstepException if the device fails
   */
  public static Result run(Device device, boolean isQuick, Listener listener) {
    List<BitCase> all =
        Arrays.stream(ElementType.values())
            .filter(device::supports)
            .flatMap(type -> BitCase.all(type).stream())
            .toList();
    return run(device, isQuick ? BitCase.few(all) : all, listener);
  }

  static Result run(Device device, List<BitCase> cases, Listener listener) {
    try (Device reference = Devices.cpu(1)) {
      BitComparison comparison = new BitComparison(device, reference);
      for (int i = 0; i < cases.size(); i++) {
        comparison.compare(cases.get(i), i);
        listener.onCase(i + 1, cases.size());
      }
      return new Result(
          Collections.unmodifiableMap(comparison.counts), List.copyOf(comparison.differences));
    }
  }

  private void compare(BitCase one, int seed) {
    try (Model ours = new Model(device, one);
        Model theirs = new Model(reference, one)) {
      SplittableRandom random = new SplittableRandom(seed);
      set(ours.values(), theirs.values(), one.elements(), random);
      if (one.elements() == Elements.SPECIAL || one.elements() == Elements.RANDOM_BITS) {
        set(ours.state(), theirs.state(), one.elements(), random);
      }
      int batches = one.extra().microBatches();
      for (int step = 1; one.extra().isAhead() && step <= one.steps(); step++) {
        for (int i = 0; i < Math.max(1, batches); i++) {
          setGradients(one, step, ours, theirs, random);
          ours.keepGradients();
          theirs.keepGradients();
        }
      }
      for (int step = 1; step <= one.steps(); step++) {
        for (int i = 0; i < batches; i++) {
          nextGradients(one, step, ours, theirs, random);
          ours.optimizer.accumulate();
          theirs.optimizer.accumulate();
        }
        if (batches == 0) {
          nextGradients(one, step, ours, theirs, random);
        }
        ours.step();
        theirs.step();
        if (one.comparesEachStep() || step == one.steps()) {
          if (one.extra().isEvaluated()) {
            ours.optimizer.eval();
            theirs.optimizer.eval();
            compare(one, step, ours, theirs);
            ours.optimizer.train();
            theirs.optimizer.train();
          }
          compare(one, step, ours, theirs);
        }
      }
    }
  }

  /** Those that are on the device already, if there are any: uploading others waits for it. */
  private static void nextGradients(
      BitCase one, int step, Model ours, Model theirs, SplittableRandom random) {
    if (one.extra().isAhead()) {
      ours.takeGradients();
      theirs.takeGradients();
    } else {
      setGradients(one, step, ours, theirs, random);
    }
  }

  private static void setGradients(
      BitCase one, int step, Model ours, Model theirs, SplittableRandom random) {
    set(ours.gradients(), theirs.gradients(), one.elements(), random);
    if (one.extra().isSkipped(step)) {
      ours.spoil();
      theirs.spoil();
    }
  }

  private static void set(
      List<Tensor> ours, List<Tensor> theirs, Elements elements, SplittableRandom random) {
    for (int i = 0; i < ours.size(); i++) {
      Tensor tensor = ours.get(i);
      Object array = elements.chooseArray(random, tensor.type(), Math.toIntExact(tensor.length()));
      Elements.writeArray(tensor, array);
      Elements.writeArray(theirs.get(i), array);
    }
  }

  private void compare(BitCase one, int step, Model ours, Model theirs) {
    Count count = compare(one, step, "parameters", ours.values(), theirs.values());
    count = count.plus(compare(one, step, "gradients", ours.gradients(), theirs.gradients()));
    count = count.plus(compare(one, step, "state", ours.state(), theirs.state()));
    count = count.plus(compareNorm(one, step, ours.optimizer, theirs.optimizer));
    counts
        .computeIfAbsent(one.rule().name(), name -> new EnumMap<>(ElementType.class))
        .merge(one.type(), count, Count::plus);
  }

  private Count compare(
      BitCase one, int step, String what, List<Tensor> ours, List<Tensor> theirs) {
    long values = 0;
    long mismatches = 0;
    for (int tensor = 0; tensor < ours.size(); tensor++) {
      values += ours.get(tensor).length();
      if (Elements.areAlike(ours.get(tensor), theirs.get(tensor))) {
        continue;
      }
      long[] actual = Elements.read(ours.get(tensor));
      long[] expected = Elements.read(theirs.get(tensor));
      for (int i = 0; i < actual.length; i++) {
        if (actual[i] != expected[i]) {
          mismatches++;
          ElementType type = ours.get(tensor).type();
          describe(
              one,
              step,
              String.format(
                  Locale.ROOT,
                  "%s %d, element %d of %d: %s, Java gives %s",
                  what,
                  tensor,
                  i,
                  actual.length,
                  Elements.text(type, actual[i]),
                  Elements.text(type, expected[i])));
        }
      }
    }
    return new Count(values, mismatches);
  }

  /** The norm, and whether the step was made. */
  private Count compareNorm(BitCase one, int step, Optimizer ours, Optimizer theirs) {
    long mismatches = 0;
    if (Double.doubleToLongBits(ours.gradientNorm())
        != Double.doubleToLongBits(theirs.gradientNorm())) {
      mismatches++;
      describe(one, step, "norm: " + ours.gradientNorm() + ", Java gives " + theirs.gradientNorm());
    }
    if (ours.stepCount() != theirs.stepCount()) {
      mismatches++;
      describe(one, step, "steps: " + ours.stepCount() + ", Java makes " + theirs.stepCount());
    }
    return new Count(2, mismatches);
  }

  private void describe(BitCase one, int step, String what) {
    if (differences.size() < DESCRIBED) {
      differences.add(one + ", step " + step + ", " + what);
    }
  }

  /** A case's parameters and optimizer on one device. Tensors are of the groups in turn. */
  private static final class Model implements AutoCloseable {
    private final Parameters parameters;
    private final Optimizer optimizer;
    private final CapturedStep captured; // or null
    private final List<Tensor> values = new ArrayList<>();
    private final List<Tensor> gradients = new ArrayList<>();
    private final List<Tensor> state = new ArrayList<>();
    private final Device device;
    private final List<List<Tensor>> kept = new ArrayList<>(); // gradients
    private int taken; // of these

    Model(Device device, BitCase one) {
      this.device = device;
      List<UpdateRule> groups = one.groups();
      ParametersBuilder builder = Parameters.on(device).gradientType(one.storing().gradients());
      for (int i = 0; i < one.lengths().size(); i++) {
        String name = "group" + i % groups.size() + "." + i;
        int length = one.lengths().get(i);
        builder.add(name, one.type(), length).shape(name, MatrixShapes.of(length));
      }
      parameters = builder.build();
      try {
        OptimizerBuilder optimizerBuilder =
            Optimizer.of(parameters).rule(one.rule()).learningRate(RATE);
        for (int i = 1; i < groups.size(); i++) {
          UpdateRule rule = groups.get(i);
          ParameterGroup group =
              ParameterGroup.matching("group" + i + ".*")
                  .rule(rule)
                  .learningRateFactor(one.rateFactor(i));
          boolean decays = RuleSettings.has(rule, "weightDecay");
          optimizerBuilder.group(decays ? group.weightDecay(0.002 * i) : group);
        }
        one.extra().applyTo(optimizerBuilder);
        one.storing().applyTo(optimizerBuilder);
        optimizer = optimizerBuilder.build();
        captured = one.extra().isCaptured() ? capture(optimizer) : null;
      } catch (RuntimeException | Error e) {
        parameters.close();
        throw e;
      }
      parameters.forEach(
          parameter -> {
            values.add(parameter.values());
            gradients.add(parameter.gradients());
            optimizer
                .stateNames(parameter.name())
                .forEach(slot -> state.add(optimizer.state(parameter.name(), slot)));
          });
    }

    /** Null on devices other than CUDA's, and with drivers from before graphs were enough. */
    private static CapturedStep capture(Optimizer optimizer) {
      try {
        return optimizer.capture();
      } catch (CaptureRefusedException e) {
        return null;
      }
    }

    List<Tensor> values() {
      return values;
    }

    List<Tensor> gradients() {
      return gradients;
    }

    List<Tensor> state() {
      return state;
    }

    void step() {
      if (captured == null) {
        optimizer.step();
      } else {
        captured.step();
      }
    }

    /** Keeps the present gradients for a step to come. */
    void keepGradients() {
      List<Tensor> copies = new ArrayList<>();
      for (Tensor tensor : gradients) {
        Tensor copy = device.allocate(tensor.type(), tensor.length());
        copy.copyFrom(tensor);
        copies.add(copy);
      }
      kept.add(copies);
    }

    /** Takes those that were kept first, in the order of the device's work. */
    void takeGradients() {
      List<Tensor> next = kept.get(taken++);
      for (int i = 0; i < next.size(); i++) {
        gradients.get(i).copyFrom(next.get(i));
      }
    }

    /** Makes a gradient NaN. */
    void spoil() {
      Tensor largest = Collections.max(gradients, Comparator.comparingLong(Tensor::length));
      largest.slice(largest.length() - 1, 1).copyFrom(new float[] {Float.NaN});
    }

    @Override
    public void close() {
      optimizer.close();
      kept.forEach(tensors -> tensors.forEach(Tensor::close));
      parameters.close();
    }
  }
}
