package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.Encoding;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Remainders;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.Storage;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Proxies;
import io.warmstep.testkit.Reference24;
import io.warmstep.testkit.ReferenceCodes;
import java.util.Arrays;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Numbers that are kept in another form are read and written anywhere, and nothing beside them. */
class FloatViewTest {
  /** More than two chunks of a copy, odd, and with a group of codes that ends early. */
  private static final int LENGTH = 20_011;

  /** Words of somebody else, before and after those of a view. */
  private static final int OTHERS = 3;

  private static final double ITS = 0x1234;

  /** First elements and counts: within words and groups, across their bounds, and up to the end. */
  private static final int[][] PARTS = {
    {0, 1},
    {0, 5},
    {1, 1},
    {1, 2},
    {6, 3},
    {7, 4},
    {30, 4},
    {32, 32},
    {33, 31},
    {63, 66},
    {64, 41},
    {0, 8193},
    {8191, 9000},
    {9_001, 8192},
    {19_999, 1},
    {LENGTH - 1, 1},
    {LENGTH - 12, 11},
    {LENGTH - 40, 40},
    {LENGTH - 11, 11},
    {500, 0},
    {LENGTH, 0}
  };

  /** What a view is of. */
  enum Form {
    MASTER,
    MASTER_24,
    MASTER_OF_FLOAT16,
    MOMENTS,
    SQUARES;

    boolean isMaster() {
      return this == MASTER || this == MASTER_24 || this == MASTER_OF_FLOAT16;
    }
  }

  private final Device device = Devices.cpu(1);
  private final SplittableRandom random = new SplittableRandom(3);
  private final Set<String> calls = new TreeSet<>();
  private final Memory upper = memory(ElementType.BFLOAT16, LENGTH);
  private Memory rest;
  private Memory view;
  private final float[] expected = new float[LENGTH];

  @AfterEach
  void close() {
    device.close();
  }

  /** Words for a view between those of others. */
  private Memory memory(ElementType type, long words) {
    Memory memory = device.allocateMemory(type, OTHERS + words + OTHERS);
    Object its = memory.storage().newArray(OTHERS);
    memory.storage().fill(its, 0, OTHERS, ITS);
    memory.write(0, its, 0, OTHERS);
    memory.write(OTHERS + words, its, 0, OTHERS);
    return memory;
  }

  private MemorySlice slice(Memory memory) {
    return new MemorySlice(watched(memory), OTHERS);
  }

  private Memory watched(Memory memory) {
    return Proxies.of(
        Memory.class,
        (proxy, method, arguments) -> {
          if (method.getName().matches("read.*|copy.*")) {
            calls.add(method.getName());
          }
          return Proxies.invoke(memory, method, arguments);
        });
  }

  private void open(Form form) {
    rest =
        memory(
            form == Form.MASTER_OF_FLOAT16 ? ElementType.FLOAT32 : ElementType.BFLOAT16,
            switch (form) {
              case MASTER, MASTER_OF_FLOAT16 -> LENGTH;
              case MASTER_24 -> Remainders.words(LENGTH);
              case MOMENTS, SQUARES -> StateCodes.words(LENGTH);
            });
    MemorySlice words = slice(rest);
    view =
        switch (form) {
          case MASTER -> new MasterMemory(() -> slice(upper), words, LENGTH);
          case MASTER_24 -> new Master24Memory(() -> slice(upper), words, LENGTH);
          case MASTER_OF_FLOAT16 -> new Float16MasterMemory(() -> slice(upper), words, LENGTH);
          case MOMENTS -> new CodedMemory(words, Encoding.MOMENT_CODES, LENGTH);
          case SQUARES -> new CodedMemory(words, Encoding.SQUARE_CODES, LENGTH);
        };
    assertTrue(view.isView());
    assertEquals(form == Form.SQUARES, view instanceof CodedMemory coded && coded.areSquares());
    write(form, 0, numbers(form, LENGTH));
  }

  /** Of many sizes; squares have no sign. */
  private float[] numbers(Form form, int count) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      double number = Math.scalb(random.nextDouble(0.5, 1), random.nextInt(-9, 9));
      numbers[i] = (float) (form == Form.SQUARES || random.nextBoolean() ? number : -number);
    }
    return numbers;
  }

  private void write(Form form, int at, float[] numbers) {
    float[] array = new float[numbers.length + 4];
    System.arraycopy(numbers, 0, array, 2, numbers.length);
    view.write(at, array, 2, numbers.length);
    put(form, at, numbers);
  }

  /** Notes what is left of numbers that are written. */
  private void put(Form form, int at, float[] numbers) {
    System.arraycopy(numbers, 0, expected, at, numbers.length);
    int end = at + numbers.length;
    if (form == Form.MASTER_24) {
      for (int i = at; i < end; i++) {
        expected[i] = Reference24.nearest(expected[i]);
      }
    } else if (!form.isMaster() && numbers.length > 0) {
      int first = at / StateCodes.GROUP * StateCodes.GROUP;
      int groups = (int) StateCodes.groups(end) * StateCodes.GROUP;
      double[] covered = new double[Math.min(groups, LENGTH) - first];
      Arrays.setAll(covered, i -> expected[first + i]);
      double[] left =
          form == Form.MOMENTS
              ? ReferenceCodes.moments(covered)
              : ReferenceCodes.squares(covered, null);
      for (int i = 0; i < left.length; i++) {
        expected[first + i] = (float) left[i];
      }
    }
  }

  private void check(Form form) {
    float[] all = new float[LENGTH];
    view.read(0, all, 0, LENGTH);
    assertArrayEquals(expected, all);
    if (form.isMaster()) {
      short[] rounded = new short[LENGTH];
      if (form == Form.MASTER_OF_FLOAT16) {
        for (int i = 0; i < LENGTH; i++) {
          rounded[i] =
              Numbers.encode(ElementType.FLOAT16, Numbers.round(ElementType.FLOAT16, expected[i]));
        }
      } else {
        Remainders.split(expected, 0, rounded, 0, new short[LENGTH], 0, LENGTH);
      }
      short[] stored = new short[LENGTH];
      upper.read(OTHERS, stored, 0, LENGTH);
      assertArrayEquals(rounded, stored, "the parameter");
    }
    for (Memory memory : new Memory[] {upper, rest}) {
      Storage storage = memory.storage();
      Object its = storage.newArray(2 * OTHERS);
      memory.read(0, its, 0, OTHERS);
      memory.read(memory.length() - OTHERS, its, OTHERS, OTHERS);
      Object right = storage.newArray(2 * OTHERS);
      storage.fill(right, 0, 2 * OTHERS, ITS);
      for (int i = 0; i < 2 * OTHERS; i++) {
        assertEquals(storage.bits(right, i), storage.bits(its, i));
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyPartIsWritten(Form form) {
    open(form);
    check(form);
    for (int[] part : PARTS) {
      write(form, part[0], numbers(form, part[1]));
      check(form);
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyPartIsRead(Form form) {
    open(form);
    for (int[] part : PARTS) {
      int from = part[0];
      float[] right = new float[part[1] + 5];
      Arrays.fill(right, -99);
      float[] read = right.clone();
      float[] settled = right.clone();
      System.arraycopy(expected, from, right, 3, part[1]);
      calls.clear();
      view.read(from, read, 3, part[1]);
      assertEquals(Set.of("read"), calls);
      calls.clear();
      view.readSettled(from, settled, 3, part[1]);
      assertEquals(Set.of("readSettled"), calls, "without waiting for other work");
      assertArrayEquals(right, read);
      assertArrayEquals(right, settled);
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyPartIsSetToZero(Form form) {
    open(form);
    for (int[] part : PARTS) {
      view.zero(part[0], part[1]);
      put(form, part[0], new float[part[1]]);
      check(form);
      write(form, part[0], numbers(form, part[1]));
    }
    view.zero(0, LENGTH);
    Arrays.fill(expected, 0);
    check(form);
  }

  /** To a number that is not the master's rounded one; else the master stays. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoWritesAFloat16ParameterAloneMovesItsMaster(boolean isSettled) {
    open(Form.MASTER_OF_FLOAT16);
    for (int i = 0; i < LENGTH; i += 3) {
      expected[i] = 4096 + 4 * (i % 2);
      short[] bits = {Numbers.encode(ElementType.FLOAT16, expected[i])};
      upper.write(OTHERS + i, bits, 0, 1);
    }
    float[] read = new float[LENGTH];
    if (isSettled) {
      view.readSettled(0, read, 0, LENGTH);
    } else {
      view.read(0, read, 0, LENGTH);
    }
    assertArrayEquals(expected, read);
  }

  /** Where a group ends early, its last words hold nothing, whatever they held. */
  @ParameterizedTest
  @EnumSource(names = {"MOMENTS", "SQUARES"})
  void nothingFollowsTheLastCode(Form form) {
    open(form);
    long codes = OTHERS + (LENGTH + 1) / 2;
    short[] tail = new short[(int) (OTHERS + StateCodes.firstScale(LENGTH) - codes)];
    Arrays.fill(tail, (short) 0x7f7f);
    rest.write(codes, tail, 0, tail.length);
    write(form, LENGTH - 3, numbers(form, 3));
    check(form);
    rest.read(codes, tail, 0, tail.length);
    assertArrayEquals(new short[tail.length], tail);
  }

  /** Codes and scales as a checkpoint stores them. */
  @ParameterizedTest
  @EnumSource(names = {"MOMENTS", "SQUARES"})
  void codesAndScalesAreCopied(Form form) {
    open(form);
    CodedMemory coded = (CodedMemory) view;
    short[] codes = new short[(int) StateCodes.firstCode(3)];
    short[] scales = new short[4];
    coded.readCodes(2, codes, 3);
    coded.readScales(2, scales, 1, 3);
    assertEquals(0, scales[0]);
    coded.writeCodes(101, codes, 3);
    coded.writeScales(101, Arrays.copyOfRange(scales, 1, 4), 3);
    int group = StateCodes.GROUP;
    System.arraycopy(expected, 2 * group, expected, 101 * group, 3 * group);
    check(form);
  }

  @ParameterizedTest
  @EnumSource
  void tensorsAreCopied(Form form) {
    open(form);
    try (Tensor tensor = new Tensor(device, view, true);
        Tensor plain =
            new Tensor(
                device, watched(device.allocateMemory(ElementType.FLOAT32, LENGTH)), false)) {
      plain.copyFrom(numbers(form, LENGTH));
      calls.clear();
      plain.slice(0, 9).copyFrom(plain.slice(9, 9));
      assertTrue(calls.contains("copy"), "on the device");
      plain.slice(101, 9000).copyFrom(tensor.slice(35, 9000));
      assertTrue(calls.contains("copyByHost"));
      float[] copied = Arrays.copyOfRange(plain.toFloats(), 101, 9101);
      assertArrayEquals(Arrays.copyOfRange(expected, 35, 9035), copied);
      plain.copyFrom(numbers(form, LENGTH));
      tensor.slice(64, 9000).copyFrom(plain.slice(3, 9000)); // no group in two chunks
      put(form, 64, Arrays.copyOfRange(plain.toFloats(), 3, 9003));
      check(form);
      tensor.slice(10_016, 9000).copyFrom(tensor.slice(5, 9000));
      put(form, 10_016, Arrays.copyOfRange(expected, 5, 9005));
      check(form);
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () -> tensor.slice(0, 5).copyFrom(tensor.slice(4, 5)))
              .getMessage()
              .startsWith("other overlaps this tensor"));
    }
    check(form); // closing it frees nothing
  }
}
