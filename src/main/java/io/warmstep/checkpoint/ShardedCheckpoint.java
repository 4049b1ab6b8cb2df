package io.warmstep.checkpoint;

import io.warmstep.storage.StateCodes;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A checkpoint of several workers: a folder with a file for each worker's share, and one, {@value
 * #INDEX}, that lists them with their checksums and is written last. A single-file checkpoint of an
 * optimizer can be read too, as one with a single share.
 */
public final class ShardedCheckpoint implements AutoCloseable {
  /** The file that lists the others. */
  public static final String INDEX = "checkpoint.safetensors";

  /** In the list's metadata: a line for each share, with its file and its checksum. */
  public static final String SHARDS = "shards";

  /** Prefix of the name of a tensor that says which part of a parameter is in a file. */
  private static final String SHARDING = "sharding.";

  private final String source;
  private final List<CheckpointReader> readers = new ArrayList<>();

  /** By parameter, in the order of the readers. */
  private final Map<String, List<Part>> parts = new LinkedHashMap<>();

  /** By parameter. */
  private final Map<String, List<Long>> shapes = new LinkedHashMap<>();

  /**
   * A run of a parameter's elements.
   *
   * @param from the first
   * @param count how many
   */
  public record Part(long from, long count) {
    private boolean overlaps(Part other) {
      return from < other.from + other.count && other.from < from + count;
    }

    /** The same part in runs of so many elements; it begins at a run's boundary. */
    private Part by(int unit) {
      return new Part(from / unit, (count + unit - 1) / unit);
    }
  }

  private ShardedCheckpoint(String source) {
    this.source = source;
  }

  /**
   * Opens a checkpoint and checks that its files belong together.
   *
   * @param path a folder with several workers' shares, or a single file
   * @return the checkpoint, to be closed by the caller
   * @throws CorruptCheckpointException if a file is damaged, not a checkpoint, or not the one that
   *     the list names
   * @throws IOException if one cannot be read
   */
  public static ShardedCheckpoint open(Path path) throws IOException {
    ShardedCheckpoint checkpoint = new ShardedCheckpoint(path.toString());
    try {
      if (Files.isDirectory(path)) {
        checkpoint.openShards(path);
      } else {
        checkpoint.readers.add(CheckpointReader.open(path));
      }
      checkpoint.readParts();
      return checkpoint;
    } catch (IOException | RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  private void openShards(Path folder) throws IOException {
    List<String> lines = new ArrayList<>();
    try (CheckpointReader index = CheckpointReader.open(folder.resolve(INDEX))) {
      index.verify();
      String text = index.metadata().get(SHARDS);
      if (text == null) {
        throw new CorruptCheckpointException(index.source(), "it lists no shares");
      }
      lines.addAll(text.lines().toList());
    } catch (NoSuchFileException e) {
      NoSuchFileException better =
          new NoSuchFileException(
              folder.toString(), null, "the folder has no " + INDEX + ", so no checkpoint");
      better.initCause(e);
      throw better;
    }
    for (String line : lines) {
      String[] words = line.split(" ", 2);
      Path name = Path.of(words[0]).getFileName();
      CheckpointReader reader = CheckpointReader.open(folder.resolve(name));
      readers.add(reader);
      if (words.length < 2 || !reader.checksum().orElse("").equals(words[1])) {
        throw new CorruptCheckpointException(
            reader.source(), "it is not the file that " + INDEX + " lists");
      }
    }
  }

  private void readParts() throws IOException {
    for (CheckpointReader reader : readers) {
      for (TensorEntry entry : reader.tensors()) {
        if (!entry.name().startsWith(SHARDING)) {
          continue;
        }
        if (entry.format() != ElementFormat.I64 || entry.count() < 3) {
          throw new CorruptCheckpointException(reader.source(), entry + " makes no sense");
        }
        long[] numbers = new long[Math.toIntExact(entry.count())];
        reader.read(entry, 0, numbers, 0, numbers.length);
        String parameter = entry.name().substring(SHARDING.length());
        parts.computeIfAbsent(parameter, name -> new ArrayList<>());
        parts.get(parameter).add(new Part(numbers[0], numbers[1]));
        shapes.put(parameter, Arrays.stream(numbers, 2, numbers.length).boxed().toList());
      }
    }
    for (Map.Entry<String, List<Part>> parameter : parts.entrySet()) {
      long end = 0;
      for (Part part : parameter.getValue()) {
        boolean follows = part.count == 0 || part.from == end;
        end = part.count == 0 ? end : part.from + part.count;
        if (!follows || part.count < 0) {
          throw new CorruptCheckpointException(
              source, "the shares of " + parameter.getKey() + " do not follow each other");
        }
      }
      long length = shapes.get(parameter.getKey()).stream().reduce(1L, (a, b) -> a * b);
      if (parameter.getValue().size() != readers.size() || end != length) {
        throw new CorruptCheckpointException(
            source, "the shares of " + parameter.getKey() + " are not the whole of it");
      }
    }
  }

  /**
   * Records in a file which part of a parameter it holds.
   *
   * @param writer of the file
   * @param parameter the parameter's name
   * @param part of its elements
   * @param shape of the whole parameter
   */
  public static void addPart(
      CheckpointWriter writer, String parameter, Part part, List<Long> shape) {
    long[] numbers = new long[2 + shape.size()];
    numbers[0] = part.from;
    numbers[1] = part.count;
    for (int i = 0; i < shape.size(); i++) {
      numbers[2 + i] = shape.get(i);
    }
    writer.tensor(
        SHARDING + parameter,
        ElementFormat.I64,
        List.of((long) numbers.length),
        TensorSource.of(numbers));
  }

  /**
   * Verifies the checksums of the files that hold something of the given parts.
   *
   * @param wanted by parameter
   * @throws CorruptCheckpointException if one is damaged
   * @throws IOException if one cannot be read
   */
  public void verify(Map<String, Part> wanted) throws IOException {
    for (int i = 0; i < readers.size(); i++) {
      boolean isNeeded = i == 0;
      for (Map.Entry<String, Part> one : wanted.entrySet()) {
        List<Part> present = parts.get(one.getKey());
        isNeeded |= present == null || present.get(i).overlaps(one.getValue());
      }
      if (isNeeded) {
        readers.get(i).verify();
      }
    }
  }

  /**
   * Adds the available data of the given parts to a file, as if an optimizer of these parts had
   * saved it. Elements are copied when the file is written; until then this checkpoint must stay
   * open.
   *
   * @param writer of the file
   * @param wanted by parameter; other parameters are left out
   */
  public void addTo(CheckpointWriter writer, Map<String, Part> wanted) {
    addTo(writer, wanted, false);
  }

  private void addTo(CheckpointWriter writer, Map<String, Part> wanted, boolean isWhole) {
    CheckpointReader first = readers.get(0);
    String about = first.metadata().get(SavedOptimizer.KEY);
    if (about != null) {
      writer.metadata(SavedOptimizer.KEY, about);
    }
    Set<String> names = new LinkedHashSet<>();
    first.tensors().forEach(entry -> names.add(entry.name()));
    names.removeIf(name -> name.startsWith(SHARDING));
    for (String name : names) {
      TensorEntry entry = first.tensor(name).orElseThrow();
      String parameter = parameterOf(stateOf(entry), wanted.keySet());
      if (parameter == null) {
        if (wanted.isEmpty() || !isOfAnother(stateOf(entry), wanted.keySet())) {
          writer.tensor(name, entry.format(), entry.shape(), whole(first, entry));
        }
      } else {
        addOf(writer, entry, parameter, wanted.get(parameter), isWhole);
      }
    }
  }

  /** Adds the values that a parameter's tensor has for a part of the parameter. */
  private void addOf(
      CheckpointWriter writer, TensorEntry entry, String parameter, Part part, boolean isWhole) {
    String name = entry.name();
    int owner = owner(parameter);
    CheckpointReader reader = readers.get(owner);
    TensorEntry its = reader.tensor(name).orElse(entry);
    Part has = present(parameter, owner, part);
    int unit = unit(entry);
    // A matrix has fewer rows and columns than elements, and belongs to one worker as a whole.
    boolean isOfWhole = its.count() < has.by(unit).count && part.count > 0;
    if (its.shape().isEmpty() || has.equals(part) || isOfWhole) {
      writer.tensor(name, its.format(), its.shape(), whole(reader, its));
      return;
    }
    List<Long> shape = isWhole && unit == 1 ? shapes.get(parameter) : List.of(part.by(unit).count);
    writer.tensor(name, entry.format(), shape, slice(name, parameter, unit, part.by(unit).from));
  }

  /** The part of a parameter in a file: presumably all of it, if it is a single file. */
  private Part present(String parameter, int file, Part wanted) {
    List<Part> present = parts.get(parameter);
    if (present != null) {
      return present.get(file);
    }
    long length = length(parameter);
    return new Part(0, length < 0 ? wanted.from + wanted.count : length);
  }

  /** Whether a tensor belongs to a parameter in the file that is not wanted. */
  private boolean isOfAnother(String name, Set<String> wanted) {
    return parts.keySet().stream()
        .anyMatch(
            parameter -> !wanted.contains(parameter) && parameter.equals(of(name, parameter)));
  }

  /** The parameter whose values or state a tensor holds, or null. */
  private static String parameterOf(String name, Set<String> parameters) {
    if (parameters.contains(name)) {
      return name;
    }
    int dot = name.lastIndexOf('.');
    String prefix = PyTorchNames.STATE;
    if (name.startsWith(prefix) && dot > prefix.length()) {
      String parameter = name.substring(prefix.length(), dot);
      return parameters.contains(parameter) ? parameter : null;
    }
    return null;
  }

  private static String of(String name, String parameter) {
    return parameterOf(name, Set.of(parameter));
  }

  /** The file of a parameter's owner, which holds the values that exist once per parameter. */
  private int owner(String parameter) {
    List<Part> present = parts.getOrDefault(parameter, List.of());
    for (int i = 0; i < present.size(); i++) {
      if (present.get(i).count > 0) {
        return i;
      }
    }
    return 0;
  }

  private static TensorSource whole(CheckpointReader reader, TensorEntry entry) {
    return (from, array, offset, length) -> read(reader, entry, from, array, offset, length);
  }

  private static void read(
      CheckpointReader reader, TensorEntry entry, long from, Object array, int offset, int length) {
    try {
      reader.read(entry, from, array, offset, length);
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  /** How many of a parameter's elements share one value of a tensor. */
  private static int unit(TensorEntry entry) {
    return isOfScales(entry) ? StateCodes.GROUP : 1;
  }

  private static boolean isOfScales(TensorEntry entry) {
    return entry.name().endsWith(PyTorchNames.SCALE) && entry.format() == ElementFormat.U16;
  }

  /** The name of a tensor or, for scales, of the state that they belong to. */
  private static String stateOf(TensorEntry entry) {
    String name = entry.name();
    return isOfScales(entry)
        ? name.substring(0, name.length() - PyTorchNames.SCALE.length())
        : name;
  }

  /**
   * Elements of a tensor from a given one on, whichever file they are in.
   *
   * @param unit how many of the parameter's elements share one of the tensor's
   */
  private TensorSource slice(String name, String parameter, int unit, long start) {
    List<Part> present = parts.get(parameter);
    if (present == null) { // a single file
      CheckpointReader reader = readers.get(0);
      TensorEntry entry = reader.tensor(name).orElseThrow();
      return (from, array, offset, length) ->
          read(reader, entry, start + from, array, offset, length);
    }
    return (from, array, offset, length) -> {
      Part wanted = new Part(start + from, length);
      for (int i = 0; i < present.size(); i++) {
        Part part = present.get(i).by(unit);
        if (part.overlaps(wanted)) {
          long begin = Math.max(part.from, wanted.from);
          int n = (int) (Math.min(part.from + part.count, wanted.from + length) - begin);
          CheckpointReader reader = readers.get(i);
          TensorEntry entry = reader.tensor(name).orElseThrow();
          int to = offset + (int) (begin - wanted.from);
          read(reader, entry, begin - part.from, array, to, n);
        }
      }
    };
  }

  /**
   * Merges all shares into one file, as an optimizer of the whole would have saved it.
   *
   * @param folder of the checkpoint
   * @param file to write
   * @throws CorruptCheckpointException if a file is damaged
   * @throws IOException if a share cannot be read, or the new file not written
   */
  public static void merge(Path folder, Path file) throws IOException {
    try (ShardedCheckpoint checkpoint = open(folder)) {
      Map<String, Part> all = new LinkedHashMap<>();
      checkpoint.shapes.forEach(
          (parameter, shape) ->
              all.put(parameter, new Part(0, shape.stream().reduce(1L, (a, b) -> a * b))));
      checkpoint.verify(all);
      CheckpointWriter writer = new CheckpointWriter();
      checkpoint.addTo(writer, all, true);
      writer.write(file);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  /**
   * The length of a parameter, as far as the files record it.
   *
   * @param parameter its name
   * @return number of elements, or -1 if there is no such parameter
   */
  public long length(String parameter) {
    List<Long> shape = shapes.get(parameter);
    if (shape != null) {
      return shape.stream().reduce(1L, (a, b) -> a * b);
    }
    return readers.get(0).tensor(parameter).map(TensorEntry::count).orElse(-1L);
  }

  /** Closes all files. Closing twice is fine. */
  @Override
  public void close() throws IOException {
    for (CheckpointReader reader : readers) {
      reader.close();
    }
  }
}
