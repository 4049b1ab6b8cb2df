package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.testkit.Rebinding;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import org.jocl.CL;
import org.jocl.cl_mem;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Gradients that a framework has in other buffers from step to step. */
@Tag("opencl")
class ReboundHandlesTest {
  @ParameterizedTest
  @EnumSource
  void stepsFollow(ElementType type) {
    check(type, (optimizer, isRebound) -> optimizer.step());
  }

  @ParameterizedTest
  @EnumSource
  void microBatchesFollow(ElementType type) {
    check(
        type,
        (optimizer, isRebound) -> {
          optimizer.accumulate();
          optimizer.step();
        });
  }

  @ParameterizedTest
  @EnumSource
  void adaptiveClippingFollows(ElementType type) {
    check(
        (device, lender) ->
            Rebinding.checkClipped(
                device, type, lender, (optimizer, isRebound) -> optimizer.step()));
  }

  @ParameterizedTest
  @EnumSource
  void reportsFollow(ElementType type) {
    check(
        (device, lender) ->
            Rebinding.checkReported(
                device, type, lender, (optimizer, isRebound) -> optimizer.step()));
  }

  private static void check(ElementType type, Rebinding.Stepper stepper) {
    check((device, lender) -> Rebinding.check(device, type, lender, stepper));
  }

  private static void check(BiConsumer<Device, Rebinding.Lender> checked) {
    List<cl_mem> lent = new ArrayList<>();
    try (OpenClContext own = OpenClTestDevices.context();
        Device device =
            Devices.wrapOpenCl(own.context.getNativePointer(), own.queue.getNativePointer())) {
      Rebinding.Lender lender =
          (its, length, turn) -> {
            cl_mem buffer = own.allocate((length + 40L) * its.bytes());
            lent.add(buffer);
            return device.borrowHandle(its, buffer.getNativePointer(), turn % 5, length);
          };
      checked.accept(device, lender);
      for (cl_mem buffer : lent) {
        assertEquals(CL.CL_SUCCESS, CL.clReleaseMemObject(buffer));
      }
    }
  }
}
