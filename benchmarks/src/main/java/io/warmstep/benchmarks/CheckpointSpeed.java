package io.warmstep.benchmarks;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.Sgd;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Locale;

/**
 * Saving and restoring 500 MB against a plain copy of the file, in turns within one run. The
 * parameters lie outside the heap, so that the heap can be smaller than what is saved:
 *
 * <pre>
 * bin/jmh --build-only
 * java -Xmx64m -XX:MaxDirectMemorySize=1200m -cp benchmarks/target/jmh/benchmarks.jar \
 *     io.warmstep.benchmarks.CheckpointSpeed FOLDER
 * </pre>
 *
 * <p>Both writers force the file to the disk. Restoring reads the file twice, once for the checksum
 * before anything changes; it is compared with a copy too, which writes as well as reads.
 */
public final class CheckpointSpeed {
  private static final int TENSORS = 5;
  private static final int BYTES = 100_000_000;
  private static final int ROUNDS = 7;

  private CheckpointSpeed() {}

  /** Something that is timed. */
  private interface Work {
    void run() throws IOException;
  }

  /**
   * Measures.
   *
   * @param arguments the folder to write to, that of temporary files without one
   * @throws IOException if a file cannot be written
   */
  public static void main(String[] arguments) throws IOException {
    Path parent =
        Path.of(arguments.length > 0 ? arguments[0] : System.getProperty("java.io.tmpdir"));
    Path folder = Files.createTempDirectory(parent, "checkpoint-speed-");
    Path saved = folder.resolve("saved.safetensors");
    Path copied = folder.resolve("copied");
    try (Device device = Devices.cpu(2)) {
      ParametersBuilder builder = Parameters.on(device);
      for (int i = 0; i < TENSORS; i++) {
        builder.borrow(
            "w" + i,
            device.borrow(ElementType.FLOAT32, buffer(i)),
            device.borrow(ElementType.FLOAT32, buffer(0)));
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer =
              Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.1).build()) {
        measure(optimizer, saved, copied);
      }
    } finally {
      Files.deleteIfExists(saved);
      Files.deleteIfExists(copied);
      Files.delete(folder);
    }
  }

  private static ByteBuffer buffer(int seed) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(BYTES).order(ByteOrder.nativeOrder());
    for (int at = 0; seed != 0 && at < BYTES; at += 4) {
      buffer.putFloat(at, (at * 31 + seed) % 1009);
    }
    return buffer;
  }

  private static void measure(Optimizer optimizer, Path saved, Path copied) throws IOException {
    double[] copies = new double[ROUNDS];
    double[] saves = new double[ROUNDS];
    double[] restores = new double[ROUNDS];
    optimizer.save(saved);
    System.out.printf(
        Locale.ROOT,
        "%,d bytes, heap of at most %,d bytes%n",
        Files.size(saved),
        Runtime.getRuntime().maxMemory());
    System.out.println("round  copy, ms  save, ms  restore, ms");
    for (int i = 0; i < ROUNDS; i++) {
      copies[i] = millis(() -> copy(saved, copied));
      saves[i] = millis(() -> optimizer.save(saved));
      restores[i] = millis(() -> optimizer.restore(saved));
      System.out.printf(
          Locale.ROOT, "%5d  %8.0f  %8.0f  %11.0f%n", i + 1, copies[i], saves[i], restores[i]);
    }
    System.out.printf(
        Locale.ROOT,
        "median of the ratios to the round's copy: save %.2f, restore %.2f%n",
        medianRatio(saves, copies),
        medianRatio(restores, copies));
  }

  private static double millis(Work work) throws IOException {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) / 1e6;
  }

  private static void copy(Path from, Path to) throws IOException {
    try (FileChannel source = FileChannel.open(from, StandardOpenOption.READ);
        FileChannel target =
            FileChannel.open(
                to,
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING)) {
      for (long at = 0; at < source.size(); ) {
        at += source.transferTo(at, source.size() - at, target);
      }
      target.force(true);
    }
  }

  private static double medianRatio(double[] times, double[] of) {
    double[] ratios = new double[times.length];
    for (int i = 0; i < ratios.length; i++) {
      ratios[i] = times[i] / of[i];
    }
    Arrays.sort(ratios);
    return ratios[ratios.length / 2];
  }
}
