package io.warmstep;

import io.warmstep.collective.Collective;
import io.warmstep.step.LeafExchange;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The leaves of a norm or a group from all workers, in the order of the workers, which is the
 * model's order.
 */
final class SharedLeaves implements LeafExchange {
  private final Collective collective;

  SharedLeaves(Collective collective) {
    this.collective = collective;
  }

  @Override
  public Leaves all(Leaves own) {
    int floats = own.floatSums().length;
    int doubles = own.doubleSums().length;
    ByteBuffer message = ByteBuffer.allocate(8 + floats * 8 + doubles * 12);
    message.order(ByteOrder.LITTLE_ENDIAN);
    message.putInt(floats).putInt(doubles);
    for (int i = 0; i < floats; i++) {
      message.putInt(Float.floatToRawIntBits(own.floatSums()[i])).putInt(own.floatExponents()[i]);
    }
    for (int i = 0; i < doubles; i++) {
      message.putLong(Double.doubleToRawLongBits(own.doubleSums()[i]));
      message.putInt(own.doubleExponents()[i]);
    }
    List<ByteBuffer> messages = new ArrayList<>();
    int allFloats = 0;
    int allDoubles = 0;
    for (byte[] bytes : collective.exchange(message.array())) {
      ByteBuffer received = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
      allFloats += received.getInt(0);
      allDoubles += received.getInt(4);
      messages.add(received);
    }
    Leaves all =
        new Leaves(
            new float[allFloats], new int[allFloats], new double[allDoubles], new int[allDoubles]);
    int floatAt = 0;
    int doubleAt = 0;
    for (ByteBuffer received : messages) {
      int floatEnd = floatAt + received.getInt();
      int doubleEnd = doubleAt + received.getInt();
      for (; floatAt < floatEnd; floatAt++) {
        all.floatSums()[floatAt] = Float.intBitsToFloat(received.getInt());
        all.floatExponents()[floatAt] = received.getInt();
      }
      for (; doubleAt < doubleEnd; doubleAt++) {
        all.doubleSums()[doubleAt] = Double.longBitsToDouble(received.getLong());
        all.doubleExponents()[doubleAt] = received.getInt();
      }
    }
    return all;
  }
}
