package io.warmstep.backend.cpu;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.nio.Buffer;

/**
 * Where direct buffers lie, to find those that overlap. From JDK 22 on the JDK says; before, its
 * unsupported module does. Without both nothing is known, and overlaps are not found.
 */
final class DirectAddress {
  private static final MethodHandle ADDRESS = find();

  private DirectAddress() {}

  static boolean isKnown() {
    return ADDRESS != null;
  }

  /** The address of a direct buffer's first element. */
  static long of(Buffer buffer) {
    try {
      return (long) ADDRESS.invokeExact(buffer);
    } catch (Throwable e) {
      throw new LinkageError("cannot determine the address of " + buffer, e);
    }
  }

  private static MethodHandle find() {
    try {
      return Runtime.version().feature() >= 22 ? fromSegment() : fromField();
    } catch (ReflectiveOperationException | RuntimeException e) {
      return null;
    }
  }

  private static MethodHandle fromSegment() throws ReflectiveOperationException {
    MethodHandles.Lookup lookup = MethodHandles.publicLookup();
    Class<?> segment = Class.forName("java.lang.foreign.MemorySegment");
    MethodHandle ofBuffer =
        lookup.findStatic(segment, "ofBuffer", MethodType.methodType(segment, Buffer.class));
    MethodHandle address =
        lookup.findVirtual(segment, "address", MethodType.methodType(long.class));
    return MethodHandles.filterReturnValue(ofBuffer, address);
  }

  private static MethodHandle fromField() throws ReflectiveOperationException {
    Class<?> type = Class.forName("sun.misc.Unsafe");
    Field instance = type.getDeclaredField("theUnsafe");
    instance.setAccessible(true);
    Object unsafe = instance.get(null);
    Field address = Buffer.class.getDeclaredField("address");
    long offset = (long) type.getMethod("objectFieldOffset", Field.class).invoke(unsafe, address);
    MethodHandle getLong =
        MethodHandles.publicLookup()
            .findVirtual(
                type, "getLong", MethodType.methodType(long.class, Object.class, long.class));
    return MethodHandles.insertArguments(getLong.bindTo(unsafe), 1, offset)
        .asType(MethodType.methodType(long.class, Buffer.class));
  }
}
