package io.warmstep.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.ElementType;
import io.warmstep.testkit.Numbers;
import java.lang.reflect.Array;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Each way to store elements, by their bits, at other offsets on the two sides. */
class StoragesTest {
  private static final double[] NUMBERS = {1, -2, 3.25, -0.5, 0, 96};

  /** Elements 2 to 7 of 10, the others 7. */
  private static Object filled(Storage storage) {
    Object array = storage.newArray(10);
    storage.fill(array, 0, 10, 7);
    for (int i = 0; i < NUMBERS.length; i++) {
      storage.setBits(array, 2 + i, bits(storage.type(), NUMBERS[i]));
    }
    return array;
  }

  private static long bits(ElementType type, double value) {
    return switch (type) {
      case FLOAT64 -> Double.doubleToRawLongBits(value);
      case FLOAT32 -> Integer.toUnsignedLong(Float.floatToRawIntBits((float) value));
      case FLOAT16, BFLOAT16 -> Numbers.encode(type, value) & 0xffffL;
    };
  }

  private static void expect(Storage storage, Object array, double... values) {
    assertEquals(values.length, Array.getLength(array));
    for (int i = 0; i < values.length; i++) {
      assertEquals(bits(storage.type(), values[i]), storage.bits(array, i), storage + " at " + i);
    }
  }

  private static double[] loaded(Storage storage, Object array, int from, int length) {
    Object values = storage.type() == ElementType.FLOAT64 ? new double[12] : new float[12];
    storage.load(array, from, values, 3, length);
    double[] all = new double[12];
    for (int i = 0; i < all.length; i++) {
      all[i] = Array.getDouble(values, i);
    }
    return all;
  }

  @ParameterizedTest
  @EnumSource
  void rangesAreFilledAndRead(ElementType type) {
    Storage storage = Storage.of(type);
    expect(storage, filled(storage), 7, 7, 1, -2, 3.25, -0.5, 0, 96, 7, 7);
    assertArrayEquals(
        new double[] {0, 0, 0, -2, 3.25, -0.5, 0, 96, 0, 0, 0, 0},
        loaded(storage, filled(storage), 3, 5));
    float[] floats = new float[8];
    storage.loadFloats(filled(storage), 3, floats, 2, 4);
    assertArrayEquals(new float[] {0, 0, -2, 3.25f, -0.5f, 0, 0, 0}, floats);
  }

  @ParameterizedTest
  @EnumSource
  void valuesAreStored(ElementType type) {
    Storage storage = Storage.of(type);
    Object values =
        type == ElementType.FLOAT64 ? new double[] {9, 9, 4, -5, 9} : new float[] {9, 9, 4, -5, 9};
    Object array = filled(storage);
    storage.store(values, 2, array, 4, 2);
    expect(storage, array, 7, 7, 1, -2, 4, -5, 0, 96, 7, 7);
    storage.storeFloats(new float[] {9, 8, -6, 9}, 1, array, 7, 2);
    expect(storage, array, 7, 7, 1, -2, 4, -5, 0, 8, -6, 7);
    storage.copy(filled(storage), 2, array, 0, 3);
    expect(storage, array, 1, -2, 3.25, -2, 4, -5, 0, 8, -6, 7);
  }

  @ParameterizedTest
  @EnumSource
  void buffersAreReadWrittenAndZeroed(ElementType type) {
    Storage storage = Storage.of(type);
    int count = 5000; // more than are set to zero at a time
    ByteBuffer bytes =
        ByteBuffer.allocateDirect((int) storage.bytes(count)).order(ByteOrder.nativeOrder());
    Buffer buffer = storage.view(bytes);
    assertEquals(count, buffer.capacity());
    Object ones = storage.newArray(count);
    storage.fill(ones, 0, count, 1);
    storage.put(ones, 0, buffer, 0, count);
    storage.put(filled(storage), 2, buffer, 4990, 6);
    Object end = storage.newArray(10);
    storage.get(buffer, 4990, end, 1, 8);
    expect(storage, end, 0, 1, -2, 3.25, -0.5, 0, 96, 1, 1, 0);
    storage.zero(buffer, 3, 4990);
    Object all = storage.newArray(count);
    storage.get(buffer, 0, all, 0, count);
    for (int i = 0; i < count; i++) {
      double expected = i < 3 ? 1 : i < 4993 ? 0 : i == 4993 ? -0.5 : i == 4995 ? 96 : 1;
      expected = i == 4994 ? 0 : expected;
      assertEquals(bits(type, expected), storage.bits(all, i), storage + " at " + i);
    }
    assertEquals(0, buffer.position());
  }

  @ParameterizedTest
  @EnumSource
  void aStorageDescribesItself(ElementType type) {
    Storage storage = Storage.of(type);
    assertEquals(type.toString(), storage.toString());
    assertEquals(1, storage.elementsPerBlock());
    assertEquals(7L * type.bytes(), storage.bytes(7));
    boolean isArithmetic = type == ElementType.FLOAT32 || type == ElementType.FLOAT64;
    assertEquals(isArithmetic, storage.isArithmetic());
  }
}
