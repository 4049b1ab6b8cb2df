package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.BackendUnavailableException;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Wrong arguments of devices and tensors. */
class DeviceArgumentsTest {
  private final Device device = Devices.cpu(1);

  @AfterEach
  void close() {
    device.close();
  }

  private static String refusal(org.junit.jupiter.api.function.Executable call) {
    return assertThrows(IllegalArgumentException.class, call).getMessage();
  }

  @Test
  void anUnknownBackendIsNamedWithTheKnownOnes() {
    BackendUnavailableException e =
        assertThrows(BackendUnavailableException.class, () -> Devices.require("tpu"));
    assertTrue(e.getMessage().startsWith("there is no backend 'tpu': this version has "));
    assertTrue(e.getMessage().contains("cpu"));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, Integer.MIN_VALUE, 1025, Integer.MAX_VALUE})
  void threads(int threads) {
    assertEquals(
        "threads is " + threads + ", must be 1 to 1024", refusal(() -> Devices.cpu(threads)));
  }

  @Test
  void asManyThreadsAsThereMayBe() {
    try (Device most = Devices.cpu(1024)) {
      assertEquals("cpu", most.name());
    }
  }

  /** Before anything is loaded that could use them. */
  @Test
  void handlesOf0() {
    for (long[] handles : new long[][] {{0, 5}, {5, 0}, {0, 0}}) {
      assertEquals(
          "context is "
              + handles[0]
              + " and queue is "
              + handles[1]
              + ", must both be raw handles, not 0",
          refusal(() -> Devices.wrapOpenCl(handles[0], handles[1])));
    }
  }

  @Test
  void anUnknownElementType() {
    assertEquals(
        "unknown element type \"int8\": use float32, float64, float16 or bfloat16",
        refusal(() -> ElementType.parse("int8")));
    assertEquals(ElementType.BFLOAT16, ElementType.parse("BFloat16"));
  }

  @Test
  void negativeLengths() {
    assertEquals(
        "length is -1, must be 0 or more", refusal(() -> device.allocate(ElementType.FLOAT32, -1)));
    assertEquals(
        "parameter \"p\": length is -5, must be 0 or more",
        refusal(() -> Parameters.on(device).add("p", ElementType.FLOAT64, -5)));
  }

  /** Is refused before the heap is full, in which other threads would run out of memory, too. */
  @ParameterizedTest
  @ValueSource(longs = {1L << 45, 1L << 61, Long.MAX_VALUE})
  void moreThanTheHeapMayHold(long length) {
    for (ElementType type : ElementType.values()) {
      OutOfDeviceMemoryException e =
          assertThrows(OutOfDeviceMemoryException.class, () -> device.allocate(type, length));
      assertTrue(e.getMessage().contains("cannot allocate " + length + " " + type), e::getMessage);
      assertTrue(e.getMessage().contains("-Xmx"), e::getMessage);
      assertNull(e.getCause());
    }
    ParametersBuilder builder =
        Parameters.on(device)
            .add("a", ElementType.FLOAT32, length)
            .add("b", ElementType.FLOAT32, length);
    assertThrows(OutOfDeviceMemoryException.class, builder::build);
    try (Tensor tensor = device.allocate(ElementType.FLOAT32, 1000)) {
      assertEquals(1000, tensor.length(), "the device goes on");
    }
  }

  /** A program of its own, whose heap holds either of two tensors. */
  static final class TwoTensors {
    private TwoTensors() {}

    /** Says what comes of the second one. */
    public static void main(String[] arguments) {
      long length = Runtime.getRuntime().maxMemory() / Float.BYTES * 6 / 10;
      try (Device device = Devices.cpu(1)) {
        try (Tensor first = device.allocate(ElementType.FLOAT32, length)) {
          OutOfDeviceMemoryException e =
              assertThrows(
                  OutOfDeviceMemoryException.class, () -> device.allocate(first.type(), length));
          System.out.println(e.getMessage());
        }
        device.allocate(ElementType.FLOAT32, length).close();
      }
    }
  }

  @Test
  void moreThanTheHeapHasLeft() throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-cp",
                System.getProperty("java.class.path"),
                TwoTensors.class.getName())
            .redirectErrorStream(true)
            .start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), out);
    assertTrue(out.startsWith("cannot allocate "), out);
  }

  @Test
  void partsOutsideTheArray() {
    float[] floats = new float[10];
    double[] doubles = new double[10];
    int[][] parts = {{-1, 2}, {0, 11}, {10, 1}, {1, 10}, {0, -1}, {Integer.MAX_VALUE, 1}};
    for (int[] part : parts) {
      String range = "offset " + part[0] + " and length " + part[1] + " do not lie within a ";
      assertEquals(range + "float[] of 10", refusal(() -> device.borrow(floats, part[0], part[1])));
      assertEquals(
          range + "double[] of 10", refusal(() -> device.borrow(doubles, part[0], part[1])));
    }
    assertEquals(0, device.borrow(floats, 10, 0).length());
  }

  @Test
  void halfTypesForShorts() {
    assertEquals(
        "type is float32, a short[] holds float16 or bfloat16 bits",
        refusal(() -> device.borrow(ElementType.FLOAT32, new short[2])));
  }

  @Test
  void readOnlyBuffers() {
    ByteBuffer bytes = ByteBuffer.allocateDirect(64).order(ByteOrder.nativeOrder());
    Buffer[] buffers = {
      bytes.asReadOnlyBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer(),
      FloatBuffer.allocate(4).asReadOnlyBuffer(),
      bytes.asReadOnlyBuffer().order(ByteOrder.nativeOrder()).asDoubleBuffer(),
      DoubleBuffer.allocate(4).asReadOnlyBuffer(),
      bytes.asReadOnlyBuffer().order(ByteOrder.nativeOrder())
    };
    for (Buffer buffer : buffers) {
      assertEquals("buffer is read-only, must be writable", refusal(() -> borrow(buffer)));
    }
  }

  @Test
  void buffersInForeignByteOrder() {
    ByteOrder foreign =
        ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN
            ? ByteOrder.LITTLE_ENDIAN
            : ByteOrder.BIG_ENDIAN;
    ByteBuffer bytes = ByteBuffer.allocateDirect(64).order(foreign);
    for (Buffer buffer : new Buffer[] {bytes, bytes.asFloatBuffer(), bytes.asDoubleBuffer()}) {
      String message = refusal(() -> borrow(buffer));
      assertTrue(message.contains("buffer is in " + foreign + " order"), message);
      assertTrue(message.contains("ByteOrder.nativeOrder()"), message);
    }
  }

  private Tensor borrow(Buffer buffer) {
    if (buffer instanceof FloatBuffer floats) {
      return device.borrow(floats);
    }
    if (buffer instanceof DoubleBuffer doubles) {
      return device.borrow(doubles);
    }
    return device.borrow(ElementType.FLOAT32, assertInstanceOf(ByteBuffer.class, buffer));
  }

  @Test
  void bytesThatAreNoWholeElements() {
    ByteBuffer bytes = ByteBuffer.allocateDirect(7).order(ByteOrder.nativeOrder());
    assertEquals(
        "buffer has 7 bytes remaining, must be a multiple of 4 for float32",
        refusal(() -> device.borrow(ElementType.FLOAT32, bytes)));
    assertEquals(
        "buffer has 7 bytes remaining, must be a multiple of 2 for bfloat16",
        refusal(() -> device.borrow(ElementType.BFLOAT16, bytes)));
  }

  @Test
  void copiesOfAnotherLengthOrKindChangeNothing() {
    try (Tensor tensor = device.copyOf(new float[] {1, 2, 3})) {
      assertEquals(
          "values has 2 elements, must have 3 like this tensor",
          refusal(() -> tensor.copyFrom(new float[2])));
      assertEquals(
          "values has 4 elements, must have 3 like this tensor",
          refusal(() -> tensor.copyFrom(new double[4])));
      assertTrue(refusal(() -> tensor.copyTo(new float[2])).contains("2 elements"));
      assertTrue(refusal(() -> tensor.copyTo(new double[2])).contains("2 elements"));
      assertTrue(refusal(() -> tensor.copyFromBits(new short[3])).contains("float32"));
      assertTrue(refusal(() -> tensor.copyToBits(new short[3])).contains("float32"));
      assertEquals("[1.0, 2.0, 3.0]", java.util.Arrays.toString(tensor.toFloats()));
    }
    try (Tensor tensor = device.copyOf(new double[] {1, 2, 3})) {
      for (int wrong : new int[] {0, 2, 4}) {
        String message = "values has " + wrong + " elements, must have 3 like this tensor";
        assertEquals(message, refusal(() -> tensor.copyFrom(new double[wrong])));
        assertEquals(message, refusal(() -> tensor.copyTo(new double[wrong])));
        assertEquals(message, refusal(() -> tensor.copyFrom(new float[wrong])));
        assertEquals(message, refusal(() -> tensor.copyTo(new float[wrong])));
      }
      assertEquals("[1.0, 2.0, 3.0]", java.util.Arrays.toString(tensor.toDoubles()));
    }
    try (Tensor tensor = device.allocate(ElementType.FLOAT16, 2)) {
      assertTrue(refusal(() -> tensor.copyFromBits(new short[3])).contains("3 elements"));
      assertTrue(refusal(() -> tensor.copyToBits(new short[1])).contains("1 elements"));
    }
  }
}
