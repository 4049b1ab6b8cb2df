package io.warmstep;

import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.Mark;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.CapturedCounts;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.Storage;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * The data of one reported step on the device, to be read when it is ready: what the step saw of
 * its update, and where slow weights come after that, copies of the values that it overwrites, made
 * on the device in the order of its work. Reused for later steps of the same groups.
 */
final class StepSnapshot implements AutoCloseable {
  private final List<RuleGroup> groups;
  private final List<String> names;
  private final boolean losesGradients;
  private final boolean isAsynchronous;
  private final boolean measuresUpdates;

  /** What the step's own pass sees of its update, or null. */
  private UpdateTiles tiles;

  /** Where each parameter has its rows. */
  private final Map<Parameter, Integer> index;

  /** By group, room for copies of its parameters; none without slow weights. */
  private final List<List<UpdateMeter.Measured>> copied = new ArrayList<>();

  /**
   * The groups whose parameters slow weights moved after that pass, so that copies are compared;
   * until it is known whether they did, those whose parameters they may have moved.
   */
  private final BitSet compared = new BitSet();

  /** By group and parameter, the slots of state that are stored as codes. */
  private final List<List<List<String>>> slots = new ArrayList<>();

  private final List<Memory> memories = new ArrayList<>();
  private final Memory norm;
  private final Mark mark;
  private final Runnable release;
  private boolean hasNorm;

  /** The counts after a step that is decided on the device; null if there are none. */
  private final Memory counts;

  private CapturedProgram decided; // what had counted them
  private double[] rates; // of the last steps
  private long[] earlier; // for each group, steps in which it took no part

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
    this.measuresUpdates = measuresUpdates;
    this.index = step.index();
    this.isAsynchronous = device.isAsynchronous();
    this.mark = device.mark();
    this.release = release(memories, mark);
    try {
      norm = allocate(device, step.normType(), 1);
      CapturedProgram ahead = step.ahead();
      counts = ahead == null ? null : allocate(device, ElementType.FLOAT64, ahead.countWords());
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

  /** Allocates rows, and copies: one allocation for each type and kind of data. */
  private void measure(BackendDevice device, PreparedStep step) {
    tiles = new UpdateTiles(step.plan(), (type, n) -> allocate(device, type, n));
    Rooms rooms = new Rooms();
    members(step, rooms); // counts
    rooms.all().forEach(room -> room.allocate(device));
    copied.addAll(members(step, rooms));
    for (RuleGroup group : groups) {
      slots.add(
          group.members().stream()
              .map(parameter -> List.copyOf(step.codes(group, parameter).keySet()))
              .toList());
    }
  }

  private List<List<UpdateMeter.Measured>> members(PreparedStep step, Rooms rooms) {
    List<List<UpdateMeter.Measured>> all = new ArrayList<>();
    for (int i = 0; i < groups.size(); i++) {
      List<UpdateMeter.Measured> members = new ArrayList<>();
      if (step.hasSlowWeights(i)) {
        for (Parameter parameter : groups.get(i).members()) {
          members.add(copies(step, groups.get(i), parameter, rooms));
        }
      }
      all.add(members);
    }
    return all;
  }

  private static UpdateMeter.Measured copies(
      PreparedStep step, RuleGroup group, Parameter parameter, Rooms rooms) {
    long length = parameter.length();
    MemorySlice values = parameter.values().slice();
    List<UpdateMeter.Codes> codes = new ArrayList<>();
    step.codes(group, parameter)
        .values()
        .forEach(
            state ->
                codes.add(
                    new UpdateMeter.Codes(
                        state, rooms.codes.take(state.slice(), StateCodes.words(length)))));
    return new UpdateMeter.Measured(
        parameter,
        rooms.before.take(values, length),
        rooms.after.take(values, length),
        rooms.gradients.take(parameter.gradients().slice(), length),
        codes);
  }

  /** Room for the copies of each kind; none where a report reads the originals. */
  private final class Rooms {
    final Room before = new Room(true);
    final Room after = new Room(isAsynchronous);
    final Room gradients = new Room(isAsynchronous || losesGradients);
    final Room codes = new Room(isAsynchronous);

    List<Room> all() {
      return List.of(before, after, gradients, codes);
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
        && (counts == null) == (step.ahead() == null)
        && groups.equals(groups(step))
        && names.equals(names(step));
  }

  /**
   * Has the step measure its update.
   *
   * @param isAhead whether the device decides if it happens, and nobody waits for that
   * @throws OutOfDeviceMemoryException if the device has no room to measure; nothing changes
   */
  void prepare(PreparedStep step, boolean isAhead) {
    step.measureNext(tiles, isAhead);
    for (int i = 0; i < copied.size(); i++) {
      compared.set(i, isAhead ? step.hasSlowWeights(i) : step.isSlowPassNext(i));
    }
  }

  /** Copies the other values that the prepared step will overwrite. Repeating this is harmless. */
  void beforeStep() {
    forEachCompared(
        (parameter, copies) -> {
          copy(parameter.values().slice(), copies.before(), parameter.length());
          copy(parameter.gradients().slice(), copies.gradients(), parameter.length());
        });
  }

  /** Copies the values that later steps will overwrite. */
  void afterStep(PreparedStep step) {
    hasNorm = step.keepNorm(norm);
    copyAfterStep();
    mark.set();
  }

  private void copyAfterStep() {
    forEachCompared(
        (parameter, copies) -> {
          copy(parameter.values().slice(), copies.after(), parameter.length());
          for (UpdateMeter.Codes codes : copies.codes()) {
            copy(codes.state().slice(), codes.copy(), StateCodes.words(parameter.length()));
          }
        });
  }

  /** The same after a step of which the device alone knows whether it happened. */
  void afterStep(PreparedStep step, CapturedStep own) {
    decided = own.program();
    hasNorm = decided.keepNorm(norm);
    decided.keepCounts(counts);
    rates = rates == null ? own.ahead().newRates() : rates;
    own.ahead().copyRates(rates);
    earlier = earlier == null ? new long[groups.size()] : earlier;
    own.ahead().copyEarlier(earlier);
    copyAfterStep();
    mark.set();
  }

  /** Reads what the device knows of such a step. */
  StepListeners.Known known(long call, double loss) {
    double[] words = new double[decided.countWords()];
    counts.readSettled(0, words, 0, words.length);
    ByteBuffer bits = ByteBuffer.allocate(words.length * Long.BYTES).order(ByteOrder.nativeOrder());
    for (double word : words) {
      bits.putDouble(word);
    }
    CapturedCounts then = new CapturedCounts();
    decided.readCounts(bits, then);
    for (int i = 0; i < copied.size(); i++) {
      compared.set(i, SlowPasses.isAfter(groups.get(i), then.steps - earlier[i]));
    }
    double rate = StepsAhead.rate(rates, then.steps);
    return new StepListeners.Known(call, !then.isLastSkipped, then.steps, rate, loss, then.skipped);
  }

  private void forEachCompared(BiConsumer<Parameter, UpdateMeter.Measured> work) {
    compared.stream()
        .forEach(i -> copied.get(i).forEach(copies -> work.accept(copies.parameter(), copies)));
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
    List<UpdateSums> sums = new ArrayList<>();
    for (int i = 0; i < groups.size() && measuresUpdates; i++) {
      sums.add(sums(i, happened));
    }
    return sums;
  }

  /** A skipped step has the same slots. */
  private UpdateSums sums(int group, boolean happened) {
    List<Parameter> members = groups.get(group).members();
    UpdateSums sums = UpdateSums.of(members);
    for (int i = 0; i < members.size(); i++) {
      UpdateSums.OfParameter own = sums.member(i);
      slots.get(group).get(i).forEach(own::codes);
      if (happened && compared.get(group)) {
        UpdateMeter.measure(copied.get(group).get(i), own);
      } else if (happened) {
        readRows(members.get(i), own);
      }
    }
    return sums;
  }

  private void readRows(Parameter parameter, UpdateSums.OfParameter sums) {
    MemorySlice rows = tiles.rows(index.get(parameter));
    if (rows != null) {
      sums.add(new KeptRows(rows, parameter.length()), parameter.length());
    }
  }

  /** Rows that lie on the device, read some at a time. */
  private static final class KeptRows implements UpdateSums.TileRows {
    private static final int CHUNK = 4096; // numbers

    private final MemorySlice slice;
    private long left; // rows on the device
    private long at;
    private Object numbers;
    private double[] row;
    private int next;
    private int last;

    KeptRows(MemorySlice slice, long length) {
      this.slice = slice;
      left = UpdateTiles.count(length);
    }

    @Override
    public double[] next(int width) {
      if (row == null) {
        row = new double[width];
        int most = (int) Math.min(left, Math.max(1, CHUNK / width));
        numbers = slice.memory().storage().newArray(most * width);
      }
      if (next == last) {
        int count = (int) Math.min(left, Math.max(1, CHUNK / width));
        slice.memory().readSettled(slice.offset() + at, numbers, 0, count * width);
        at += (long) count * width;
        left -= count;
        next = 0;
        last = count * width;
      }
      UpdateMeter.copyRow(numbers, next, row);
      next += width;
      return row;
    }
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
