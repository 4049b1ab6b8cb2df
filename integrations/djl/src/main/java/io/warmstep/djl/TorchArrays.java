package io.warmstep.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.warmstep.ElementType;
import io.warmstep.Tensor;
import java.nio.ByteBuffer;

/** Arrays of DJL's PyTorch engine as Warmstep tensors over the same memory. */
final class TorchArrays {
  private static final NDIndex ALL = new NDIndex("...");

  private TorchArrays() {}

  /** Copies elements into an array's memory; NDArray.copyTo would give it other memory instead. */
  static void copy(NDArray from, NDArray to) {
    to.set(ALL, from);
  }

  /** Copies elements, from another device too, into an array whose gradient autograd keeps. */
  static void overwrite(NDArray to, NDArray from) {
    // DJL leaves gradients on in threads other than the one that started its engine.
    boolean wasOn = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try {
      copy(from, to);
    } finally {
      JniUtils.setGradMode(wasOn);
    }
  }

  /** Whether two arrays, maybe on several devices, have the same elements. */
  static boolean contentEquals(NDArray a, NDArray b) {
    if (a.getDataType() != b.getDataType() || !a.getShape().equals(b.getShape())) {
      return false;
    }
    try (NDArray near = a.toDevice(b.getDevice(), true)) {
      return near.contentEquals(b);
    }
  }

  /** Whether backward has left a gradient for an array that is not zero everywhere. */
  static boolean hasNonzeroGradient(PtNDArray array) {
    if (!array.hasGradient()) {
      return false;
    }
    try (PtNDArray gradient = JniUtils.getGradient(array)) {
      return gradient != null && hasNonzero(gradient);
    }
  }

  /** Whether an array has an element other than zero; NaN is one. */
  static boolean hasNonzero(NDArray array) {
    try (NDArray isOther = array.neq(0);
        NDArray any = isOther.any()) {
      return any.getBoolean();
    }
  }

  /**
   * An array that may be read and written.
   *
   * @param what names it in messages, such as {@code values of "01Linear_weight"}
   * @throws IllegalStateException if it is closed
   * @throws IllegalArgumentException if it is of another engine or sparse
   */
  static PtNDArray usable(String what, NDArray array) {
    if (!(array instanceof PtNDArray torch)) {
      throw new IllegalArgumentException(
          what + " are a " + array.getClass().getName() + ", must be of DJL's PyTorch engine");
    }
    if (torch.isReleased()) {
      throw new IllegalStateException(
          what + " are closed: the model or the manager that they belong to was closed");
    }
    if (torch.getSparseFormat() != SparseFormat.DENSE) {
      throw new IllegalArgumentException(
          what
              + " are sparse ("
              + torch.getSparseFormat()
              + "), must be dense: build embeddings with optSparseFormat(SparseFormat.DENSE)");
    }
    return torch;
  }

  /**
   * How Warmstep names an array's element type.
   *
   * @throws IllegalArgumentException if it is not one that steps can update
   */
  static ElementType type(String what, PtNDArray array) {
    DataType type = array.getDataType();
    return switch (type) {
      case FLOAT32 -> ElementType.FLOAT32;
      case FLOAT64 -> ElementType.FLOAT64;
      case FLOAT16 -> ElementType.FLOAT16;
      default ->
          throw new IllegalArgumentException(
              what + " are " + type + ", must be float32, float64 or float16");
    };
  }

  /**
   * An array's memory as a tensor, without a copy. The array must outlive the tensor.
   *
   * @throws IllegalArgumentException if the memory cannot be used as it is
   */
  static Tensor borrow(String what, io.warmstep.Device device, PtNDArray array) {
    ElementType type = type(what, array);
    if (!LibTorch.isContiguous(array)) {
      throw new IllegalArgumentException(
          what
              + " of "
              + array.getShape()
              + " are not contiguous (a transposed or strided view), so they cannot be updated in"
              + " place: set the parameter to a contiguous copy, such as"
              + " array.flatten().reshape(array.getShape())");
    }
    long length = array.getShape().size();
    if (length == 0) {
      return device.allocate(type, 0); // there is no address to borrow
    }
    if (array.getDevice().isGpu()) {
      return device.borrowHandle(type, LibTorch.dataPointer(array), 0, length);
    }
    if (length * type.bytes() > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          what
              + " have "
              + length * type.bytes()
              + " bytes, may have "
              + Integer.MAX_VALUE
              + " at most on the cpu, where a Java buffer is put over them");
    }
    ByteBuffer buffer = array.toByteBuffer(true);
    Pointer address = Native.getDirectBufferPointer(buffer);
    if (Pointer.nativeValue(address) != LibTorch.dataPointer(array)) {
      throw new IllegalArgumentException(
          what + " were copied by toByteBuffer(true), so they cannot be updated in place");
    }
    return device.borrow(type, buffer);
  }
}
