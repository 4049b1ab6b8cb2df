package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_mem;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Parameters in the caller's own buffers, in the caller's context and queue, get the bits that the
 * processor gives, nothing around them is written, and the buffers stay the caller's. Small, with
 * every rule, set of options and element type: this also runs under oclgrind.
 */
@Tag("opencl")
class BorrowedHandlesTest {
  /** Two leaves of the norm and several tiles, and a length that is no multiple of a vector. */
  private static final int LENGTH = 4096 + 203;

  /**
   * A tile with a tail: unless the matrix is full, what is longer is shared by rules of a shape.
   */
  private static final int SHORT = 203;

  private static final int GUARD = 64;
  private static final int STEPS = 2;
  private static final List<String> OWNED = List.of("q.bias", "r", "empty", "s.bias");

  /** Offsets of values and gradients: aligned, alike but odd, and different. */
  private static final int[][] OFFSETS = {{0, 0}, {3, 19}, {5, 2}};

  /**
   * Each entry in every type and at all offsets, or by default the next of each in turn, of types
   * that other tests use it in: a driver compiles slowly.
   */
  static Stream<Arguments> cases() {
    List<UpdateRule> entries = RuleMatrix.entries();
    ContractBackend inOwnShape = ContractBackend.representatives().get(0);
    List<Arguments> cases = new ArrayList<>();
    for (int i = 0; i < entries.size(); i++) {
      UpdateRule rule = entries.get(i);
      List<ElementType> types = inOwnShape.typesFor(rule);
      if (!RuleMatrix.IS_FULL) {
        cases.add(Arguments.of(rule, types.get(i / 2 % types.size()), OFFSETS[i % OFFSETS.length]));
        continue;
      }
      for (ElementType type : types) {
        for (int[] offsets : OFFSETS) {
          cases.add(Arguments.of(rule, type, offsets));
        }
      }
    }
    return cases.stream();
  }

  @ParameterizedTest(name = "{0}, {1}, offsets {2}")
  @MethodSource("cases")
  void handlesHaveTheBitsOfTheProcessor(UpdateRule rule, ElementType type, int[] offsets) {
    boolean isLong = RuleMatrix.IS_FULL || RuleMatrix.ofEachShape().contains(rule);
    int length = isLong ? LENGTH : SHORT;
    assertHaveTheBits(rule, type, length, offsets, own -> own.allocate(bytes(type)));
  }

  /** Memory of the caller's lies where it does: a vector of 64 bytes need not begin there. */
  @ParameterizedTest
  @EnumSource(ElementType.class)
  void hostMemoryNeedNotBeginAtAVector(ElementType type) {
    List<ByteBuffer> memory = new ArrayList<>();
    try {
      for (int at : new int[] {0, 16}) {
        assertHaveTheBits(
            Adam.adam().amsgrad(true),
            type,
            LENGTH,
            OFFSETS[0],
            own -> {
              ByteBuffer whole =
                  ByteBuffer.allocateDirect((int) bytes(type) + 128).alignedSlice(64);
              memory.add(whole);
              return hostBuffer(own, whole.slice(at, (int) bytes(type)), at);
            });
      }
    } finally {
      Reference.reachabilityFence(memory);
    }
  }

  private static cl_mem hostBuffer(OpenClContext own, ByteBuffer memory, int at) {
    long flags = CL.CL_MEM_READ_WRITE | CL.CL_MEM_USE_HOST_PTR;
    cl_mem buffer =
        CL.clCreateBuffer(own.context, flags, memory.capacity(), Pointer.to(memory), null);
    long address =
        OpenCl.number(
            "clGetMemObjectInfo",
            "a buffer",
            (size, value, sizeOut) ->
                CL.clGetMemObjectInfo(buffer, CL.CL_MEM_HOST_PTR, size, value, sizeOut));
    assertEquals(at, address % 64);
    return buffer;
  }

  private static void assertHaveTheBits(
      UpdateRule rule,
      ElementType type,
      int length,
      int[] offsets,
      Function<OpenClContext, cl_mem> create) {
    SplittableRandom random = new SplittableRandom(7);
    double[] values = Numbers.ordinary(random, type, length);
    double[][] gradients = new double[STEPS][];
    for (int i = 0; i < STEPS; i++) {
      gradients[i] = Numbers.ordinary(random, type, length);
    }
    double[] expected;
    try (Device cpu = Devices.cpu(1);
        Tensor p = cpu.allocate(type, length);
        Tensor g = cpu.allocate(type, length)) {
      expected = train(cpu, rule, type, p, g, values, gradients);
    }
    try (OpenClContext own = OpenClTestDevices.context();
        Device device =
            Devices.wrapOpenCl(own.context.getNativePointer(), own.queue.getNativePointer())) {
      cl_mem valueBuffer = create.apply(own);
      cl_mem gradientBuffer = create.apply(own);
      long valueHandle = valueBuffer.getNativePointer();
      long gradientHandle = gradientBuffer.getNativePointer();
      try (Tensor whole = device.borrowHandle(type, valueHandle, 0, length + GUARD);
          Tensor p = device.borrowHandle(type, valueHandle, offsets[0], length);
          Tensor g = device.borrowHandle(type, gradientHandle, offsets[1], length)) {
        double[] guards = new double[length + GUARD];
        Arrays.fill(guards, 0.5);
        whole.copyFrom(guards);
        double[] actual = train(device, rule, type, p, g, values, gradients);
        Bits.assertSame(expected, actual, () -> rule + ", " + type);
        double[] around = whole.toDoubles();
        System.arraycopy(around, offsets[0], guards, offsets[0], length);
        assertArrayEquals(guards, around);
      }
      assertEquals(CL.CL_SUCCESS, CL.clReleaseMemObject(valueBuffer));
      assertEquals(CL.CL_SUCCESS, CL.clReleaseMemObject(gradientBuffer));
    }
  }

  private static long bytes(ElementType type) {
    return (long) (LENGTH + GUARD) * type.bytes();
  }

  /**
   * Norms, then parameters, gradients and state. The borrowed parameter has a launch of its own;
   * the owned ones share one, in several segments, because neighbours are of different groups.
   */
  private static double[] train(
      Device device,
      UpdateRule rule,
      ElementType type,
      Tensor p,
      Tensor g,
      double[] values,
      double[][] gradients) {
    p.copyFrom(values);
    try (Parameters parameters =
            Parameters.on(device)
                .borrow("p", p, g)
                .add("q.bias", type, 37)
                .add("r", type, 70)
                .add("empty", type, 0)
                .add("s.bias", type, 1)
                .shape("p", Shapes.of(p.length()))
                .shape("q.bias", Shapes.of(37))
                .shape("r", Shapes.of(70))
                .shape("empty", Shapes.of(0))
                .shape("s.bias", Shapes.of(1))
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(rule)
                .learningRate(0.0123)
                .group(ParameterGroup.matching("*.bias").weightDecay(0).learningRateFactor(2))
                .clipNorm(0.75)
                .clipValue(0.01)
                .zeroGradients(true)
                .skipNonFinite(true)
                .build()) {
      Stream.Builder<double[]> results = Stream.builder();
      for (double[] gradient : gradients) {
        g.copyFrom(gradient);
        for (String name : OWNED) {
          Tensor owned = parameters.get(name).gradients();
          owned.copyFrom(Arrays.copyOf(gradient, (int) owned.length()));
        }
        optimizer.step();
        results.add(new double[] {optimizer.gradientNorm()});
      }
      for (Parameter parameter : parameters) {
        results.add(parameter.values().toDoubles());
        results.add(parameter.gradients().toDoubles());
        for (String slot : optimizer.stateNames(parameter.name())) {
          results.add(optimizer.state(parameter.name(), slot).toDoubles());
        }
      }
      return results.build().flatMapToDouble(Arrays::stream).toArray();
    }
  }
}
