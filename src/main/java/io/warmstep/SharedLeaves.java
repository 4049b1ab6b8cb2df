package io.warmstep;

import io.warmstep.collective.Collective;
import io.warmstep.step.LeafExchange;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;

/**
 * The leaves of a norm or a group from all workers, in the order of the workers, which is the
 * model's order.
 */
final class SharedLeaves implements LeafExchange {
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle FLOAT = view(float[].class);
  private static final VarHandle DOUBLE = view(double[].class);

  /** Of a message: how many leaves it has of each arithmetic. */
  private static final int HEADER = 2 * Integer.BYTES;

  private static final int FLOAT_LEAF = Float.BYTES + Integer.BYTES;
  private static final int DOUBLE_LEAF = Double.BYTES + Integer.BYTES;

  private final Collective collective;

  SharedLeaves(Collective collective) {
    this.collective = collective;
  }

  private static VarHandle view(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public Prepared prepare(Leaves own) {
    return new Room(own);
  }

  /** This worker's message, and where those of all are read to. */
  private final class Room implements Prepared {
    private final Leaves own;
    private final byte[] message;
    private Leaves all = new Leaves(0, 0);

    Room(Leaves own) {
      this.own = own;
      int floats = own.floatSums().length;
      int doubles = own.doubleSums().length;
      message = new byte[HEADER + floats * FLOAT_LEAF + doubles * DOUBLE_LEAF];
      INT.set(message, 0, floats);
      INT.set(message, Integer.BYTES, doubles);
    }

    @Override
    public Leaves all() {
      write();
      List<byte[]> messages = collective.exchange(message);
      int floats = 0;
      int doubles = 0;
      for (int worker = 0; worker < messages.size(); worker++) {
        floats += floats(messages.get(worker));
        doubles += doubles(messages.get(worker));
      }
      if (all.floatSums().length != floats || all.doubleSums().length != doubles) {
        all = new Leaves(floats, doubles);
      }
      floats = 0;
      doubles = 0;
      for (int worker = 0; worker < messages.size(); worker++) {
        byte[] its = messages.get(worker);
        read(its, floats, doubles);
        floats += floats(its);
        doubles += doubles(its);
      }
      return all;
    }

    private void write() {
      int at = HEADER;
      for (int i = 0; i < own.floatSums().length; i++, at += FLOAT_LEAF) {
        FLOAT.set(message, at, own.floatSums()[i]);
        INT.set(message, at + Float.BYTES, own.floatExponents()[i]);
      }
      for (int i = 0; i < own.doubleSums().length; i++, at += DOUBLE_LEAF) {
        DOUBLE.set(message, at, own.doubleSums()[i]);
        INT.set(message, at + Double.BYTES, own.doubleExponents()[i]);
      }
    }

    /** Reads one worker's leaves to their places. */
    private void read(byte[] its, int firstFloat, int firstDouble) {
      int at = HEADER;
      int floatEnd = firstFloat + floats(its);
      for (int i = firstFloat; i < floatEnd; i++, at += FLOAT_LEAF) {
        all.floatSums()[i] = (float) FLOAT.get(its, at);
        all.floatExponents()[i] = (int) INT.get(its, at + Float.BYTES);
      }
      int doubleEnd = firstDouble + doubles(its);
      for (int i = firstDouble; i < doubleEnd; i++, at += DOUBLE_LEAF) {
        all.doubleSums()[i] = (double) DOUBLE.get(its, at);
        all.doubleExponents()[i] = (int) INT.get(its, at + Double.BYTES);
      }
    }
  }

  private static int floats(byte[] message) {
    return (int) INT.get(message, 0);
  }

  private static int doubles(byte[] message) {
    return (int) INT.get(message, Integer.BYTES);
  }
}
