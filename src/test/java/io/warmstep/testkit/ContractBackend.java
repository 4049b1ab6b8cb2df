package io.warmstep.testkit;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.TestDevices;
import io.warmstep.backend.cpu.CpuTestDevices;
import io.warmstep.backend.cuda.CudaSim;
import io.warmstep.backend.opencl.OpenClTestDevices;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/**
 * One way to run a step. Whatever is tested over {@link #all()} holds for each of them, so a new
 * backend is one more entry of the lists. {@code -Dwarmstep.backends=cpu,opencl} chooses.
 *
 * @param name shown in test names
 * @param opener opens a fresh device
 * @param takesArrays whether Java arrays and buffers can be borrowed
 * @param hasFloat64 whether float64 parameters can be used
 */
public record ContractBackend(
    String name, Supplier<Device> opener, boolean takesArrays, boolean hasFloat64) {
  /** Prime, so that arrays end at odd places of tensors and blocks. */
  private static final int SHORT_PIECE = 101;

  /** By the name of the backend; others than the processor need something installed. */
  private static final Map<String, List<ContractBackend>> BY_BACKEND =
      Map.of(
          "cpu",
          List.of(
              cpu("cpu, 1 thread", () -> Devices.cpu(1)),
              cpu("cpu, 2 threads", () -> Devices.cpu(2)),
              cpu("cpu, 3 threads", () -> Devices.cpu(3)),
              cpu(
                  "cpu, arrays of " + SHORT_PIECE,
                  () -> TestDevices.of(CpuTestDevices.open(2, SHORT_PIECE)))),
          "opencl",
          List.of(
              gpu("opencl", () -> TestDevices.of(OpenClTestDevices.openInOwnShape())),
              gpu(
                  "opencl, the other shape",
                  () -> TestDevices.of(OpenClTestDevices.openInOtherShape()))),
          "cuda",
          List.of(gpu("cuda", () -> Devices.require("cuda"))),
          "cuda-simulated",
          List.of(gpu("cuda (simulated)", ContractBackend::openSimulatedCuda)));

  private static final List<String> KERNELS =
      Rules.ofEachKernel().stream().map(UpdateRule::kernel).toList();

  private static final Map<ContractBackend, Device> SHARED = new ConcurrentHashMap<>();

  /** Backends of this run: those that bin/test names in a system property, or the processor. */
  public static List<ContractBackend> all() {
    String names = System.getProperty("warmstep.backends", "cpu");
    return Arrays.stream(names.split(","))
        .flatMap(
            name -> Objects.requireNonNull(BY_BACKEND.get(name), "no backend " + name).stream())
        .toList();
  }

  /** Whether each kernel, type and way to store is a program of its own to compile. */
  public boolean isOpenCl() {
    return waysOf("opencl").contains(this);
  }

  static List<ContractBackend> waysOf(String backend) {
    return BY_BACKEND.get(backend);
  }

  /** The first way of each backend of this run, for what is about numbers that all of them have. */
  public static List<ContractBackend> representatives() {
    String names = System.getProperty("warmstep.backends", "cpu");
    return Arrays.stream(names.split(",")).map(name -> BY_BACKEND.get(name).get(0)).toList();
  }

  /** The second way of each if it has one, which is two threads on the CPU: for what takes long. */
  public static List<ContractBackend> secondWays() {
    String names = System.getProperty("warmstep.backends", "cpu");
    return Arrays.stream(names.split(","))
        .map(BY_BACKEND::get)
        .map(ways -> ways.get(Math.min(1, ways.size() - 1)))
        .toList();
  }

  /**
   * Cases of a test for each backend of this run: the first way of a backend has the first case,
   * its second way the second, and so on; every way has each if the matrix is full.
   */
  public static Stream<Arguments> inTurn(List<?> cases) {
    String names = System.getProperty("warmstep.backends", "cpu");
    return Arrays.stream(names.split(","))
        .map(BY_BACKEND::get)
        .flatMap(
            ways ->
                IntStream.range(0, cases.size())
                    .boxed()
                    .flatMap(
                        i ->
                            (RuleMatrix.IS_FULL ? ways : List.of(inTurn(ways, i)))
                                .stream().map(way -> Arguments.of(way, cases.get(i)))));
  }

  /** The next one, and after each round one is left out, so that no other turn stays in step. */
  private static <T> T inTurn(List<T> all, int turn) {
    return all.get((turn + turn / all.size()) % all.size());
  }

  /**
   * For a test that has this way in its turn: the way that is used for a rule's kernel and a type,
   * so that all tests that ask use the same on OpenCL, where each kernel, type and way is a program
   * of its own to compile. Every kernel meets every way, and every type does. This way itself on
   * other backends and if the matrix is full.
   */
  public ContractBackend forKernel(UpdateRule rule, ElementType type) {
    if (RuleMatrix.IS_FULL || !isOpenCl()) {
      return this;
    }
    List<ContractBackend> ways = waysOf("opencl");
    return ways.get((KERNELS.indexOf(rule.kernel()) + type.ordinal()) % ways.size());
  }

  /**
   * The types in which {@link #forKernel} chooses this way, so that on OpenCL a test of them builds
   * what others build anyway: two of them there, and all elsewhere and if the matrix is full.
   */
  public List<ElementType> typesFor(UpdateRule rule) {
    return types().stream().filter(type -> forKernel(rule, type).equals(this)).toList();
  }

  private static Device openSimulatedCuda() {
    CudaSim.load();
    return Devices.require("cuda");
  }

  private static ContractBackend gpu(String name, Supplier<Device> opener) {
    return new ContractBackend(name, opener, false, true);
  }

  private static ContractBackend cpu(String name, Supplier<Device> opener) {
    return new ContractBackend(name, opener, true, true);
  }

  public Device open() {
    return opener.get();
  }

  /**
   * A device that stays open until the tests end, for tests of many cases: a new one builds its
   * kernels anew.
   */
  public Device shared() {
    return SHARED.computeIfAbsent(this, ContractBackend::open);
  }

  public List<ElementType> types() {
    return Arrays.stream(ElementType.values())
        .filter(type -> hasFloat64 || type != ElementType.FLOAT64)
        .toList();
  }

  public List<Placement> placements() {
    return Arrays.stream(Placement.values())
        .filter(placement -> takesArrays || !placement.isHost())
        .toList();
  }

  /** Where tests put parameters that are to be watched by guard zones, if the backend can. */
  public Placement guarded() {
    return takesArrays ? Placement.ARRAY_AT_OFFSET : Placement.ALLOCATED;
  }

  @Override
  public String toString() {
    return name;
  }
}
