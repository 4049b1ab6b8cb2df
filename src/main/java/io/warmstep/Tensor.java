package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Storage;
import java.lang.ref.Reference;
import java.nio.Buffer;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A flat run of elements on a device; shapes belong to {@link Parameter}. It is either owned
 * (allocated on the device), borrowed (the caller's memory, never freed here), or a part of another
 * tensor, a {@link Parameters} or an {@link Optimizer}, with which it is closed.
 *
 * <p>To the device and back:
 *
 * <pre>{@code
 * try (Device device = Devices.fastest();
 *     Tensor tensor = device.copyOf(new float[] {1, 2, 3})) {
 *   tensor.copyFrom(new float[] {4, 5, 6});
 *   float[] values = tensor.toFloats();
 * }
 * }</pre>
 *
 * <p>Copies from and to arrays and buffers are synchronous: when they return, the source may be
 * reused and the target is filled. On a GPU they run after all work that its stream or queue
 * already holds, steps included, and before all later work. Copies between tensors, and {@link
 * #zero()}, keep that order too, but may return before they are done; {@link Device#synchronize()}
 * waits for them.
 *
 * <pre>{@code
 * tensor.slice(100, 50).copyFrom(FloatBuffer.wrap(values, 7, 50)); // 50 elements, from values[7] on
 * }</pre>
 */
public final class Tensor implements AutoCloseable {
  /** Elements converted at a time when the host array has another type than the tensor. */
  private static final int CONVERSION_CHUNK = 8192;

  private final Device device;

  /** Kept apart from the tensor, so that it can be freed after the tensor is gone. */
  private final AtomicReference<Memory> memory;

  private final long offset;
  private final long length;
  private final Lifetime lifetime;
  private final boolean isWhole;
  private final boolean isBorrowed;

  /** A tensor that covers all of a memory, and closes it. */
  Tensor(Device device, Memory memory, boolean isBorrowed) {
    this.device = device;
    this.memory = new AtomicReference<>(memory);
    this.offset = 0;
    this.length = memory.length();
    String what = "tensor of " + length + " " + memory.type();
    this.lifetime = isBorrowed ? Lifetime.unreported(this, what) : Lifetime.begin(this, what);
    AtomicReference<Memory> held = this.memory;
    this.lifetime.ifLost(device.backend(), () -> held.get().close());
    this.isWhole = true;
    this.isBorrowed = isBorrowed;
  }

  /** A part of a memory that belongs to something else, whose lifetime it shares. */
  Tensor(Device device, Memory memory, long offset, long length, Lifetime owner) {
    this(device, new AtomicReference<>(memory), offset, length, owner);
  }

  /** A part of a tensor, which is rebound with it. */
  private Tensor(
      Device device, AtomicReference<Memory> memory, long offset, long length, Lifetime owner) {
    this.device = device;
    this.memory = memory;
    this.offset = offset;
    this.length = length;
    this.lifetime = owner;
    this.isWhole = false;
    this.isBorrowed = false;
  }

  /**
   * Type of the elements.
   *
   * @return the type
   */
  public ElementType type() {
    return memory.get().type();
  }

  /**
   * Number of elements.
   *
   * @return 0 or more
   */
  public long length() {
    return length;
  }

  /**
   * The device that holds the elements.
   *
   * @return the device
   */
  public Device device() {
    return device;
  }

  /**
   * A view of consecutive elements, a tensor over the same memory that is open as long as this one
   * is. It can be copied from and to, and lent to a {@link Parameters}.
   *
   * @param from first element
   * @param count how many elements, 0 or more
   * @return a view, which need not be closed
   * @throws IndexOutOfBoundsException if this tensor has fewer elements
   * @throws ClosedException if the tensor or its device is closed
   */
  public Tensor slice(long from, long count) {
    checkOpen();
    Objects.checkFromIndexSize(from, count, length);
    return new Tensor(device, memory, offset + from, count, lifetime);
  }

  /**
   * Overwrites all elements from a buffer, whose position moves to its limit, rounding as from an
   * array.
   *
   * @param values a {@code FloatBuffer} or {@code DoubleBuffer}, or a {@code ShortBuffer} of the
   *     bits of half types, with as many elements remaining as the tensor has
   * @throws IllegalArgumentException if the lengths differ or the buffer has another type
   * @throws ClosedException if the tensor or its device is closed
   */
  public void copyFrom(Buffer values) {
    new BufferCopy(this).from(values);
  }

  /**
   * Copies all elements to a buffer, whose position moves to its limit, rounding as to an array.
   *
   * @param values a {@code FloatBuffer} or {@code DoubleBuffer}, or a {@code ShortBuffer} for the
   *     bits of half types, with as many elements remaining as the tensor has
   * @throws IllegalArgumentException if the lengths differ, or the buffer has another type or is
   *     read-only
   * @throws ClosedException if the tensor or its device is closed
   */
  public void copyTo(Buffer values) {
    new BufferCopy(this).to(values);
  }

  /**
   * Overwrites all elements, rounding to nearest even where the type is narrower.
   *
   * @param values as many as the tensor has elements
   * @throws IllegalArgumentException if the lengths differ
   * @throws ClosedException if the tensor or its device is closed
   */
  public void copyFrom(float[] values) {
    checkLength("values", values.length);
    if (type() == ElementType.FLOAT32) {
      write(0, values, values.length);
      return;
    }
    Storage storage = memory.get().storage();
    Object chunk = storage.newArray(chunkLength(length));
    int at = 0; // at most values.length, which may be near 2^31
    while (at < values.length) {
      int n = Math.min(chunkLength(length), values.length - at);
      storage.storeFloats(values, at, chunk, 0, n);
      write(at, chunk, n);
      at += n;
    }
  }

  /**
   * Overwrites all elements, rounding to nearest even where the type is narrower; to the half types
   * through float32.
   *
   * @param values as many as the tensor has elements
   * @throws IllegalArgumentException if the lengths differ
   * @throws ClosedException if the tensor or its device is closed
   */
  public void copyFrom(double[] values) {
    checkLength("values", values.length);
    if (type() == ElementType.FLOAT64) {
      write(0, values, values.length);
      return;
    }
    float[] narrowed = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      narrowed[i] = (float) values[i];
    }
    copyFrom(narrowed);
  }

  /**
   * Overwrites all elements with those of another tensor, within the device.
   *
   * @param other of the same device, type and length; does not overlap this one
   * @throws IllegalArgumentException if the device, type or length differs or both overlap
   * @throws ClosedException if a tensor or the device is closed
   */
  public void copyFrom(Tensor other) {
    if (other.device != device || other.type() != type() || other.length != length) {
      throw new IllegalArgumentException(
          "other is a " + other + ", must be of the same device, type and length as this " + this);
    }
    if (slice().overlaps(other.slice(), length)) { // which are those of open tensors
      throw new IllegalArgumentException(
          "other overlaps this tensor in memory: copy it to a tensor of its own first");
    }
    try {
      if (memory.get().isView() || other.memory.get().isView()) {
        memory.get().copyByHost(offset, other.memory.get(), other.offset, length);
      } else {
        memory.get().copy(offset, other.memory.get(), other.offset, length);
      }
    } finally {
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(other);
    }
  }

  /**
   * Overwrites all elements of a half-precision tensor with their bits.
   *
   * @param bits as many as the tensor has elements
   * @throws IllegalArgumentException if the lengths differ or the tensor is not float16 or bfloat16
   * @throws ClosedException if the tensor or its device is closed
   */
  public void copyFromBits(short[] bits) {
    checkLength("bits", bits.length);
    checkHalf();
    write(0, bits, bits.length);
  }

  /**
   * Copies all elements out, exactly or, from float64, rounded to nearest even.
   *
   * @param values as many as the tensor has elements
   * @throws IllegalArgumentException if the lengths differ
   * @throws ClosedException if the tensor or its device is closed
   */
  public void copyTo(float[] values) {
    checkLength("values", values.length);
    if (type() == ElementType.FLOAT32) {
      read(0, values, values.length);
      return;
    }
    Storage storage = memory.get().storage();
    Object chunk = storage.newArray(chunkLength(length));
    int at = 0;
    while (at < values.length) {
      int n = Math.min(chunkLength(length), values.length - at);
      read(at, chunk, n);
      storage.loadFloats(chunk, 0, values, at, n);
      at += n;
    }
  }

  /**
   * Copies all elements out, exactly.
   *
   * @param values as many as the tensor has elements
   * @throws IllegalArgumentException if the lengths differ
   * @throws ClosedException if the tensor or its device is closed
   */
  public void copyTo(double[] values) {
    checkLength("values", values.length);
    if (type() == ElementType.FLOAT64) {
      read(0, values, values.length);
      return;
    }
    float[] narrow = new float[values.length];
    copyTo(narrow);
    for (int i = 0; i < values.length; i++) {
      values[i] = narrow[i];
    }
  }

  /**
   * Copies the bits of all elements of a half-precision tensor out.
   *
   * @param bits as many as the tensor has elements
   * @throws IllegalArgumentException if the lengths differ or the tensor is not float16 or bfloat16
   * @throws ClosedException if the tensor or its device is closed
   */
  public void copyToBits(short[] bits) {
    checkLength("bits", bits.length);
    checkHalf();
    read(0, bits, bits.length);
  }

  /**
   * A copy of all elements as float32.
   *
   * @return a new array
   * @throws IllegalStateException if there are more elements than an array can hold
   * @throws ClosedException if the tensor or its device is closed
   */
  public float[] toFloats() {
    float[] values = new float[arrayLength()];
    copyTo(values);
    return values;
  }

  /**
   * A copy of all elements as float64.
   *
   * @return a new array
   * @throws IllegalStateException if there are more elements than an array can hold
   * @throws ClosedException if the tensor or its device is closed
   */
  public double[] toDoubles() {
    double[] values = new double[arrayLength()];
    copyTo(values);
    return values;
  }

  /**
   * Sets all elements to zero.
   *
   * @throws ClosedException if the tensor or its device is closed
   */
  public void zero() {
    checkOpen();
    try {
      memory.get().zero(offset, length);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /**
   * Moves this borrowed tensor to other memory, as when a framework has reallocated its gradients.
   * Optimizers that use it pick up the new memory before their next step, without being prepared
   * again if only addresses change. Nothing is copied.
   *
   * <pre>{@code
   * parameters.get("w").gradients().rebind(device.borrow(newGradients));
   * }</pre>
   *
   * @param other a borrowed tensor of the same device, type and length; it gets this one's previous
   *     memory and may be closed. Must overlap no other parameter, which the next step checks
   * @throws IllegalArgumentException if either is not a whole borrowed tensor, or they differ
   * @throws ClosedException if a tensor or the device is closed
   */
  public void rebind(Tensor other) {
    checkOpen();
    other.checkOpen();
    if (!isBorrowed || !other.isBorrowed) {
      throw new IllegalArgumentException(
          (isBorrowed ? "other is a " + other : "this is a " + this)
              + ", must be borrowed by a call of the device: memory of the library's own stays"
              + " where it is");
    }
    if (other.device != device || other.type() != type() || other.length != length) {
      throw new IllegalArgumentException(
          "other is a " + other + ", must be of the same device, type and length as this " + this);
    }
    other.memory.set(memory.getAndSet(other.memory.get()));
    device.countRebinding();
  }

  /**
   * Frees an owned tensor or releases a borrowed one; has no effect on a part of something else.
   * Closing twice is fine.
   */
  @Override
  public void close() {
    if (isWhole && lifetime.end() && device.isOpen()) {
      memory.get().close();
    }
  }

  @Override
  public String toString() {
    return "tensor of " + length + " " + type() + " on " + device;
  }

  /** Copies some elements out as they are stored, to an array of the type's Java type. */
  void read(long from, Object array, int at, int count) {
    checkOpen();
    memory.get().read(offset + from, array, at, count);
  }

  /** Overwrites some elements as they are stored, from an array of the type's Java type. */
  void write(long from, Object array, int at, int count) {
    checkOpen();
    memory.get().write(offset + from, array, at, count);
  }

  /**
   * Copies all elements as they are stored to a buffer of the type's Java type, from its position.
   */
  void read(Buffer to) {
    memory.get().read(offset, to, to.position(), to.remaining());
  }

  /** Overwrites all elements as they are stored. */
  void write(Buffer from) {
    memory.get().write(offset, from, from.position(), from.remaining());
  }

  MemorySlice slice() {
    checkOpen();
    return new MemorySlice(memory.get(), offset);
  }

  void checkOpen() {
    lifetime.checkOpen();
    device.backend();
  }

  /**
   * The caller need not keep a tensor that it is calling: its memory must not be freed meanwhile.
   */
  private void write(long at, Object array, int count) {
    try {
      memory.get().write(offset + at, array, 0, count);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  private void read(long at, Object array, int count) {
    try {
      memory.get().read(offset + at, array, 0, count);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  private void checkLength(String what, int given) {
    checkOpen();
    if (given != length) {
      throw new IllegalArgumentException(
          what + " has " + given + " elements, must have " + length + " like this tensor");
    }
  }

  private void checkHalf() {
    if (!type().isHalf()) {
      throw new IllegalArgumentException(
          "tensor is " + type() + ", bits are for float16 and bfloat16: copy as float or double");
    }
  }

  private int arrayLength() {
    if (length > Integer.MAX_VALUE - 8) {
      throw new IllegalStateException(
          "tensor has " + length + " elements, more than an array can hold");
    }
    return (int) length;
  }

  private static int chunkLength(long length) {
    return (int) Math.max(1, Math.min(length, CONVERSION_CHUNK));
  }
}
