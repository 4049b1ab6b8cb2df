package io.warmstep;

import io.warmstep.backend.Backend;
import io.warmstep.backend.DeviceOptions;
import java.util.List;
import java.util.ServiceLoader;

/**
 * Finds and opens devices. There is no silent fallback: a device requested by name is opened or the
 * call fails with the cause, and {@link #report()} says why each other device was skipped.
 */
public final class Devices {
  private static final String CPU = "cpu";

  /** More threads than this are surely a mistake. */
  private static final int MAX_THREADS = 1024;

  /** Uses this class's loader, whatever the caller's is: each deployment has its own backends. */
  private static final DeviceSelector SELECTOR =
      new DeviceSelector(
          ServiceLoader.load(Backend.class, Devices.class.getClassLoader()).stream()
              .map(ServiceLoader.Provider::get)
              .toList());

  private Devices() {}

  /**
   * Reports on every backend of this library: on the device that {@link #require} opens if given
   * only the backend's name, or why there is none.
   *
   * @return one report for each, in order of preference
   */
  public static List<DeviceReport> report() {
    return SELECTOR.report();
  }

  /**
   * Lists every device of every backend, usable or not; {@link #require} opens each by the name in
   * its report. A device may be listed twice, as {@code cuda:0} and {@code opencl:0}.
   *
   * @return a report for each, backends in order of preference and their devices by index; for a
   *     backend without devices, one that says why
   */
  public static List<DeviceReport> all() {
    return SELECTOR.all();
  }

  /**
   * Opens the most preferred usable device: a GPU, otherwise the CPU, which is always usable. A GPU
   * first runs a quick self-test, once per process; one that does not produce the right bits is
   * logged and skipped, and {@link #report()} then gives the reason. OpenCL drivers that run on the
   * processor are opened only by name.
   *
   * @return the device, to be closed by the caller
   */
  public static Device fastest() {
    return SELECTOR.fastest();
  }

  /**
   * Opens a device by its backend's name, which lets the backend choose among several, by its own
   * name, such as {@code cuda:1}, or by the beginning of its UUID, such as {@code
   * cuda:GPU-8932f937}.
   *
   * <p>On CUDA the first GPU is preferred, and a device is the GPU's primary context, which the
   * CUDA runtime uses too and which stays until the process ends, with its own stream. That stream
   * is a blocking one: ordered with the legacy default stream and with no other, blocking or not.
   * To use another stream, see {@link #wrapCuda}.
   *
   * @param name such as {@code cpu} or {@code cuda:1}
   * @return the device, to be closed by the caller
   * @throws BackendUnavailableException if there is no such backend or device, or it cannot be
   *     used, with the cause
   * @throws IllegalArgumentException if what follows the colon is neither a number nor the
   *     beginning of one device's UUID
   */
  public static Device require(String name) {
    return SELECTOR.require(name);
  }

  /**
   * Opens this machine's processor as a device, with a thread for each processor.
   *
   * @return the device, to be closed by the caller
   */
  public static Device cpu() {
    return SELECTOR.require(CPU);
  }

  /**
   * Opens this machine's processor as a device. Results do not depend on the number of threads.
   *
   * @param threads how many run a step, the calling one included; at least 1
   * @return the device, to be closed by the caller
   * @throws IllegalArgumentException if threads is below 1 or above 1024
   */
  public static Device cpu(int threads) {
    if (threads < 1 || threads > MAX_THREADS) {
      throw new IllegalArgumentException("threads is " + threads + ", must be 1 to " + MAX_THREADS);
    }
    return new Device(SELECTOR.backend(CPU).open(new DeviceOptions(-1, threads)));
  }

  /**
   * Opens the CUDA device of a context that the caller keeps open until the device is closed. Steps
   * and copies go through the given stream, in order with the caller's own work; closing the device
   * leaves the stream and the context alone. Every call leaves the thread's current context as it
   * was.
   *
   * @param context raw CUcontext; {@link JCudaHandles} reads it from a JCuda object
   * @param stream raw CUstream of that context, 0 for its default stream
   * @return the device, to be closed by the caller
   * @throws BackendUnavailableException if CUDA cannot be used
   * @throws IllegalArgumentException if the context is 0, or is not a valid context
   */
  public static Device wrapCuda(long context, long stream) {
    if (context == 0) {
      throw new IllegalArgumentException(
          "context is 0, must be a raw CUcontext: for the primary context, as cudaMalloc uses it,"
              + " open the device with require(\"cuda\")");
    }
    return new Device(SELECTOR.backend("cuda").wrap(context, stream));
  }

  /**
   * Opens the OpenCL device of a queue that the caller keeps. Steps and copies go through that
   * queue, in order with the caller's own work; closing the device leaves the queue and the context
   * alone.
   *
   * @param context raw cl_context, as returned by JOCL's {@code getNativePointer()}
   * @param queue raw in-order cl_command_queue of that context
   * @return the device, to be closed by the caller
   * @throws BackendUnavailableException if OpenCL cannot be used
   * @throws IllegalArgumentException if a handle is 0, or the queue belongs to another context or
   *     runs out of order
   */
  public static Device wrapOpenCl(long context, long queue) {
    if (context == 0 || queue == 0) {
      throw new IllegalArgumentException(
          "context is " + context + " and queue is " + queue + ", must both be raw handles, not 0");
    }
    return new Device(SELECTOR.backend("opencl").wrap(context, queue));
  }
}
