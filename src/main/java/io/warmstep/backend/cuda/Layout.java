package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.GradientNumber;

/** The structs of kernels/abi.h: sizes and offsets in bytes. LayoutTest compares them. */
final class Layout {
  static final int BLOCK = 256;
  static final int TILE = 2048;
  static final int INLINE_GROUPS = 16;

  /** Tile: two ints. */
  static final int TILE_BYTES = 8;

  /** Tensor: a pointer for each operand, a long, two ints, a long. */
  static final int TENSOR_BYTES = 8 * StepPlan.MAX_OPERANDS + 24;

  static final int TENSOR_LENGTH = 8 * StepPlan.MAX_OPERANDS;
  static final int TENSOR_GROUP = TENSOR_LENGTH + 8;
  static final int TENSOR_HEAD = TENSOR_LENGTH + 12;
  static final int TENSOR_ROWS = TENSOR_LENGTH + 16;

  /** LeafTensor: a pointer and two longs. */
  static final int LEAF_TENSOR_BYTES = 24;

  static final int ONLY_ZERO_GRADIENTS = 1;
  static final int ZERO_GRADIENTS = 2;
  static final int KEEP_PARAMETERS = 4;
  static final int ADJUST_GRADIENTS = 8;

  /** LeafArguments: four pointers, two ints. */
  static final int LEAF_ARGUMENTS_BYTES = 40;

  static final int LEAF_KIND = 32;

  /** TreeArguments: four pointers, two ints. */
  static final int TREE_BYTES = 40;

  /**
   * SumWhole: a pointer for each value of the tensor or group, four longs, two ints; and of factors
   * five pointers, two longs.
   */
  static final int SUM_WHOLE_BYTES = 8 * StepPlan.MAX_KEPT + 104;

  static final int WHOLE_GROUP = 8 * StepPlan.MAX_KEPT + 32;
  static final int WHOLE_ROW_FACTORS = 8 * StepPlan.MAX_KEPT + 40;
  static final int WHOLE_ROW_INVERSES = WHOLE_ROW_FACTORS + 16;
  static final int WHOLE_HEIGHT = WHOLE_ROW_FACTORS + 48;

  /** MatrixPart: a pointer, a long. */
  static final int MATRIX_PART_BYTES = 16;

  static final int MATRIX_TRANSPOSES = 1;
  static final int MATRIX_STORES = 2;
  static final int MATRIX_HALF = 4;
  static final int MATRIX_COMBINES = 8;
  static final int MATRIX_ADDS = 16;

  /** MatrixArguments: seven pointers, two of the arithmetic type, six ints. */
  static final int MATRIX_PARTS = 0;

  static final int MATRIX_NUMBERS = 8;
  static final int MATRIX_NORM = 16;
  static final int MATRIX_LEFT = 24;
  static final int MATRIX_RIGHT = 32;
  static final int MATRIX_OTHER = 40;
  static final int MATRIX_OUT = 48;
  static final int MATRIX_FACTOR = 56;

  /** SumArguments, before StepArguments: six pointers, three longs. */
  static final int SUM_LEAVES = 0;

  static final int SUM_TENSORS = 8;
  static final int SUM_WHOLES = 16;
  static final int SUM_SUMS = 24;
  static final int SUM_EXPONENTS = 32;
  static final int SUM_NUMBERS = 40;
  static final int SUM_LEAF_COUNT = 48;
  static final int SUM_RULE = 56;
  static final int SUM_KINDS = 64;
  static final int SUM_STEP = 72;

  /**
   * MixedTensor: a pointer for each operand and two more, three longs, two ints, a byte for each.
   */
  static final int MIXED_TENSOR_BYTES = 9 * StepPlan.MAX_OPERANDS + 48;

  static final int MIXED_TENSOR_REST = 8 * StepPlan.MAX_OPERANDS;
  static final int MIXED_TENSOR_AVERAGE = MIXED_TENSOR_REST + 8;
  static final int MIXED_TENSOR_LENGTH = MIXED_TENSOR_REST + 16;
  static final int MIXED_TENSOR_FIRST_TILE = MIXED_TENSOR_REST + 24;
  static final int MIXED_TENSOR_ROWS = MIXED_TENSOR_REST + 32;
  static final int MIXED_TENSOR_GROUP = MIXED_TENSOR_REST + 40;
  static final int MIXED_TENSOR_PARAMETER = MIXED_TENSOR_REST + 44;
  static final int MIXED_TENSOR_STORED = MIXED_TENSOR_REST + 48;

  /** MixedArguments, before StepArguments: a pointer, two ints. */
  static final int MIXED_TENSORS = 0;

  static final int MIXED_KEY = 8;
  static final int MIXED_STEP = 16;

  /** MixedSumArguments, before SumArguments: the same, two ints. */
  static final int MIXED_FIRST = 16;

  static final int MIXED_SUMS = 24;

  /** The last scalars of a group: the weight of averages, and the number of its step in two. */
  static final int MIXED_SCALARS = StepPlan.MAX_SCALARS - 3;

  /** NormArguments: two trees, three pointers, three doubles, two floats, four ints, a pointer. */
  static final int NORM_ARGUMENTS_BYTES = 160;

  static final int NORM_RESULT = 80;
  static final int NORM_OUTCOME = 88;
  static final int NORM_ARRIVED = 96;
  static final int NORM_GRADIENT_SCALE = 104;
  static final int NORM_CLIP = 112;
  static final int NORM_CLIP_EPS = 120;
  static final int NORM_FLOAT_SCALE = 128;
  static final int NORM_SCALE_MANTISSA = 132;
  static final int NORM_SCALE_EXPONENT = 136;
  static final int NORM_SKIP = 140;
  static final int NORM_BLOCKS = 144;
  static final int NORM_KIND = 148;
  static final int NORM_SCALE = 152;

  /** NormResult: two doubles, a float, an int. */
  static final int RESULT_BYTES = 24;

  static final int RESULT_SKIP = 20;

  /** GradientScale: a double, two floats, two ints. */
  static final int SCALE_FLOAT = 8;

  static final int SCALE_MANTISSA = 12;
  static final int SCALE_EXPONENT = 16;

  /** CapturedState: a GradientScale, a double, four longs, two ints. */
  static final int STATE_BYTES = 72;

  static final int STATE_LOSS_SCALE = 24;
  static final int STATE_LAUNCHES = 32;
  static final int STATE_STEPS = 40;
  static final int STATE_SKIPPED = 48;
  static final int STATE_EARLY = 56;
  static final int STATE_FINITE_STEPS = 64;
  static final int STATE_LAST_SKIPPED = 68;

  /** CapturedExchange: five longs, a double, two ints. */
  static final int EXCHANGE_BYTES = 56;

  static final int EXCHANGE_ALLOWED = 0;
  static final int EXCHANGE_LAUNCHES = 8;
  static final int EXCHANGE_STEPS = 16;
  static final int EXCHANGE_SKIPPED = 24;
  static final int EXCHANGE_EARLY = 32;
  static final int EXCHANGE_LOSS_SCALE = 40;
  static final int EXCHANGE_FINITE_STEPS = 48;
  static final int EXCHANGE_LAST_SKIPPED = 52;

  /** CapturedArguments: six pointers, three doubles, four ints. */
  static final int CAPTURED_BYTES = 88;

  static final int CAPTURED_STATE = 0;
  static final int CAPTURED_EXCHANGE = 8;
  static final int CAPTURED_RESULT = 16;
  static final int CAPTURED_SLOTS = 24;
  static final int CAPTURED_TABLE = 32;
  static final int CAPTURED_LOSS_SCALE = 40;
  static final int CAPTURED_GRADIENT_SCALE = 48;
  static final int CAPTURED_GROWTH_FACTOR = 56;
  static final int CAPTURED_BACKOFF_FACTOR = 64;
  static final int CAPTURED_GROWTH_INTERVAL = 72;
  static final int CAPTURED_SLOT_WORDS = 76;
  static final int CAPTURED_SLOT_COUNT = 80;
  static final int CAPTURED_HAS_NORM = 84;

  private Layout() {}

  static int matrixRows(boolean isDouble) {
    return MATRIX_FACTOR + 2 * (isDouble ? Double.BYTES : Float.BYTES);
  }

  static int matrixBytes(boolean isDouble) {
    return matrixRows(isDouble) + 6 * Integer.BYTES;
  }

  /** StepArguments of one arithmetic type. */
  record Step(boolean isDouble, int realBytes) {
    static final Step FLOAT = new Step(false, Float.BYTES);
    static final Step DOUBLE = new Step(true, Double.BYTES);

    static final int TILES = 0;
    static final int TENSORS = 8;
    static final int TABLE = 16;
    static final int NORM = 24;
    static final int SCALE = 32;

    static Step of(ElementType type) {
      return type == ElementType.FLOAT64 ? DOUBLE : FLOAT;
    }

    int prescale() {
      return SCALE + realBytes;
    }

    int clipValue() {
      return SCALE + 2 * realBytes;
    }

    int flags() {
      return SCALE + 4 * realBytes;
    }

    int firstGroup() {
      return flags() + 4;
    }

    int groups() {
      return flags() + 8;
    }

    int tensorFactors() {
      return groups() + INLINE_GROUPS * groupBytes();
    }

    int rows() {
      return tensorFactors() + 8;
    }

    int sign() {
      return StepPlan.MAX_SCALARS * realBytes;
    }

    int gradientNumbers() {
      return sign() + realBytes;
    }

    int options() {
      return gradientNumbers() + GradientNumber.COUNT * realBytes;
    }

    int groupFlags() {
      return options() + 4;
    }

    int groupBytes() {
      return options() + 8;
    }

    int bytes() {
      return rows() + 8;
    }

    /** What an entry of step.cu keeps of a measured tile, in shared memory: see step.cu. */
    int seenBytes() {
      return TILE / 2 * UpdateTiles.CODES * realBytes;
    }
  }
}
