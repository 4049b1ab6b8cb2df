package io.warmstep.testkit;

import io.warmstep.ElementType;
import io.warmstep.Norm;
import java.util.Arrays;
import java.util.List;

/** How a tensor consists of the elements that a reference follows. */
abstract class Extent {
  /** How many elements the tensor has. */
  abstract long count(int elements);

  /** Length of its first dimension, if that of the followed elements is another. */
  abstract long rows(long followed);

  /** The root of the sum of all terms, where the followed elements have these. */
  abstract double root(ElementType type, Norm norm, double[] terms);

  /** The same elements so many times, one time after the other. */
  static Extent repeated(int times) {
    return new Extent() {
      @Override
      long count(int elements) {
        return (long) elements * times;
      }

      @Override
      long rows(long followed) {
        return followed * times;
      }

      @Override
      double root(ElementType type, Norm norm, double[] terms) {
        double[] all = Arrays.copyOf(terms, Math.multiplyExact(terms.length, times));
        for (int i = terms.length; i < all.length; i++) {
          all[i] = all[i - terms.length];
        }
        return ReferenceNorm.of(type, norm, List.of(all));
      }
    };
  }

  /**
   * A vector whose other elements have no part in any sum.
   *
   * @param places numbers of the followed elements, ascending
   */
  static Extent sparse(long[] places, long length) {
    return new Extent() {
      @Override
      long count(int elements) {
        return length;
      }

      @Override
      long rows(long followed) {
        return length;
      }

      @Override
      double root(ElementType type, Norm norm, double[] terms) {
        return ReferenceNorm.sparse(type, norm, terms, places, length);
      }
    };
  }
}
