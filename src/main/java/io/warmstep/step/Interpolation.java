package io.warmstep.step;

import io.warmstep.rule.Access;
import io.warmstep.rule.DoubleBlock;
import io.warmstep.rule.FloatBlock;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import java.util.List;

/**
 * A pass of the optimizer's own, in the form of a rule without gradients: moves parameters towards
 * a slot of their state, {@code p = p + weight * (s - p)}, and right there with a weight of 1. Its
 * one scalar is the weight.
 */
public final class Interpolation implements UpdateRule {
  /** Moves parameters alone. */
  public static final Interpolation PASS = new Interpolation("interpolation", false);

  /** Has the slot become what parameters become, before they are rounded to their type. */
  public static final Interpolation LOOKAHEAD = new Interpolation("lookahead", true);

  private static final List<StateSlot> SLOTS = List.of(new StateSlot("target"));
  private static final List<String> SCALARS = List.of("weight");
  private static final int BOTH = Access.PARAMETER | Access.state(0);

  private final String name;
  private final boolean movesBoth;

  private Interpolation(String name, boolean movesBoth) {
    this.name = name;
    this.movesBoth = movesBoth;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<StateSlot> stateSlots() {
    return SLOTS;
  }

  @Override
  public boolean maximize() {
    return false;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return 0;
  }

  @Override
  public UpdateRule weightDecay(double weightDecay) {
    throw new UnsupportedOperationException("a pass decays no weights");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    out[0] = 1;
  }

  @Override
  public Access access() {
    return new Access(BOTH, movesBoth ? BOTH : Access.PARAMETER);
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] s = block.state(0);
    float weight = block.scalar(0);
    boolean copies = weight == 1;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float si = s[i];
      p[i] = copies ? si : Math.fma(weight, si - pi, pi);
    }
    if (movesBoth) {
      System.arraycopy(p, block.start(), s, block.start(), block.end() - block.start());
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] s = block.state(0);
    double weight = block.scalar(0);
    boolean copies = weight == 1;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double si = s[i];
      p[i] = copies ? si : Math.fma(weight, si - pi, pi);
    }
    if (movesBoth) {
      System.arraycopy(p, block.start(), s, block.start(), block.end() - block.start());
    }
  }
}
