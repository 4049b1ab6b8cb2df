package io.warmstep;

import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.Mark;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The data of one reported step on the device, to be read when it is ready: copies of the values
 * that the step overwrites, made on the device in the order of its work. Reused for later steps of
 * the same groups.
 */
final class StepSnapshot implements AutoCloseable {
  private final List<RuleGroup> groups;
  private final List<String> names;
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
    Rooms rooms = new Rooms();
    members(step, rooms); // counts
    rooms.all().forEach(room -> room.allocate(device));
    measured.addAll(members(step, rooms));
  }

  private List<List<UpdateMeter.Measured>> members(PreparedStep step, Rooms rooms) {
    List<List<UpdateMeter.Measured>> all = new ArrayList<>();
    for (RuleGroup group : groups) {
      List<UpdateMeter.Measured> members = new ArrayList<>();
      for (Parameter parameter : group.members()) {
        Operand now = step.values(parameter);
        List<UpdateMeter.Codes> codes = new ArrayList<>();
        step.codes(group, parameter)
            .forEach(
                (slot, state) ->
                    codes.add(
                        new UpdateMeter.Codes(slot, state, rooms.codes.take(parameter, state))));
        members.add(
            new UpdateMeter.Measured(
                parameter,
                now.encoding(),
                now.rest(),
                rooms.before.take(parameter, now),
                rooms.after.take(parameter, now),
                rooms.gradients.take(parameter.gradients().slice(), parameter.length()),
                codes));
      }
      all.add(members);
    }
    return all;
  }

  /** Room for the copies of each kind; none where a report reads the originals. */
  private final class Rooms {
    final OperandRoom before = new OperandRoom(true);
    final OperandRoom after = new OperandRoom(isAsynchronous);
    final Room gradients = new Room(isAsynchronous || losesGradients);
    final OperandRoom codes = new OperandRoom(isAsynchronous);

    List<Room> all() {
      return List.of(
          before.slices, before.rests, after.slices, after.rests, gradients, codes.slices);
    }
  }

  /** Room for operands, and for what their encoding keeps beside them. */
  private final class OperandRoom {
    final Room slices;
    final Room rests;

    OperandRoom(boolean isNeeded) {
      slices = new Room(isNeeded);
      rests = new Room(isNeeded);
    }

    /** A copy of an operand; null if there is none. */
    Operand take(Parameter parameter, Operand original) {
      MemorySlice slice = slices.take(original.slice(), UpdateMeter.elements(parameter, original));
      Optional<MemorySlice> rest =
          original.rest().map(r -> rests.take(r, UpdateMeter.restElements(parameter, original)));
      return slice == null ? null : new Operand(original.role(), slice, original.encoding(), rest);
    }
  }

  /** An allocation for each type, whose parts are counted before it is made. */
  private final class Room {
    private final boolean isNeeded;
    private final Map<ElementType, Long> lengths = new EnumMap<>(ElementType.class);
    private final Map<ElementType, Memory> allocations = new EnumMap<>(ElementType.class);

    Room(boolean isNeeded) {
      this.isNeeded = isNeeded;
    }

    void allocate(BackendDevice device) {
      lengths.forEach(
          (type, length) ->
              allocations.put(type, StepSnapshot.this.allocate(device, type, length)));
      lengths.clear();
    }

    /** The next part; null before it is allocated, and if there is none. */
    MemorySlice take(MemorySlice original, long length) {
      if (!isNeeded) {
        return null;
      }
      ElementType type = original.memory().type();
      long at = lengths.merge(type, length, Long::sum) - length;
      Memory memory = allocations.get(type);
      return memory == null ? null : new MemorySlice(memory, at);
    }
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
        copy(member.parameter(), member.now(), member.before());
        Parameter parameter = member.parameter();
        copy(parameter.gradients().slice(), member.gradients(), parameter.length());
      }
    }
  }

  /** Copies the values that later steps will overwrite. */
  void afterStep(PreparedStep step) {
    hasNorm = step.keepNorm(norm);
    for (List<UpdateMeter.Measured> members : measured) {
      for (UpdateMeter.Measured member : members) {
        copy(member.parameter(), member.now(), member.after());
        for (UpdateMeter.Codes codes : member.codes()) {
          copy(member.parameter(), codes.state(), codes.copy());
        }
      }
    }
    mark.set();
  }

  private static void copy(Parameter parameter, Operand from, Operand to) {
    if (to != null) {
      copy(from.slice(), to.slice(), UpdateMeter.elements(parameter, from));
      if (from.rest().isPresent()) {
        long length = UpdateMeter.restElements(parameter, from);
        copy(from.rest().get(), to.rest().orElseThrow(), length);
      }
    }
  }

  private static void copy(MemorySlice from, MemorySlice to, long length) {
    if (to != null && length > 0) {
      to.memory().copy(to.offset(), from.memory(), from.offset(), length);
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
   * The step's changes, by group; empty if they are not measured.
   *
   * @param happened false if it was skipped
   */
  List<UpdateSums> sums(boolean happened) {
    return measured.stream().map(members -> UpdateMeter.measure(members, happened)).toList();
  }

  /**
   * What is reported of these changes.
   *
   * @param sums by group, of all workers
   * @param learningRate the step's, or NaN if it was skipped
   */
  List<StepReport.Update> updates(List<UpdateSums> sums, double learningRate) {
    List<StepReport.Update> updates = new ArrayList<>();
    for (int i = 0; i < sums.size(); i++) {
      boolean isStill = learningRate * groups.get(i).learningRateFactor() == 0;
      updates.add(sums.get(i).report(names.get(i), isStill));
    }
    return updates;
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
