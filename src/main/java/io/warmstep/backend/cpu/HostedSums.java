package io.warmstep.backend.cpu;

import io.warmstep.rule.TensorSums;
import io.warmstep.step.LeafExchange;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The sums of a group of which other workers have parts, for a device whose leaves go by way of the
 * host: what all of them come to takes the place of the group's first leaf there, as if it were the
 * only one.
 */
public final class HostedSums {
  private final JoinedSums joined;
  private final int kinds;
  private final boolean areDouble;
  private final int leaves;
  private final float[][] floatSums;
  private final double[][] doubleSums;
  private final int[][] powers;
  private final ByteBuffer sums;
  private final ByteBuffer exponents;

  /**
   * Makes room.
   *
   * @param exchange gives the leaves of the whole model
   * @param rule what is added up
   * @param areDouble whether in float64 arithmetic
   * @param leaves this worker's; 0 if it has nothing of the group
   */
  public HostedSums(LeafExchange exchange, TensorSums rule, boolean areDouble, int leaves) {
    this.kinds = rule.kinds().size();
    this.areDouble = areDouble;
    this.leaves = leaves;
    this.floatSums = new float[areDouble ? 0 : kinds][leaves];
    this.doubleSums = new double[areDouble ? kinds : 0][leaves];
    this.powers = new int[kinds][leaves];
    this.joined =
        new JoinedSums(exchange, rule, areDouble, areDouble ? doubleSums : floatSums, powers);
    int room = Math.multiplyExact(kinds, Math.max(1, leaves));
    this.sums = direct(Math.multiplyExact(room, realBytes()));
    this.exponents = direct(Math.multiplyExact(room, Integer.BYTES));
  }

  private static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  /**
   * How many sums there are.
   *
   * @return at least 1
   */
  public int kinds() {
    return kinds;
  }

  /**
   * How many leaves each has.
   *
   * @return 0 if this worker has nothing of the group
   */
  public int leaves() {
    return leaves;
  }

  /**
   * Bytes of a leaf's sum.
   *
   * @return 4 or 8
   */
  public int realBytes() {
    return areDouble ? Double.BYTES : Float.BYTES;
  }

  /**
   * The leaves of one sum after those of the other, to be filled, and then the roots.
   *
   * @param sum which one
   * @param count how many of its leaves, or of the roots
   * @return a direct buffer of these alone
   */
  public ByteBuffer sums(int sum, int count) {
    return sums.slice(sum * count * realBytes(), count * realBytes());
  }

  /**
   * Likewise their exponents.
   *
   * @param sum which one
   * @param count how many of its leaves, or of the roots
   * @return a direct buffer of these alone
   */
  public ByteBuffer exponents(int sum, int count) {
    return exponents.slice(sum * count * Integer.BYTES, count * Integer.BYTES);
  }

  /** Puts the roots in the place of the leaves; waits for the other workers. */
  public void join() {
    for (int k = 0; k < kinds; k++) {
      if (areDouble) {
        sums.asDoubleBuffer().get(k * leaves, doubleSums[k]);
      } else {
        sums.asFloatBuffer().get(k * leaves, floatSums[k]);
      }
      exponents.asIntBuffer().get(k * leaves, powers[k]);
    }
    joined.join();
    for (int k = 0; k < kinds; k++) {
      if (areDouble) {
        sums.putDouble(k * Double.BYTES, joined.doubleRoots()[k][0]);
      } else {
        sums.putFloat(k * Float.BYTES, joined.floatRoots()[k][0]);
      }
      exponents.putInt(k * Integer.BYTES, joined.rootExponents()[k][0]);
    }
  }
}
