package io.warmstep.backend.cuda;

import java.nio.file.Path;

/**
 * The simulated driver of native/cudasim. Its library is loaded by path before JCuda's, which then
 * finds it under the name of NVIDIA's. What runs on it says nothing about a GPU's speed, and of its
 * results only that the kernels' source is right, or their PTX where CUDASIM_RUN=ptx is set.
 */
public final class CudaSim {
  /** System property with the library's path. */
  public static final String PROPERTY = "warmstep.cudasim";

  static final int SUCCESS = 0;
  static final int INVALID_VALUE = 1;
  static final int OUT_OF_MEMORY = 2;
  static final int LAUNCH_FAILED = 719;

  static {
    String path = System.getProperty(PROPERTY);
    if (path == null) {
      throw new IllegalStateException("-D" + PROPERTY + " must name the simulator: see bin/test");
    }
    System.load(Path.of(path).toAbsolutePath().toString());
  }

  private CudaSim() {}

  /** Loads the simulator unless it is. */
  public static void load() {}

  /** See enum Control in simulator.h. */
  private static native long control(int what, long a, long b);

  /** Makes a call fail, counted from now on from 1. */
  static void failAt(long call, int code, boolean forGood) {
    control(0, call, forGood ? -code : code);
  }

  static void failNothing() {
    control(0, 0, 0);
  }

  /** Calls since failures were last set. */
  static long calls() {
    return control(1, 0, 0);
  }

  /** Handles and allocations that were not released; without the primary context. */
  static long live() {
    return control(2, 0, 0);
  }

  /** Runs phases of a block in an order that kernels.cpp names; how many violations it found. */
  static long phases(int order) {
    return control(19, order, 0);
  }

  /** Uses of the primary context. */
  static long primaryUses() {
    return control(18, 0, 0);
  }

  /** Bytes of device memory in use. */
  static long liveBytes() {
    return control(3, 0, 0);
  }

  /**
   * Damaged guard zones, misused handles, missing barriers of kernels, and what the interpreter of
   * PTX found, ever.
   *
   * @return how many
   */
  public static long violations() {
    return control(4, 0, 0);
  }

  static void memoryLimit(long bytes) {
    control(5, bytes, 0);
  }

  static void devices(int count) {
    control(6, count, 0);
  }

  /** 10 * major + minor. */
  static void capability(int capability) {
    control(7, capability, 0);
  }

  static long launches() {
    return control(8, 0, 0);
  }

  static long waits() {
    return control(9, 0, 0);
  }

  /** Contexts on this thread's stack. */
  static long current() {
    return control(10, 0, 0);
  }

  static long newContext() {
    return control(11, 0, 0);
  }

  static long newStream(long context) {
    return control(12, context, 0);
  }

  /**
   * Allocates device memory as a user would.
   *
   * @param bytes how many
   * @return its address
   */
  public static long newMemory(long bytes) {
    return control(13, bytes, 0);
  }

  /** Memory of pieces that are mapped one after the other. */
  static long newMappedMemory(long bytes, long piece) {
    return control(13, bytes, piece);
  }

  /** Allocations that happen to lie one after the other; freed together. */
  static long newNeighbours(long bytes, long each) {
    return control(13, bytes, (1L << 32) + each);
  }

  /** Memory of which the driver does not say where it ends. */
  static long newUnknownMemory(long bytes) {
    return control(13, bytes, -1);
  }

  /** Whether a thread captures a graph, which what another thread frees would end. */
  static void capture(boolean isOn) {
    control(30, isOn ? 1 : 0, 0);
  }

  /** The same, from a stream. */
  static void capture(boolean isOn, long stream) {
    control(30, isOn ? 1 : 0, stream);
  }

  /** For how many events a stream was made to wait. */
  static long streamWaits(long stream) {
    return control(31, stream, 0);
  }

  /**
   * Frees it.
   *
   * @param address what {@link #newMemory} returned
   */
  public static void freeMemory(long address) {
    control(14, address, 0);
  }

  static void endContext(long context, long stream) {
    control(15, context, stream);
  }

  /** 1000 * major + 10 * minor of the CUDA that the driver supports. */
  static void version(int version) {
    control(17, version, 0);
  }

  /**
   * Takes back violations that a test made on purpose.
   *
   * @param made how many
   */
  public static void forget(long made) {
    control(24, made, 0);
  }

  /** As if a device were lost, with all in its primary context: its calls fail with a code. */
  static void lose(int device, int code) {
    control(32, device, code);
  }

  /** After a kernel's fault every call fails with its code; from here on no longer. */
  public static void recover() {
    control(20, 0, 0);
  }

  /**
   * Whether kernels run from their PTX.
   *
   * @return if CUDASIM_RUN=ptx is set
   */
  public static boolean interprets() {
    return control(21, 0, 0) != 0;
  }

  /** What the interpreter finds wrong, in the order of ptx::Fault. */
  public enum Fault {
    /** An access outside of all memory. */
    BOUNDS,
    /** An address that is no multiple of the access's size. */
    MISALIGNED,
    /** A write to constants. */
    READ_ONLY,
    /** A trap. */
    TRAP,
    /** A loop without end. */
    ENDLESS,
    /** A value that was never set. */
    UNSET,
    /** Two accesses with no barrier in between. */
    RACE,
    /** A barrier, vote or shuffle that not all come to. */
    BARRIER
  }

  /**
   * What the interpreter found last.
   *
   * @return its kind
   */
  public static Fault fault() {
    return Fault.values()[(int) (control(25, 0, 0) / 100_000) - 1];
  }

  /** At which line of the text. */
  static int faultLine() {
    return (int) (control(25, 0, 0) % 100_000);
  }

  /** Operations that wait to be run. */
  static long pending() {
    return control(16, 0, 0);
  }
}
