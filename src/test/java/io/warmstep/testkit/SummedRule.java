package io.warmstep.testkit;

import io.warmstep.ElementType;
import io.warmstep.Norm;
import io.warmstep.backend.cpu.CpuDoubleSums;
import io.warmstep.backend.cpu.CpuFloatSums;
import io.warmstep.rule.NewtonSchulz;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import java.util.Arrays;

/**
 * A step of a rule that adds something up over a tensor: its own Java loops over one element at a
 * time, its terms added up by {@link ReferenceNorm}. That the loops are the rule is a matter of the
 * golden cases.
 */
final class SummedRule {
  private final UpdateRule rule;
  private final TensorSums sums;
  private final Arithmetic a;
  private final double[] scalars;
  private final double weightDecay;

  SummedRule(UpdateRule rule, Arithmetic a, long step, double rate) {
    this.rule = rule;
    this.sums = rule.sums().orElseThrow();
    this.a = a;
    this.scalars = new double[rule.scalarNames().size()];
    StepValues at = new StepValues(step, rate);
    rule.scalars(at, scalars);
    this.weightDecay = rule.coupledWeightDecay(at);
  }

  /**
   * Updates a tensor.
   *
   * @param elements a row for each: the parameter, then its state
   * @param shape of the tensor
   * @param kept state of the tensor as a whole
   * @param factors state of its rows and columns by slot, if the rule has it
   * @param gradients after all factors: gradient scale over loss scale, clipping and the sign of
   *     maximize
   * @param storing what is left of a slot that the first phase has written
   * @param extent how the tensor consists of these elements
   */
  void update(
      double[][] elements,
      long[] shape,
      double[] kept,
      double[][] factors,
      double[] gradients,
      Reference.Storing storing,
      Extent extent) {
    if (elements.length == 0) {
      return;
    }
    double[][] terms = new double[sums.kinds().size()][elements.length];
    OneElement loop =
        OneElement.of(rule, a, elements[0].length - 1, terms.length, scalars, weightDecay);
    if (rule.isFactored() && shape.length > 1) {
      factor(elements, shape, factors, gradients);
      loop.factored();
    }
    for (int i = 0; i < elements.length; i++) {
      double[] before = elements[i].clone();
      loop.sum(elements[i], gradients[i], terms, i);
      check(before, elements[i]);
    }
    store(elements, storing);
    loop.moved();
    for (int i = 0; i < elements.length; i++) {
      loop.sum(elements[i], gradients[i], terms, i); // of what is stored
    }
    double[] roots = new double[terms.length];
    ElementType type = a == Arithmetic.FLOAT64 ? ElementType.FLOAT64 : ElementType.FLOAT32;
    for (int j = 0; j < terms.length; j++) {
      Norm norm = sums.kinds().get(j) == TensorSums.Kind.NORM ? Norm.L2 : Norm.L1;
      roots[j] = extent.root(type, norm, terms[j]);
    }
    double[] numbers = numbers(roots, extent.count(elements.length), extent.rows(shape[0]), kept);
    rule.matrix().ifPresent(phase -> iterate(phase, elements, (int) shape[0], numbers[0]));
    loop.tensor(numbers);
    for (int i = 0; i < elements.length; i++) {
      loop.update(elements[i], gradients[i]);
    }
  }

  /** Slot 0 becomes the inverse roots of what the factors of slots 1 and 2 stand for. */
  private void factor(double[][] elements, long[] shape, double[][] factors, double[] gradients) {
    int last = shape.length - 1;
    double eps = a.round(scalars[1]);
    if (eps == 0) {
      eps = a == Arithmetic.FLOAT64 ? 0x1p-52 : 0x1p-23;
    }
    double[] inverses =
        new ReferenceFactors(a, (int) shape[last - 1], (int) shape[last])
            .move(gradients, factors[1], factors[2], a.round(scalars[0]), eps);
    for (int i = 0; i < inverses.length; i++) {
      elements[i][1] = inverses[i];
    }
  }

  /** What the first phase writes becomes what is left of it. */
  private void store(double[][] elements, Reference.Storing storing) {
    for (int slot = 0; slot < elements[0].length - 1; slot++) {
      if (sums.summing().writes(2 + slot)) {
        int its = 1 + slot;
        double[] column = Arrays.stream(elements).mapToDouble(element -> element[its]).toArray();
        double[] left = storing.left(slot, column);
        for (int i = 0; i < left.length; i++) {
          elements[i][its] = left[i];
        }
      }
    }
  }

  private void iterate(NewtonSchulz phase, double[][] elements, int rows, double divisor) {
    int slot = 1 + phase.slot();
    double[] column = Arrays.stream(elements).mapToDouble(element -> element[slot]).toArray();
    double[] result = new ReferenceMatrix(a).iterate(phase, column, rows, divisor);
    for (int i = 0; i < result.length; i++) {
      elements[i][slot] = result[i];
    }
  }

  /** The first phase writes only what it says. */
  private void check(double[] before, double[] after) {
    for (int i = 0; i < before.length; i++) {
      int operand = i == 0 ? 0 : i + 1;
      if (!sums.summing().writes(operand) && Double.compare(before[i], after[i]) != 0) {
        throw new AssertionError(rule + " writes operand " + operand + " in its first phase");
      }
    }
  }

  private double[] numbers(double[] roots, long count, long rows, double[] kept) {
    double[] numbers = new double[sums.numberNames().size()];
    if (a == Arithmetic.FLOAT64) {
      CpuDoubleSums tensor = new CpuDoubleSums(roots.length, kept.length, numbers.length);
      tensor.tensor(count, rows, scalars);
      for (int i = 0; i < roots.length; i++) {
        tensor.sum(i, roots[i]);
      }
      for (int i = 0; i < kept.length; i++) {
        tensor.keep(i, kept[i]);
      }
      sums.numbers(tensor);
      Arrays.setAll(kept, tensor::kept);
      tensor.copyNumbers(numbers);
      return numbers;
    }
    CpuFloatSums tensor = new CpuFloatSums(roots.length, kept.length, numbers.length);
    tensor.tensor(count, rows, Numbers.floats(scalars));
    for (int i = 0; i < roots.length; i++) {
      tensor.sum(i, (float) roots[i]);
    }
    for (int i = 0; i < kept.length; i++) {
      tensor.keep(i, (float) kept[i]);
    }
    sums.numbers(tensor);
    Arrays.setAll(kept, tensor::kept);
    float[] rounded = new float[numbers.length];
    tensor.copyNumbers(rounded);
    Arrays.setAll(numbers, i -> rounded[i]);
    return numbers;
  }
}
