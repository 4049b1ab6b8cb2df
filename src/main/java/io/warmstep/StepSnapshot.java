package io.warmstep;

import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.Mark;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * The data of one reported step on the device, to be read when it is ready: copies of the values
 * that the step overwrites, made on the device in the order of its work. Reused for later steps of
 * the same groups.
 */
final class StepSnapshot implements AutoCloseable {
  private final List<RuleGroup> groups;
  private final List<String> names;
  private final boolean measuresUpdates;
  private final boolean losesGradients;
  private final boolean isAsynchronous;
  private final List<List<UpdateMeter.Measured>> measured = new ArrayList<>();
  private final List<Memory> memories = new ArrayList<>();
  private final Memory norm;
  private final Mark mark;
  private final Runnable release;
  private boolean hasNorm;

  /**
   * Allocates room for the groups that a step updates.
   *
   * @throws OutOfDeviceMemoryException if there is none; nothing stays allocated
   */
  StepSnapshot(
      BackendDevice device, PreparedStep step, boolean measuresUpdates, boolean losesGradients) {
    this.groups = groups(step);
    this.names = names(step);
    this.measuresUpdates = measuresUpdates;
    this.losesGradients = losesGradients;
    this.isAsynchronous = device.isAsynchronous();
    this.mark = device.mark();
    this.release = release(memories, mark);
    try {
      norm = allocate(device, step.normType(), 1);
      if (measuresUpdates) {
        measure(device, step);
      }
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private static List<RuleGroup> groups(PreparedStep step) {
    return step.groups().stream()
        .filter(group -> !group.isFrozen())
        .map(TrainedGroup::rules)
        .toList();
  }

  private static List<String> names(PreparedStep step) {
    IdentityHashMap<RuleGroup, String> names = UpdateMeter.names(step.groups());
    return groups(step).stream().map(names::get).toList();
  }

  private Memory allocate(BackendDevice device, ElementType type, long length) {
    Memory memory = device.allocate(Storage.of(type), length);
    memories.add(memory);
    return memory;
  }

  /** Allocates the copies: one allocation for each type and kind of data. */
  private void measure(BackendDevice device, PreparedStep step) {
    Map<ElementType, Long> lengths = new EnumMap<>(ElementType.class);
    Map<ElementType, Long> gradientLengths = new EnumMap<>(ElementType.class);
    for (RuleGroup group : groups) {
      for (Parameter parameter : group.members()) {
        lengths.merge(parameter.values().type(), parameter.length(), Long::sum);
        gradientLengths.merge(parameter.gradients().type(), parameter.length(), Long::sum);
      }
    }
    Map<ElementType, Memory> before = new EnumMap<>(ElementType.class);
    Map<ElementType, Memory> after = new EnumMap<>(ElementType.class);
    Map<ElementType, Memory> gradients = new EnumMap<>(ElementType.class);
    lengths.forEach(
        (type, length) -> {
          before.put(type, allocate(device, type, length));
          if (isAsynchronous) {
            after.put(type, allocate(device, type, length));
          }
        });
    if (isAsynchronous || losesGradients) {
      gradientLengths.forEach(
          (type, length) -> gradients.put(type, allocate(device, type, length)));
    }
    Map<ElementType, Long> used = new EnumMap<>(ElementType.class);
    Map<ElementType, Long> gradientsUsed = new EnumMap<>(ElementType.class);
    for (RuleGroup group : groups) {
      List<UpdateMeter.Measured> members = new ArrayList<>();
      for (Parameter parameter : group.members()) {
        ElementType type = parameter.values().type();
        ElementType gradientType = parameter.gradients().type();
        long at = used.merge(type, parameter.length(), Long::sum) - parameter.length();
        long gradientAt =
            gradientsUsed.merge(gradientType, parameter.length(), Long::sum) - parameter.length();
        members.add(
            new UpdateMeter.Measured(
                parameter,
                slice(before.get(type), at),
                slice(after.get(type), at),
                slice(gradients.get(gradientType), gradientAt),
                step.hasMaster(parameter)));
      }
      measured.add(members);
    }
  }

  private static MemorySlice slice(Memory memory, long at) {
    return memory == null ? null : new MemorySlice(memory, at);
  }

  /** Whether this fits the current groups of a step. */
  boolean fits(PreparedStep step) {
    return norm.type() == step.normType()
        && groups.equals(groups(step))
        && names.equals(names(step));
  }

  /** Copies the values that the step will overwrite. */
  void beforeStep() {
    for (List<UpdateMeter.Measured> members : measured) {
      for (UpdateMeter.Measured member : members) {
        copy(member.parameter().values(), member.before());
        copy(member.parameter().gradients(), member.gradients());
      }
    }
  }

  /** Copies the values that later steps will overwrite. */
  void afterStep(PreparedStep step) {
    hasNorm = step.keepNorm(norm);
    for (List<UpdateMeter.Measured> members : measured) {
      members.forEach(member -> copy(member.parameter().values(), member.after()));
    }
    mark.set();
  }

  private static void copy(Tensor from, MemorySlice to) {
    if (to != null && from.length() > 0) {
      MemorySlice source = from.slice();
      to.memory().copy(to.offset(), source.memory(), source.offset(), from.length());
    }
  }

  /** Whether all of it is ready. */
  boolean isReached() {
    return mark.isReached();
  }

  /** Waits until all of it is ready, and for no later work of the device. */
  void await() {
    mark.await();
  }

  /** The norm of the step's gradients, or NaN. */
  double norm() {
    if (!hasNorm) {
      return Double.NaN;
    }
    Object number = norm.storage().newArray(1);
    norm.readSettled(0, number, 0, 1);
    return number instanceof double[] doubles ? doubles[0] : ((float[]) number)[0];
  }

  /**
   * The step's changes.
   *
   * @param learningRate the step's, or NaN if it was skipped
   */
  List<StepReport.Update> updates(double learningRate) {
    return measuresUpdates ? UpdateMeter.measure(groups, names, measured, learningRate) : List.of();
  }

  /**
   * The action that releases this with the optimizer, to which it does not refer; the same each
   * time.
   */
  Runnable release() {
    return release;
  }

  private static Runnable release(List<Memory> memories, Mark mark) {
    return () -> {
      memories.forEach(Memory::close);
      mark.close();
    };
  }

  @Override
  public void close() {
    release.run();
  }
}
