package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.rule.StateSlot;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Where state lies that parameters of one allocation share. */
class SharedStateTest {
  private static final int ALIGNMENT = 16;
  private static final StateSlot SLOT = new StateSlot("slot", 0);
  private static final Storage STORAGE = Storage.of(ElementType.FLOAT32);

  private final List<Memory> allocated = new ArrayList<>();

  private SharedState of(Parameters parameters, Device device) {
    return new SharedState(
        parameters,
        (values, length, slot, storage) -> {
          Memory memory = device.backend().allocate(storage, length);
          allocated.add(memory);
          return memory;
        });
  }

  private static Parameters parameters(Device device, int... lengths) {
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < lengths.length; i++) {
      builder.add("p" + i, new float[lengths[i]]);
    }
    return builder.build();
  }

  private void free() {
    allocated.forEach(Memory::close);
    allocated.clear();
  }

  @Test
  void stateOfAllLiesAsTheirValuesDo() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, 5, 40, 0, 1, 33)) {
      SharedState state = of(parameters, device);
      for (int i : new int[] {3, 0, 4, 2, 1}) { // in any order
        Parameter parameter = parameters.get("p" + i);
        state.plan(parameter, SLOT, STORAGE, parameter.length());
      }
      for (Parameter parameter : parameters) {
        MemorySlice slice = state.slice(parameter, SLOT, STORAGE, parameter.length());
        assertEquals(parameter.values().slice().offset(), slice.offset(), parameter.name());
        assertSame(allocated.get(0), slice.memory());
      }
      assertEquals(1, allocated.size());
      assertEquals(
          parameters.get("p0").values().slice().memory().length(), allocated.get(0).length());
      free();
    }
  }

  /** Without gaps of more than it takes to lie as their values do within a vector. */
  @Test
  void stateOfSomeIsContiguousAndAligned() {
    SplittableRandom random = new SplittableRandom(4);
    for (int i = 0; i < 100; i++) {
      int[] lengths = random.ints(random.nextInt(2, 9), 1, 60).toArray();
      try (Device device = Devices.cpu(1);
          Parameters parameters = parameters(device, lengths)) {
        SharedState state = of(parameters, device);
        List<Parameter> some = new ArrayList<>();
        int left = random.nextInt(lengths.length); // at least one has none
        for (int j = 0; j < lengths.length; j++) {
          if (j != left && random.nextInt(4) > 0) {
            some.add(parameters.get("p" + j));
          }
        }
        some.forEach(parameter -> state.plan(parameter, SLOT, STORAGE, parameter.length()));
        long end = 0;
        for (Parameter parameter : some) {
          MemorySlice slice = state.slice(parameter, SLOT, STORAGE, parameter.length());
          long gap = slice.offset() - end;
          assertTrue(gap >= 0 && gap < ALIGNMENT, "a gap of " + gap);
          assertEquals(parameter.values().slice().offset() % ALIGNMENT, slice.offset() % ALIGNMENT);
          end = slice.offset() + parameter.length();
        }
        assertEquals(some.isEmpty() ? 0 : 1, allocated.size());
        if (!some.isEmpty()) {
          assertEquals(end, allocated.get(0).length());
        }
        free();
      }
    }
  }

  /** Even if all of their words together are as many as the elements. */
  @Test
  void stateOfOtherLengthsLiesByItself() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, 20, 4, 10)) {
      for (int[] words :
          new int[][] {{4, 10, 20}, {4, 20, 10}, {20, 10, 4}, {1, 1, 1}, {20, 4, 1}}) {
        SharedState state = of(parameters, device);
        Map<Parameter, Integer> counts = new HashMap<>();
        for (int i = 0; i < words.length; i++) {
          Parameter parameter = parameters.get("p" + i);
          counts.put(parameter, words[i]);
          state.plan(parameter, SLOT, STORAGE, words[i]);
        }
        long end = 0;
        for (Parameter parameter : parameters) {
          MemorySlice slice = state.slice(parameter, SLOT, STORAGE, counts.get(parameter));
          boolean isElements = counts.get(parameter) == parameter.length();
          long place = isElements ? parameter.values().slice().offset() : 0;
          assertEquals(place % ALIGNMENT, slice.offset() % ALIGNMENT, parameter.name());
          assertTrue(slice.offset() >= end && slice.offset() < end + ALIGNMENT, "from " + end);
          end = slice.offset() + counts.get(parameter);
        }
        assertEquals(1, allocated.size());
        assertEquals(end, allocated.get(0).length());
        free();
      }
    }
  }

  @Test
  void stateOfBorrowedParametersIsTheirOwn() {
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device)
                .borrow("a", new float[7], new float[7])
                .borrow("b", new float[3], new float[3])
                .build()) {
      SharedState state = of(parameters, device);
      parameters.forEach(parameter -> state.plan(parameter, SLOT, STORAGE, parameter.length()));
      MemorySlice a = state.slice(parameters.get("a"), SLOT, STORAGE, 7);
      MemorySlice b = state.slice(parameters.get("b"), SLOT, STORAGE, 2);
      assertNotSame(a.memory(), b.memory());
      assertEquals(List.of(0L, 7L, 0L, 2L), numbers(a, b));
      free();
    }
  }

  private static List<Long> numbers(MemorySlice a, MemorySlice b) {
    return List.of(a.offset(), a.memory().length(), b.offset(), b.memory().length());
  }
}
