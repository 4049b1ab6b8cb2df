package io.warmstep.collective;

import io.warmstep.ElementType;
import io.warmstep.Tensor;
import io.warmstep.storage.Storage;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.util.EnumMap;
import java.util.Map;

/** Moves elements between tensors, host arrays and buckets, through arrays that are kept. */
final class Elements {
  private final int bytes;
  private final Map<ElementType, Object> scratch = new EnumMap<>(ElementType.class);

  /**
   * Allocates room.
   *
   * @param bytes maximum moved at once
   */
  Elements(int bytes) {
    this.bytes = bytes;
  }

  /** Maximum bytes moved at once. */
  int bytes() {
    return bytes;
  }

  private Object scratch(Storage storage) {
    return scratch.computeIfAbsent(
        storage.type(), type -> storage.newArray(bytes / 2)); // the smallest type has two bytes
  }

  /** Copies elements of a tensor, as they are stored, to an array of their stored type. */
  private static void read(Tensor tensor, long at, Object array, int to, int n) {
    Tensor slice = tensor.slice(at, n);
    if (array instanceof float[] floats) {
      slice.copyTo(FloatBuffer.wrap(floats, to, n));
    } else if (array instanceof double[] doubles) {
      slice.copyTo(DoubleBuffer.wrap(doubles, to, n));
    } else {
      slice.copyTo(ShortBuffer.wrap((short[]) array, to, n));
    }
  }

  private static void write(Tensor tensor, long at, Object array, int from, int n) {
    Tensor slice = tensor.slice(at, n);
    if (array instanceof float[] floats) {
      slice.copyFrom(FloatBuffer.wrap(floats, from, n));
    } else if (array instanceof double[] doubles) {
      slice.copyFrom(DoubleBuffer.wrap(doubles, from, n));
    } else {
      slice.copyFrom(ShortBuffer.wrap((short[]) array, from, n));
    }
  }

  /** Copies elements of a tensor, as values, to an array of their arithmetic type. */
  void load(Tensor tensor, long at, Object values, int to, int n) {
    Storage storage = Storage.of(tensor.type());
    if (storage.isArithmetic()) {
      read(tensor, at, values, to, n);
    } else {
      Object array = scratch(storage);
      read(tensor, at, array, 0, n);
      storage.load(array, 0, values, to, n);
    }
  }

  /** Overwrites elements of a tensor with values, rounded to its type. */
  void store(Object values, int from, Tensor tensor, long at, int n) {
    Storage storage = Storage.of(tensor.type());
    if (storage.isArithmetic()) {
      write(tensor, at, values, from, n);
    } else {
      Object array = scratch(storage);
      storage.store(values, from, array, 0, n);
      write(tensor, at, array, 0, n);
    }
  }

  /** Puts elements of a tensor into a bucket, in its own type or its arithmetic type. */
  void put(Tensor tensor, long at, int n, ElementType type, ByteBuffer bucket) {
    Storage storage = Storage.of(type);
    Buffer view = storage.view(bucket);
    if (tensor.type() == type) {
      tensor.slice(at, n).copyTo(view.limit(n));
    } else {
      Object array = scratch(storage);
      load(tensor, at, array, 0, n);
      storage.put(array, 0, view, 0, n);
    }
    bucket.position(bucket.position() + n * type.bytes());
  }

  /** Takes elements of a type out of a bucket, as values. */
  void get(ByteBuffer bucket, ElementType type, Object values, int to, int n) {
    Storage storage = Storage.of(type);
    if (storage.isArithmetic()) {
      storage.get(storage.view(bucket), 0, values, to, n);
    } else {
      Object array = scratch(storage);
      storage.get(storage.view(bucket), 0, array, 0, n);
      storage.load(array, 0, values, to, n);
    }
    bucket.position(bucket.position() + n * type.bytes());
  }

  /** Takes elements of a tensor's type out of a bucket into it, bit for bit. */
  void get(ByteBuffer bucket, Tensor tensor, long at, int n) {
    Buffer view = Storage.of(tensor.type()).view(bucket);
    tensor.slice(at, n).copyFrom(view.limit(n));
    bucket.position(bucket.position() + n * tensor.type().bytes());
  }

  /** Makes a sum one that started at 0, which is never -0. */
  static void startAtZero(Object sum, int n) {
    if (sum instanceof float[] sums) {
      for (int i = 0; i < n; i++) {
        sums[i] += 0f;
      }
    } else {
      double[] sums = (double[]) sum;
      for (int i = 0; i < n; i++) {
        sums[i] += 0.0;
      }
    }
  }

  /** Adds values to others, in their type. */
  static void add(Object to, Object from, int n) {
    if (to instanceof float[] sums) {
      float[] terms = (float[]) from;
      for (int i = 0; i < n; i++) {
        sums[i] += terms[i];
      }
    } else {
      double[] sums = (double[]) to;
      double[] terms = (double[]) from;
      for (int i = 0; i < n; i++) {
        sums[i] += terms[i];
      }
    }
  }
}
