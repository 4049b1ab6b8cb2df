package io.warmstep.spark;

import java.io.IOException;
import java.util.Deque;
import java.util.concurrent.ConcurrentLinkedDeque;

/**
 * What a test has begun outside of its process and has to be ended again, the last one first: also
 * if the process is told to end before the test does.
 */
final class Cleanup implements AutoCloseable {
  private final Deque<Part> parts = new ConcurrentLinkedDeque<>();
  private final Thread hook = new Thread(this::endAtExit, "cleanup");

  /** Ends something. */
  interface Part {
    void end() throws IOException, InterruptedException;
  }

  Cleanup() {
    Runtime.getRuntime().addShutdownHook(hook);
  }

  void add(Part part) {
    parts.push(part);
  }

  int size() {
    return parts.size();
  }

  private void endAtExit() {
    try {
      endAll();
    } catch (IOException e) {
      System.err.println("not all of what a test began was ended: " + e);
    }
  }

  private void endAll() throws IOException {
    IOException failure = null;
    boolean isInterrupted = false;
    for (Part part = parts.poll(); part != null; part = parts.poll()) {
      try {
        part.end();
      } catch (IOException e) {
        failure = e;
      } catch (InterruptedException e) {
        isInterrupted = true; // once all have had their turn
        failure = new IOException(e);
      }
    }
    if (isInterrupted) {
      Thread.currentThread().interrupt();
    }
    if (failure != null) {
      throw failure;
    }
  }

  private void forgetHook() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // the process is ending: the hook finds nothing left
    }
  }

  @Override
  public void close() throws IOException {
    try {
      endAll();
    } finally {
      forgetHook();
    }
  }
}
