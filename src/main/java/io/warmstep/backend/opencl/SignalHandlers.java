package io.warmstep.backend.opencl;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The JVM's handlers of signals, without which null pointers, divisions by zero and safepoints end
 * the process or go unnoticed. A driver that installs its own, as compilers built on LLVM do, must
 * find the JDK's libjsig before it: that library keeps the JVM's first and calls others after them
 * ("Signal Chaining" in Oracle's Java troubleshooting guide).
 */
final class SignalHandlers {
  private static final System.Logger LOG = System.getLogger("io.warmstep");
  private static final String LIBRARY = "libjsig.so";

  /**
   * The name of PoCL's platform. From the first look for its devices on it owns SIGSEGV, SIGBUS,
   * SIGILL, SIGFPE and others. Oclgrind, which has a compiler of LLVM too, leaves them alone.
   */
  private static final String POCL = "Portable Computing Language";

  private SignalHandlers() {}

  /**
   * Whether to leave a platform alone.
   *
   * @param platform its name
   * @return why and what to do, if its devices would take the handlers
   */
  static Optional<String> problem(String platform) {
    if (!platform.equals(POCL) || areKept()) {
      return Optional.empty();
    }
    Path library = Path.of(System.getProperty("java.home"), "lib", LIBRARY);
    return Optional.of(
        "its compiler replaces the JVM's handlers of signals, after which divisions by zero do not"
            + " throw and the process may end at any time: start Java with LD_PRELOAD="
            + (Files.exists(library) ? library : "the path of a JDK's lib/" + LIBRARY)
            + " in its environment, which keeps them");
  }

  /** Warns of a device that the caller has opened, so that it is too late to leave it alone. */
  static void warnOf(DeviceInfo device) {
    if (device.isPocl()) {
      problem(POCL)
          .ifPresent(why -> LOG.log(System.Logger.Level.WARNING, POCL + " is in use, but " + why));
    }
  }

  /** Whether libjsig is loaded, which only Linux shows; elsewhere it is taken for granted. */
  private static boolean areKept() {
    Path loaded = Path.of("/proc/self/maps");
    if (!Files.exists(loaded)) {
      return true;
    }
    try (Stream<String> lines = Files.lines(loaded, StandardCharsets.ISO_8859_1)) {
      return lines.anyMatch(line -> line.endsWith("/" + LIBRARY));
    } catch (IOException | UncheckedIOException e) {
      return false;
    }
  }
}
