package io.warmstep;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** The version of this release, from a resource that the build fills in. */
final class LibraryVersion {
  private LibraryVersion() {}

  /** The Maven version, such as {@code 0.1.0}. */
  static String get() {
    try (InputStream in = LibraryVersion.class.getResourceAsStream("version")) {
      if (in == null) {
        throw new IllegalStateException(
            "the resource io/warmstep/version is missing: keep the library's resources when it is"
                + " put into another jar");
      }
      return new String(in.readAllBytes(), UTF_8).strip();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read io/warmstep/version: " + e.getMessage(), e);
    }
  }
}
