package io.warmstep.backend.cpu;

import io.warmstep.backend.SumKind;
import io.warmstep.rule.TensorSums;
import io.warmstep.step.LeafExchange;

/**
 * What a rule adds up over a group of a whole model, where the step is of one worker's part of it:
 * the leaves of all workers, joined. Those of a leaf travel beside each other, so that the workers'
 * follow each other in the order of the leaves.
 */
final class JoinedSums {
  private final boolean areDouble;

  /** This worker's leaves of each kind: arrays of floats or of doubles. */
  private final Object[] sums;

  private final int[][] exponents;
  private final LeafExchange.Leaves own;
  private final LeafExchange.Prepared exchange;

  /** The whole model's leaves of one kind. */
  private Object terms;

  private int[] powers;
  private final FloatTreeSum[] floatTrees;
  private final DoubleTreeSum[] doubleTrees;
  private final float[][] floatRoots;
  private final double[][] doubleRoots;
  private final int[][] rootExponents;

  /**
   * Prepares.
   *
   * @param exchange gives the leaves of the whole model
   * @param rule what is added up
   * @param areDouble whether in float64 arithmetic
   * @param sums this worker's leaves of each kind, read at every call: float[][] or double[][];
   *     none of a kind if it has nothing of the group
   * @param exponents likewise
   */
  JoinedSums(
      LeafExchange exchange, TensorSums rule, boolean areDouble, Object[] sums, int[][] exponents) {
    this.areDouble = areDouble;
    this.sums = sums;
    this.exponents = exponents;
    int kinds = sums.length;
    int leaves = Math.multiplyExact(kinds, exponents[0].length);
    this.own = new LeafExchange.Leaves(areDouble ? 0 : leaves, areDouble ? leaves : 0);
    this.exchange = exchange.prepare(own);
    this.floatTrees = new FloatTreeSum[areDouble ? 0 : kinds];
    this.doubleTrees = new DoubleTreeSum[areDouble ? kinds : 0];
    for (int k = 0; k < kinds; k++) {
      SumKind kind = SumKind.of(rule.kinds().get(k));
      if (areDouble) {
        doubleTrees[k] = new DoubleTreeSum(kind);
      } else {
        floatTrees[k] = new FloatTreeSum(kind);
      }
    }
    this.floatRoots = new float[floatTrees.length][1];
    this.doubleRoots = new double[doubleTrees.length][1];
    this.rootExponents = new int[kinds][1];
    resize(0);
  }

  private void resize(int leaves) {
    terms = areDouble ? new double[leaves] : new float[leaves];
    powers = new int[leaves];
  }

  /** Joins the leaves; waits for the other workers. Allocates nothing from the second time on. */
  void join() {
    int kinds = sums.length;
    Object ownSums = sums(own);
    int[] ownExponents = exponents(own);
    for (int k = 0; k < kinds; k++) {
      for (int leaf = 0; leaf < exponents[k].length; leaf++) {
        System.arraycopy(sums[k], leaf, ownSums, leaf * kinds + k, 1);
        ownExponents[leaf * kinds + k] = exponents[k][leaf];
      }
    }
    LeafExchange.Leaves all = exchange.all();
    Object allSums = sums(all);
    int[] allExponents = exponents(all);
    int leaves = allExponents.length / kinds;
    if (powers.length != leaves) {
      resize(leaves);
    }
    for (int k = 0; k < kinds; k++) {
      for (int leaf = 0; leaf < leaves; leaf++) {
        System.arraycopy(allSums, leaf * kinds + k, terms, leaf, 1);
        powers[leaf] = allExponents[leaf * kinds + k];
      }
      combine(k);
    }
  }

  private Object sums(LeafExchange.Leaves of) {
    return areDouble ? of.doubleSums() : of.floatSums();
  }

  private int[] exponents(LeafExchange.Leaves of) {
    return areDouble ? of.doubleExponents() : of.floatExponents();
  }

  private void combine(int kind) {
    if (areDouble) {
      DoubleTreeSum tree = doubleTrees[kind];
      tree.combine((double[]) terms, powers, 0, powers.length);
      doubleRoots[kind][0] = tree.sum;
      rootExponents[kind][0] = tree.exponent;
    } else {
      FloatTreeSum tree = floatTrees[kind];
      tree.combine((float[]) terms, powers, 0, powers.length);
      floatRoots[kind][0] = tree.sum;
      rootExponents[kind][0] = tree.exponent;
    }
  }

  /**
   * The last sums of float32 arithmetic, as if each were that of a single leaf.
   *
   * @return of each kind an array of one; the same arrays at every call
   */
  float[][] floatRoots() {
    return floatRoots;
  }

  /**
   * The last sums of float64 arithmetic, as if each were that of a single leaf.
   *
   * @return of each kind an array of one; the same arrays at every call
   */
  double[][] doubleRoots() {
    return doubleRoots;
  }

  /**
   * The exponents of the last sums.
   *
   * @return of each kind an array of one; the same arrays at every call
   */
  int[][] rootExponents() {
    return rootExponents;
  }
}
