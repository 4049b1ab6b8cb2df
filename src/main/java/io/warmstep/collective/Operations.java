package io.warmstep.collective;

/** Distinguishes operations in transit. */
final class Operations {
  static final int REDUCE_SCATTER = Bucket.FIRST_OPERATION;
  static final int LANES = REDUCE_SCATTER + 1;
  static final int ALL_GATHER = LANES + 1;
  static final int EXCHANGE = ALL_GATHER + 1;

  private Operations() {}

  static String name(int kind) {
    return switch (kind) {
      case REDUCE_SCATTER -> "a reduce-scatter";
      case LANES -> "a reduce-scatter over lanes";
      case ALL_GATHER -> "an all-gather";
      case EXCHANGE -> "an exchange of messages";
      default -> "something unknown (" + kind + ")";
    };
  }
}
