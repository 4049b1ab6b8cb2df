package io.warmstep;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.checkpoint.ShardedCheckpoint;
import io.warmstep.collective.Collective;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Function;

/** Saves and restores on all workers together: a failure at one fails at all. */
final class ShardFiles {
  private static final String NAME = "step-\\d+-[0-9a-f]{8}\\.shard-\\d+-of-\\d+\\.safetensors";

  private final Collective collective;
  private final Parameters parameters;
  private final Function<String, Shard> shard;

  ShardFiles(Collective collective, Parameters parameters, Function<String, Shard> shard) {
    this.collective = collective;
    this.parameters = parameters;
    this.shard = shard;
  }

  /** One worker's work before it hears from the others. */
  private interface Work<T> {
    T run() throws IOException;
  }

  void save(Optimizer optimizer, Path folder) throws IOException {
    String id = UUID.randomUUID().toString().substring(0, 8);
    String first = new String(collective.exchange(id.getBytes(UTF_8)).get(0), UTF_8);
    Path own = folder.resolve(name(optimizer, first, collective.rank()));
    List<String> checksums;
    try {
      checksums = together("save its share", () -> write(optimizer, folder, own));
    } catch (IOException | RuntimeException | Error e) {
      Files.deleteIfExists(own);
      throw e;
    }
    List<String> names = new ArrayList<>();
    StringBuilder lines = new StringBuilder();
    for (int rank = 0; rank < collective.size(); rank++) {
      names.add(name(optimizer, first, rank));
      lines.append(names.get(rank)).append(' ').append(checksums.get(rank)).append('\n');
    }
    together(
        "save the list of the shares",
        () -> {
          if (collective.rank() == 0) {
            new CheckpointWriter()
                .metadata(ShardedCheckpoint.SHARDS, lines.toString())
                .number("steps", optimizer.stepCount())
                .write(folder.resolve(ShardedCheckpoint.INDEX));
            removeOthers(folder, names);
          }
          return "";
        });
  }

  private String name(Optimizer optimizer, String id, int rank) {
    return "step-"
        + optimizer.stepCount()
        + "-"
        + id
        + ".shard-"
        + rank
        + "-of-"
        + collective.size()
        + ".safetensors";
  }

  /** Returns the checksum. */
  private String write(Optimizer optimizer, Path folder, Path own) throws IOException {
    Files.createDirectories(folder);
    CheckpointWriter writer = new CheckpointWriter();
    optimizer.checkpoint().addTo(writer);
    for (Parameter parameter : parameters) {
      Shard part = shard.apply(parameter.name());
      ShardedCheckpoint.addPart(
          writer,
          parameter.name(),
          new ShardedCheckpoint.Part(part.from(), part.count()),
          parameter.shape());
    }
    writer.write(own);
    try (CheckpointReader reader = CheckpointReader.open(own)) {
      return reader.checksum().orElseThrow();
    }
  }

  private static void removeOthers(Path folder, List<String> names) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        String name = file.getFileName().toString();
        if (name.matches(NAME) && !names.contains(name)) {
          Files.deleteIfExists(file);
        }
      }
    }
  }

  RestoreReport restore(Optimizer optimizer, Path path) throws IOException {
    RestoreReport[] report = new RestoreReport[1];
    try {
      together(
          "restore its share",
          () -> {
            report[0] = read(optimizer, path);
            return "";
          });
    } catch (IOException e) {
      if (report[0] != null) { // this share belongs to the file, another does not
        optimizer.progress().fail(e);
      }
      throw e;
    }
    return report[0];
  }

  private RestoreReport read(Optimizer optimizer, Path path) throws IOException {
    Map<String, ShardedCheckpoint.Part> wanted = new LinkedHashMap<>();
    try (ShardedCheckpoint checkpoint = ShardedCheckpoint.open(path)) {
      List<String> differences = new ArrayList<>();
      for (Parameter parameter : parameters) {
        Shard part = shard.apply(parameter.name());
        long length = checkpoint.length(parameter.name());
        if (length >= 0 && length != parameter.length()) {
          differences.add(
              "parameter \""
                  + parameter.name()
                  + "\" has "
                  + length
                  + " elements in the file, "
                  + parameter.length()
                  + " here");
        }
        wanted.put(parameter.name(), new ShardedCheckpoint.Part(part.from(), part.count()));
      }
      if (!differences.isEmpty()) {
        throw new CheckpointMismatchException(path.toString(), differences);
      }
      checkpoint.verify(wanted);
      CheckpointWriter writer = new CheckpointWriter();
      checkpoint.addTo(writer, wanted);
      return restore(optimizer, writer);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  /** Restores through a file of only this share, which is checked like any other. */
  private static RestoreReport restore(Optimizer optimizer, CheckpointWriter writer)
      throws IOException {
    Path file = Files.createTempFile("warmstep-", ".safetensors");
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE)) {
      writer.write(channel);
      channel.position(0);
      try (CheckpointReader reader = CheckpointReader.open(channel)) {
        return optimizer.checkpoint().restore(reader);
      }
    }
  }

  /**
   * Runs work at each worker.
   *
   * @return each worker's result
   * @throws IOException if it failed at any
   */
  private List<String> together(String what, Work<String> work) throws IOException {
    IOException failure = null;
    RuntimeException bug = null;
    String message;
    try {
      message = "+" + work.run();
    } catch (IOException e) {
      failure = e;
      message = "-" + e;
    } catch (RuntimeException e) {
      bug = e;
      message = "-" + e;
    }
    List<String> results = new ArrayList<>();
    IOException others = null;
    for (byte[] bytes : collective.exchange(shortened(message))) {
      String text = new String(bytes, UTF_8);
      if (!text.startsWith("+") && others == null) {
        others =
            new IOException(
                "worker " + results.size() + " could not " + what + ": " + text.substring(1));
      }
      results.add(text.substring(1));
    }
    if (bug != null) {
      throw bug;
    }
    if (failure != null) {
      throw failure;
    }
    if (others != null) {
      throw others;
    }
    return results;
  }

  private static byte[] shortened(String message) {
    return message.substring(0, Math.min(message.length(), 100_000)).getBytes(UTF_8);
  }
}
