package io.warmstep.natives;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Looks whether a native library on the class path is whole before it is loaded: the loader maps a
 * file that was cut short all the same, and the first access beyond its end kills the process.
 * Knows 64-bit ELF, the format of Linux.
 */
final class NativeLibraryFile {
  private static final int MAGIC = 0x7f454c46;
  private static final int HEADER_BYTES = 64;
  private static final int SEGMENT_BYTES = 56;

  private NativeLibraryFile() {}

  /** Checks a resource; one that is not there is left to whoever loads it. */
  static void check(String resource) {
    try (InputStream in = NativeLibraryFile.class.getClassLoader().getResourceAsStream(resource)) {
      if (in == null) {
        return;
      }
      ByteBuffer file = ByteBuffer.wrap(in.readAllBytes());
      long needed = neededBytes(file);
      if (needed > file.limit()) {
        throw new NativesUnavailableException(
            "the native library "
                + resource
                + " on the class path is damaged: it has "
                + file.limit()
                + " bytes of at least "
                + needed
                + "; download its jar again",
            null);
      }
    } catch (IOException e) {
      throw new NativesUnavailableException(
          "cannot read "
              + resource
              + " on the class path: look at the jar that has it; Java says: "
              + LoadFailure.describe(e),
          e);
    }
  }

  /** Up to where a file's header and segments reach. */
  static long neededBytes(ByteBuffer file) {
    if (file.limit() < HEADER_BYTES || file.getInt(0) != MAGIC) {
      return Math.max(file.limit() + 1L, HEADER_BYTES);
    }
    file.order(ByteOrder.LITTLE_ENDIAN);
    long segments = file.getLong(32);
    int count = Short.toUnsignedInt(file.getShort(56));
    long needed = segments + (long) count * SEGMENT_BYTES;
    if (segments < 0 || needed > file.limit()) {
      return Math.max(needed, file.limit() + 1L);
    }
    for (int i = 0; i < count; i++) {
      int at = Math.toIntExact(segments) + i * SEGMENT_BYTES;
      needed = Math.max(needed, file.getLong(at + 8) + file.getLong(at + 32));
    }
    return needed;
  }
}
