package io.warmstep.rule;

import io.warmstep.check.Arguments;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Lookahead (Zhang et al. 2019, arXiv 1907.08610) around another rule, which moves the parameters
 * as it would by itself. After every k-th step:
 *
 * <pre>
 * p = alpha * p + (1 - alpha) * slow            (slow = p before the first step)
 * slow = p
 * </pre>
 *
 * The state of the other rule is not touched. None of this happens in a step with a learning rate
 * of 0. State: the other rule's and {@code slow_params}.
 *
 * <pre>{@code
 * Optimizer.of(parameters).rule(Lookahead.around(Adam.adamW()).k(6).alpha(0.5));
 * }</pre>
 */
public final class Lookahead implements UpdateRule {
  /** The name of the slow weights. */
  private static final String SLOT = "slow_params";

  private static final String K = "lookaheadK";
  private static final String ALPHA = "lookaheadAlpha";

  private final UpdateRule rule;
  private final long k;
  private final double alpha;
  private final List<StateSlot> slots;
  private final Access access;

  private Lookahead(UpdateRule rule, long k, double alpha) {
    Arguments.requireAtLeast("lookahead: k", k, 1, "pass a number of steps such as 5");
    Arguments.require(
        alpha > 0 && alpha <= 1,
        "lookahead: alpha",
        alpha,
        "above 0 and at most 1",
        "pass what counts for the parameters, such as 0.5");
    if (rule.evaluation().isPresent() || rule.slowWeights().isPresent()) {
      throw Arguments.refusal(
          "lookahead: rule",
          rule.name(),
          "one whose parameters no other weights follow, since moving the parameters alone would"
              + " break what ties these to them",
          "use it without Lookahead");
    }
    if (rule.isFactored()) {
      throw Arguments.refusal(
          "lookahead: rule",
          rule.name(),
          "one that keeps a value of state for each element, since the slow weights have one: "
              + rule.name()
              + " has only numbers of the rows and columns of a matrix",
          "use it without Lookahead, or choose a rule such as Adam.adamW()");
    }
    this.rule = rule;
    this.k = k;
    this.alpha = alpha;
    slots = new ArrayList<>(rule.stateSlots());
    // Placed after the slots that the rule's kernels know, which count a rule's operands.
    int elements = (int) slots.stream().filter(s -> !s.isOneValue()).count();
    slots.add(elements, StateSlot.copyOfParameter(SLOT));
    int others = ~Access.state(elements);
    access = new Access(rule.access().reads() & others, rule.access().writes() & others);
  }

  /**
   * Lookahead with its authors' defaults, k 5 and alpha 0.5.
   *
   * @param rule the rule that moves the parameters
   * @return the combined rule
   * @throws IllegalArgumentException if other weights already follow the rule's parameters, as
   *     under Schedule-Free and ASGD, or if it keeps its state as factors; the message says why
   */
  public static Lookahead around(UpdateRule rule) {
    Arguments.requirePresent("rule", rule, "pass one such as Adam.adamW()");
    return new Lookahead(rule, 5, 0.5);
  }

  /**
   * Returns a copy with another period.
   *
   * @param k a number of steps, at least 1
   * @return a copy
   */
  public Lookahead k(long k) {
    return new Lookahead(rule, k, alpha);
  }

  /**
   * Returns a copy with another weight of the parameters.
   *
   * @param alpha above 0 and at most 1
   * @return a copy
   */
  public Lookahead alpha(double alpha) {
    return new Lookahead(rule, k, alpha);
  }

  @Override
  public Lookahead weightDecay(double weightDecay) {
    return new Lookahead(rule.weightDecay(weightDecay), k, alpha);
  }

  /** The hyperparameters of the other rule and of this one. */
  Map<String, Object> settings() {
    Map<String, Object> settings = new LinkedHashMap<>(RuleSettings.values(rule));
    settings.put(K, k);
    settings.put(ALPHA, alpha);
    return settings;
  }

  /** The same rule with other values of existing hyperparameters. */
  Lookahead with(Map<String, ?> values) {
    Map<String, Object> others = new LinkedHashMap<>(values);
    Object otherK = others.remove(K);
    Object otherAlpha = others.remove(ALPHA);
    return new Lookahead(
        RuleSettings.with(rule, others),
        otherK == null ? k : ((Number) otherK).longValue(),
        otherAlpha == null ? alpha : ((Number) otherAlpha).doubleValue());
  }

  @Override
  public Optional<SlowWeights> slowWeights() {
    return Optional.of(new SlowWeights(SLOT, k, 1 - alpha));
  }

  @Override
  public List<StateSlot> stateSlots() {
    return slots;
  }

  @Override
  public Access access() {
    return access;
  }

  @Override
  public String name() {
    return rule.name();
  }

  @Override
  public String kernel() {
    return rule.kernel();
  }

  @Override
  public String sumsKernel() {
    return rule.sumsKernel();
  }

  @Override
  public boolean maximize() {
    return rule.maximize();
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return rule.coupledWeightDecay(at);
  }

  @Override
  public int options() {
    return rule.options();
  }

  @Override
  public List<String> movable() {
    return rule.movable();
  }

  @Override
  public List<String> scalarNames() {
    return rule.scalarNames();
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    rule.scalars(at, out);
  }

  @Override
  public List<StateSlot> keptNumbers() {
    return rule.keptNumbers();
  }

  @Override
  public void advance(StepValues at, double[] kept) {
    rule.advance(at, kept);
  }

  @Override
  public Optional<TensorSums> sums() {
    return rule.sums();
  }

  @Override
  public Optional<NewtonSchulz> matrix() {
    return rule.matrix();
  }

  @Override
  public List<StateSlot> stateSlots(int dimensions) {
    return slots.stream().filter(slot -> slot.isOf(dimensions)).toList();
  }

  @Override
  public boolean isFactored() {
    return rule.isFactored();
  }

  @Override
  public boolean isOfOneType() {
    return rule.isOfOneType();
  }

  @Override
  public int minDimensions() {
    return rule.minDimensions();
  }

  @Override
  public double clipNorm() {
    return rule.clipNorm();
  }

  @Override
  public double clipEps() {
    return rule.clipEps();
  }

  @Override
  public void update(FloatBlock block) {
    rule.update(block);
  }

  @Override
  public void update(DoubleBlock block) {
    rule.update(block);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Lookahead that
        && rule.equals(that.rule)
        && k == that.k
        && alpha == that.alpha;
  }

  @Override
  public int hashCode() {
    return rule.hashCode() + Long.hashCode(k) * 31 + Double.hashCode(alpha) * 37;
  }

  @Override
  public String toString() {
    return "Lookahead[k=" + k + ", alpha=" + alpha + "] around " + rule;
  }
}
