package io.warmstep;

import io.warmstep.backend.Encoding;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.backend.StepPlan;
import io.warmstep.storage.Remainders;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Measures the changes of one step, from copies of the values and gradients, which it reads a chunk
 * at a time. Sums are computed in the order of the elements, leaf by leaf, so equal bits in the
 * parameters give equal bits here.
 */
final class UpdateMeter {
  /** Whole leaves. */
  private static final int CHUNK = 4 * StepPlan.LEAF;

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
   * @param measured a group's parameters
   * @param happened whether the step did; a skipped one has the same slots
   */
  static UpdateSums measure(List<Measured> measured, boolean happened) {
    UpdateSums sums = UpdateSums.of(measured.stream().map(Measured::parameter).toList());
    for (int i = 0; i < measured.size(); i++) {
      UpdateSums.OfParameter own = sums.member(i);
      measured.get(i).codes().forEach(codes -> own.codes(codes.slot()));
      if (happened) {
        add(measured.get(i), own);
      }
    }
    return sums;
  }

  private static boolean hasUpdate(double gradient) {
    return gradient != 0 && Double.isFinite(gradient);
  }

  private static void add(Measured measured, UpdateSums.OfParameter sums) {
    long length = measured.parameter().length();
    Elements before = Elements.of(measured.before(), length);
    Elements after = Elements.of(measured.afterStep(), length);
    Elements gradients = new Elements(measured.usedGradients(), null, length);
    List<Elements> states = new ArrayList<>();
    measured.codes().forEach(state -> states.add(Elements.of(state.afterStep(), length)));
    sums.expect(Math.toIntExact((length + StepPlan.LEAF - 1) / StepPlan.LEAF));
    for (long at = 0; at < length; at += CHUNK) {
      int count = (int) Math.min(CHUNK, length - at);
      double[] old = before.read(at, count);
      double[] present = after.read(at, count);
      double[] gradient = gradients.read(at, count);
      for (int from = 0; from < count; from += StepPlan.LEAF) {
        addLeaf(sums, from, Math.min(count, from + StepPlan.LEAF), old, present, gradient);
      }
      for (int i = 0; i < states.size(); i++) {
        Codes state = measured.codes().get(i);
        add(sums.codes(state.slot()), state, states.get(i).read(at, count), gradient, count);
      }
    }
  }

  private static void addLeaf(
      UpdateSums.OfParameter sums,
      int from,
      int to,
      double[] old,
      double[] present,
      double[] gradient) {
    double change = 0;
    double size = 0;
    long withGradient = 0;
    long lost = 0;
    for (int i = from; i < to; i++) {
      double difference = present[i] - old[i];
      change += difference * difference;
      size += old[i] * old[i];
      if (hasUpdate(gradient[i])) {
        withGradient++;
        lost += difference == 0 ? 1 : 0;
      }
    }
    sums.addLeaf(change, size);
    sums.count(withGradient, lost);
  }

  private static void add(
      UpdateSums.OfCodes sums, Codes state, double[] values, double[] gradients, int count) {
    double bound = StateCodes.largest(state.state().encoding().isSquares());
    long saturated = 0;
    long withGradient = 0;
    long vanished = 0;
    for (int i = 0; i < count; i++) {
      saturated += Math.abs(values[i]) < bound ? 0 : 1; // NaN is not below it
      if (hasUpdate(gradients[i])) {
        withGradient++;
        vanished += values[i] == 0 ? 1 : 0;
      }
    }
    sums.count(count, saturated, withGradient, vanished);
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
