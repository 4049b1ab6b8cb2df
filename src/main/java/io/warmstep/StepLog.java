package io.warmstep;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;

/**
 * Writes an optimizer's reports to a file: CSV, JSON lines, or TensorBoard's event files.
 *
 * <pre>{@code
 * try (StepLog log = StepLog.csv(Path.of("steps.csv"));
 *     Optimizer optimizer = builder.listener(log, 10).build()) {
 *   train(optimizer);
 * }
 * }</pre>
 *
 * <p>All of them use the same names: {@code learning_rate}, {@code loss}, {@code gradient_norm},
 * {@code clip_rate}, {@code skipped_steps}, and for each group of parameters {@code
 * update_to_weight/GROUP}, {@code lost_updates/GROUP}, {@code largest_update_to_weight/GROUP} and
 * {@code largest_update_parameter/GROUP}, and for each slot of its state that is stored as codes
 * {@code saturated_codes/GROUP/SLOT} and {@code vanished_codes/GROUP/SLOT}; see {@link StepReport}.
 * The name of a parameter is text, which event files leave out. Every report is handed to the
 * operating system at once, so a run that ends without a close keeps what it wrote. Close the
 * optimizer first, as above: it may have reports to deliver.
 *
 * <p>Used by one thread at a time, for one optimizer. A failure to write is thrown as {@link
 * UncheckedIOException}.
 */
public abstract class StepLog implements StepListener, AutoCloseable {
  private StepLog() {}

  /**
   * Writes comma-separated values: a line of names, then a line for each report. Unknown values are
   * {@code NaN}. The first report determines the columns: groups added later have none. A log
   * without reports has no lines.
   *
   * @param file replaced if it exists
   * @return the log, to be closed by the caller
   * @throws IOException if the file cannot be created
   */
  public static StepLog csv(Path file) throws IOException {
    return new Csv(open(file));
  }

  /**
   * Writes JSON lines: an object for each report. NaN and infinities, which JSON does not have, are
   * {@code null}.
   *
   * @param file replaced if it exists
   * @return the log, to be closed by the caller
   * @throws IOException if the file cannot be created
   */
  public static StepLog jsonLines(Path file) throws IOException {
    return new JsonLines(open(file));
  }

  /**
   * Writes an event file for TensorBoard, with a tag for each name. Unknown values, which are NaN,
   * are left out; a loss that became NaN is written.
   *
   * @param folder the run's folder, created if it does not exist
   * @return the log, to be closed by the caller
   * @throws IOException if the file cannot be created
   */
  public static StepLog tensorBoard(Path folder) throws IOException {
    return new Events(EventFile.create(folder));
  }

  /**
   * Closes the file.
   *
   * @throws IOException if the remaining data cannot be written
   */
  @Override
  public abstract void close() throws IOException;

  @Override
  public final void onStep(StepReport report) {
    try {
      write(report, values(report));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  abstract void write(StepReport report, Map<String, Object> values) throws IOException;

  private static Writer open(Path file) throws IOException {
    return Files.newBufferedWriter(Objects.requireNonNull(file, "file"), StandardCharsets.UTF_8);
  }

  /** All values but the step, by name: numbers, and the names of parameters. */
  private static Map<String, Object> values(StepReport report) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("learning_rate", report.learningRate());
    values.put("loss", report.loss());
    values.put("gradient_norm", report.gradientNorm());
    values.put("clip_rate", report.clipRate());
    values.put("skipped_steps", report.skippedSteps());
    for (StepReport.Update update : report.updates()) {
      values.put("update_to_weight/" + update.group(), update.toWeight());
      values.put("lost_updates/" + update.group(), update.lost());
      values.put("largest_update_to_weight/" + update.group(), update.largest());
      values.put("largest_update_parameter/" + update.group(), update.largestParameter());
      for (StepReport.Codes codes : update.codes()) {
        String place = update.group() + "/" + codes.slot();
        values.put("saturated_codes/" + place, codes.saturated());
        values.put("vanished_codes/" + place, codes.vanished());
      }
    }
    return values;
  }

  /** A table, whose columns the first report determines. */
  private static final class Csv extends StepLog {
    private final Writer out;
    private Map<String, Object> columns;

    Csv(Writer out) {
      this.out = out;
    }

    @Override
    void write(StepReport report, Map<String, Object> values) throws IOException {
      if (columns == null) {
        columns = values;
        out.write("step");
        for (String name : columns.keySet()) {
          out.write(',' + quoted(name));
        }
        out.write('\n');
      }
      out.write(Long.toString(report.step()));
      for (Map.Entry<String, Object> column : columns.entrySet()) {
        boolean isText = column.getValue() instanceof String;
        Object value = values.getOrDefault(column.getKey(), isText ? "" : Double.NaN);
        out.write(',' + quoted(value.toString()));
      }
      out.write('\n');
      out.flush();
    }

    private static String quoted(String name) {
      return name.matches("[^\",\r\n]*") ? name : '"' + name.replace("\"", "\"\"") + '"';
    }

    @Override
    public void close() throws IOException {
      out.close();
    }
  }

  /** An object for each report. */
  private static final class JsonLines extends StepLog {
    private final Writer out;

    JsonLines(Writer out) {
      this.out = out;
    }

    @Override
    void write(StepReport report, Map<String, Object> values) throws IOException {
      out.write(
          values.entrySet().stream()
              .map(value -> quoted(value.getKey()) + ':' + json(value.getValue()))
              .collect(Collectors.joining(",", "{\"step\":" + report.step() + ',', "}\n")));
      out.flush();
    }

    private static String json(Object value) {
      if (value instanceof Number number) {
        return Double.isFinite(number.doubleValue()) ? number.toString() : "null";
      }
      return quoted(value.toString());
    }

    private static String quoted(String name) {
      StringBuilder text = new StringBuilder("\"");
      for (char c : name.toCharArray()) {
        if (c == '"' || c == '\\') {
          text.append('\\').append(c);
        } else if (c < ' ') {
          text.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
        } else {
          text.append(c);
        }
      }
      return text.append('"').toString();
    }

    @Override
    public void close() throws IOException {
      out.close();
    }
  }

  /** One value at a time. */
  private static final class Events extends StepLog {
    private final EventFile out;
    private boolean hasLoss;

    Events(EventFile out) {
      this.out = out;
    }

    @Override
    void write(StepReport report, Map<String, Object> values) throws IOException {
      hasLoss |= !Double.isNaN(report.loss());
      for (Map.Entry<String, Object> value : values.entrySet()) {
        if (value.getValue() instanceof Number number
            && (!Double.isNaN(number.doubleValue())
                || (hasLoss && value.getKey().equals("loss")))) {
          out.scalar(value.getKey(), report.step(), number.doubleValue());
        }
      }
      out.flush();
    }

    @Override
    public void close() throws IOException {
      out.close();
    }
  }
}
