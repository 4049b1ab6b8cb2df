package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ClosedException;
import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tensors are copied within a device to where they should go and nowhere else. */
class CopyTest {
  private static final int LENGTH = 10_007;

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void oddPlaces(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(5);
    try (Device device = backend.open()) {
      for (ElementType type : backend.types()) {
        try (Parameters parameters =
            Parameters.on(device)
                .add("before", type, 3)
                .add("source", type, LENGTH)
                .add("between", type, 5)
                .add("target", type, LENGTH)
                .add("after", type, 1)
                .build()) {
          for (var parameter : parameters) {
            parameter.values().copyFrom(Numbers.ordinary(random, type, (int) parameter.length()));
          }
          double[] source = parameters.get("source").values().toDoubles();
          double[][] others = others(parameters);
          parameters.get("target").values().copyFrom(parameters.get("source").values());
          Bits.assertSame(
              source, parameters.get("target").values().toDoubles(), () -> type + ", target");
          Bits.assertSame(
              source, parameters.get("source").values().toDoubles(), () -> type + ", source");
          double[][] after = others(parameters);
          for (int i = 0; i < others.length; i++) {
            Bits.assertSame(others[i], after[i], () -> type + ", neighbour");
          }
        }
      }
    }
  }

  private static double[][] others(Parameters parameters) {
    return new double[][] {
      parameters.get("before").values().toDoubles(),
      parameters.get("between").values().toDoubles(),
      parameters.get("after").values().toDoubles()
    };
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void onlyWhatFits(ContractBackend backend) {
    try (Device device = backend.open();
        Device another = backend.open();
        Tensor tensor = device.allocate(ElementType.FLOAT32, 3);
        Tensor empty = device.allocate(ElementType.FLOAT32, 0);
        Tensor alsoEmpty = device.allocate(ElementType.FLOAT32, 0);
        Tensor longer = device.allocate(ElementType.FLOAT32, 4);
        Tensor half = device.allocate(ElementType.FLOAT16, 3);
        Tensor elsewhere = another.allocate(ElementType.FLOAT32, 3)) {
      empty.copyFrom(alsoEmpty);
      for (Tensor wrong : new Tensor[] {longer, half, elsewhere}) {
        IllegalArgumentException e =
            assertThrows(IllegalArgumentException.class, () -> tensor.copyFrom(wrong));
        assertTrue(e.getMessage().contains("same device, type and length"), e.getMessage());
      }
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> tensor.copyFrom(tensor));
      assertTrue(e.getMessage().contains("overlaps"), e.getMessage());
      Tensor closed = device.allocate(ElementType.FLOAT32, 3);
      closed.close();
      assertThrows(ClosedException.class, () -> tensor.copyFrom(closed));
      assertEquals(3, tensor.length());
    }
  }
}
