package io.warmstep.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.ElementType;
import io.warmstep.backend.SumKind;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.ReferenceNorm;
import io.warmstep.testkit.ReferenceNorm.Sum;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The norm's trees against their recursive definition, bit for bit. */
class TreeSumTest {
  private static final int LEAF = FloatTreeSum.LEAF;
  private static final ElementType F = ElementType.FLOAT32;
  private static final ElementType D = ElementType.FLOAT64;

  /** Leaves are copied by the first, by the second read where they lie if they are whole. */
  private final FloatTreeSum floats = new FloatTreeSum(SumKind.SQUARES);

  private final FloatTreeSum floatsInPlace = new FloatTreeSum(SumKind.SQUARES);
  private final DoubleTreeSum doubles = new DoubleTreeSum(SumKind.SQUARES);
  private final DoubleTreeSum doublesInPlace = new DoubleTreeSum(SumKind.SQUARES);

  private void assertFloatLeaf(double[] elements) {
    int from = elements.length % 9;
    float[] x = new float[LEAF + 9];
    Arrays.fill(x, Float.NaN); // what lies around the elements must not count
    for (int i = 0; i < elements.length; i++) {
      x[from + i] = (float) elements[i];
    }
    floatsInPlace.prepare(x.length);
    for (FloatTreeSum tree : List.of(floats, floatsInPlace)) {
      float[] its = x.clone();
      tree.leaf(its, from, elements.length);
      Sum expected = ReferenceNorm.leaf(F, elements);
      assertEquals(expected, new Sum(tree.sum, tree.exponent), elements.length + " elements");
      assertArrayEquals(x, its, "left as they are");
    }
  }

  private void assertDoubleLeaf(double[] elements) {
    int from = elements.length % 9;
    double[] x = new double[LEAF + 9];
    Arrays.fill(x, Double.NaN);
    System.arraycopy(elements, 0, x, from, elements.length);
    doublesInPlace.prepare(x.length);
    for (DoubleTreeSum tree : List.of(doubles, doublesInPlace)) {
      double[] its = x.clone();
      tree.leaf(its, from, elements.length);
      Sum expected = ReferenceNorm.leaf(D, elements);
      assertEquals(expected, new Sum(tree.sum, tree.exponent), elements.length + " elements");
      assertArrayEquals(x, its, "left as they are");
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 1e30, 1e-30, 1e-44})
  void leavesOfEverySize(double magnitude) {
    SplittableRandom random = new SplittableRandom(1);
    for (int n = 1; n <= LEAF; n++) {
      double[] elements = Numbers.ordinary(random, F, n);
      for (int i = 0; i < n; i++) {
        elements[i] = (float) (elements[i] * magnitude);
      }
      assertFloatLeaf(elements);
      if (magnitude == 1 || n % 16 == 1) {
        assertDoubleLeaf(elements);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0x1p500, 0x1p1000, 0x1p-500, 0x1p-1000, 0x1p-1060})
  void doubleLeavesAtTheEndsOfTheRange(double magnitude) {
    SplittableRandom random = new SplittableRandom(2);
    for (int n = 1; n <= LEAF; n += 31) {
      double[] elements = Numbers.ordinary(random, D, n);
      for (int i = 0; i < n; i++) {
        elements[i] *= magnitude;
      }
      assertDoubleLeaf(elements);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 100, 2047, 2048, 2049, 4096})
  void adversarialLeaves(int n) {
    SplittableRandom random = new SplittableRandom(3);
    for (int repeat = 0; repeat < 30; repeat++) {
      double[] any = Numbers.adversarial(random, F, n);
      assertFloatLeaf(any);
      double[] finite = Arrays.stream(any).map(x -> Double.isFinite(x) ? x : 0).toArray();
      assertFloatLeaf(finite);
      assertDoubleLeaf(Numbers.adversarial(random, D, n));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 5, 31, 4095, 4096, 4097, 5000, 8192, 20_000})
  void combinedSums(int count) {
    SplittableRandom random = new SplittableRandom(count);
    List<Sum> floatLeaves = new ArrayList<>();
    List<Sum> doubleLeaves = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      // Mostly plain sums; some scaled by a little, some by so much that others vanish beside them.
      int exponent =
          switch (random.nextInt(20)) {
            case 0 -> random.nextInt(-126, 127);
            case 1, 2 -> random.nextInt(-20, 20);
            default -> 0;
          };
      floatLeaves.add(new Sum((float) (random.nextDouble() * 100), exponent));
      doubleLeaves.add(new Sum(random.nextDouble() * 100, exponent));
    }
    float[] floatSums = new float[count];
    double[] doubleSums = new double[count];
    int[] exponents = new int[count];
    for (int i = 0; i < count; i++) {
      floatSums[i] = (float) floatLeaves.get(i).value();
      doubleSums[i] = doubleLeaves.get(i).value();
      exponents[i] = floatLeaves.get(i).exponent();
    }
    floats.combine(floatSums, exponents.clone(), 0, count);
    doubles.combine(doubleSums, exponents.clone(), 0, count);
    assertEquals(ReferenceNorm.combine(F, floatLeaves), new Sum(floats.sum, floats.exponent));
    assertEquals(ReferenceNorm.combine(D, doubleLeaves), new Sum(doubles.sum, doubles.exponent));
  }
}
