package io.warmstep.cli.lab;

import io.warmstep.Device;
import io.warmstep.StepListener;
import io.warmstep.cli.train.Clipping;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.function.IntConsumer;

/**
 * Where runs are done: several at a time, each on one thread, with results in the order in which
 * they were asked for. Each run is its own, so the number of threads has no influence on results.
 */
final class Workbench implements AutoCloseable {
  private final Device device;
  private final Progress progress;
  private final ExecutorService threads;
  private volatile boolean isStopped;

  Workbench(Device device, int threads, Progress progress) {
    this.device = device;
    this.progress = progress;
    this.threads =
        Executors.newFixedThreadPool(
            threads,
            task -> {
              Thread thread = new Thread(task, "warmstep-lab");
              thread.setDaemon(true);
              return thread;
            });
  }

  Device device() {
    return device;
  }

  void begin(String what) {
    checkStopped();
    progress.begin(what);
  }

  /** Has every run end soon, with a {@link StoppedException}. From any thread. */
  void stop() {
    isStopped = true;
  }

  boolean isStopped() {
    return isStopped;
  }

  /** To be called after each step. */
  IntConsumer onStep() {
    return steps -> {
      checkStopped();
      progress.advance(steps);
    };
  }

  private void checkStopped() {
    if (isStopped) {
      throw new StoppedException();
    }
  }

  Run open(RunSetup setup) {
    return open(setup, Clipping.NONE, null);
  }

  Run open(RunSetup setup, Clipping clipping, StepListener listener) {
    return new Run(device, setup, clipping, listener);
  }

  /** Does a piece of work for each item, several at a time. */
  <A, B> List<B> map(List<A> items, Function<A, B> work) {
    List<Future<B>> futures = new ArrayList<>();
    for (A item : items) {
      futures.add(
          threads.submit(
              () -> {
                checkStopped();
                return work.apply(item);
              }));
    }
    List<B> results = new ArrayList<>();
    RuntimeException failure = null;
    for (Future<B> future : futures) {
      try {
        results.add(future.get());
      } catch (ExecutionException e) {
        failure = failure == null ? cause(e) : failure;
        futures.forEach(other -> other.cancel(false));
      } catch (java.util.concurrent.CancellationException e) {
        // The first failure says why.
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new StoppedException();
      }
    }
    if (failure != null) {
      throw failure;
    }
    return results;
  }

  private static RuntimeException cause(ExecutionException e) {
    if (e.getCause() instanceof Error error) {
      throw error;
    }
    return e.getCause() instanceof RuntimeException cause
        ? cause
        : new IllegalStateException(e.getCause());
  }

  /** Trains every setup for the same number of steps. */
  List<Trained> train(List<RunSetup> setups, int steps, int evaluations) {
    return map(
        setups,
        setup -> {
          try (Run run = open(setup)) {
            run.advance(steps, evaluations, onStep());
            return Trained.of(run);
          }
        });
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
