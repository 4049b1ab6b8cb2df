package io.warmstep;

import io.warmstep.collective.Collective;
import io.warmstep.step.LeafExchange;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The leaves of a norm or a group from all workers. Each worker has consecutive leaves of each set
 * of parameters that were shared at once: those of the first set from all workers, in their order,
 * come before those of the next, which is the model's order.
 */
final class SharedLeaves implements LeafExchange {
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle FLOAT = view(float[].class);
  private static final VarHandle DOUBLE = view(double[].class);

  private static final int FLOAT_LEAF = Float.BYTES + Integer.BYTES;
  private static final int DOUBLE_LEAF = Double.BYTES + Integer.BYTES;

  private final Collective collective;

  /** The index of each set's first parameter. */
  private final List<Integer> firsts = new ArrayList<>(List.of(0));

  SharedLeaves(Collective collective) {
    this.collective = collective;
  }

  private static VarHandle view(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.LITTLE_ENDIAN);
  }

  /** The parameters from an index on are a set of their own. */
  void begin(int parameter) {
    firsts.add(parameter);
  }

  /** Undoes the last {@link #begin}. */
  void undo() {
    firsts.remove(firsts.size() - 1);
  }

  /** Of a group, whose parameters are of one set. */
  @Override
  public Prepared prepare(Leaves own) {
    int[] floats = {own.floatSums().length};
    int[] doubles = {own.doubleSums().length};
    return new Room(own, floats, doubles);
  }

  @Override
  public Prepared prepareNorm(Leaves own, List<Run> floats, List<Run> doubles) {
    return new Room(own, bySet(floats), bySet(doubles));
  }

  /** The number of leaves in each set. */
  private int[] bySet(List<Run> runs) {
    int[] leaves = new int[firsts.size()];
    for (Run run : runs) {
      int set = firsts.size() - 1;
      while (firsts.get(set) > run.parameter()) {
        set--;
      }
      leaves[set] += run.leaves();
    }
    return leaves;
  }

  /**
   * This worker's message, and where those of all are read to. A message has the number of leaves
   * of each set, float32 and float64, and then the leaves.
   */
  private final class Room implements Prepared {
    private final Leaves own;
    private final int sets;
    private final int header;
    private final byte[] message;
    private Leaves all = new Leaves(0, 0);

    Room(Leaves own, int[] floatsBySet, int[] doublesBySet) {
      this.own = own;
      sets = floatsBySet.length;
      header = 2 * sets * Integer.BYTES;
      int floats = own.floatSums().length;
      int doubles = own.doubleSums().length;
      message = new byte[header + floats * FLOAT_LEAF + doubles * DOUBLE_LEAF];
      for (int set = 0; set < sets; set++) {
        INT.set(message, 2 * set * Integer.BYTES, floatsBySet[set]);
        INT.set(message, (2 * set + 1) * Integer.BYTES, doublesBySet[set]);
      }
    }

    @Override
    public Leaves all() {
      write();
      List<byte[]> messages = collective.exchange(message);
      int floats = 0;
      int doubles = 0;
      for (int worker = 0; worker < messages.size(); worker++) {
        floats += floats(messages.get(worker), 0, sets);
        doubles += doubles(messages.get(worker), 0, sets);
      }
      if (all.floatSums().length != floats || all.doubleSums().length != doubles) {
        all = new Leaves(floats, doubles);
      }
      floats = 0;
      doubles = 0;
      for (int set = 0; set < sets; set++) {
        for (int worker = 0; worker < messages.size(); worker++) {
          byte[] its = messages.get(worker);
          read(its, set, floats, doubles);
          floats += floats(its, set, set + 1);
          doubles += doubles(its, set, set + 1);
        }
      }
      return all;
    }

    private void write() {
      int at = header;
      for (int i = 0; i < own.floatSums().length; i++, at += FLOAT_LEAF) {
        FLOAT.set(message, at, own.floatSums()[i]);
        INT.set(message, at + Float.BYTES, own.floatExponents()[i]);
      }
      for (int i = 0; i < own.doubleSums().length; i++, at += DOUBLE_LEAF) {
        DOUBLE.set(message, at, own.doubleSums()[i]);
        INT.set(message, at + Double.BYTES, own.doubleExponents()[i]);
      }
    }

    /** Reads one worker's leaves of a set to their places. */
    private void read(byte[] its, int set, int firstFloat, int firstDouble) {
      int at = header + floats(its, 0, set) * FLOAT_LEAF;
      int floatEnd = firstFloat + floats(its, set, set + 1);
      for (int i = firstFloat; i < floatEnd; i++, at += FLOAT_LEAF) {
        all.floatSums()[i] = (float) FLOAT.get(its, at);
        all.floatExponents()[i] = (int) INT.get(its, at + Float.BYTES);
      }
      at = header + floats(its, 0, sets) * FLOAT_LEAF + doubles(its, 0, set) * DOUBLE_LEAF;
      int doubleEnd = firstDouble + doubles(its, set, set + 1);
      for (int i = firstDouble; i < doubleEnd; i++, at += DOUBLE_LEAF) {
        all.doubleSums()[i] = (double) DOUBLE.get(its, at);
        all.doubleExponents()[i] = (int) INT.get(its, at + Double.BYTES);
      }
    }

    /** How many leaves of some sets a message has. */
    private int floats(byte[] its, int from, int to) {
      return count(its, from, to, 0);
    }

    private int doubles(byte[] its, int from, int to) {
      return count(its, from, to, 1);
    }

    private int count(byte[] its, int from, int to, int field) {
      int count = 0;
      for (int set = from; set < to; set++) {
        count += (int) INT.get(its, (2 * set + field) * Integer.BYTES);
      }
      return count;
    }
  }
}
