package io.warmstep.cli;

import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.cli.train.History;
import io.warmstep.cli.train.OptimizerUpdate;
import io.warmstep.cli.train.Trainer;
import io.warmstep.file.AtomicFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;

/** Saves a run after every so many steps, and at its end. */
final class TrainCheckpoint {
  private final Path file;
  private final long every;
  private final String settings;

  private TrainCheckpoint(Path file, long every, String settings) {
    this.file = file;
    this.every = every;
    this.settings = settings;
  }

  /**
   * Checks that the file can be written, before the training.
   *
   * @param file or null not to save
   * @param every steps between saves, or null for an epoch's
   */
  static TrainCheckpoint to(Path file, Long every, int stepsPerEpoch, String settings) {
    if (file == null) {
      if (every != null) {
        throw new IllegalArgumentException(
            "--every is " + every + ", but there is no --checkpoint FILE to write");
      }
      return new TrainCheckpoint(null, 0, settings);
    }
    if (every != null && every < 1) {
      throw new IllegalArgumentException("--every is " + every + ", must be at least 1");
    }
    try {
      AtomicFile.check(file);
    } catch (FileSystemException e) {
      throw new IllegalArgumentException("--checkpoint is '" + file + "', but " + e.getReason(), e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new TrainCheckpoint(file, every == null ? stepsPerEpoch : every, settings);
  }

  /** Passes on what a listener hears, and saves when it is time. */
  Trainer.Listener around(Trainer.Listener listener, OptimizerUpdate update, History history) {
    if (file == null) {
      return listener;
    }
    return new Trainer.Listener() {
      @Override
      public void onStep(long step) {
        if (step % every == 0) {
          save(update, history);
        }
        listener.onStep(step);
      }

      @Override
      public void onEpoch(int epoch, History.Point point) {
        listener.onEpoch(epoch, point);
      }
    };
  }

  void save(OptimizerUpdate update, History history) {
    if (file == null) {
      return;
    }
    CheckpointWriter writer = new CheckpointWriter().metadata(TrainResume.KEY, settings);
    update.addTo(writer);
    history.addTo(writer);
    try {
      writer.write(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }
}
