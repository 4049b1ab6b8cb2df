package io.warmstep.backend;

import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.storage.Storage;

/**
 * An opened device, as the public API sees it. Arguments were validated by the caller; what remains
 * to fail is the device itself.
 */
public interface BackendDevice extends AutoCloseable {
  /**
   * What this device is.
   *
   * @return the report
   */
  DeviceReport report();

  /**
   * Whether the device is separate from the host's processor; false for an OpenCL driver that runs
   * on it.
   *
   * @return true for a GPU
   */
  default boolean isAccelerator() {
    return false;
  }

  /**
   * Whether parameters of a type can be stepped.
   *
   * @param type asked about
   * @return false where the device does not compute in the type's arithmetic
   */
  default boolean supports(ElementType type) {
    return true;
  }

  /**
   * Allocates memory filled with zeros.
   *
   * @param storage of the elements
   * @param length count of elements, 0 or more
   * @return the memory, owned by the caller
   * @throws io.warmstep.OutOfDeviceMemoryException if there is not enough; nothing is allocated
   */
  Memory allocate(Storage storage, long length);

  /**
   * Allocates memory filled with zeros for what a step reads and writes together with other memory,
   * element by element: the state of parameters.
   *
   * @param values where the parameters begin
   * @param storage of the elements
   * @param length count of elements, 0 or more
   * @return the memory, owned by the caller
   * @throws io.warmstep.OutOfDeviceMemoryException if there is not enough; nothing is allocated
   */
  default Memory allocateBeside(MemorySlice values, Storage storage, long length) {
    return allocate(storage, length);
  }

  /**
   * Uses memory that the caller keeps, without a copy.
   *
   * @param type of the elements
   * @param source what holds them, of a kind that this device takes: an array, a buffer, or a raw
   *     handle of the driver as a {@code Long}
   * @param offset first element within the source
   * @param length count of elements
   * @return a view whose {@link Memory#close} frees nothing
   * @throws IllegalArgumentException if this device does not take such a source; says which it
   *     takes
   */
  Memory borrow(ElementType type, Object source, long offset, long length);

  /**
   * Prepares everything that {@link StepProgram#run} needs, so that running allocates nothing.
   *
   * @param plan what a step does
   * @return the program, to be closed before the memory that it uses
   */
  StepProgram prepare(StepPlan plan);

  /**
   * Allocates a loss scale that steps of this device move without the host.
   *
   * @return the scale, 0 until it is set, whose memory the caller closes; null if the host alone
   *     moves it on this device
   * @throws io.warmstep.OutOfDeviceMemoryException if there is no room for it
   */
  default DeviceScale allocateScale() {
    return null;
  }

  /**
   * Makes a timer of this device's work, by its own clock where it has one.
   *
   * @return the timer, to be closed before the device
   */
  default StreamTimer timer() {
    return StreamTimer.ofHost(this);
  }

  /**
   * Whether calls return before the device has done what they asked for.
   *
   * @return false where all work is done in the calling thread
   */
  default boolean isAsynchronous() {
    return false;
  }

  /**
   * Refuses what must not become part of a graph that the caller is capturing, before anything is
   * prepared for it: that would end the capture. Allocates nothing.
   *
   * @throws StepRefusedException if the caller is capturing one; nothing has changed
   */
  default void refuseCapture() {}

  /**
   * Makes a mark in the order of this device's work.
   *
   * @return the mark, not yet set, to be closed before the device
   */
  default Mark mark() {
    return Mark.ALWAYS_REACHED;
  }

  /** Waits until all that was asked of this device is done. */
  void synchronize();

  /**
   * Has all that is asked of this device from now on wait, on the device, for an event of the
   * caller's.
   *
   * @param event the driver's raw handle
   * @throws IllegalArgumentException if this device has no such handles
   */
  default void waitForEvent(long event) {
    throw new IllegalArgumentException(NOTHING_TO_WAIT_FOR);
  }

  /**
   * The same for all that a stream or queue of the caller's has been given so far.
   *
   * @param stream the driver's raw handle
   * @throws IllegalArgumentException if this device has no such handles
   */
  default void waitForStream(long stream) {
    throw new IllegalArgumentException(NOTHING_TO_WAIT_FOR);
  }

  /** Why a device without streams has nothing to wait for. */
  String NOTHING_TO_WAIT_FOR =
      "this device has no streams or events to wait for: its steps run in the calling thread, so"
          + " whatever that thread did before is done";

  /**
   * Frees what a part of this device held that was collected without having been closed. Called at
   * any time and from a thread of the library's own; a device that cannot free it then keeps it for
   * a later call.
   *
   * @param release closes what the part held
   */
  default void reclaim(Runnable release) {
    release.run();
  }

  /**
   * Frees what can be freed of this device after it was collected without having been closed, from
   * a thread of the library's own. What cannot is logged.
   */
  default void reclaim() {
    close();
  }

  /** Releases the device and whatever is still allocated on it. A second call does nothing. */
  @Override
  void close();
}
