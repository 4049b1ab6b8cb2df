package io.warmstep;

import io.warmstep.backend.Encoding;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.storage.Remainders;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Measures the changes of one step, from copies of the values and gradients, which it reads a chunk
 * at a time. Sums are computed in the order of the elements, so equal bits in the parameters give
 * equal bits here.
 */
final class UpdateMeter {
  private static final int CHUNK = 1 << 14;

  private UpdateMeter() {}

  /**
   * A parameter and the copies of it.
   *
   * @param encoding how the parameter is stored
   * @param rest what its master has beside it, if it has one
   * @param before the parameter before the step
   * @param after the same after the step; null if it still holds the step's result
   * @param gradients null if it still holds the gradients that the step used
   * @param codes its state that is stored so
   */
  record Measured(
      Parameter parameter,
      Encoding encoding,
      Optional<MemorySlice> rest,
      Operand before,
      Operand after,
      MemorySlice gradients,
      List<Codes> codes) {
    /** Where the parameter lies now, as it may have been rebound. */
    Operand now() {
      return new Operand(Operand.Role.VALUES, parameter.values().slice(), encoding, rest);
    }

    Operand afterStep() {
      return after == null ? now() : after;
    }

    MemorySlice usedGradients() {
      return gradients == null ? parameter.gradients().slice() : gradients;
    }
  }

  /**
   * State that is stored as codes.
   *
   * @param slot its name
   * @param state where it lies
   * @param copy of the step's result; null if {@code state} still holds it
   */
  record Codes(String slot, Operand state, Operand copy) {
    Operand afterStep() {
      return copy == null ? state : copy;
    }
  }

  /** Number of elements of its memory that an operand takes. */
  static long elements(Parameter parameter, Operand operand) {
    long length = parameter.length();
    return operand.encoding().isCoded() ? StateCodes.words(length) : length;
  }

  /** The same for what its master has beside it. */
  static long restElements(Parameter parameter, Operand operand) {
    long length = parameter.length();
    return operand.encoding().isMaster24() ? Remainders.words(length) : length;
  }

  /**
   * Names groups: all differ, and a group keeps its name while others are frozen.
   *
   * @param groups all groups of an optimizer
   */
  static IdentityHashMap<RuleGroup, String> names(List<TrainedGroup> groups) {
    IdentityHashMap<RuleGroup, String> names = new IdentityHashMap<>();
    Map<String, Integer> uses = new HashMap<>();
    for (TrainedGroup group : groups) {
      String name = group.rules().pattern();
      if (name.equals(RuleGroup.REST)) {
        name = groups.size() == 1 ? "all" : "others";
      }
      int use = uses.merge(name, 1, Integer::sum);
      names.put(group.rules(), use == 1 ? name : name + "." + use);
    }
    return names;
  }

  /**
   * Reads the copies, which nothing writes any longer.
   *
   * @param names of the groups
   * @param learningRate the step's, or NaN if it was skipped
   */
  static List<StepReport.Update> measure(
      List<RuleGroup> groups,
      List<String> names,
      List<List<Measured>> measured,
      double learningRate) {
    List<StepReport.Update> updates = new ArrayList<>();
    for (int i = 0; i < measured.size(); i++) {
      Sums sums = new Sums();
      for (Measured member : measured.get(i)) {
        member.codes().forEach(codes -> sums.of(codes)); // a skipped step has the same slots
        if (!Double.isNaN(learningRate)) {
          sums.add(member);
        }
      }
      boolean isStill = learningRate * groups.get(i).learningRateFactor() == 0;
      updates.add(
          new StepReport.Update(
              names.get(i),
              Math.sqrt(sums.change) / Math.sqrt(sums.size),
              isStill ? Double.NaN : share(sums.lost, sums.withGradient),
              sums.largest,
              sums.largestParameter,
              sums.codes.values().stream().map(CodeSums::report).toList()));
    }
    return updates;
  }

  /** NaN if there is nothing to have a share of. */
  private static double share(long part, long whole) {
    return (double) part / whole;
  }

  private static boolean hasUpdate(double gradient) {
    return gradient != 0 && Double.isFinite(gradient);
  }

  /** Sums over the elements of a group. */
  private static final class Sums {
    private double change;
    private double size;
    private long withGradient;
    private long lost;
    private double largest = Double.NaN;
    private String largestParameter = "";
    private final Map<String, CodeSums> codes = new LinkedHashMap<>();

    CodeSums of(Codes state) {
      return codes.computeIfAbsent(state.slot(), CodeSums::new);
    }

    void add(Measured measured) {
      Parameter parameter = measured.parameter();
      long length = parameter.length();
      Elements before = Elements.of(measured.before(), length);
      Elements after = Elements.of(measured.afterStep(), length);
      Elements gradients = new Elements(measured.usedGradients(), null, length);
      List<Elements> states = new ArrayList<>();
      measured.codes().forEach(state -> states.add(Elements.of(state.afterStep(), length)));
      double ownChange = 0;
      double ownSize = 0;
      for (long at = 0; at < length; at += CHUNK) {
        int count = (int) Math.min(CHUNK, length - at);
        double[] old = before.read(at, count);
        double[] present = after.read(at, count);
        double[] gradient = gradients.read(at, count);
        for (int i = 0; i < count; i++) {
          double difference = present[i] - old[i];
          ownChange += difference * difference;
          ownSize += old[i] * old[i];
          if (hasUpdate(gradient[i])) {
            withGradient++;
            lost += difference == 0 ? 1 : 0;
          }
        }
        for (int i = 0; i < states.size(); i++) {
          Codes state = measured.codes().get(i);
          of(state).add(state, states.get(i).read(at, count), gradient, count);
        }
      }
      change += ownChange;
      size += ownSize;
      if (ownSize != 0) {
        compare(parameter.name(), Math.sqrt(ownChange) / Math.sqrt(ownSize));
      }
    }

    /** A NaN counts as the largest. */
    private void compare(String parameter, double ratio) {
      if (largestParameter.isEmpty()
          || ratio > largest
          || (Double.isNaN(ratio) && !Double.isNaN(largest))) {
        largest = ratio;
        largestParameter = parameter;
      }
    }
  }

  /** Counts of the codes of one slot of a group. */
  private static final class CodeSums {
    private final String slot;
    private long elements;
    private long saturated;
    private long withGradient;
    private long vanished;

    CodeSums(String slot) {
      this.slot = slot;
    }

    void add(Codes state, double[] values, double[] gradients, int count) {
      double bound = StateCodes.largest(state.state().encoding().isSquares());
      elements += count;
      for (int i = 0; i < count; i++) {
        saturated += Math.abs(values[i]) < bound ? 0 : 1; // NaN is not below it
        if (hasUpdate(gradients[i])) {
          withGradient++;
          vanished += values[i] == 0 ? 1 : 0;
        }
      }
    }

    StepReport.Codes report() {
      return new StepReport.Codes(slot, share(saturated, elements), share(vanished, withGradient));
    }
  }

  /** Elements as float64, which is exact, a chunk at a time. */
  private static final class Elements {
    private final MemorySlice slice;
    private final Storage storage;
    private final Object array;
    private final double[] values;
    private final float[] floats;

    /** Of which float16 masters have to be the rounded ones, or null. */
    private final MemorySlice halves;

    private final short[] bits;

    Elements(MemorySlice slice, MemorySlice halves, long elements) {
      this.slice = slice;
      this.halves = halves;
      storage = slice.memory().storage();
      int length = (int) Math.min(CHUNK, elements);
      array = storage.newArray(length);
      values = array instanceof double[] doubles ? doubles : new double[length];
      floats = array == values ? null : new float[length];
      bits = halves == null ? null : new short[length];
    }

    /** The numbers that an operand stands for. */
    static Elements of(Operand operand, long length) {
      if (operand.encoding().isCoded()) {
        return of(new CodedMemory(operand.slice(), operand.encoding(), length));
      }
      if (operand.rest().isEmpty()) {
        return new Elements(operand.slice(), null, length);
      }
      MemorySlice rest = operand.rest().get();
      if (rest.memory().type() == ElementType.FLOAT32) {
        return new Elements(rest, operand.slice(), length);
      }
      return of(
          operand.encoding().isMaster24()
              ? new Master24Memory(operand::slice, rest, length)
              : new MasterMemory(operand::slice, rest, length));
    }

    private static Elements of(FloatView view) {
      return new Elements(new MemorySlice(view, 0), null, view.length());
    }

    double[] read(long at, int count) {
      slice.memory().readSettled(slice.offset() + at, array, 0, count);
      if (floats != null) {
        storage.loadFloats(array, 0, floats, 0, count);
        if (halves != null) {
          halves.memory().readSettled(halves.offset() + at, bits, 0, count);
          Remainders.reconcile(floats, 0, bits, 0, count);
        }
        for (int i = 0; i < count; i++) {
          values[i] = floats[i];
        }
      }
      return values;
    }
  }
}
