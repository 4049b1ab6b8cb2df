package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Wrong parameters: names, lengths, types, devices, overlaps. */
class ParametersArgumentsTest {
  private final Device device = Devices.cpu(1);
  private final ParametersBuilder builder = Parameters.on(device);

  @AfterEach
  void close() {
    device.close();
  }

  private static String refusal(Executable call) {
    return assertThrows(IllegalArgumentException.class, call).getMessage();
  }

  @Test
  void emptyNames() {
    String message = "parameter name is empty, must have a character";
    assertEquals(message, refusal(() -> builder.add("", new float[1])));
    assertEquals(message, refusal(() -> builder.add("", new double[1])));
    assertEquals(message, refusal(() -> builder.add("", ElementType.FLOAT16, 3)));
    assertEquals(message, refusal(() -> builder.borrow("", new float[1], new float[1])));
  }

  private static String nullRefusal(Executable call) {
    return assertThrows(NullPointerException.class, call).getMessage();
  }

  @Test
  void nulls() {
    float[] one = {1};
    double[] two = {1};
    assertEquals(
        "parameter name is null, must be a string", nullRefusal(() -> builder.add(null, one)));
    String values = "parameter \"w\": values are null, must be given";
    assertEquals(values, nullRefusal(() -> builder.add("w", (float[]) null)));
    assertEquals(values, nullRefusal(() -> builder.add("w", (double[]) null)));
    assertEquals(values, nullRefusal(() -> builder.add("w", ElementType.FLOAT16, null)));
    assertEquals(values, nullRefusal(() -> builder.borrow("w", null, one)));
    assertEquals(values, nullRefusal(() -> builder.borrow("w", null, two)));
    assertEquals(values, nullRefusal(() -> builder.borrow("w", null, device.borrow(one))));
    String gradients = "parameter \"w\": gradients are null, must be given";
    assertEquals(gradients, nullRefusal(() -> builder.borrow("w", one, null)));
    assertEquals(gradients, nullRefusal(() -> builder.borrow("w", two, null)));
    assertEquals(gradients, nullRefusal(() -> builder.borrow("w", device.borrow(one), null)));
    String type = "parameter \"w\": type is null, must be given";
    assertEquals(type, nullRefusal(() -> builder.add("w", null, one)));
    assertEquals(type, nullRefusal(() -> builder.add("w", null, 3)));
    assertEquals(
        "parameter \"w\": shape is null, must be given",
        nullRefusal(() -> builder.shape("w", (long[]) null)));
    assertEquals(
        "parameter name is null, must be a string", nullRefusal(() -> builder.shape(null, 1)));
    try (Parameters parameters = builder.build()) {
      assertEquals(0, parameters.count(), "a refused parameter is not added");
    }
  }

  @Test
  void duplicateNames() {
    builder.add("w", new float[] {1});
    String message = "parameter \"w\" was added before, names must differ";
    assertEquals(message, refusal(() -> builder.add("w", new float[] {2})));
    assertEquals(message, refusal(() -> builder.borrow("w", new double[2], new double[2])));
    try (Parameters parameters = builder.build()) {
      assertEquals(1, parameters.count());
      assertEquals(1f, parameters.get("w").values().toFloats()[0], "the first one stays");
    }
  }

  @Test
  void shapesThatDoNotFit() {
    builder.add("w", new float[6]).add("none", ElementType.FLOAT16, 0);
    assertEquals(
        "there is no parameter \"v\" to give a shape: add it first",
        refusal(() -> builder.shape("v", 1)));
    long[][] wrong = {{}, {5}, {2, 4}, {-2, -3}, {1L << 32, 1L << 32}, {1L << 62, 2, 3}};
    for (long[] shape : wrong) {
      assertEquals(
          "shape of \"w\" is "
              + Arrays.toString(shape)
              + ", must be lengths of at least 0 whose product is 6: pass those of its dimensions,"
              + " outermost first",
          refusal(() -> builder.shape("w", shape)));
      String none = refusal(() -> builder.shape("none", shape)); // no product of which is 0
      assertTrue(none.contains("whose product is 0"), none);
    }
    builder.shape("w", 3, 2).shape("none", 7, 0, 2);
    try (Parameters parameters = builder.build()) {
      assertEquals(List.of(3L, 2L), parameters.get("w").shape());
      assertEquals(List.of(7L, 0L, 2L), parameters.get("none").shape());
    }
  }

  @Test
  void everyKindIsAddedInAChain() {
    builder
        .add("a", new float[1])
        .add("b", new double[2])
        .add("c", ElementType.BFLOAT16, new float[] {1, 2, 3})
        .add("d", ElementType.FLOAT16, 0)
        .borrow("e", new float[4], new float[4])
        .borrow("f", new double[5], new double[5])
        .add("g", new float[6]);
    try (Parameters parameters = builder.build()) {
      assertEquals(7, parameters.count());
      assertEquals(21, parameters.length());
      assertEquals("[1.0, 2.0, 3.0]", Arrays.toString(parameters.get("c").values().toFloats()));
    }
  }

  @Test
  void addedParametersThatShareMemory() {
    float[] shared = new float[4];
    builder.borrow("a", shared, new float[4]);
    Parameters more =
        Parameters.on(device)
            .borrow("b", device.borrow(shared, 3, 1), device.borrow(new float[1]))
            .build();
    try (Parameters parameters = builder.build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).build()) {
      assertEquals(
          "values of \"b\" overlap values of \"a\", must be memory of their own",
          refusal(() -> optimizer.groups().add(more)));
      more.close();
      optimizer.step(); // of those it has
      assertEquals(1, optimizer.stepCount());
    }
  }

  @Test
  void unknownNamesAreAnsweredWithTheKnownOnes() {
    for (int i = 0; i < 10; i++) {
      builder.add("p" + i, new float[1]);
    }
    try (Parameters parameters = builder.build()) {
      assertEquals(
          "there is no parameter \"q\": there are p0, p1, p2, p3, p4, p5, p6, p7 and 2 more",
          refusal(() -> parameters.get("q")));
    }
  }

  @Test
  void gradientsOfAnotherLengthOrType() {
    assertEquals(
        "parameter \"w\": gradients have 2 elements, must have 3 like the values",
        refusal(() -> builder.borrow("w", new float[3], new float[2])));
    assertEquals(
        "parameter \"w\": gradients are float64, must be float32 like the values, or float16 or bfloat16",
        refusal(
            () -> builder.borrow("w", device.borrow(new float[3]), device.borrow(new double[3]))));
    try (Parameters parameters = builder.build()) {
      assertEquals(0, parameters.count(), "a refused parameter is not added");
    }
  }

  @Test
  void tensorsOnAnotherDevice() {
    try (Device other = Devices.cpu(1);
        Tensor elsewhere = other.allocate(ElementType.FLOAT32, 3);
        Tensor here = device.allocate(ElementType.FLOAT32, 3)) {
      String gradients = refusal(() -> builder.borrow("w", here, elsewhere));
      assertTrue(
          gradients.startsWith("parameter \"w\": gradients are on another device, "), gradients);
      String values = refusal(() -> builder.borrow("w", elsewhere, here));
      assertTrue(values.startsWith("parameter \"w\": values are on another device, "), values);
    }
  }

  @Test
  void valuesThatAreTheirOwnGradients() {
    float[] same = {1, 2};
    builder.borrow("w", same, same);
    String message = refusal(builder::build);
    assertTrue(message.contains("values of \"w\""), message);
    assertTrue(message.contains("gradients of \"w\""), message);
  }

  @Test
  void overlappingPartsOfAnArray() {
    double[] flat = new double[10];
    builder.borrow("a", device.borrow(flat, 0, 4), device.borrow(new double[4]));
    builder.borrow("b", device.borrow(flat, 4, 3), device.borrow(new double[3]));
    try (Parameters touching = builder.build()) {
      assertEquals(7, touching.length(), "neighbours are no overlap");
    }
    builder.borrow("c", device.borrow(flat, 6, 2), device.borrow(new double[2]));
    assertEquals(
        "values of \"c\" overlap values of \"b\", must be memory of their own",
        refusal(builder::build));
  }

  @Test
  void oneTensorForTwoParameters() {
    try (Tensor shared = device.allocate(ElementType.FLOAT32, 3);
        Tensor gradients = device.allocate(ElementType.FLOAT32, 3);
        Tensor values = device.allocate(ElementType.FLOAT32, 3)) {
      builder.borrow("a", shared, gradients).borrow("b", values, gradients);
      String message = refusal(builder::build);
      assertTrue(message.contains("gradients of \"b\" overlap gradients of \"a\""), message);
    }
  }

  @Test
  void heapBuffersOverOneArray() {
    float[] array = new float[8];
    Tensor buffer = device.borrow(FloatBuffer.wrap(array, 2, 4));
    builder.borrow("a", buffer, device.borrow(new float[4]));
    builder.borrow("b", device.borrow(array, 5, 3), device.borrow(new float[3]));
    assertTrue(refusal(builder::build).contains("overlap"));
  }

  @Test
  void oneDirectBufferForTwoParameters() {
    FloatBuffer direct =
        ByteBuffer.allocateDirect(64).order(ByteOrder.nativeOrder()).asFloatBuffer();
    builder.borrow("a", device.borrow(direct), device.borrow(direct));
    assertTrue(refusal(builder::build).contains("overlap"));
  }

  @Test
  void overlappingPartsOfADirectBuffer() {
    ByteBuffer bytes = ByteBuffer.allocateDirect(64).order(ByteOrder.nativeOrder());
    FloatBuffer floats = bytes.asFloatBuffer();
    builder.borrow("a", device.borrow(floats.slice(0, 4)), device.borrow(floats.slice(4, 4)));
    try (Parameters touching = builder.build()) {
      assertEquals(4, touching.length(), "neighbours are no overlap");
    }
    ByteBuffer tail = bytes.duplicate().order(ByteOrder.nativeOrder()).position(31);
    builder.borrow(
        "b",
        device.borrow(ElementType.FLOAT16, tail.limit(35)),
        device.borrow(ElementType.FLOAT16, new short[2]));
    assertEquals(
        "values of \"b\" overlap gradients of \"a\", must be memory of their own",
        refusal(builder::build));
  }

  @Test
  void emptyTensorsOverlapNothing() {
    float[] array = new float[4];
    builder.borrow("a", array, new float[4]);
    builder.borrow("none", device.borrow(array, 2, 0), device.borrow(array, 2, 0));
    try (Parameters parameters = builder.build()) {
      assertEquals(4, parameters.length());
    }
  }
}
