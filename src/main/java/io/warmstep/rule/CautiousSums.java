package io.warmstep.rule;

import java.util.List;

/**
 * The sum that a cautious rule computes (Liang et al. 2024): how many elements of a tensor agree
 * with their gradient. Only these are updated, scaled up to compensate for the rest. The rule's
 * first state slot is the average m of gradients, {@code beta * m + (1 - beta) * g} is the
 * direction, and both factors are its scalars 2 and 3. If the rule looks ahead, the direction is
 * the average of that and the gradient once more.
 */
final class CautiousSums implements TensorSums {
  /** Lower bound on the mean of the mask. */
  static final double LEAST = 1e-3;

  /** Its index among a rule's scalars. */
  static final int LEAST_SCALAR = 6;

  /** The index of the scalar that is 1 if the rule looks ahead, and otherwise 0. */
  static final int LOOKS_AHEAD_SCALAR = 7;

  private static final List<Kind> KINDS = List.of(Kind.MAGNITUDES);
  private static final List<String> NUMBERS = List.of("maskScale");
  private static final Access SUMMING = new Access(Access.GRADIENT | Access.state(0), 0);

  @Override
  public List<Kind> kinds() {
    return KINDS;
  }

  @Override
  public Access summing() {
    return SUMMING;
  }

  @Override
  public Access updating() {
    return Access.ALL;
  }

  @Override
  public List<String> numberNames() {
    return NUMBERS;
  }

  @Override
  public void sum(FloatBlock block) {
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] mask = block.terms(0);
    float scale = block.gradientScale();
    float beta = block.scalar(2);
    float fresh = block.scalar(3);
    boolean looksAhead = block.scalar(LOOKS_AHEAD_SCALAR) != 0;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float gi = scale * g[i];
      float direction = Math.fma(beta, m[i], fresh * gi);
      if (looksAhead) {
        direction = Math.fma(beta, direction, fresh * gi);
      }
      mask[i] = Signs.agrees(direction, gi);
    }
  }

  @Override
  public void sum(DoubleBlock block) {
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] mask = block.terms(0);
    double scale = block.gradientScale();
    double beta = block.scalar(2);
    double fresh = block.scalar(3);
    boolean looksAhead = block.scalar(LOOKS_AHEAD_SCALAR) != 0;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double gi = scale * g[i];
      double direction = Math.fma(beta, m[i], fresh * gi);
      if (looksAhead) {
        direction = Math.fma(beta, direction, fresh * gi);
      }
      mask[i] = Signs.agrees(direction, gi);
    }
  }

  @Override
  public void numbers(FloatSums tensor) {
    float count = tensor.count();
    tensor.number(0, count / Math.max(tensor.sum(0), tensor.scalar(LEAST_SCALAR) * count));
  }

  @Override
  public void numbers(DoubleSums tensor) {
    double count = tensor.count();
    tensor.number(0, count / Math.max(tensor.sum(0), tensor.scalar(LEAST_SCALAR) * count));
  }
}
