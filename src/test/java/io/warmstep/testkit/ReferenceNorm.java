package io.warmstep.testkit;

import io.warmstep.ElementType;
import io.warmstep.Norm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.LongStream;

/**
 * The global norm's tree by its recursive definition. A leaf is 4096 elements of one tensor, padded
 * with zeros; the square of element {@code i + 2048} is fused onto that of element {@code i}, and
 * from there on halves are added. A sum is kept as {@code value * 4^exponent}. Sums of magnitudes
 * are {@code value * 2^exponent}, and the largest magnitude is a maximum in any order.
 */
public final class ReferenceNorm {
  private static final int LEAF = 4096;

  /** A scaled sum of squares or magnitudes. */
  public record Sum(double value, int exponent) {}

  private final Arithmetic a;
  private final Norm norm;
  private final int minExponent;
  private final int maxExponent;
  private final double bound;

  private ReferenceNorm(ElementType type, Norm norm) {
    a = Arithmetic.of(type);
    this.norm = norm;
    boolean isDouble = type == ElementType.FLOAT64;
    minExponent = isDouble ? Double.MIN_EXPONENT : Float.MIN_EXPONENT;
    maxExponent = isDouble ? Double.MAX_EXPONENT : Float.MAX_EXPONENT;
    bound = isDouble ? 0x1p512 : 0x1p64;
  }

  /** The norm of tensors of one arithmetic type, in the order of the parameters. */
  public static double of(ElementType type, List<double[]> tensors) {
    return of(type, Norm.L2, tensors);
  }

  /** Likewise another norm. */
  public static double of(ElementType type, Norm norm, List<double[]> tensors) {
    return new ReferenceNorm(type, norm).root(tensors, 1);
  }

  /**
   * The norm of gradients times a gradient scale.
   *
   * @param scale a power of two
   */
  public static double scaled(ElementType type, List<double[]> tensors, double scale) {
    return new ReferenceNorm(type, Norm.L2).root(tensors, scale);
  }

  /**
   * The norm of a tensor of which all other elements are 0.
   *
   * @param elements some of them
   * @param places their numbers, ascending
   * @param length of the tensor
   */
  public static double sparse(
      ElementType type, Norm norm, double[] elements, long[] places, long length) {
    SortedMap<Long, double[]> leaves = new TreeMap<>();
    for (int i = 0; i < elements.length; i++) {
      double[] leaf = leaves.computeIfAbsent(places[i] / LEAF, key -> new double[LEAF]);
      leaf[(int) (places[i] % LEAF)] = elements[i];
    }
    ReferenceNorm reference = new ReferenceNorm(type, norm);
    SortedMap<Long, Sum> sums = new TreeMap<>();
    leaves.forEach((number, leaf) -> sums.put(number, reference.leaf(leaf)));
    return reference.root(reference.combine(sums, (length + LEAF - 1) / LEAF));
  }

  /** The sum of a leaf of at most 4096 elements. */
  public static Sum leaf(ElementType type, double[] elements) {
    return new ReferenceNorm(type, Norm.L2).leaf(elements);
  }

  /** The sum of sums. */
  public static Sum combine(ElementType type, List<Sum> sums) {
    return new ReferenceNorm(type, Norm.L2).combine(sums);
  }

  /** {@code min(1, maxNorm / (norm + 1e-6))} in a type's arithmetic. */
  public static double clipFactor(ElementType type, double maxNorm, double norm) {
    Arithmetic a = Arithmetic.of(type);
    double ratio = a.over(a.round(maxNorm), a.plus(norm, a.round(1e-6)));
    return ratio > 1 ? 1 : ratio;
  }

  private double root(List<double[]> tensors, double scale) {
    if (norm == Norm.MAX) {
      return tensors.stream().flatMapToDouble(Arrays::stream).map(Math::abs).reduce(0, Math::max);
    }
    List<Sum> leaves = new ArrayList<>();
    for (double[] tensor : tensors) {
      for (int from = 0; from < tensor.length; from += LEAF) {
        leaves.add(leaf(Arrays.copyOfRange(tensor, from, Math.min(tensor.length, from + LEAF))));
      }
    }
    return a.round(root(combine(leaves)) * scale);
  }

  private double root(Sum sum) {
    double root = norm == Norm.L1 ? sum.value : a.root(sum.value);
    return Math.scalb(root, sum.exponent);
  }

  private Sum leaf(double[] elements) {
    double[] x = Arrays.copyOf(elements, LEAF);
    double plain = sumOfLeaf(x, 0, 1);
    if (plain >= 1 / bound && plain <= bound) {
      return new Sum(plain, 0);
    }
    double largest = Arrays.stream(x).map(Math::abs).reduce(0, Math::max);
    if (largest == 0) {
      return new Sum(0, minExponent);
    }
    if (Double.isNaN(largest) || Double.isInfinite(largest)) {
      return new Sum(largest, maxExponent - 1);
    }
    int exponent = Math.max(minExponent, Math.min(maxExponent - 1, Math.getExponent(largest)));
    double[] scaled =
        Arrays.stream(x).map(value -> a.round(Math.scalb(value, -exponent))).toArray();
    return new Sum(sumOfLeaf(scaled, 0, 1), exponent);
  }

  /** Squares, or magnitudes, of the elements {@code at + k * width}, summed. */
  private double sumOfLeaf(double[] x, int at, int width) {
    if (width == LEAF / 2 && norm == Norm.L1) {
      return a.plus(Math.abs(x[at]), Math.abs(x[at + width]));
    }
    if (width == LEAF / 2) {
      return a.fma(x[at + width], x[at + width], a.times(x[at], x[at]));
    }
    return a.plus(sumOfLeaf(x, at, 2 * width), sumOfLeaf(x, at + width, 2 * width));
  }

  private Sum combine(List<Sum> sums) {
    SortedMap<Long, Sum> all = new TreeMap<>();
    for (int i = 0; i < sums.size(); i++) {
      all.put((long) i, sums.get(i));
    }
    return combine(all, sums.size());
  }

  /** The sum of sums by their numbers; all others are of zeros. */
  private Sum combine(SortedMap<Long, Sum> sums, long count) {
    Sum zero = new Sum(0, minExponent);
    if (count <= 1) {
      return sums.getOrDefault(0L, zero);
    }
    SortedMap<Long, Sum> nodes = new TreeMap<>();
    for (long number : sums.keySet()) {
      long first = number / LEAF * LEAF;
      nodes.computeIfAbsent(
          number / LEAF,
          key ->
              node(
                  LongStream.range(first, Math.min(count, first + LEAF))
                      .mapToObj(i -> sums.getOrDefault(i, zero))
                      .toList()));
    }
    return combine(nodes, (count + LEAF - 1) / LEAF);
  }

  private Sum node(List<Sum> sums) {
    int exponent = sums.stream().mapToInt(Sum::exponent).max().orElseThrow();
    double[] values = new double[LEAF];
    for (int i = 0; i < sums.size(); i++) {
      int shift = (norm == Norm.L1 ? 1 : 2) * (sums.get(i).exponent - exponent);
      values[i] = shift < minExponent ? 0 : a.round(Math.scalb(sums.get(i).value, shift));
    }
    return new Sum(sumOfValues(values, 0, 1), exponent);
  }

  private double sumOfValues(double[] values, int at, int width) {
    return width == LEAF
        ? values[at]
        : a.plus(sumOfValues(values, at, 2 * width), sumOfValues(values, at + width, 2 * width));
  }
}
