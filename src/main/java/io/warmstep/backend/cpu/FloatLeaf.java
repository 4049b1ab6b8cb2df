package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.rule.Access;
import io.warmstep.rule.FloatBlock;
import io.warmstep.rule.FloatSums;
import io.warmstep.rule.TensorSums;

/**
 * One thread's leaf of float32 arithmetic: copies of its operands, and the terms that a rule makes
 * of them to be added up. A loop over terms and operands vectorizes only where they have the same
 * indices, which is why even arrays are copied.
 */
final class FloatLeaf {
  private static final int LEAF = StepPlan.LEAF;

  private final FloatBlock block = new FloatBlock();
  private final float[] parameters = new float[LEAF];
  private final float[] gradients = new float[LEAF];
  private final float[][] state;
  private final float[][] terms;
  private final FloatTreeSum[] trees;
  private final float[] one = new float[1];
  private final ElementScratch scratch = new ElementScratch(LEAF);
  private final boolean clips;
  private final float clipValue;

  FloatLeaf(int slots, boolean clips, float clipValue) {
    this.state = new float[slots][LEAF];
    this.terms = new float[StepPlan.MAX_SUMS][LEAF];
    this.trees = new FloatTreeSum[SumKind.values().length];
    for (int i = 0; i < trees.length; i++) {
      trees[i] = new FloatTreeSum(SumKind.values()[i]);
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
  void sum(CpuRun run, long at, int n, float[][] sums, int[][] exponents, int leaf) {
    GroupStep group = run.group;
    TensorSums rule = group.sums;
    Access access = rule.summing();
    for (int i = 0; i < run.memories.length; i++) {
      if (access.reads(i)) {
        run.load(i, at, copy(i), 0, n, scratch);
      }
    }
    float scaleLeft = group.floatScale;
    if (access.reads(1)) {
      if (group.floatPrescale != 1) {
        FloatWork.scale(gradients, group.floatPrescale, 0, n);
      }
      if (clips) {
        FloatWork.clip(gradients, group.floatScale, clipValue, 0, n);
        scaleLeft = 1;
      }
    }
    block.step(group.floatScalars, scaleLeft, (float) group.weightDecay);
    block.tensor(group.floatFirst);
    block.terms(terms);
    block.moved(run.factors != null);
    block.range(parameters, gradients, state, 0, n);
    rule.sum(block);
    for (int i = 2; i < run.memories.length; i++) {
      if (access.writes(i)) {
        run.store(i, at, copy(i), 0, n, scratch);
      }
    }
    if (run.movesRoundedState) { // terms are those of what is left of it
      for (int i = 2; i < run.memories.length; i++) {
        if (access.writes(i)) {
          run.load(i, at, copy(i), 0, n, scratch);
        }
      }
      block.moved(true);
      rule.sum(block);
    }
    for (int i = 0; i < sums.length; i++) {
      FloatTreeSum tree = tree(rule, i);
      tree.leaf(terms[i], n);
      sums[i][leaf] = tree.sum;
      exponents[i][leaf] = tree.exponent;
    }
  }

  private float[] copy(int operand) {
    return operand == 0 ? parameters : operand == 1 ? gradients : state[operand - 2];
  }

  private FloatTreeSum tree(TensorSums rule, int sum) {
    return trees[SumKind.of(rule.kinds().get(sum)).ordinal()];
  }

  /** Has the rule form the numbers of the first phase from the group's state. */
  void begin(CpuRun run) {
    GroupStep group = run.group;
    FloatSums state = group.floatSums;
    state.group(0, group.floatScalars);
    loadKept(run, state);
    group.sums.begin(state);
    state.copyNumbers(group.floatFirst);
  }

  /**
   * Adds the leaves of a tensor up, or of a group, and has the rule form its numbers.
   *
   * @param runs the tensor, or all of the group
   * @param count of their elements
   */
  void numbers(CpuRun[] runs, long count, float[][] sums, int[][] exponents) {
    CpuRun run = runs[0];
    GroupStep group = run.group;
    FloatSums tensor = group.floatSums;
    if (group.sums.areOfGroup()) {
      tensor.group(count, group.floatScalars);
    } else {
      tensor.tensor(count, run.rows, group.floatScalars);
    }
    for (int i = 0; i < sums.length; i++) {
      FloatTreeSum tree = tree(group.sums, i);
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
      tensor.copyNumbers(each.floatNumbers);
    }
  }

  private void loadKept(CpuRun run, FloatSums to) {
    for (int i = 0; i < run.kept.length; i++) {
      ((CpuMemory) run.kept[i].memory()).load(run.kept[i].offset(), one, 0, 1, scratch);
      to.keep(i, one[0]);
    }
  }
}
