package io.warmstep;

import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.backend.cpu.TileSums;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Measures the changes of one step where slow weights follow its own pass: from copies of the
 * values and gradients, which the host reads a chunk at a time. The numbers have the same bits.
 */
final class UpdateMeter {
  /** Tiles that are read at a time. */
  private static final int TILES = 8;

  private static final int CHUNK = TILES * UpdateTiles.TILE;

  private UpdateMeter() {}

  /**
   * A parameter, which has no master, and the copies of it.
   *
   * @param before the parameter before the step
   * @param after the same after the step; null if it still holds the step's result
   * @param gradients null if it still holds the gradients that the step used
   * @param codes its state that is stored so
   */
  record Measured(
      Parameter parameter,
      MemorySlice before,
      MemorySlice after,
      MemorySlice gradients,
      List<Codes> codes) {
    /** The parameter's result, wherever it lies now. */
    MemorySlice afterStep() {
      return after == null ? parameter.values().slice() : after;
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
  record Codes(Operand state, MemorySlice copy) {
    /** The numbers that the codes of so many elements stand for. */
    MemorySlice numbers(long length) {
      MemorySlice words = copy == null ? state.slice() : copy;
      return new MemorySlice(new CodedMemory(words, state.encoding(), length), 0);
    }
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
      before = new Elements(measured.before());
      after = new Elements(measured.afterStep());
      gradients = new Elements(measured.usedGradients());
      codes.forEach(state -> states.add(new Elements(state.numbers(length))));
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

    Elements(MemorySlice slice) {
      this.slice = slice;
      storage = slice.memory().storage();
      array = storage.isArithmetic() ? null : storage.newArray(CHUNK);
    }

    void read(long at, Object target, int count) {
      if (array == null) {
        slice.memory().readSettled(slice.offset() + at, target, 0, count);
      } else {
        slice.memory().readSettled(slice.offset() + at, array, 0, count);
        storage.load(array, 0, target, 0, count);
      }
    }
  }
}
