package io.warmstep.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.TaskContext;

/**
 * In its first attempt worker 1 waits in step 22 until the link between the hosts is cut, and then
 * goes on. Each task notes which row it began with.
 */
final class CutLink implements GradientFunction<Example> {
  /** What worker 1 says, and what it waits for. */
  static final String REACHED = "reached";

  static final String CUT = "cut";

  private static final long serialVersionUID = 1L;

  private final Perceptron network;
  private final String notes;
  private int calls;

  CutLink(Perceptron network, Path notes) {
    this.network = network;
    this.notes = notes.toString();
  }

  @Override
  public double gradients(List<Example> rows, ModelParameters model) {
    TaskContext context = TaskContext.get();
    int attempt = context.stageAttemptNumber();
    int worker = context.partitionId();
    Path folder = Path.of(notes);
    try {
      if (calls++ == 0) {
        Files.writeString(begun(folder, attempt, worker), rows.get(0).hashCode() + "");
      }
      if (worker == 1 && attempt == 0 && calls == 22 * 4 + 2) { // it has four lanes
        Files.createFile(folder.resolve(REACHED));
        await(folder, CUT);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
    return network.gradients(rows, model);
  }

  static void await(Path folder, String file) throws InterruptedException {
    while (!Files.exists(folder.resolve(file))) {
      Thread.sleep(20);
    }
  }

  private static Path begun(Path folder, int attempt, int worker) {
    return folder.resolve("attempt" + attempt + "-worker" + worker);
  }

  /** The hash of the first row that a worker had in an attempt. */
  static int first(Path folder, int attempt, int worker) throws IOException {
    return Integer.parseInt(Files.readString(begun(folder, attempt, worker)));
  }
}
