package io.warmstep.backend.cuda;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import jcuda.NativePointerObject;
import jcuda.Pointer;

/** JCuda's objects and what they stand for, between which JCuda has no public way. */
public final class NativePointers {
  private static final VarHandle NATIVE_POINTER =
      field(NativePointerObject.class, "nativePointer", long.class);
  private static final VarHandle BYTE_OFFSET = field(Pointer.class, "byteOffset", long.class);
  private static final VarHandle BUFFER = field(Pointer.class, "buffer", java.nio.Buffer.class);
  private static final VarHandle POINTERS =
      field(Pointer.class, "pointers", NativePointerObject[].class);

  private NativePointers() {}

  /** Fails where JCuda's classes are there and not to be used from here. */
  static void link() {
    get(new Pointer());
  }

  /**
   * The raw handle of an object, or the address that a pointer to memory of the driver has.
   *
   * @param object of JCuda's
   * @return 0 if the object was not set
   * @throws IllegalArgumentException if the object points to memory of Java's
   */
  public static long get(NativePointerObject object) {
    long handle = (long) NATIVE_POINTER.get(object);
    if (!(object instanceof Pointer)) {
      return handle;
    }
    if (handle == 0 && (BUFFER.get(object) != null || POINTERS.get(object) != null)) {
      throw new IllegalArgumentException(
          "pointer is to a Java array, a buffer or other pointers, must be to memory of the"
              + " device, as cuMemAlloc or cudaMalloc sets it");
    }
    return handle == 0 ? 0 : handle + (long) BYTE_OFFSET.get(object);
  }

  /** Makes one of JCuda's objects stand for a raw handle. */
  static <T extends NativePointerObject> T set(T object, long handle) {
    NATIVE_POINTER.set(object, handle);
    return object;
  }

  private static VarHandle field(Class<?> type, String name, Class<?> fieldType) {
    try {
      return MethodHandles.privateLookupIn(type, MethodHandles.lookup())
          .findVarHandle(type, name, fieldType);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
