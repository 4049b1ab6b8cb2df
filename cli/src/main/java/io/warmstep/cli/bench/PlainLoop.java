package io.warmstep.cli.bench;

import io.warmstep.ElementType;
import io.warmstep.storage.Storage;

/**
 * The ceiling that a step on the CPU is measured against: plain Java loops over arrays of their own
 * that read and write what a step must and compute nothing, but for the one addition without which
 * a read would be left out. What phases before the update read besides is read in a pass before,
 * one element of each cache line. The threads meet after each step's passes, as those of a step do.
 */
public final class PlainLoop implements Ceiling {
  /**
   * Elements per pass, small enough that the loops of a half type meet in the first-level cache.
   */
  private static final int BLOCK = 4096;

  private static final int MAX_SLOTS = 3;

  private static final int CACHE_LINE = 64; // bytes

  private final ElementType type;
  private final int length;
  private final Object parameters;
  private final Object gradients;
  private final Object[] state;
  private final PlainThreads threads;

  /** How many of the arrays are read before. */
  private final int reads;

  /** A sum of what is read, without which the compiler would leave the reading out. */
  @SuppressWarnings("UnusedVariable")
  private volatile double sum;

  /**
   * Allocates the arrays and starts the threads.
   *
   * @param type of parameters and gradients
   * @param length count of elements, within an array's limit
   * @param slots how many state arrays; of more than 3, 3 are used
   * @param threads how many share a pass, at least 1
   */
  public PlainLoop(ElementType type, long length, int slots, int threads) {
    this(type, length, slots, threads, 0);
  }

  private PlainLoop(ElementType type, long length, int slots, int threads, int reads) {
    this.reads = reads;
    this.type = type;
    this.length = Math.toIntExact(length);
    this.parameters = array(type);
    this.gradients = array(type);
    this.state = new Object[Math.min(slots, MAX_SLOTS)];
    for (int i = 0; i < state.length; i++) {
      state[i] = array(type.arithmetic());
    }
    this.threads = new PlainThreads(this.length, threads, this::pass);
  }

  /**
   * Makes the loop for a step, of the number of threads with which it is fastest, all or one: to
   * meet takes longer than a pass over little.
   *
   * @param type of parameters and gradients
   * @param footprint of the step; what it reads and an update of parameters and state, of at most 3
   *     slots, does not, is read before it, in whole arrays
   * @param mostThreads how many may share a pass, at least 1
   * @return the loop
   * @throws InterruptedException if the thread is interrupted while it waits
   */
  static PlainLoop fastest(ElementType type, Footprint footprint, int mostThreads)
      throws InterruptedException {
    long ofUpdate =
        footprint.elements()
            * (2L * type.bytes() + (long) footprint.slots() * type.arithmetic().bytes());
    int arrays =
        (int) Math.max(0, (footprint.read() - ofUpdate) / (footprint.elements() * type.bytes()));
    PlainLoop loop =
        new PlainLoop(type, footprint.elements(), footprint.slots(), mostThreads, arrays);
    loop.threads.takeFastest();
    return loop;
  }

  private Object array(ElementType storage) {
    return Storage.of(storage).newArray(length);
  }

  @Override
  public long traffic() {
    return length * ((3L + reads) * type.bytes() + 2L * state.length * type.arithmetic().bytes());
  }

  @Override
  public String name() {
    return "plain Java loop";
  }

  /**
   * Passes over all elements a number of times.
   *
   * @param times how often
   * @throws InterruptedException if the thread is interrupted while it waits
   */
  @Override
  public void run(int times) throws InterruptedException {
    threads.run(times);
  }

  private void pass(int from, int to) {
    for (int i = 0; i < reads; i++) {
      read(array(i), from, to);
    }
    move(from, to);
  }

  /** Arrays of the parameters' width in turn, so that none is in the caches when its turn comes. */
  private Object array(int turn) {
    int count = type == type.arithmetic() ? 2 + state.length : 2;
    int which = turn % count;
    return which == 0 ? gradients : which == 1 ? parameters : state[which - 2];
  }

  private void read(Object array, int from, int to) {
    int step = CACHE_LINE / type.bytes();
    double read = 0;
    if (array instanceof float[] floats) {
      for (int i = from; i < to; i += step) {
        read += floats[i];
      }
    } else if (array instanceof double[] doubles) {
      for (int i = from; i < to; i += step) {
        read += doubles[i];
      }
    } else {
      short[] halves = (short[]) array;
      for (int i = from; i < to; i += step) {
        read += halves[i];
      }
    }
    sum = read;
  }

  private void move(int from, int to) {
    if (parameters instanceof float[]) {
      floats(from, to);
    } else if (parameters instanceof double[]) {
      doubles(from, to);
    } else {
      for (int at = from; at < to; at += BLOCK) {
        halves(at, Math.min(to, at + BLOCK));
      }
    }
  }

  private void floats(int from, int to) {
    float[] p = (float[]) parameters;
    float[] g = (float[]) gradients;
    switch (state.length) {
      case 0 -> move(p, g, from, to);
      case 1 -> move(p, g, (float[]) state[0], from, to);
      case 2 -> move(p, g, (float[]) state[0], (float[]) state[1], from, to);
      default -> move(p, g, (float[]) state[0], (float[]) state[1], (float[]) state[2], from, to);
    }
  }

  private void doubles(int from, int to) {
    double[] p = (double[]) parameters;
    double[] g = (double[]) gradients;
    switch (state.length) {
      case 0 -> move(p, g, from, to);
      case 1 -> move(p, g, (double[]) state[0], from, to);
      case 2 -> move(p, g, (double[]) state[0], (double[]) state[1], from, to);
      default ->
          move(p, g, (double[]) state[0], (double[]) state[1], (double[]) state[2], from, to);
    }
  }

  /** Loops over one element width vectorize, mixed ones do not. */
  private void halves(int from, int to) {
    short[] p = (short[]) parameters;
    short[] g = (short[]) gradients;
    for (int i = from; i < to; i++) {
      p[i] = (short) (p[i] + g[i]);
    }
    switch (state.length) {
      case 0 -> {}
      case 1 -> move((float[]) state[0], from, to);
      case 2 -> exchange((float[]) state[0], (float[]) state[1], from, to);
      default -> rotate((float[]) state[0], (float[]) state[1], (float[]) state[2], from, to);
    }
  }

  private static void move(float[] a, int from, int to) {
    for (int i = from; i < to; i++) {
      a[i] = a[i] + 1;
    }
  }

  private static void exchange(float[] a, float[] b, int from, int to) {
    for (int i = from; i < to; i++) {
      float t = a[i];
      a[i] = b[i];
      b[i] = t;
    }
  }

  private static void rotate(float[] a, float[] b, float[] c, int from, int to) {
    for (int i = from; i < to; i++) {
      float t = a[i];
      a[i] = b[i];
      b[i] = c[i];
      c[i] = t;
    }
  }

  private static void move(float[] p, float[] g, int from, int to) {
    for (int i = from; i < to; i++) {
      p[i] = p[i] + g[i];
    }
  }

  private static void move(float[] p, float[] g, float[] a, int from, int to) {
    for (int i = from; i < to; i++) {
      float sum = p[i] + g[i];
      p[i] = a[i];
      a[i] = sum;
    }
  }

  private static void move(float[] p, float[] g, float[] a, float[] b, int from, int to) {
    for (int i = from; i < to; i++) {
      float sum = p[i] + g[i];
      p[i] = a[i];
      a[i] = b[i];
      b[i] = sum;
    }
  }

  private static void move(
      float[] p, float[] g, float[] a, float[] b, float[] c, int from, int to) {
    for (int i = from; i < to; i++) {
      float sum = p[i] + g[i];
      p[i] = a[i];
      a[i] = b[i];
      b[i] = c[i];
      c[i] = sum;
    }
  }

  private static void move(double[] p, double[] g, int from, int to) {
    for (int i = from; i < to; i++) {
      p[i] = p[i] + g[i];
    }
  }

  private static void move(double[] p, double[] g, double[] a, int from, int to) {
    for (int i = from; i < to; i++) {
      double sum = p[i] + g[i];
      p[i] = a[i];
      a[i] = sum;
    }
  }

  private static void move(double[] p, double[] g, double[] a, double[] b, int from, int to) {
    for (int i = from; i < to; i++) {
      double sum = p[i] + g[i];
      p[i] = a[i];
      a[i] = b[i];
      b[i] = sum;
    }
  }

  private static void move(
      double[] p, double[] g, double[] a, double[] b, double[] c, int from, int to) {
    for (int i = from; i < to; i++) {
      double sum = p[i] + g[i];
      p[i] = a[i];
      a[i] = b[i];
      b[i] = c[i];
      c[i] = sum;
    }
  }

  @Override
  public void close() {
    threads.close();
  }
}
