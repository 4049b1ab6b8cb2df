package io.warmstep.cli;

import io.warmstep.cli.lab.Progress;
import java.io.PrintWriter;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** What is shown while the lab works: a bar on a terminal, a line per study elsewhere. */
abstract class LabProgress implements Progress, AutoCloseable {
  static LabProgress of(boolean silent, String task, PrintWriter out) {
    if (silent) {
      return new Lines(null);
    }
    return Terminal.isInteractive() ? new Bar(task) : new Lines(out);
  }

  /** How many steps there will be, about. */
  abstract void expect(long steps);

  /** Ends it, so that other lines can follow. A second call does nothing. */
  abstract void end();

  @Override
  public final void close() {
    end();
  }

  /** A bar that is drawn over itself on standard error. */
  private static final class Bar extends LabProgress {
    private final ProgressBar bar;
    private boolean isEnded;

    Bar(String task) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setUnit(" steps", 1)
              .setUpdateIntervalMillis(100)
              .setStyle(ProgressBarStyle.UNICODE_BLOCK)
              .build();
    }

    @Override
    void expect(long steps) {
      bar.maxHint(steps);
    }

    @Override
    public void begin(String what) {
      bar.setExtraMessage(" " + what);
    }

    @Override
    public void advance(int steps) {
      bar.stepBy(steps);
    }

    @Override
    void end() {
      if (!isEnded) { // a bar that is closed is drawn once more each time
        isEnded = true;
        bar.close();
      }
    }
  }

  /** Plain lines, for logs. */
  private static final class Lines extends LabProgress {
    private final PrintWriter out;

    Lines(PrintWriter out) {
      this.out = out;
    }

    @Override
    void expect(long steps) {}

    @Override
    public void begin(String what) {
      if (out != null) {
        out.println(what + " ...");
        out.flush();
      }
    }

    @Override
    public void advance(int steps) {}

    @Override
    void end() {}
  }
}
