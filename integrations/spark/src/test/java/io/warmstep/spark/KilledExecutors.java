package io.warmstep.spark;

import io.warmstep.rule.Adam;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;

/**
 * Kills processes that train, as {@code kill -9} does, one in each phase of a step: in turn worker
 * 0's and worker 1's. Which phase a worker is in is read off its stack. Each task notes the step
 * that it began with and the present one.
 */
final class KilledExecutors implements GradientFunction<Integer> {
  static final int BATCH = 16;

  /** Steps from checkpoint to checkpoint. */
  static final int EVERY = 3;

  private static final long serialVersionUID = 1L;
  private static final String NAME = "w";
  private static final int LENGTH = 2_000_000; // a phase takes milliseconds
  private static final String ARMED = "armed";

  private final String folder;
  private int round = -1; // how many were killed before
  private int first = -1;
  private int last = -1;
  private volatile boolean killed; // or about to be

  KilledExecutors(Path folder) {
    this.folder = folder.toString();
  }

  /** Where a process is killed. */
  enum Phase {
    REDUCE_SCATTER {
      @Override
      boolean has(StackTraceElement frame) {
        return is(frame, "io.warmstep.collective.Mesh", "reduceScatter");
      }
    },
    UPDATE {
      @Override
      boolean has(StackTraceElement frame) {
        return is(frame, "io.warmstep.rule.Adam", "update");
      }
    },
    ALL_GATHER {
      @Override
      boolean has(StackTraceElement frame) {
        return is(frame, "io.warmstep.GatheredUpdate", "finish");
      }
    };

    abstract boolean has(StackTraceElement frame);

    private static boolean is(StackTraceElement frame, String type, String method) {
      return frame.getClassName().equals(type) && frame.getMethodName().equals(method);
    }
  }

  /**
   * What a task noted.
   *
   * @param first the step that it began with, from 0
   * @param last the last step that it began
   */
  record Notes(int first, int last) {
    /**
     * Of the worker that was killed after so many others; at the end, of the one whose turn it is.
     */
    static Notes of(Path folder, int round) throws IOException {
      String[] numbers = Files.readString(file(folder, round, victim(round))).split(" ", -1);
      return new Notes(Integer.parseInt(numbers[0]), Integer.parseInt(numbers[1]));
    }
  }

  private static int victim(int round) {
    return round % 2;
  }

  private static Path file(Path folder, int round, int worker) {
    return folder.resolve("round" + round + "-worker" + worker);
  }

  /** Of a vector, by rows that are numbered; each step has as many. */
  static SparkTraining<Integer> training(JavaRDD<Integer> rows) {
    return SparkTraining.of(rows, row -> row)
        .parameters(Map.of(NAME, new float[LENGTH]))
        .gradients(KilledExecutors::line)
        .optimizer(builder -> builder.rule(Adam.adam()).learningRate(0.01))
        .batch(BATCH)
        .steps(40)
        .limit(Duration.ofSeconds(60));
  }

  /** A row's loss is half the squared distance to a point of its own; but it is not computed. */
  private static double line(List<Integer> rows, ModelParameters model) {
    float[] values = model.values(NAME);
    float[] gradients = model.gradients(NAME);
    int sum = 0;
    for (int row : rows) {
      sum += row % 7;
    }
    for (int i = 0; i < values.length; i++) {
      gradients[i] = rows.size() * values[i] - sum * (i & 63);
    }
    return 0;
  }

  @Override
  public double gradients(List<Integer> rows, ModelParameters model) {
    int step = rows.get(0) / BATCH;
    if (step != last) {
      try {
        begin(step);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return line(rows, model);
  }

  private void begin(int step) throws IOException {
    Path notes = Path.of(folder);
    int worker = TaskContext.getPartitionId();
    if (first < 0) {
      first = step;
      round = armed(notes);
    }
    if (killed) {
      awaitEnd(); // a note of a later step would be of one that the others may not have begun
    }
    last = step;
    note(file(notes, round, worker), first + " " + last);
    // From here on there is a later checkpoint to go on from than in the round before.
    if (round < Phase.values().length && worker == victim(round) && step == first + EVERY) {
      Files.createFile(notes.resolve(ARMED + round));
      killIn(Phase.values()[round], Thread.currentThread());
    }
  }

  /** Whole or not at all: this process may be killed here too, when a phase has just ended. */
  private static void note(Path file, String text) throws IOException {
    Path whole = Files.writeString(file.resolveSibling("new-" + file.getFileName()), text);
    Files.move(whole, file, StandardCopyOption.ATOMIC_MOVE);
  }

  private static void awaitEnd() {
    while (true) {
      LockSupport.park();
    }
  }

  private static int armed(Path notes) throws IOException {
    try (Stream<Path> files = Files.list(notes)) {
      return (int) files.filter(file -> file.getFileName().toString().startsWith(ARMED)).count();
    }
  }

  /** By a process that is there before it is needed: to start one takes longer than a phase. */
  private void killIn(Phase phase, Thread trainer) throws IOException {
    Process kill =
        new ProcessBuilder("sh", "-c", "read go && kill -KILL " + ProcessHandle.current().pid())
            .redirectErrorStream(true)
            .start();
    Thread killer =
        new Thread(
            () -> {
              try (OutputStream go = kill.getOutputStream()) {
                while (Stream.of(trainer.getStackTrace()).noneMatch(phase::has)) {
                  Thread.onSpinWait();
                }
                killed = true;
                go.write('\n');
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    killer.setDaemon(true);
    killer.start();
  }
}
