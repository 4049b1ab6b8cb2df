package io.warmstep.spark;

import java.io.Serializable;
import java.util.Arrays;

/**
 * A row of a classifier's table. Rows are sorted by a hash of what is in them, so that batches are
 * mixed and yet the same ones however the table was ordered and partitioned; rows that compare as
 * equal are equal. Not a record, which Kryo cannot read.
 */
final class Example implements Comparable<Example>, Serializable {
  private static final long serialVersionUID = 1L;

  private final long hash;
  private final int label;
  private final float[] features;

  Example(long seed, int label, float[] features) {
    this.label = label;
    this.features = features;
    long mixed = mix(seed + 0x9E3779B97F4A7C15L * (label + 1));
    for (float feature : features) {
      mixed = mix(mixed + Float.floatToIntBits(feature));
    }
    hash = mixed;
  }

  /** The finalizer of SplitMix64 (Steele, Lea and Flood 2014). */
  private static long mix(long bits) {
    long mixed = bits + 0x9E3779B97F4A7C15L;
    mixed = (mixed ^ (mixed >>> 30)) * 0xBF58476D1CE4E5B9L;
    mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
    return mixed ^ (mixed >>> 31);
  }

  int label() {
    return label;
  }

  float[] features() {
    return features;
  }

  @Override
  public int compareTo(Example other) {
    int compared = Long.compare(hash, other.hash);
    if (compared == 0) {
      compared = Integer.compare(label, other.label);
    }
    return compared == 0 ? Arrays.compare(features, other.features) : compared;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Example example && compareTo(example) == 0;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(hash);
  }
}
