package io.warmstep;

import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.List;

/**
 * Measures what one step changes: holds a copy of the values on the device from before it until
 * closed, and reads both a chunk at a time. Sums are taken in the order of the elements, so equal
 * bits in the parameters give equal bits here.
 */
final class UpdateMeter implements AutoCloseable {
  private static final int CHUNK = 1 << 14;

  private final List<RuleGroup> groups;
  private final List<List<Copy>> copies = new ArrayList<>();

  /**
   * A parameter before the step.
   *
   * @param gradients null if the step leaves the gradients as they are
   */
  private record Copy(Parameter parameter, Tensor values, Tensor gradients) {}

  private UpdateMeter(List<RuleGroup> groups) {
    this.groups = groups;
  }

  /**
   * Copies what the step will overwrite, which frozen groups have nothing of.
   *
   * @throws OutOfDeviceMemoryException if there is no room for it; nothing stays allocated
   */
  static UpdateMeter begin(List<TrainedGroup> trained, boolean losesGradients) {
    List<RuleGroup> groups =
        trained.stream().filter(group -> !group.isFrozen()).map(TrainedGroup::rules).toList();
    UpdateMeter meter = new UpdateMeter(groups);
    try {
      for (RuleGroup group : groups) {
        List<Copy> members = new ArrayList<>();
        meter.copies.add(members);
        for (Parameter parameter : group.members()) {
          Tensor values = copy(parameter.values());
          members.add(new Copy(parameter, values, null));
          if (losesGradients) {
            Tensor gradients = copy(parameter.gradients());
            members.set(members.size() - 1, new Copy(parameter, values, gradients));
          }
        }
      }
    } catch (RuntimeException | Error e) {
      meter.close();
      throw e;
    }
    return meter;
  }

  private static Tensor copy(Tensor tensor) {
    Tensor copy = tensor.device().allocate(tensor.type(), tensor.length());
    try {
      copy.copyFrom(tensor);
    } catch (RuntimeException | Error e) {
      copy.close();
      throw e;
    }
    return copy;
  }

  /**
   * After the step.
   *
   * @param learningRate the step's, or NaN if it was skipped
   */
  List<StepReport.Update> updates(double learningRate) {
    List<StepReport.Update> updates = new ArrayList<>();
    for (int i = 0; i < copies.size(); i++) {
      if (Double.isNaN(learningRate)) {
        updates.add(new StepReport.Update(name(groups.get(i)), Double.NaN, Double.NaN));
        continue;
      }
      Sums sums = new Sums();
      copies.get(i).forEach(sums::add);
      boolean isStill = learningRate * groups.get(i).learningRateFactor() == 0;
      updates.add(
          new StepReport.Update(
              name(groups.get(i)),
              Math.sqrt(sums.change) / Math.sqrt(sums.size),
              isStill || sums.withGradient == 0
                  ? Double.NaN
                  : (double) sums.lost / sums.withGradient));
    }
    return updates;
  }

  private String name(RuleGroup group) {
    if (!group.pattern().equals(RuleGroup.REST)) {
      return group.pattern();
    }
    return groups.size() == 1 ? "all" : "others";
  }

  @Override
  public void close() {
    for (List<Copy> members : copies) {
      for (Copy copy : members) {
        copy.values().close();
        if (copy.gradients() != null) {
          copy.gradients().close();
        }
      }
    }
  }

  /** Over the elements of a group. */
  private static final class Sums {
    private double change;
    private double size;
    private long withGradient;
    private long lost;

    void add(Copy copy) {
      Parameter parameter = copy.parameter();
      Elements before = new Elements(copy.values());
      Elements after = new Elements(parameter.values());
      Elements gradients =
          new Elements(copy.gradients() == null ? parameter.gradients() : copy.gradients());
      for (long at = 0; at < parameter.length(); at += CHUNK) {
        int count = (int) Math.min(CHUNK, parameter.length() - at);
        add(before.read(at, count), after.read(at, count), gradients.read(at, count), count);
      }
    }

    private void add(double[] before, double[] after, double[] gradients, int count) {
      for (int i = 0; i < count; i++) {
        double difference = after[i] - before[i];
        change += difference * difference;
        size += before[i] * before[i];
        if (gradients[i] != 0 && Double.isFinite(gradients[i])) {
          withGradient++;
          lost += difference == 0 ? 1 : 0;
        }
      }
    }
  }

  /** A tensor's elements as float64, which is exact, a chunk at a time. */
  private static final class Elements {
    private final Tensor tensor;
    private final Storage storage;
    private final Object array;
    private final double[] values;
    private final float[] floats;

    Elements(Tensor tensor) {
      int length = (int) Math.min(CHUNK, tensor.length());
      this.tensor = tensor;
      storage = Storage.of(tensor.type());
      array = storage.newArray(length);
      values = array instanceof double[] doubles ? doubles : new double[length];
      floats = array == values ? null : new float[length];
    }

    double[] read(long at, int count) {
      tensor.read(at, array, 0, count);
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
