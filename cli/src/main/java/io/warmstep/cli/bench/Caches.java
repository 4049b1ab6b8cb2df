package io.warmstep.cli.bench;

import io.warmstep.Device;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** How much may stay in caches from one step to the next, where memory is no limit. */
public final class Caches {
  /** Where Linux describes the processors. */
  private static final Path PROCESSORS = Path.of("/sys/devices/system/cpu");

  /** For processors of which nothing is known: more than most have. */
  private static final long UNKNOWN = 64L << 20;

  /** More than any GPU of NVIDIA's has: 126 MB (B200). */
  private static final long GPU = 128L << 20;

  private Caches() {}

  /**
   * Returns the size of a device's last caches.
   *
   * @param device the device
   * @param threads how many threads work, if it is the processor
   * @return bytes; a bound where it is not known
   */
  public static long bytes(Device device, int threads) {
    return device.isAccelerator() ? GPU : bytes(PROCESSORS, threads);
  }

  /** Of the last caches that so many threads can use at a time. */
  static long bytes(Path processors, int threads) {
    try (Stream<Path> all = Files.list(processors)) {
      List<Path> caches =
          all.filter(path -> path.getFileName().toString().matches("cpu[0-9]+"))
              .flatMap(path -> list(path.resolve("cache")))
              .filter(path -> path.getFileName().toString().startsWith("index"))
              .filter(path -> !read(path, "type").equals("Instruction"))
              .toList();
      String last =
          caches.stream().map(path -> read(path, "level")).max(Comparator.naturalOrder()).get();
      Map<String, Long> sizes = new HashMap<>(); // by the processors that share a cache
      caches.stream()
          .filter(path -> read(path, "level").equals(last))
          .forEach(path -> sizes.put(read(path, "shared_cpu_list"), size(read(path, "size"))));
      return sizes.values().stream()
          .sorted(Collections.reverseOrder())
          .limit(threads)
          .mapToLong(Long::longValue)
          .sum();
    } catch (IOException | RuntimeException e) {
      return UNKNOWN; // another system, or one that hides them
    }
  }

  private static Stream<Path> list(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList().stream();
    } catch (IOException e) {
      return Stream.empty();
    }
  }

  private static String read(Path cache, String file) {
    try {
      return Files.readString(cache.resolve(file)).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Such as 32768K. */
  private static long size(String text) {
    long number = Long.parseLong(text.replaceAll("[KMG]$", ""));
    return switch (text.charAt(text.length() - 1)) {
      case 'K' -> number << 10;
      case 'M' -> number << 20;
      case 'G' -> number << 30;
      default -> number;
    };
  }
}
