package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.TensorEntry;
import io.warmstep.checkpoint.TensorSummary;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code warmstep inspect}: what a safetensors file holds. */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    description = {
      "Prints what a safetensors file holds: a checkpoint, or a model of Hugging Face's, say.",
      "",
      "For each tensor: name, type, shape, the root of the sum of squares, least and greatest"
          + " number, and how many are NaN or infinite. A checkpoint's checksum is compared first."
    })
final class InspectCommand implements Callable<Integer> {
  /** Characters of a text of the metadata that are shown. */
  private static final int SHOWN = 300;

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "FILE", description = "The file.")
  private Path file;

  @Option(
      names = "--header",
      description = "Read the header alone: no numbers and no checksum, at once for any size.")
  private boolean isHeaderOnly;

  @Option(names = "--json", description = "Print one JSON object and nothing else.")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    try (CheckpointReader reader = CheckpointReader.open(file)) {
      if (!isHeaderOnly) {
        reader.verify();
      }
      if (json) {
        out.println(Json.text(describe(reader)));
      } else {
        print(reader, out);
      }
    }
    out.flush();
    return 0;
  }

  private JsonObject describe(CheckpointReader reader) throws IOException {
    JsonObject object = new JsonObject();
    object.addProperty("file", file.toString());
    object.addProperty("bytes", Files.size(file));
    object.addProperty("checksum", reader.checksum().orElse(null));
    object.addProperty("checksum_verified", !isHeaderOnly && reader.checksum().isPresent());
    JsonObject metadata = new JsonObject();
    reader.metadata().forEach(metadata::addProperty);
    object.add("metadata", metadata);
    JsonArray tensors = new JsonArray();
    for (TensorEntry tensor : reader.tensors()) {
      JsonObject entry = new JsonObject();
      entry.addProperty("name", tensor.name());
      entry.addProperty("type", tensor.format().name());
      JsonArray shape = new JsonArray();
      tensor.shape().forEach(shape::add);
      entry.add("shape", shape);
      Optional<TensorSummary> summary = summary(reader, tensor);
      if (summary.isPresent()) {
        entry.add("norm", Json.number(summary.get().norm()));
        entry.add("min", Json.number(summary.get().min()));
        entry.add("max", Json.number(summary.get().max()));
        entry.addProperty("nan", summary.get().nans());
        entry.addProperty("infinite", summary.get().infinities());
      } else if (!isHeaderOnly) {
        entry.add("norm", JsonNull.INSTANCE);
      }
      tensors.add(entry);
    }
    object.add("tensors", tensors);
    return object;
  }

  private Optional<TensorSummary> summary(CheckpointReader reader, TensorEntry tensor)
      throws IOException {
    return isHeaderOnly ? Optional.empty() : TensorSummary.of(reader, tensor);
  }

  private void print(CheckpointReader reader, PrintWriter out) throws IOException {
    long elements = reader.tensors().stream().mapToLong(TensorEntry::count).sum();
    int count = reader.tensors().size();
    out.printf(
        Locale.ROOT,
        "%s: %,d bytes, %,d %s, %,d elements%n",
        file,
        Files.size(file),
        count,
        count == 1 ? "tensor" : "tensors",
        elements);
    out.println(checksum(reader));
    if (!reader.metadata().isEmpty()) {
      out.printf("%nmetadata%n");
      for (Map.Entry<String, String> text : reader.metadata().entrySet()) {
        out.printf("  %s: %s%n", printable(text.getKey()), abbreviated(text.getValue()));
      }
    }
    List<String[]> rows = new ArrayList<>();
    rows.add(
        isHeaderOnly
            ? new String[] {"tensor", "type", "shape"}
            : new String[] {"tensor", "type", "shape", "norm", "min", "max", "NaN", "infinite"});
    for (TensorEntry tensor : reader.tensors()) {
      rows.add(row(tensor, summary(reader, tensor)));
    }
    if (rows.size() > 1) {
      out.println();
      printTable(rows, out);
    }
  }

  private String checksum(CheckpointReader reader) {
    if (reader.checksum().isEmpty()) {
      return "no checksum: not a checkpoint of Warmstep's";
    }
    return "checksum: crc32c "
        + reader.checksum().get()
        + (isHeaderOnly ? ", not compared" : ", as it must be");
  }

  private String[] row(TensorEntry tensor, Optional<TensorSummary> summary) {
    String name = printable(tensor.name());
    String type = tensor.format().name();
    String shape = tensor.shape().toString();
    if (isHeaderOnly) {
      return new String[] {name, type, shape};
    }
    return summary
        .map(
            numbers ->
                new String[] {
                  name,
                  type,
                  shape,
                  number(numbers.norm()),
                  number(numbers.min()),
                  number(numbers.max()),
                  String.valueOf(numbers.nans()),
                  String.valueOf(numbers.infinities())
                })
        .orElse(new String[] {name, type, shape, "-", "-", "-", "-", "-"});
  }

  private static String number(double value) {
    if (Double.isNaN(value)) {
      return "-";
    }
    return value == Math.rint(value) && Math.abs(value) < 1e6
        ? String.format(Locale.ROOT, "%.0f", value)
        : String.format(Locale.ROOT, "%.6g", value);
  }

  /** Texts to the left, numbers to the right. */
  private static void printTable(List<String[]> rows, PrintWriter out) {
    int columns = rows.get(0).length;
    int[] widths = new int[columns];
    for (String[] row : rows) {
      for (int i = 0; i < columns; i++) {
        widths[i] = Math.max(widths[i], row[i].length());
      }
    }
    for (String[] row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < columns; i++) {
        String padding = " ".repeat(widths[i] - row[i].length());
        line.append(i == 0 ? "" : "  ").append(i < 3 ? row[i] + padding : padding + row[i]);
      }
      out.println(line.toString().stripTrailing());
    }
  }

  private static String abbreviated(String text) {
    String printable = printable(text);
    int end =
        printable.offsetByCodePoints(
            0, Math.min(SHOWN, printable.codePointCount(0, printable.length())));
    return end == printable.length()
        ? printable
        : printable.substring(0, end) + "… (" + text.length() + " characters; --json has all)";
  }

  /** A file's names must not reach a terminal as commands. */
  private static String printable(String text) {
    StringBuilder printable = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              int type = Character.getType(c);
              if (type == Character.CONTROL
                  || type == Character.FORMAT
                  || type == Character.LINE_SEPARATOR
                  || type == Character.PARAGRAPH_SEPARATOR) {
                printable.append(String.format(Locale.ROOT, "\\u%04x", c));
              } else {
                printable.appendCodePoint(c);
              }
            });
    return printable.toString();
  }
}
