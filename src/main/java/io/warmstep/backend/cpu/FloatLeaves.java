package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.rule.Access;
import io.warmstep.rule.TensorSums;

/**
 * One thread's leaves of float32 arithmetic: copies of their operands, where these are needed, and
 * the terms that a rule makes of them to be added up. A loop over terms and operands vectorizes
 * only where they have the same indices, so terms lie at those of the operands.
 */
final class FloatLeaves {
  private static final int LEAF = StepPlan.LEAF;

  /**
   * Elements that the phase works on at a time where they lie, before their terms are added up.
   * Each block starts with a wait for memory, so longer blocks wait less often, while shorter ones
   * leave more in the second-level cache.
   */
  private static final int IN_PLACE_BLOCK = 32 / Float.BYTES * LEAF;

  private final CpuFloatBlock block = new CpuFloatBlock();
  private final float[][] copies; // of values, gradients and state
  private final float[][] state;
  private final float[][] terms;
  private final FloatTreeSum[] trees;
  private final float[] one = new float[1];
  private final ElementScratch scratch = new ElementScratch(CpuStepProgram.COPY_BLOCK);

  FloatLeaves(int slots) {
    this.copies = new float[2 + slots][CpuStepProgram.COPY_BLOCK];
    this.state = new float[slots][];
    this.terms = new float[StepPlan.MAX_SUMS][CpuStepProgram.COPY_BLOCK];
    this.trees = new FloatTreeSum[SumKind.values().length];
    for (int i = 0; i < trees.length; i++) {
      trees[i] = new FloatTreeSum(SumKind.values()[i]);
    }
  }

  /** Makes room for what a span's elements are copied by, and for its terms. */
  void prepare(CpuSpan span) {
    span.prepare(scratch);
    int end = span.inPlaceEnd();
    if (span.factors != null && copies[span.inverses()].length < end) {
      copies[span.inverses()] = new float[end];
    }
    for (int i = 0; i < span.group.sums.kinds().size(); i++) {
      if (terms[i].length < end) {
        terms[i] = new float[end];
      }
      tree(span.group.sums, i).prepare(terms[i].length);
    }
  }

  /**
   * Does a rule's first phase on some leaves and adds their terms up.
   *
   * @param at first element, a leaf's
   * @param n how many
   * @param sums receives each sum
   * @param exponents receives each sum's exponent
   * @param leaf the first leaf's index in both
   */
  void sum(CpuSpan span, long at, int n, float[][] sums, int[][] exponents, int leaf) {
    for (int done = 0; done < n; ) {
      int left = Math.min(n - done, IN_PLACE_BLOCK);
      int count = (int) Math.min(left, span.contiguousFrom(at + done));
      if (count < left) {
        count -= count % LEAF;
      }
      int index = count > 0 ? indexInPlace(span, at + done, count) : -1;
      if (index < 0) {
        left = Math.min(left, CpuStepProgram.COPY_BLOCK);
        count = Math.min(count, left);
      }
      boolean isInOneArray = count > 0;
      if (!isInOneArray) {
        count = Math.min(left, LEAF);
      }
      int start = sumPart(span, at + done, count, isInOneArray, index);
      for (int i = 0; i < sums.length; i++) {
        FloatTreeSum tree = tree(span.group.sums, i);
        for (int from = 0; from < count; from += LEAF) {
          int its = leaf + (done + from) / LEAF;
          tree.leaf(block.terms(i), start + from, Math.min(LEAF, count - from));
          sums[i][its] = tree.sum;
          exponents[i][its] = tree.exponent;
        }
      }
      done += count;
    }
  }

  /** The index of some elements of one array where the phase may work in place, otherwise -1. */
  private int indexInPlace(CpuSpan span, long at, int n) {
    if (span.preparesGradients() || !span.isInPlace(at, n)) {
      return -1;
    }
    int index = span.memories[0].indexAt(span.offsets[0] + at);
    return index + n > terms[span.group.sums.kinds().size() - 1].length ? -1 : index;
  }

  /**
   * Does the phase on some elements.
   *
   * @param inPlace their index where they lie, or -1 to copy them
   * @return index of the first one's terms
   */
  private int sumPart(CpuSpan span, long at, int n, boolean isInOneArray, int inPlace) {
    GroupStep group = span.group;
    TensorSums rule = group.sums;
    Access access = rule.summing();
    int index = inPlace;
    int copied = 0; // operands before this one are
    if (index < 0) {
      index = isInOneArray ? span.stateIndex(at, n) : -1;
      copied = index < 0 ? span.memories.length : 2;
    }
    int start = Math.max(index, 0);
    load(span, at, n, start, access, copied);
    GroupGradients gradients = group.gradients;
    float scale =
        access.reads(1) && copied > 0
            ? gradients.prepare(copies[1], span.floatFactor, start, start + n)
            : gradients.floatScale();
    block.step(group.floatScalars, scale, (float) gradients.weightDecay());
    block.tensor(group.floatFirst);
    block.terms(terms);
    block.moved(span.factors != null);
    block.factored(span.factors != null);
    block.range(
        operand(span, 0, at, copied), operand(span, 1, at, copied), state, start, start + n);
    rule.sum(block);
    for (int i = 2; i < copied; i++) {
      if (access.writes(i)) {
        span.store(i, at, copies[i], start, n, scratch);
      }
    }
    if (span.movesRoundedState) { // terms are those of what is left of it
      for (int i = 2; i < copied; i++) {
        if (access.writes(i)) {
          span.load(i, at, copies[i], start, n, scratch);
        }
      }
      block.moved(true);
      rule.sum(block);
    }
    return start;
  }

  /** Copies the first operands, and finds the others where they lie. */
  private void load(CpuSpan span, long at, int n, int start, Access access, int copied) {
    for (int i = 0; i < span.memories.length; i++) {
      if (isCopied(span, i, copied) && access.reads(i)) {
        span.load(i, at, copies[i], start, n, scratch);
      }
      if (i >= 2) {
        state[i - 2] = operand(span, i, at, copied);
      }
    }
  }

  /** Inverse roots of what factors stand for lie nowhere. */
  private static boolean isCopied(CpuSpan span, int i, int copied) {
    return i < copied || (span.factors != null && i == span.inverses());
  }

  private float[] operand(CpuSpan span, int i, long at, int copied) {
    return isCopied(span, i, copied)
        ? copies[i]
        : (float[]) span.memories[i].arrayAt(span.offsets[i] + at);
  }

  private FloatTreeSum tree(TensorSums rule, int sum) {
    return trees[SumKind.of(rule.kinds().get(sum)).ordinal()];
  }

  /** Has the rule form the numbers of the first phase from the group's state. */
  void begin(CpuSpan span) {
    GroupStep group = span.group;
    CpuFloatSums state = group.floatSums;
    state.group(0, group.floatScalars);
    loadKept(span, state);
    group.sums.begin(state);
    state.copyNumbers(group.floatFirst);
  }

  /**
   * Adds the leaves of a tensor up, or of a group, and has the rule form its numbers.
   *
   * @param spans the tensor, or all of the group
   * @param count of their elements
   */
  void numbers(CpuSpan[] spans, long count, float[][] sums, int[][] exponents) {
    CpuSpan span = spans[0];
    GroupStep group = span.group;
    CpuFloatSums tensor = group.floatSums;
    if (group.sums.areOfGroup()) {
      tensor.group(count, group.floatScalars);
    } else {
      tensor.tensor(count, span.rows, group.floatScalars);
    }
    for (int i = 0; i < sums.length; i++) {
      FloatTreeSum tree = tree(group.sums, i);
      tree.combine(sums[i], exponents[i], 0, sums[i].length);
      tensor.sum(i, tree.root());
    }
    loadKept(span, tensor);
    group.sums.numbers(tensor);
    for (int i = 0; i < span.kept.length; i++) {
      one[0] = tensor.kept(i);
      ((CpuMemory) span.kept[i].memory()).store(span.kept[i].offset(), one, 0, 1, scratch);
    }
    for (CpuSpan each : spans) {
      tensor.copyNumbers(each.floatNumbers);
    }
  }

  private void loadKept(CpuSpan span, CpuFloatSums to) {
    for (int i = 0; i < span.kept.length; i++) {
      ((CpuMemory) span.kept[i].memory()).load(span.kept[i].offset(), one, 0, 1, scratch);
      to.keep(i, one[0]);
    }
  }
}
