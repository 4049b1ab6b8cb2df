package io.warmstep.backend;

/**
 * The loss scale in a device's memory, a float32: steps that run without the host move it, and
 * kernels of the caller's read it.
 */
public interface DeviceScale {
  /**
   * Where kernels find it.
   *
   * @return the driver's address
   */
  long address();

  /**
   * The number itself.
   *
   * @return one element, which the caller closes
   */
  Memory memory();

  /**
   * Sets it, in the order of the device's work. Waits for nothing and allocates nothing.
   *
   * @param scale the number
   * @throws StepRefusedException if the device's stream is capturing a graph; nothing has changed
   */
  void set(float scale);
}
