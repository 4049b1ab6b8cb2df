package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.ClosedException;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Sgd;
import io.warmstep.testkit.Rebinding;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Borrowed tensors move to other memory between steps. On GPUs: the tests of their backends. */
class RebindTest {
  /** Memory of every kind in turn. */
  private static Tensor lend(Device device, ElementType type, int length, int turn) {
    int skipped = turn % 3;
    ByteBuffer bytes =
        turn % 2 == 0
            ? ByteBuffer.allocate((length + skipped) * type.bytes())
            : ByteBuffer.allocateDirect((length + skipped) * type.bytes());
    ByteBuffer part = bytes.position(skipped * type.bytes()).slice().order(ByteOrder.nativeOrder());
    return switch (turn % 4) {
      case 0 -> device.borrow(type, part);
      case 1 ->
          type == ElementType.FLOAT32
              ? device.borrow(new float[length])
              : type == ElementType.FLOAT64
                  ? device.borrow(new double[length])
                  : device.borrow(type, new short[length]);
      case 2 ->
          type == ElementType.FLOAT32
              ? device.borrow(new float[length + 9], 7, length)
              : device.borrow(type, part);
      default -> device.borrow(type, part);
    };
  }

  @ParameterizedTest
  @EnumSource
  void stepsFollow(ElementType type) {
    try (Device device = Devices.cpu(2)) {
      Rebinding.check(
          device,
          type,
          (its, length, turn) -> lend(device, its, length, turn),
          (optimizer, isRebound) -> optimizer.step());
    }
  }

  @ParameterizedTest
  @EnumSource
  void microBatchesFollow(ElementType type) {
    try (Device device = Devices.cpu(2)) {
      Rebinding.check(
          device,
          type,
          (its, length, turn) -> lend(device, its, length, turn),
          (optimizer, isRebound) -> {
            optimizer.accumulate();
            optimizer.step();
          });
    }
  }

  @ParameterizedTest
  @EnumSource
  void adaptiveClippingFollows(ElementType type) {
    try (Device device = Devices.cpu(2)) {
      Rebinding.checkClipped(
          device,
          type,
          (its, length, turn) -> lend(device, its, length, turn),
          (optimizer, isRebound) -> optimizer.step());
    }
  }

  @ParameterizedTest
  @EnumSource
  void reportsFollow(ElementType type) {
    try (Device device = Devices.cpu(2)) {
      Rebinding.checkReported(
          device,
          type,
          (its, length, turn) -> lend(device, its, length, turn),
          (optimizer, isRebound) -> optimizer.step());
    }
  }

  @Test
  void whatCannotMoveIsRefused() {
    try (Device device = Devices.cpu(1);
        Device elsewhere = Devices.cpu(1);
        Tensor own = device.allocate(ElementType.FLOAT32, 2);
        Tensor lent = device.borrow(new float[2])) {
      assertEquals(
          "this is a tensor of 2 float32 on "
              + device
              + ", must be borrowed by a call of the device: memory of the library's own stays"
              + " where it is",
          assertThrows(IllegalArgumentException.class, () -> own.rebind(lent)).getMessage());
      assertThrows(IllegalArgumentException.class, () -> lent.rebind(own));
      assertThrows(IllegalArgumentException.class, () -> lent.rebind(device.borrow(new float[3])));
      assertThrows(IllegalArgumentException.class, () -> lent.rebind(device.borrow(new double[2])));
      assertThrows(
          IllegalArgumentException.class, () -> lent.rebind(elsewhere.borrow(new float[2])));
    }
  }

  @Test
  void theOtherGetsItsMemory() {
    float[] first = {1, 2};
    float[] second = {3, 4};
    try (Device device = Devices.cpu(1);
        Tensor tensor = device.borrow(first);
        Tensor part = tensor.slice(1, 1);
        Tensor other = device.borrow(second)) {
      tensor.rebind(other);
      tensor.copyFrom(new float[] {5, 6});
      part.copyFrom(new float[] {7});
      other.copyFrom(new float[] {8, 9});
      assertArrayEquals(new float[] {8, 9}, first);
      assertArrayEquals(new float[] {5, 7}, second);
    }
  }

  @Test
  void whatIsClosedStaysWhereItIs() {
    try (Device device = Devices.cpu(1);
        Tensor open = device.borrow(new float[] {1, 2})) {
      Tensor closed = device.borrow(new float[2]);
      closed.close();
      assertThrows(ClosedException.class, () -> open.rebind(closed));
      assertThrows(ClosedException.class, () -> closed.rebind(open));
      assertArrayEquals(new float[] {1, 2}, open.toFloats());
    }
  }

  /** Found before the step, which has changed nothing. */
  @Test
  void memoryOfAnotherTensorIsRefused() {
    float[] values = {1, 2};
    float[] gradients = {1, 1};
    try (Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).borrow("p", values, gradients).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).build()) {
      parameters.get("p").gradients().rebind(device.borrow(values));
      assertEquals(
          "gradients of \"p\" overlap values of \"p\", must be memory of their own",
          assertThrows(IllegalArgumentException.class, optimizer::step).getMessage());
      assertEquals(0, optimizer.stepCount());
      parameters.get("p").gradients().rebind(device.borrow(new float[] {0.5f, -1}));
      optimizer.step();
      assertEquals(0.5f, values[0]);
      assertEquals(3f, values[1]);
    }
  }
}
