package io.warmstep;

import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

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
   * @param after null if the parameter still holds the step's result
   * @param gradients null if it still holds the gradients that the step used
   * @param hasMaster whether the part of an update that the values lose is kept
   */
  record Measured(
      Parameter parameter,
      MemorySlice before,
      MemorySlice after,
      MemorySlice gradients,
      boolean hasMaster) {}

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
      RuleGroup group = groups.get(i);
      String name = names.get(i);
      if (Double.isNaN(learningRate)) {
        updates.add(new StepReport.Update(name, Double.NaN, Double.NaN));
        continue;
      }
      Sums sums = new Sums();
      measured.get(i).forEach(sums::add);
      boolean isStill = learningRate * group.learningRateFactor() == 0;
      updates.add(
          new StepReport.Update(
              name,
              Math.sqrt(sums.change) / Math.sqrt(sums.size),
              isStill || sums.withGradient == 0
                  ? Double.NaN
                  : (double) sums.lost / sums.withGradient));
    }
    return updates;
  }

  /** Sums over the elements of a group. */
  private static final class Sums {
    private double change;
    private double size;
    private long withGradient;
    private long lost;

    void add(Measured measured) {
      Parameter parameter = measured.parameter();
      Elements before = new Elements(measured.before(), null, parameter.length());
      Elements after = new Elements(measured.after(), parameter.values(), parameter.length());
      Elements gradients =
          new Elements(measured.gradients(), parameter.gradients(), parameter.length());
      for (long at = 0; at < parameter.length(); at += CHUNK) {
        int count = (int) Math.min(CHUNK, parameter.length() - at);
        add(
            before.read(at, count),
            after.read(at, count),
            gradients.read(at, count),
            count,
            !measured.hasMaster());
      }
    }

    private void add(
        double[] before, double[] after, double[] gradients, int count, boolean canLose) {
      for (int i = 0; i < count; i++) {
        double difference = after[i] - before[i];
        change += difference * difference;
        size += before[i] * before[i];
        if (canLose && gradients[i] != 0 && Double.isFinite(gradients[i])) {
          withGradient++;
          lost += difference == 0 ? 1 : 0;
        }
      }
    }
  }

  /** Elements as float64, which is exact, a chunk at a time. */
  private static final class Elements {
    private final MemorySlice slice;
    private final Storage storage;
    private final Object array;
    private final double[] values;
    private final float[] floats;

    Elements(MemorySlice copy, Tensor original, long elements) {
      slice = copy == null ? original.slice() : copy;
      int length = (int) Math.min(CHUNK, elements);
      storage = slice.memory().storage();
      array = storage.newArray(length);
      values = array instanceof double[] doubles ? doubles : new double[length];
      floats = array == values ? null : new float[length];
    }

    double[] read(long at, int count) {
      slice.memory().readSettled(slice.offset() + at, array, 0, count);
      if (floats != null) {
        storage.loadFloats(array, 0, floats, 0, count);
        for (int i = 0; i < count; i++) {
          values[i] = floats[i];
        }
      }
      return values;
    }
  }
}
