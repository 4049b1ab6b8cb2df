package io.warmstep.cli.bench;

import io.warmstep.ElementType;
import io.warmstep.rule.Adam;
import java.util.SplittableRandom;

/**
 * Adam's arithmetic as a plain Java loop over float32 arrays of its own, on as many threads as are
 * fastest: what a step is compared with in caches, where its square root and division are the limit
 * and memory is none.
 */
final class PlainAdam implements AutoCloseable {
  private static final float RATE = 1e-3f;
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.999f;
  private static final float EPS = 1e-8f;

  private final float[] parameters;
  private final float[] gradients;
  private final float[] first;
  private final float[] second;
  private final PlainThreads threads;

  private PlainAdam(int length, int threads) {
    this.parameters = random(length, 1);
    this.gradients = random(length, 2);
    this.first = new float[length];
    this.second = new float[length];
    this.threads = new PlainThreads(length, threads, this::pass);
  }

  private static float[] random(int length, long seed) {
    float[] filled = new float[length];
    Filling.fill(filled, new SplittableRandom(seed));
    return filled;
  }

  /**
   * Whether the loop computes what a step does.
   *
   * @param work in place of which it would be done
   */
  static boolean canReplace(StepWork work) {
    return work.rule() instanceof Adam adam
        && adam.stateSlots().size() == 2
        && adam.sums().isEmpty()
        && work.isPlain(ElementType.FLOAT32)
        && work.elements() <= Integer.MAX_VALUE - 8;
  }

  /**
   * Makes a loop of the number of threads with which it is fastest, all or one.
   *
   * @param length count of elements, within an array's limit
   * @param mostThreads how many may share a pass, at least 1
   * @throws InterruptedException if the thread is interrupted while it waits
   */
  static PlainAdam fastest(long length, int mostThreads) throws InterruptedException {
    PlainAdam loop = new PlainAdam(Math.toIntExact(length), mostThreads);
    loop.threads.takeFastest();
    return loop;
  }

  /**
   * Does a number of steps. Corrections of the bias are those of a late step, which change nothing.
   */
  void run(int times) throws InterruptedException {
    threads.run(times);
  }

  private void pass(int from, int to) {
    step(parameters, gradients, first, second, from, to);
  }

  private static void step(float[] p, float[] g, float[] m, float[] v, int from, int to) {
    for (int i = from; i < to; i++) {
      float gi = g[i];
      float mi = BETA1 * m[i] + (1 - BETA1) * gi;
      float vi = BETA2 * v[i] + (1 - BETA2) * gi * gi;
      m[i] = mi;
      v[i] = vi;
      p[i] = p[i] - RATE * (mi / ((float) Math.sqrt(vi) + EPS));
    }
  }

  @Override
  public void close() {
    threads.close();
  }
}
