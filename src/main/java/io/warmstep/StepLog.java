package io.warmstep;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Writes an optimizer's reports to a file: CSV, JSON lines, or TensorBoard's event files.
 *
 * <pre>{@code
 * try (StepLog log = StepLog.csv(Path.of("steps.csv"));
 *     Optimizer optimizer = Optimizer.of(parameters)....listener(log, 10).build()) {
 * }</pre>
 *
 * <p>Used by one thread at a time, for one optimizer. A failure to write is thrown as {@link
 * UncheckedIOException}.
 */
public abstract class StepLog implements StepListener, AutoCloseable {
  private StepLog() {}

  /**
   * Writes comma-separated values: a line of names, then a line for each report. Unknown values are
   * {@code NaN}.
   *
   * @param file replaced if it is there
   * @return the log, to be closed by the caller
   * @throws IOException if the file cannot be created
   */
  public static StepLog csv(Path file) throws IOException {
    Writer out = Files.newBufferedWriter(file, StandardCharsets.UTF_8);
    out.write("step,learning_rate,loss,gradient_norm,clip_rate,skipped_steps\n");
    return new Lines(out) {
      @Override
      String line(StepReport report) {
        return String.join(
            ",",
            Long.toString(report.step()),
            Double.toString(report.learningRate()),
            Double.toString(report.loss()),
            Double.toString(report.gradientNorm()),
            Double.toString(report.clipRate()),
            Long.toString(report.skippedSteps()));
      }
    };
  }

  /**
   * Writes JSON lines: an object for each report. NaN and infinities, which JSON does not have, are
   * {@code null}.
   *
   * @param file replaced if it is there
   * @return the log, to be closed by the caller
   * @throws IOException if the file cannot be created
   */
  public static StepLog jsonLines(Path file) throws IOException {
    return new Lines(Files.newBufferedWriter(file, StandardCharsets.UTF_8)) {
      @Override
      String line(StepReport report) {
        return "{\"step\":"
            + report.step()
            + ",\"learning_rate\":"
            + json(report.learningRate())
            + ",\"loss\":"
            + json(report.loss())
            + ",\"gradient_norm\":"
            + json(report.gradientNorm())
            + ",\"clip_rate\":"
            + json(report.clipRate())
            + ",\"skipped_steps\":"
            + report.skippedSteps()
            + "}";
      }
    };
  }

  /**
   * Writes an event file for TensorBoard, with the tags {@code learning_rate}, {@code loss}, {@code
   * gradient_norm}, {@code clip_rate} and {@code skipped_steps}. What is NaN because it is not known
   * is left out; a loss that became NaN is written.
   *
   * @param folder the run's folder, created if it is not there
   * @return the log, to be closed by the caller
   * @throws IOException if the file cannot be created
   */
  public static StepLog tensorBoard(Path folder) throws IOException {
    return new Events(EventFile.create(folder));
  }

  /** Closes the file. */
  @Override
  public abstract void close() throws IOException;

  private static String json(double value) {
    return Double.isFinite(value) ? Double.toString(value) : "null";
  }

  /** A line for each report. */
  private abstract static class Lines extends StepLog {
    private final BufferedWriter out;

    Lines(Writer out) {
      this.out = new BufferedWriter(out);
    }

    abstract String line(StepReport report);

    @Override
    public void onStep(StepReport report) {
      try {
        out.write(line(report));
        out.write('\n');
        out.flush(); // a run that ends without a close keeps what it wrote
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void close() throws IOException {
      out.close();
    }
  }

  /** A value at a time. */
  private static final class Events extends StepLog {
    private final EventFile out;
    private boolean hasLoss;

    Events(EventFile out) {
      this.out = out;
    }

    @Override
    public void onStep(StepReport report) {
      hasLoss |= !Double.isNaN(report.loss());
      try {
        write("learning_rate", report, report.learningRate());
        if (hasLoss) {
          out.scalar("loss", report.step(), report.loss());
        }
        write("gradient_norm", report, report.gradientNorm());
        write("clip_rate", report, report.clipRate());
        write("skipped_steps", report, report.skippedSteps());
        out.flush();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private void write(String tag, StepReport report, double value) throws IOException {
      if (!Double.isNaN(value)) {
        out.scalar(tag, report.step(), value);
      }
    }

    @Override
    public void close() throws IOException {
      out.close();
    }
  }
}
