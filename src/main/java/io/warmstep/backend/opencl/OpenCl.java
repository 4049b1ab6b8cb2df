package io.warmstep.backend.opencl;

import io.warmstep.DeviceException;
import io.warmstep.DeviceLostException;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.WarmstepException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.NativePointerObject;
import org.jocl.Pointer;

/** What every call of OpenCL needs: result codes as exceptions, queries, raw handles. */
final class OpenCl {
  private static final System.Logger LOG = System.getLogger("io.warmstep");
  private static final VarHandle NATIVE_POINTER = nativePointer();

  /** NVIDIA's code for a kernel that accessed memory that is not its own. */
  private static final int ILLEGAL_ACCESS = -9999;

  private OpenCl() {}

  /** One of the clGet...Info functions, bound to its object. */
  interface Query {
    int get(long size, Pointer value, long[] sizeOut);
  }

  /** A call of OpenCL. */
  interface Call {
    int run();
  }

  /** A call that creates an object and sets the first of the codes. */
  interface Creation<T> {
    T run(int[] code);
  }

  /**
   * A call's result code, even where another user of JOCL has switched on its exceptions, which is
   * a setting of the process. What a step calls catches them in place: the lambda allocates on
   * every call.
   */
  static int code(Call call) {
    try {
      return call.run();
    } catch (CLException e) {
      return e.getStatus();
    }
  }

  /** What a call creates, or the exception that its result code stands for. */
  static <T> T created(Creation<T> creation, String operation, String device, long bytes) {
    int[] code = new int[1];
    T object = null;
    try {
      object = creation.run(code);
    } catch (CLException e) {
      code[0] = e.getStatus();
    }
    if (code[0] != CL.CL_SUCCESS) {
      throw failure(code[0], operation, device, bytes);
    }
    return object;
  }

  /** Throws what a result code stands for. */
  static void check(int code, String operation, String device) {
    if (code != CL.CL_SUCCESS) {
      throw failure(code, operation, device, 0);
    }
  }

  static void check(Call call, String operation, String device) {
    check(code(call), operation, device);
  }

  /** For calls that release: whatever else there is must be released too, so nothing is thrown. */
  static void released(Call call, String operation) {
    int code = code(call);
    if (code != CL.CL_SUCCESS) {
      LOG.log(
          System.Logger.Level.WARNING,
          operation + " gave " + CL.stringFor_errorCode(code) + " (" + code + ")");
    }
  }

  static void check(int code, String operation, String device, long bytes) {
    if (code != CL.CL_SUCCESS) {
      throw failure(code, operation, device, bytes);
    }
  }

  /**
   * For calls that launch kernels or wait for them: what there means a lack of resources elsewhere
   * is how NVIDIA's driver reports a kernel that failed, in an earlier call too.
   */
  static void checkWork(int code, String operation, String device) {
    switch (code) {
      case CL.CL_OUT_OF_RESOURCES, CL.CL_INVALID_COMMAND_QUEUE, ILLEGAL_ACCESS ->
          throw new DeviceLostException(
              message(code, operation, device, 0)
                  + ": a kernel failed on it and its memory cannot be relied on any more; open the"
                  + " device again, or start a new process",
              null);
      default -> check(code, operation, device);
    }
  }

  private static WarmstepException failure(int code, String operation, String device, long bytes) {
    String message = message(code, operation, device, bytes);
    return switch (code) {
      // PoCL calls a buffer that is too large for the device one of invalid size.
      case CL.CL_MEM_OBJECT_ALLOCATION_FAILURE,
          CL.CL_OUT_OF_RESOURCES,
          CL.CL_OUT_OF_HOST_MEMORY,
          CL.CL_INVALID_BUFFER_SIZE ->
          new OutOfDeviceMemoryException(
              message + ": use fewer or smaller parameters, or close what is no longer used", null);
      default -> new DeviceException(message, null);
    };
  }

  private static String message(int code, String operation, String device, long bytes) {
    return operation
        + (bytes > 0 ? " of " + bytes + " bytes" : "")
        + " failed on "
        + device
        + " with "
        + CL.stringFor_errorCode(code)
        + " ("
        + code
        + ")";
  }

  static long number(String what, String device, Query query) {
    ByteBuffer value = direct(8);
    check(() -> query.get(8, Pointer.to(value), null), what, device);
    return value.getLong(0);
  }

  static String text(String what, String device, Query query) {
    long[] size = new long[1];
    check(() -> query.get(0, null, size), what, device);
    ByteBuffer value = direct((int) size[0]);
    check(() -> query.get(size[0], Pointer.to(value), null), what, device);
    byte[] bytes = new byte[value.remaining()];
    value.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8).replace("\0", "").strip();
  }

  /** Memory that JOCL hands to OpenCL as it is; a Java array it would copy at best. */
  static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(Math.max(bytes, 8)).order(ByteOrder.nativeOrder());
  }

  /** Makes one of JOCL's objects stand for a raw handle, for which JOCL has no constructor. */
  static <T extends NativePointerObject> T wrap(long handle, T object) {
    NATIVE_POINTER.set(object, handle);
    return object;
  }

  private static VarHandle nativePointer() {
    try {
      return MethodHandles.privateLookupIn(NativePointerObject.class, MethodHandles.lookup())
          .findVarHandle(NativePointerObject.class, "nativePointer", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
