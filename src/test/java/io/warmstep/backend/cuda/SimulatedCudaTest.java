package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.BackendUnavailableException;
import io.warmstep.Device;
import io.warmstep.DeviceReport;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StepFailedException;
import io.warmstep.Tensor;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Muon;
import io.warmstep.rule.Rules;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jcuda.driver.CUcontext;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What is CUDA's own: launches, contexts, raw handles. On the simulated driver. */
class SimulatedCudaTest extends SimulatedTest {
  @AfterEach
  void restore() {
    CudaSim.devices(1);
    CudaSim.capability(90);
    CudaSim.version(12060);
  }

  @Test
  void reportSaysThatItIsSimulated() {
    DeviceReport report = new CudaBackend().report();
    assertTrue(report.usable(), report.reason());
    assertTrue(report.device().startsWith("Simulated"), report.device());
    assertEquals("CUDA driver API 12.6", report.driver());
    assertTrue(report.bitExact());
  }

  @Test
  void reportGivesTheReason() {
    CudaSim.devices(0);
    DeviceReport report = new CudaBackend().report();
    assertFalse(report.usable());
    assertTrue(report.reason().contains("finds no GPU"), report.reason());
    CudaSim.devices(1);
    CudaSim.capability(37);
    report = new CudaBackend().report();
    assertFalse(report.usable());
    assertTrue(report.reason().contains("compute capability 3.7, 5.0"), report.reason());
    CudaSim.version(10020);
    report = new CudaBackend().report();
    assertFalse(report.usable());
    assertTrue(
        report.reason().contains("supports CUDA 10.2, 11.0 (driver 450) or later is needed"),
        report.reason());
  }

  @Test
  void eachOfSeveralDevicesIsListedAndOpened() {
    CudaSim.devices(3);
    assertEquals(
        List.of("cuda:0", "cuda:1", "cuda:2"),
        new CudaBackend().devices().stream().map(DeviceReport::name).toList());
    assertEquals(3, Devices.all().stream().filter(one -> one.backend().equals("cuda")).count());
    try (Device first = Devices.require("cuda");
        Device last = Devices.require("cuda:2")) {
      assertEquals("cuda:0", first.report().name());
      assertEquals("cuda:2", last.report().name());
      for (Device device : List.of(first, last)) {
        try (Parameters parameters = Parameters.on(device).add("w", new float[] {1}).build();
            Optimizer optimizer =
                Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).build()) {
          parameters.get("w").gradients().copyFrom(new float[] {1});
          optimizer.step();
          assertEquals(0.9f, parameters.get("w").values().toFloats()[0], 1e-6f);
        }
      }
    }
    assertThrows(BackendUnavailableException.class, () -> Devices.require("cuda:3"));
    CudaSim.capability(37);
    assertEquals(
        List.of(false, false, false),
        new CudaBackend().devices().stream().map(DeviceReport::usable).toList());
  }

  /** Whatever an earlier report said: it is looked at anew. */
  @Test
  void openingGivesTheReasonToo() {
    CudaSim.devices(0);
    assertRefused("cuda cannot be used: the NVIDIA driver is there but finds no GPU");
    CudaSim.devices(1);
    CudaSim.capability(37);
    assertRefused("cuda cannot be used: Simulated device (no GPU) has compute capability 3.7");
    CudaSim.version(10020);
    assertRefused("cuda cannot be used: the NVIDIA driver supports CUDA 10.2");
  }

  private static void assertRefused(String expected) {
    BackendUnavailableException e =
        assertThrows(BackendUnavailableException.class, () -> Devices.require("cuda"));
    assertTrue(e.getMessage().startsWith(expected), e.getMessage());
  }

  @Test
  void oneLaunchWhateverTheNumberOfTensorsAndGroups() {
    assertEquals(1, launchesOfAStep(1, 1));
    assertEquals(1, launchesOfAStep(1000, 1));
    assertEquals(1, launchesOfAStep(1000, 16));
    // More groups than a launch has arguments for: their numbers are written first, 16 at a time.
    assertEquals(1 + 3, launchesOfAStep(1000, 40));
  }

  @Test
  void oneLaunchOfEveryRuleThatOnlyUpdates() {
    int rules = 0;
    for (UpdateRule rule : Rules.ofEachKernel()) {
      if (rule.sums().isEmpty() && rule.matrix().isEmpty()) {
        assertEquals(1, launchesOfAStep(rule, 1000, 1), rule.toString());
        rules++;
      }
    }
    assertTrue(rules >= 16, rules + " rules");
  }

  private static long launchesOfAStep(int tensors, int groups) {
    return launchesOfAStep(Adam.adam(), tensors, groups);
  }

  private static long launchesOfAStep(UpdateRule rule, int tensors, int groups) {
    try (Device device = Devices.require("cuda")) {
      ParametersBuilder builder = Parameters.on(device);
      for (int i = 0; i < tensors; i++) {
        builder.add("g" + i % groups + ".t" + i, new float[i % 300 + 1]);
      }
      try (Parameters parameters = builder.build()) {
        OptimizerBuilder optimizer = Optimizer.of(parameters).rule(rule).learningRate(0.1);
        for (int i = 1; i < groups; i++) {
          optimizer.group(ParameterGroup.matching("g" + i + ".*").learningRateFactor(i));
        }
        try (Optimizer built = optimizer.build()) {
          long before = CudaSim.launches();
          built.step();
          return CudaSim.launches() - before;
        }
      }
    }
  }

  /** Matrices of one shape are a batch, whose products are launched together. */
  @Test
  void asManyLaunchesForEightEqualMatricesAsForOne() {
    long one = launchesOfMuon(1, 0);
    assertEquals(one, launchesOfMuon(8, 0));
    assertTrue(one < launchesOfMuon(1, 1), "another shape is a batch of its own");
  }

  private static long launchesOfMuon(int equal, int others) {
    try (Device device = Devices.require("cuda")) {
      ParametersBuilder builder = Parameters.on(device);
      for (int i = 0; i < equal + others; i++) {
        int columns = i < equal ? 7 : 9;
        builder.add("t" + i, new float[5 * columns]).shape("t" + i, 5, columns);
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer =
              Optimizer.of(parameters).rule(Muon.muon()).learningRate(0.1).build()) {
        long before = CudaSim.launches();
        optimizer.step();
        return CudaSim.launches() - before;
      }
    }
  }

  @Test
  void borrowedPointersAtOddOffsetsHaveTheBitsOfTheProcessor() {
    for (ElementType type : new ElementType[] {ElementType.FLOAT32, ElementType.FLOAT64}) {
      for (int length : new int[] {0, 1, 5, 2047, 2048, 2051, 9001}) {
        for (int offset : new int[] {0, 1, 2, 3, 5}) {
          for (int skew : new int[] {0, 1}) {
            compareBorrowed(type, length, offset, offset + skew);
          }
        }
      }
    }
  }

  private static void compareBorrowed(
      ElementType type, int length, int offset, int gradientOffset) {
    SplittableRandom random = new SplittableRandom(length * 31L + offset);
    double[] values = random.doubles(length, -1, 1).toArray();
    double[] gradients = random.doubles(length, -1, 1).toArray();
    long bytes = (length + 8L) * type.bytes();
    long valueMemory = CudaSim.newMemory(bytes);
    long gradientMemory = CudaSim.newMemory(bytes);
    try (Device device = Devices.require("cuda");
        Device cpu = Devices.cpu(1);
        Tensor p = device.borrowHandle(type, valueMemory, offset, length);
        Tensor g = device.borrowHandle(type, gradientMemory, gradientOffset, length);
        Tensor cpuP = cpu.allocate(type, length);
        Tensor cpuG = cpu.allocate(type, length)) {
      for (Tensor tensor : new Tensor[] {p, cpuP}) {
        tensor.copyFrom(values);
      }
      for (Tensor tensor : new Tensor[] {g, cpuG}) {
        tensor.copyFrom(gradients);
      }
      run(device, p, g);
      run(cpu, cpuP, cpuG);
      String what = type + " x " + length + " at " + offset + " and " + gradientOffset;
      assertArrayEquals(cpuP.toDoubles(), p.toDoubles(), what);
      assertArrayEquals(new double[length], g.toDoubles(), what + ", gradients");
    } finally {
      CudaSim.freeMemory(valueMemory);
      CudaSim.freeMemory(gradientMemory);
    }
  }

  private static void run(Device device, Tensor values, Tensor gradients) {
    try (Parameters parameters = Parameters.on(device).borrow("p", values, gradients).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adamW().amsgrad(true))
                .learningRate(0.01)
                .clipNorm(0.5)
                .zeroGradients(true)
                .build()) {
      optimizer.step();
      optimizer.step();
    }
  }

  @Test
  void handlesAreChecked() {
    try (Device device = Devices.require("cuda")) {
      for (Runnable wrong :
          new Runnable[] {
            () -> device.borrowHandle(ElementType.FLOAT32, 0, 0, 1),
            () -> device.borrowHandle(ElementType.FLOAT32, 0x1002, 0, 1),
            () -> device.borrowHandle(ElementType.FLOAT64, 0x1000, -1, 1),
            () -> device.borrowHandle(ElementType.FLOAT64, 0x1000, 0, -1),
            () -> device.borrowHandle(ElementType.FLOAT64, 0x1000, Long.MAX_VALUE, 1),
            () -> device.borrow(new float[1]),
            () -> Devices.wrapCuda(0, 0)
          }) {
        assertThrows(IllegalArgumentException.class, wrong::run);
      }
    }
  }

  @Test
  void overlapOfBorrowedPointersIsFound() {
    long memory = CudaSim.newMemory(4000);
    try (Device device = Devices.require("cuda")) {
      Tensor p = device.borrowHandle(ElementType.FLOAT32, memory, 0, 501);
      Tensor g = device.borrowHandle(ElementType.FLOAT32, memory, 499, 501);
      ParametersBuilder builder = Parameters.on(device).borrow("p", p, g);
      assertThrows(IllegalArgumentException.class, builder::build);
    } finally {
      CudaSim.freeMemory(memory);
    }
  }

  @Test
  void usersContextAndStreamStay() {
    long context = CudaSim.newContext();
    long stream = CudaSim.newStream(context);
    long live = CudaSim.live();
    try {
      for (long given : new long[] {stream, 0}) {
        try (Device device = Devices.wrapCuda(context, given);
            Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
            Optimizer optimizer =
                Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).build()) {
          parameters.get("p").gradients().copyFrom(new float[] {3, 5});
          optimizer.step();
          assertArrayEquals(new float[] {-2, -3}, parameters.get("p").values().toFloats());
          assertEquals(0, CudaSim.current());
        }
        assertEquals(live, CudaSim.live(), "the user's context and stream");
      }
    } finally {
      CudaSim.endContext(context, stream);
    }
  }

  /** A thread's context is another's: it is there again after every call, even one that fails. */
  @Test
  void theThreadsContextIsRestored() {
    long other = CudaSim.newContext();
    CUcontext context = Cuda.wrap(other, new CUcontext());
    assertEquals(0, JCudaDriver.cuCtxPushCurrent(context));
    try {
      Device device = checked(() -> Devices.require("cuda"));
      Tensor p = checked(() -> device.copyOf(new float[] {1, 2}));
      Tensor g = checked(() -> device.allocate(ElementType.FLOAT32, 2));
      Parameters parameters = checked(() -> Parameters.on(device).borrow("p", p, g).build());
      Optimizer optimizer =
          checked(
              () -> Optimizer.of(parameters).rule(Adam.adam()).learningRate(1).clipNorm(1).build());
      checked(() -> optimizer.step());
      checked(p::toFloats);
      checked(optimizer::gradientNorm);
      checked(optimizer::zeroGradients);
      checked(device::synchronize);
      CudaSim.failAt(2, CudaSim.INVALID_VALUE, false);
      checked(() -> assertThrows(StepFailedException.class, optimizer::step));
      CudaSim.failNothing();
      for (AutoCloseable open : new AutoCloseable[] {optimizer, parameters, p, g, device}) {
        checked(
            () -> {
              open.close();
              return null;
            });
      }
    } finally {
      JCudaDriver.cuCtxPopCurrent(new CUcontext());
      CudaSim.endContext(other, 0);
    }
  }

  /** Does something and looks whether the context that was current before is so afterwards. */
  private static <T> T checked(Callable<T> operation) {
    CUcontext before = new CUcontext();
    JCudaDriver.cuCtxGetCurrent(before);
    T result = assertDoesNotThrow(operation::call);
    CUcontext after = new CUcontext();
    JCudaDriver.cuCtxGetCurrent(after);
    assertEquals(before, after);
    assertEquals(1, CudaSim.current(), "contexts on this thread's stack");
    return result;
  }

  private static void checked(Runnable operation) {
    checked(
        () -> {
          operation.run();
          return null;
        });
  }

  @Test
  void sixteenThreadsOnOneDeviceHaveTheSerialBits() throws Exception {
    int threads = 16;
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    try (Device device = Devices.require("cuda")) {
      List<Future<float[]>> together = new ArrayList<>();
      for (int seed = 0; seed < threads; seed++) {
        int mine = seed;
        together.add(pool.submit(() -> train(device, mine)));
      }
      for (int seed = 0; seed < threads; seed++) {
        float[] result = together.get(seed).get();
        assertArrayEquals(train(device, seed), result, "seed " + seed);
      }
    } finally {
      pool.shutdownNow();
    }
  }

  private static float[] train(Device device, int seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] gradients = new float[1000 + 333 * seed];
    try (Parameters parameters =
            Parameters.on(device).add("p", ElementType.FLOAT32, gradients.length).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.01).clipNorm(1).build()) {
      for (int step = 0; step < 20; step++) {
        for (int i = 0; i < gradients.length; i++) {
          gradients[i] = (float) random.nextDouble(-1, 1);
        }
        parameters.get("p").gradients().copyFrom(gradients);
        optimizer.step();
      }
      return parameters.get("p").values().toFloats();
    }
  }

  @Test
  void manyCyclesLeaveNothing() {
    try (Device device = Devices.require("cuda")) {
      long loaded = 0;
      for (int i = 0; i < 10_000; i++) {
        try (Parameters parameters = Parameters.on(device).add("p", new float[i % 7]).build();
            Optimizer optimizer =
                Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).build()) {
          optimizer.step();
        }
        loaded = i == 1 ? CudaSim.live() : loaded; // with the kernel loaded
      }
      assertEquals(loaded, CudaSim.live());
      assertEquals(0, CudaSim.liveBytes());
    }
    for (int i = 0; i < 200; i++) {
      Devices.require("cuda").close();
    }
  }

  /** Else a tensor at an odd place would be stepped element by element. */
  @Test
  void stateHasVectorsWhereTheParametersHaveThem() {
    try (CudaDevice device = CudaDevice.open(0)) {
      for (ElementType type : ElementType.values()) {
        ElementType arithmetic = type.arithmetic();
        int lanes = 16 / arithmetic.bytes();
        Memory values = device.allocate(Storage.of(type), 100);
        for (int offset = 0; offset < 9; offset++) {
          Memory state =
              device.allocateBeside(new MemorySlice(values, offset), Storage.of(arithmetic), 50);
          assertEquals(50, state.length());
          assertEquals(
              (values.location().start() / type.bytes() + offset) % lanes,
              state.location().start() / arithmetic.bytes() % lanes,
              type + ", offset " + offset);
          state.close();
        }
        assertEquals(
            0,
            device.allocateBeside(new MemorySlice(values, 3), Storage.of(arithmetic), 0).length());
        values.close();
      }
    }
  }
}
