package io.warmstep.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.storage.Storage;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What goes to a driver part by part arrives as a whole. */
class StagedMemoryTest {
  private static final int PART = 4 << 20;

  /** A device that is a buffer and writes down the bytes of each copy. */
  private static final class Fake extends StagedMemory {
    final ByteBuffer device;
    final List<Integer> copies = new ArrayList<>();

    Fake(ElementType type, int length) {
      super(new Staging(), Storage.of(type), length);
      device = ByteBuffer.allocate(length * type.bytes()).order(ByteOrder.nativeOrder());
    }

    @Override
    protected void upload(ByteBuffer from, long at, int bytes) {
      assertTrue(from.isDirect());
      copies.add(bytes);
      device.put((int) at * type().bytes(), from, 0, bytes);
    }

    @Override
    protected void download(ByteBuffer to, long at, int bytes) {
      assertTrue(to.isDirect());
      copies.add(bytes);
      to.put(0, device, (int) at * type().bytes(), bytes);
    }

    @Override
    public void zero(long at, long length) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Location location() {
      return new Location(this, 0);
    }

    @Override
    public void close() {}
  }

  @ParameterizedTest
  @EnumSource
  void partsAreWrittenAndReadInPlace(ElementType type) {
    int count = 2 * PART / type.bytes() + 3;
    Fake memory = new Fake(type, count + 10);
    Object source = numbers(type, count + 5);
    memory.write(7, source, 5, count);
    assertEquals(List.of(PART, PART, 3 * type.bytes()), memory.copies);
    for (int i = 0; i < count; i++) {
      assertEquals(Array.get(source, i + 5), element(memory, i + 7));
    }
    assertEquals(Array.get(array(type, 1), 0), element(memory, 6));
    assertEquals(Array.get(array(type, 1), 0), element(memory, count + 7));

    memory.copies.clear();
    Object target = array(type, count + 5);
    memory.read(7, target, 4, count);
    assertEquals(List.of(PART, PART, 3 * type.bytes()), memory.copies);
    Object expected = array(type, count + 5);
    System.arraycopy(source, 5, expected, 4, count);
    assertArrayEquals(new Object[] {expected}, new Object[] {target});
  }

  @ParameterizedTest
  @EnumSource
  void nothingIsCopiedForNoElements(ElementType type) {
    Fake memory = new Fake(type, 0);
    memory.write(0, array(type, 0), 0, 0);
    memory.read(0, array(type, 0), 0, 0);
    assertEquals(List.of(), memory.copies);
  }

  private static Object element(Fake memory, int at) {
    Object element = array(memory.type(), 1);
    memory.storage().get(memory.storage().view(memory.device), at, element, 0, 1);
    return Array.get(element, 0);
  }

  private static Object numbers(ElementType type, int length) {
    Object array = array(type, length);
    for (int i = 0; i < length; i++) {
      Storage.of(type).setBits(array, i, i % 65521 + 1); // a prime: no two parts are alike
    }
    return array;
  }

  private static Object array(ElementType type, int length) {
    return Storage.of(type).newArray(length);
  }
}
