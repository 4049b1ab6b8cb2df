package io.warmstep.backend;

import io.warmstep.Norm;
import io.warmstep.rule.TensorSums;

/** What a tree adds up of its elements. */
public enum SumKind {
  /** Their squares. */
  SQUARES,
  /** Their magnitudes. */
  MAGNITUDES,
  /** Nothing: the largest magnitude. */
  LARGEST,
  /** The elements themselves. */
  SIGNED;

  /**
   * Of the elements of gradients.
   *
   * @param norm of them
   * @return what the norm is made of
   */
  public static SumKind of(Norm norm) {
    return switch (norm) {
      case L2 -> SQUARES;
      case L1 -> MAGNITUDES;
      case MAX -> LARGEST;
    };
  }

  /**
   * Of the terms of a rule.
   *
   * @param kind the rule's
   * @return what is added up for it
   */
  public static SumKind of(TensorSums.Kind kind) {
    return switch (kind) {
      case NORM -> SQUARES;
      case MAGNITUDES -> MAGNITUDES;
      case SUM -> SIGNED;
    };
  }

  /**
   * What the kernels call it.
   *
   * @return a number, see abi.h
   */
  public int code() {
    return ordinal();
  }
}
