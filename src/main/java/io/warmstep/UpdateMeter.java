package io.warmstep;

import io.warmstep.backend.Encoding;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.backend.cpu.TileSums;
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
 * Measures the changes of one step where its own pass does not: from copies of the values and
 * gradients, which the host reads a chunk at a time. The numbers have the same bits.
 */
final class UpdateMeter {
  /** Tiles that are read at a time. */
  private static final int TILES = 8;

  private static final int CHUNK = TILES * UpdateTiles.TILE;

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
   * @param state where it lies
   * @param copy of the step's result; null if {@code state} still holds it
   */
  record Codes(Operand state, Operand copy) {
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
   * Reads the copies of a parameter, which nothing writes any longer.
   *
   * @param sums receives what they say
   */
  static void measure(Measured measured, UpdateSums.OfParameter sums) {
    long length = measured.parameter().length();
    if (length > 0) {
      sums.add(new Rows(measured), length);
    }
  }

  /** The rows of a parameter's tiles, computed a chunk at a time. */
  private static final class Rows implements UpdateSums.TileRows {
    private final long length;
    private final List<Codes> codes;
    private final TileSums sums;
    private final Elements before;
    private final Elements after;
    private final Elements gradients;
    private final List<Elements> states = new ArrayList<>();
    private final double[] row;
    private long done; // elements
    private int next; // number of the chunk's rows
    private int last; // behind them

    Rows(Measured measured) {
      length = measured.parameter().length();
      codes = measured.codes();
      before = Elements.of(measured.before(), length);
      after = Elements.of(measured.afterStep(), length);
      gradients = new Elements(measured.usedGradients(), null);
      codes.forEach(state -> states.add(Elements.of(state.afterStep(), length)));
      sums = TileSums.of(measured.parameter().values().type() == ElementType.FLOAT64, TILES);
      sums.slots(codes.size());
      row = new double[UpdateTiles.width(codes.size())];
    }

    @Override
    public double[] next(int width) {
      if (next == last) {
        readChunk();
      }
      copyRow(sums.rows(), next, row);
      next += width;
      return row;
    }

    private void readChunk() {
      int n = (int) Math.min(CHUNK, length - done);
      before.read(done, sums.before(), n);
      after.read(done, sums.after(), n);
      gradients.read(done, sums.gradients(), n);
      sums.changes(n);
      for (int i = 0; i < states.size(); i++) {
        states.get(i).read(done, sums.after(), n);
        boolean areSquares = codes.get(i).state().encoding().isSquares();
        sums.codes(i, StateCodes.largest(areSquares), n);
      }
      next = 0;
      last = sums.numbers(n);
      done += n;
    }
  }

  /** Copies float32 or float64 numbers. */
  static void copyRow(Object from, int at, double[] row) {
    for (int i = 0; i < row.length; i++) {
      row[i] = from instanceof double[] doubles ? doubles[at + i] : ((float[]) from)[at + i];
    }
  }

  /** Elements in their arithmetic, a chunk at a time. */
  private static final class Elements {
    private final MemorySlice slice;
    private final Storage storage;
    private final Object array;

    /** Of which float16 masters have to be the rounded ones, or null. */
    private final MemorySlice halves;

    private final short[] bits;

    Elements(MemorySlice slice, MemorySlice halves) {
      this.slice = slice;
      this.halves = halves;
      storage = slice.memory().storage();
      array = storage.isArithmetic() ? null : storage.newArray(CHUNK);
      bits = halves == null ? null : new short[CHUNK];
    }

    /** The numbers that an operand stands for. */
    static Elements of(Operand operand, long length) {
      if (operand.encoding().isCoded()) {
        return of(new CodedMemory(operand.slice(), operand.encoding(), length));
      }
      if (operand.rest().isEmpty()) {
        return new Elements(operand.slice(), null);
      }
      MemorySlice rest = operand.rest().get();
      if (rest.memory().type() == ElementType.FLOAT32) {
        return new Elements(rest, operand.slice());
      }
      return of(
          operand.encoding().isMaster24()
              ? new Master24Memory(operand::slice, rest, length)
              : new MasterMemory(operand::slice, rest, length));
    }

    private static Elements of(FloatView view) {
      return new Elements(new MemorySlice(view, 0), null);
    }

    void read(long at, Object target, int count) {
      if (array == null) {
        slice.memory().readSettled(slice.offset() + at, target, 0, count);
      } else {
        slice.memory().readSettled(slice.offset() + at, array, 0, count);
        storage.load(array, 0, target, 0, count);
      }
      if (halves != null) {
        halves.memory().readSettled(halves.offset() + at, bits, 0, count);
        Remainders.reconcile((float[]) target, 0, bits, 0, count);
      }
    }
  }
}
