package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.rule.Access;
import io.warmstep.rule.DoubleBlock;
import io.warmstep.rule.DoubleSums;
import io.warmstep.rule.TensorSums;

/**
 * One thread's leaf of float64 arithmetic: copies of its operands, and the terms that a rule makes
 * of them to be added up. A loop over terms and operands vectorizes only where they have the same
 * indices, which is why even arrays are copied.
 */
final class DoubleLeaf {
  private static final int LEAF = StepPlan.LEAF;

  private final DoubleBlock block = new DoubleBlock();
  private final double[] parameters = new double[LEAF];
  private final double[] gradients = new double[LEAF];
  private final double[][] state;
  private final double[][] terms;
  private final DoubleTreeSum[] trees;
  private final double[] one = new double[1];
  private final ElementScratch scratch = new ElementScratch(LEAF);
  private final boolean clips;
  private final double clipValue;

  DoubleLeaf(int slots, boolean clips, double clipValue) {
    this.state = new double[slots][LEAF];
    this.terms = new double[StepPlan.MAX_SUMS][LEAF];
    this.trees = new DoubleTreeSum[SumKind.values().length];
    for (int i = 0; i < trees.length; i++) {
      trees[i] = new DoubleTreeSum(SumKind.values()[i]);
    }
    this.clips = clips;
    this.clipValue = clipValue;
  }

  /** Makes room for what a run's elements are copied by. */
  void prepare(CpuRun run) {
    run.prepare(scratch);
  }

  /**
   * Does a rule's first phase on a leaf and adds its terms up.
   *
   * @param at first element
   * @param n how many
   * @param sums receives each sum
   * @param exponents receives each sum's exponent
   * @param leaf the leaf's index in both
   */
  void sum(CpuRun run, long at, int n, double[][] sums, int[][] exponents, int leaf) {
    GroupStep group = run.group;
    TensorSums rule = group.sums;
    Access access = rule.summing();
    for (int i = 0; i < run.memories.length; i++) {
      if (access.reads(i)) {
        run.load(i, at, copy(i), 0, n, scratch);
      }
    }
    double scaleLeft = group.doubleScale;
    if (access.reads(1)) {
      if (group.doublePrescale != 1) {
        DoubleWork.scale(gradients, group.doublePrescale, 0, n);
      }
      if (clips) {
        DoubleWork.clip(gradients, group.doubleScale, clipValue, 0, n);
        scaleLeft = 1;
      }
    }
    block.step(group.doubleScalars, scaleLeft, group.weightDecay);
    block.tensor(group.doubleFirst);
    block.terms(terms);
    block.moved(run.factors != null);
    block.range(parameters, gradients, state, 0, n);
    rule.sum(block);
    for (int i = 2; i < run.memories.length; i++) {
      if (access.writes(i)) {
        run.store(i, at, copy(i), 0, n, scratch);
      }
    }
    for (int i = 0; i < sums.length; i++) {
      DoubleTreeSum tree = tree(rule, i);
      tree.leaf(terms[i], n);
      sums[i][leaf] = tree.sum;
      exponents[i][leaf] = tree.exponent;
    }
  }

  private double[] copy(int operand) {
    return operand == 0 ? parameters : operand == 1 ? gradients : state[operand - 2];
  }

  private DoubleTreeSum tree(TensorSums rule, int sum) {
    return trees[SumKind.of(rule.kinds().get(sum)).ordinal()];
  }

  /** Has the rule form the numbers of the first phase from the group's state. */
  void begin(CpuRun run) {
    GroupStep group = run.group;
    DoubleSums state = group.doubleSums;
    state.group(0, group.doubleScalars);
    loadKept(run, state);
    group.sums.begin(state);
    state.copyNumbers(group.doubleFirst);
  }

  /**
   * Adds the leaves of a tensor up, or of a group, and has the rule form its numbers.
   *
   * @param runs the tensor, or all of the group
   * @param count of their elements
   */
  void numbers(CpuRun[] runs, long count, double[][] sums, int[][] exponents) {
    CpuRun run = runs[0];
    GroupStep group = run.group;
    DoubleSums tensor = group.doubleSums;
    if (group.sums.areOfGroup()) {
      tensor.group(count, group.doubleScalars);
    } else {
      tensor.tensor(count, run.rows, group.doubleScalars);
    }
    for (int i = 0; i < sums.length; i++) {
      DoubleTreeSum tree = tree(group.sums, i);
      tree.combine(sums[i], exponents[i], 0, sums[i].length);
      tensor.sum(i, tree.root());
    }
    loadKept(run, tensor);
    group.sums.numbers(tensor);
    for (int i = 0; i < run.kept.length; i++) {
      one[0] = tensor.kept(i);
      ((CpuMemory) run.kept[i].memory()).store(run.kept[i].offset(), one, 0, 1, scratch);
    }
    for (CpuRun each : runs) {
      tensor.copyNumbers(each.doubleNumbers);
    }
  }

  private void loadKept(CpuRun run, DoubleSums to) {
    for (int i = 0; i < run.kept.length; i++) {
      ((CpuMemory) run.kept[i].memory()).load(run.kept[i].offset(), one, 0, 1, scratch);
      to.keep(i, one[0]);
    }
  }
}
