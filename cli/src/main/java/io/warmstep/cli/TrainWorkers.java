package io.warmstep.cli;

import io.warmstep.Device;
import io.warmstep.DeviceReport;
import io.warmstep.Devices;
import io.warmstep.cli.train.Clipping;
import io.warmstep.cli.train.History;
import io.warmstep.cli.train.LearningRate;
import io.warmstep.cli.train.Mlp;
import io.warmstep.cli.train.Precision;
import io.warmstep.cli.train.Trainer;
import io.warmstep.cli.train.WorkerUpdate;
import io.warmstep.collective.Collective;
import io.warmstep.collective.CollectiveException;
import io.warmstep.collective.Collectives;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Trains one model with several workers, each a thread with a model and a device of its own. */
final class TrainWorkers {
  private final TrainOptions.Sharing sharing;
  private final String backend;
  private final Device first;

  /** What a worker trains: the same for all, but each has its own. */
  record Job(
      Mlp model,
      Trainer trainer,
      UpdateRule rule,
      LearningRate rate,
      Clipping clipping,
      Precision precision) {}

  /** Makes a job for each worker. */
  interface Jobs {
    Job next() throws IOException;
  }

  /**
   * Workers that have not begun.
   *
   * @param backend that was asked for
   * @param first the device of the first worker
   */
  TrainWorkers(TrainOptions.Sharing sharing, String backend, Device first) {
    this.sharing = sharing;
    this.backend = backend;
    this.first = first;
  }

  /**
   * Trains.
   *
   * @param history of the first worker, which all have
   * @param listener hears of the first worker's progress
   * @return the first worker's model, which all have
   */
  Mlp run(History history, Trainer.Listener listener, Jobs jobs) throws IOException {
    List<Collective> collectives = Collectives.inProcess(sharing.workers);
    ExecutorService threads = Executors.newFixedThreadPool(sharing.workers);
    try {
      List<Job> all = new ArrayList<>();
      List<Future<?>> results = new ArrayList<>();
      for (int rank = 0; rank < sharing.workers; rank++) {
        all.add(jobs.next());
      }
      for (Collective collective : collectives) {
        boolean isFirst = collective.rank() == 0;
        results.add(
            threads.submit(
                () ->
                    run(
                        all.get(collective.rank()),
                        collective,
                        isFirst ? history : new History(),
                        isFirst ? listener : new Trainer.Listener() {})));
      }
      await(results);
      return all.get(0).model();
    } finally {
      collectives.forEach(Collective::close);
      threads.shutdownNow();
    }
  }

  private void run(Job job, Collective collective, History history, Trainer.Listener listener) {
    try (collective) {
      Device device = collective.rank() == 0 ? first : open(collective.rank());
      try (WorkerUpdate update =
          new WorkerUpdate(
              device,
              collective,
              sharing.lanes(),
              job.model(),
              job.rule(),
              job.rate(),
              job.clipping(),
              job.precision())) {
        job.trainer().run(update, listener, history);
        update.eval(); // what was evaluated is judged
      } finally {
        if (device != first) {
          device.close();
        }
      }
    }
  }

  /** The devices of the backend in turn; processors are shared anyway. */
  private Device open(int rank) {
    if (backend.equals("cpu")) {
      return Devices.cpu(1);
    }
    List<String> there =
        Devices.all().stream()
            .filter(report -> report.usable() && report.backend().equals(backend))
            .map(DeviceReport::name)
            .toList();
    return Devices.require(there.isEmpty() ? backend : there.get(rank % there.size()));
  }

  /** Waits for all; of several failures the first that is not due to another one counts. */
  private static void await(List<Future<?>> results) {
    Throwable failure = null;
    for (Future<?> result : results) {
      try {
        result.get();
      } catch (ExecutionException e) {
        if (failure == null || failure instanceof CollectiveException) {
          failure = e.getCause();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new CollectiveException("the training was interrupted", e);
      }
    }
    if (failure instanceof Error error) {
      throw error;
    }
    if (failure != null) {
      throw (RuntimeException) failure;
    }
  }
}
