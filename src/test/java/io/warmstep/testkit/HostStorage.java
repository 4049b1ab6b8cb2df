package io.warmstep.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * The caller's memory with guard zones on both sides, read and written behind the tensor's back.
 */
final class HostStorage {
  /** Elements of a guard zone; odd. */
  private static final int GUARD = 37;

  private static final byte GUARD_BYTE = (byte) 0xa5;

  private final ElementType type;
  private final Tensor tensor;
  private final Access access;
  private final int first;
  private final int length;
  private final int size;

  /** Elements by index, over an array or a buffer, guard zones included. */
  private interface Access {
    double get(int index);

    void set(int index, double value);
  }

  private HostStorage(
      ElementType type, Tensor tensor, Access access, int first, int length, int size) {
    this.type = type;
    this.tensor = tensor;
    this.access = access;
    this.first = first;
    this.length = length;
    this.size = size;
    for (int i = 0; i < size; i++) {
      if (i < first || i >= first + length) {
        access.set(i, guard());
      }
    }
  }

  static HostStorage create(Device device, ElementType type, Placement placement, int length) {
    return switch (placement) {
      case ARRAY -> array(device, type, 0, length, length);
      case ARRAY_AT_OFFSET ->
          type.isHalf()
              ? bytes(device, type, ByteBuffer.allocate(byteSize(type, length)), 0, length)
              : array(device, type, GUARD, length, length + 2 * GUARD);
      case HEAP_BUFFER -> heapBuffer(device, type, length);
      case DIRECT ->
          bytes(device, type, ByteBuffer.allocateDirect(byteSize(type, length)), 0, length);
      case DIRECT_UNALIGNED ->
          bytes(device, type, ByteBuffer.allocateDirect(byteSize(type, length) + 1), 1, length);
      case OWNED, ALLOCATED -> throw new AssertionError(placement + " is not the caller's memory");
    };
  }

  private static int byteSize(ElementType type, int length) {
    return (length + 2 * GUARD) * type.bytes();
  }

  private static HostStorage array(
      Device device, ElementType type, int first, int length, int size) {
    return switch (type) {
      case FLOAT32 -> {
        float[] array = new float[size];
        Tensor tensor = first == 0 ? device.borrow(array) : device.borrow(array, first, length);
        yield new HostStorage(type, tensor, access(array), first, length, size);
      }
      case FLOAT64 -> {
        double[] array = new double[size];
        Tensor tensor = first == 0 ? device.borrow(array) : device.borrow(array, first, length);
        yield new HostStorage(type, tensor, access(array), first, length, size);
      }
      case FLOAT16, BFLOAT16 -> {
        short[] array = new short[size];
        yield new HostStorage(
            type, device.borrow(type, array), access(type, array), first, length, size);
      }
    };
  }

  private static HostStorage heapBuffer(Device device, ElementType type, int length) {
    int size = length + 2 * GUARD;
    return switch (type) {
      case FLOAT32 -> {
        float[] array = new float[size];
        FloatBuffer buffer = FloatBuffer.wrap(array, GUARD, length);
        yield new HostStorage(type, device.borrow(buffer), access(array), GUARD, length, size);
      }
      case FLOAT64 -> {
        double[] array = new double[size];
        DoubleBuffer buffer = DoubleBuffer.wrap(array, GUARD, length);
        yield new HostStorage(type, device.borrow(buffer), access(array), GUARD, length, size);
      }
      case FLOAT16, BFLOAT16 ->
          bytes(device, type, ByteBuffer.allocate(byteSize(type, length)), 0, length);
    };
  }

  private static HostStorage bytes(
      Device device, ElementType type, ByteBuffer buffer, int misalignment, int length) {
    byte[] guard = new byte[buffer.capacity()];
    Arrays.fill(guard, GUARD_BYTE);
    buffer.put(0, guard);
    buffer.order(ByteOrder.nativeOrder());
    int first = misalignment + GUARD * type.bytes();
    ByteBuffer part = buffer.duplicate().order(ByteOrder.nativeOrder());
    part.position(first).limit(first + length * type.bytes());
    return new HostStorage(
        type,
        device.borrow(type, part),
        access(type, buffer, misalignment),
        GUARD,
        length,
        length + 2 * GUARD);
  }

  private static Access access(float[] array) {
    return new Access() {
      @Override
      public double get(int index) {
        return array[index];
      }

      @Override
      public void set(int index, double value) {
        array[index] = (float) value;
      }
    };
  }

  private static Access access(double[] array) {
    return new Access() {
      @Override
      public double get(int index) {
        return array[index];
      }

      @Override
      public void set(int index, double value) {
        array[index] = value;
      }
    };
  }

  private static Access access(ElementType type, short[] array) {
    return new Access() {
      @Override
      public double get(int index) {
        return Numbers.decode(type, array[index]);
      }

      @Override
      public void set(int index, double value) {
        array[index] = Numbers.encode(type, value);
      }
    };
  }

  private static Access access(ElementType type, ByteBuffer buffer, int start) {
    return new Access() {
      @Override
      public double get(int index) {
        int at = start + index * type.bytes();
        return switch (type) {
          case FLOAT32 -> buffer.getFloat(at);
          case FLOAT64 -> buffer.getDouble(at);
          case FLOAT16, BFLOAT16 -> Numbers.decode(type, buffer.getShort(at));
        };
      }

      @Override
      public void set(int index, double value) {
        int at = start + index * type.bytes();
        switch (type) {
          case FLOAT32 -> buffer.putFloat(at, (float) value);
          case FLOAT64 -> buffer.putDouble(at, value);
          case FLOAT16, BFLOAT16 -> buffer.putShort(at, Numbers.encode(type, value));
        }
      }
    };
  }

  private double guard() {
    return Numbers.round(type, -1234.5678e-9);
  }

  Tensor tensor() {
    return tensor;
  }

  void write(double[] values) {
    assertEquals(length, values.length);
    for (int i = 0; i < length; i++) {
      access.set(first + i, values[i]);
    }
  }

  double[] read() {
    double[] values = new double[length];
    for (int i = 0; i < length; i++) {
      values[i] = access.get(first + i);
    }
    return values;
  }

  void assertGuards(String what) {
    double guard = guard();
    for (int i = 0; i < size; i++) {
      if (i < first || i >= first + length) {
        int at = i - first;
        assertEquals(guard, access.get(i), () -> what + ": guard at " + at + " of " + length);
      }
    }
  }
}
