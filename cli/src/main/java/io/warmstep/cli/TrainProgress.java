package io.warmstep.cli;

import io.warmstep.cli.train.History;
import io.warmstep.cli.train.Trainer;
import java.io.PrintWriter;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** What is shown while training: a bar on a terminal, a few lines elsewhere, nothing for JSON. */
abstract class TrainProgress implements Trainer.Listener, AutoCloseable {
  /** About this many lines are written for a whole run. */
  private static final int LINES = 10;

  static TrainProgress of(boolean silent, int epochs, long steps, PrintWriter out) {
    if (silent) {
      return new TrainProgress() {};
    }
    return Terminal.isInteractive() ? new Bar(steps) : new Lines(epochs, out);
  }

  @Override
  public void close() {}

  private static String describe(History.Point point) {
    return String.format(
        Locale.ROOT,
        "training loss %.4f, accuracy %.4f; test loss %.4f, accuracy %.4f",
        point.train().loss(),
        point.train().accuracy(),
        point.test().loss(),
        point.test().accuracy());
  }

  /** A bar that is drawn over itself on standard error. */
  private static final class Bar extends TrainProgress {
    private final ProgressBar bar;

    Bar(long steps) {
      bar =
          new ProgressBarBuilder()
              .setTaskName("training")
              .setInitialMax(steps)
              .setUpdateIntervalMillis(100)
              .setStyle(ProgressBarStyle.UNICODE_BLOCK)
              .build();
    }

    @Override
    public void onStep(long step) {
      bar.stepTo(step);
    }

    @Override
    public void onEpoch(int epoch, History.Point point) {
      bar.setExtraMessage(
          String.format(Locale.ROOT, " test accuracy %.4f", point.test().accuracy()));
    }

    @Override
    public void close() {
      bar.close();
    }
  }

  /** Plain lines, for logs. */
  private static final class Lines extends TrainProgress {
    private final int epochs;
    private final int every;
    private final PrintWriter out;

    Lines(int epochs, PrintWriter out) {
      this.epochs = epochs;
      this.every = (epochs + LINES - 1) / LINES;
      this.out = out;
    }

    @Override
    public void onEpoch(int epoch, History.Point point) {
      if (epoch % every == 0 || epoch == epochs) {
        out.printf(
            Locale.ROOT,
            "epoch %" + String.valueOf(epochs).length() + "d of %d: %s%n",
            epoch,
            epochs,
            describe(point));
        out.flush();
      }
    }
  }
}
