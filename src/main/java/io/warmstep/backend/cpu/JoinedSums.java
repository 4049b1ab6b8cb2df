package io.warmstep.backend.cpu;

import io.warmstep.backend.SumKind;
import io.warmstep.rule.TensorSums;
import io.warmstep.step.LeafExchange;
import java.util.List;

/**
 * What a rule adds up over a group of a whole model, where the step is of one worker's part of it:
 * the leaves of all workers, joined. Those of a leaf travel beside each other, so that the workers'
 * follow each other in the order of the leaves. A backend whose leaves go through the host uses it
 * too.
 */
public final class JoinedSums {
  private static final float[] NO_FLOATS = {};
  private static final double[] NO_DOUBLES = {};
  private static final int[] NO_EXPONENTS = {};

  private final LeafExchange exchange;
  private final List<SumKind> kinds;
  private final float[][] floatRoots;
  private final double[][] doubleRoots;
  private final int[][] exponents;

  /**
   * Prepares.
   *
   * @param exchange gives the leaves of the whole model
   * @param sums what is added up
   */
  public JoinedSums(LeafExchange exchange, TensorSums sums) {
    this.exchange = exchange;
    this.kinds = sums.kinds().stream().map(SumKind::of).toList();
    this.floatRoots = new float[kinds.size()][1];
    this.doubleRoots = new double[kinds.size()][1];
    this.exponents = new int[kinds.size()][1];
  }

  /**
   * Joins leaves of float32 arithmetic; waits for the other workers.
   *
   * @param sums this worker's, of each kind
   * @param exponents likewise
   * @param count of its leaves; 0 if this worker has nothing of it
   */
  public void joinFloats(float[][] sums, int[][] exponents, int count) {
    int n = kinds.size();
    float[] own = new float[n * count];
    int[] ownExponents = new int[n * count];
    for (int leaf = 0; leaf < count; leaf++) {
      for (int k = 0; k < n; k++) {
        own[leaf * n + k] = sums[k][leaf];
        ownExponents[leaf * n + k] = exponents[k][leaf];
      }
    }
    LeafExchange.Leaves all =
        exchange.all(new LeafExchange.Leaves(own, ownExponents, NO_DOUBLES, NO_EXPONENTS));
    int leaves = all.floatSums().length / n;
    for (int k = 0; k < n; k++) {
      float[] terms = new float[leaves];
      int[] powers = new int[leaves];
      for (int leaf = 0; leaf < leaves; leaf++) {
        terms[leaf] = all.floatSums()[leaf * n + k];
        powers[leaf] = all.floatExponents()[leaf * n + k];
      }
      FloatTreeSum tree = new FloatTreeSum(kinds.get(k));
      tree.combine(terms, powers, 0, leaves);
      floatRoots[k][0] = tree.sum;
      this.exponents[k][0] = tree.exponent;
    }
  }

  /**
   * Joins leaves of float64 arithmetic; waits for the other workers.
   *
   * @param sums this worker's, of each kind
   * @param exponents likewise
   * @param count of its leaves; 0 if this worker has nothing of it
   */
  public void joinDoubles(double[][] sums, int[][] exponents, int count) {
    int n = kinds.size();
    double[] own = new double[n * count];
    int[] ownExponents = new int[n * count];
    for (int leaf = 0; leaf < count; leaf++) {
      for (int k = 0; k < n; k++) {
        own[leaf * n + k] = sums[k][leaf];
        ownExponents[leaf * n + k] = exponents[k][leaf];
      }
    }
    LeafExchange.Leaves all =
        exchange.all(new LeafExchange.Leaves(NO_FLOATS, NO_EXPONENTS, own, ownExponents));
    int leaves = all.doubleSums().length / n;
    for (int k = 0; k < n; k++) {
      double[] terms = new double[leaves];
      int[] powers = new int[leaves];
      for (int leaf = 0; leaf < leaves; leaf++) {
        terms[leaf] = all.doubleSums()[leaf * n + k];
        powers[leaf] = all.doubleExponents()[leaf * n + k];
      }
      DoubleTreeSum tree = new DoubleTreeSum(kinds.get(k));
      tree.combine(terms, powers, 0, leaves);
      doubleRoots[k][0] = tree.sum;
      this.exponents[k][0] = tree.exponent;
    }
  }

  /**
   * The last sums of float32 arithmetic, as if each were that of a single leaf.
   *
   * @return of each kind an array of one
   */
  public float[][] floatRoots() {
    return floatRoots;
  }

  /**
   * The last sums of float64 arithmetic, as if each were that of a single leaf.
   *
   * @return of each kind an array of one
   */
  public double[][] doubleRoots() {
    return doubleRoots;
  }

  /**
   * The exponents of the last sums.
   *
   * @return of each kind an array of one
   */
  public int[][] exponents() {
    return exponents;
  }
}
