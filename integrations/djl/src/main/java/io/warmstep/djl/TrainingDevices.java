package io.warmstep.djl;

import ai.djl.Device;
import io.warmstep.Devices;
import java.util.HashMap;
import java.util.Map;

/**
 * Warmstep's devices for those that DJL trains on. They are shared by all optimizers of the process
 * and stay open, as DJL's engine does: DJL never closes an optimizer.
 */
final class TrainingDevices {
  private static final TrainingDevices SHARED =
      new TrainingDevices(new TorchCuda(), Devices::wrapCuda);

  private final Cuda cuda;
  private final Wrapper wrapper;
  private final Map<Place, io.warmstep.Device> open = new HashMap<>();

  /** What must be known of a GPU to work on DJL's memory in order with DJL's own work. */
  interface Cuda {
    /** The raw CUcontext that libtorch uses, the primary one. */
    long primaryContext(int ordinal);

    /** The raw CUstream that libtorch launches on in this thread; 0 is the default stream. */
    long currentStream(int ordinal);
  }

  /** Opens the device of a context and a stream. */
  interface Wrapper {
    io.warmstep.Device wrap(long context, long stream);
  }

  /** A stream of a GPU, or the processor with ordinal -1. */
  private record Place(int ordinal, long stream) {}

  TrainingDevices(Cuda cuda, Wrapper wrapper) {
    this.cuda = cuda;
    this.wrapper = wrapper;
  }

  static TrainingDevices shared() {
    return SHARED;
  }

  /**
   * The device to step on for arrays of a DJL device.
   *
   * @throws IllegalArgumentException if it is neither a processor nor a CUDA GPU
   * @throws io.warmstep.BackendUnavailableException if CUDA cannot be used
   */
  synchronized io.warmstep.Device of(Device device) {
    if (Device.Type.CPU.equals(device.getDeviceType())) {
      return open.computeIfAbsent(new Place(-1, 0), place -> Devices.cpu());
    }
    if (!device.isGpu()) {
      throw new IllegalArgumentException(
          "device is " + device + ", Warmstep updates parameters on the cpu and on CUDA gpus");
    }
    int ordinal = device.getDeviceId();
    return open.computeIfAbsent(
        new Place(ordinal, cuda.currentStream(ordinal)),
        place -> wrapper.wrap(cuda.primaryContext(ordinal), place.stream()));
  }
}
