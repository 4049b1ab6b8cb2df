/*
 * What the host and the CUDA kernels share: constants, and the structs that Java fills byte by byte.
 * Each WS_AT line fixes an offset and each WS_SIZE line a size, at compile time; a unit test compares
 * them with io.warmstep.backend.cuda.Layout. S is a storage type of grid.cuh, T an arithmetic type.
 */
#ifndef WS_ABI_H
#define WS_ABI_H

#include "gradient.h"

enum {
  WS_BLOCK = 256,        /* threads of a block, in every kernel */
  WS_TILE = 2048,        /* elements that a block updates */
  WS_LEAF = 4096,        /* elements of a leaf of the norm's tree, and children of a node */
  WS_INLINE_GROUPS = 16, /* groups whose scalars travel with the launch */
  WS_MAX_OPERANDS = 16,  /* arrays of an element: values, gradients and state */
  WS_MAX_SCALARS = 16,   /* scalars of a rule, and numbers of a tensor */
  WS_MAX_SUMS = 2,       /* sums over a tensor or a group */
  WS_MAX_NUMBERS = 4,    /* numbers of a tensor */
  WS_MAX_KEPT = 5        /* state that holds one value for a tensor or a group */
};

/* Flags of a launch, and of a group in it. Flags tested for each element avoid bit 0, for which nvcc
   emits more instructions. */
enum { WS_ONLY_ZERO_GRADIENTS = 1, WS_ZERO_GRADIENTS = 2 };
enum {
  WS_KEEP_PARAMETERS = 4,  /* they keep their bits, whatever the rule gives */
  WS_ADJUST_GRADIENTS = 8  /* by more than their scale: prescale, clip_value or weight_decay */
};

/* How a step is skipped: the flag that its launches follow all the same. No step has the second. */
enum { WS_SKIP_UPDATE = WS_ZERO_GRADIENTS, WS_SKIP_ALL = WS_ONLY_ZERO_GRADIENTS };

/* Flags of a launch on matrices. */
enum {
  WS_MATRIX_TRANSPOSES = 1, /* the copy, or the right factor, which is given by its columns */
  WS_MATRIX_STORES = 2,     /* a copy from the workspace rather than to it */
  WS_MATRIX_HALF = 4,       /* a symmetric product */
  WS_MATRIX_COMBINES = 8,   /* out = factor * product + other_factor * other */
  WS_MATRIX_ADDS = 16       /* out = product + other_factor * other */
};

/*
 * What a tree adds up: for the norms L2, L1 and, which is no sum, that of the largest magnitude; and for
 * rules the elements themselves.
 */
enum { WS_SUM_SQUARES = 0, WS_SUM_MAGNITUDES = 1, WS_SUM_LARGEST = 2, WS_SUM_SIGNED = 3 };

/* Which part of which tensor a block works on. */
struct Tile {
  int tensor;
  int index;
};

/* Result of the norm, read by the update and, if asked for, by the host. */
struct NormResult {
  double norm;         /* of the scaled gradients, before clipping */
  double double_scale; /* what float64 gradients are multiplied by, clipping included */
  float float_scale;   /* the same for float32, after the prescale: see step.cu */
  int skip;            /* 0 or WS_SKIP_... */
};

/* Parameters that follow each other in all their arrays. */
template <typename S> struct Tensor {
  S *values;
  S *gradients;
  typename Storage<S>::Real *state[WS_MAX_OPERANDS - 2];
  long long length;
  int group;
  int head; /* elements before the first at which all arrays take vectors, -1 if none is */
  long long rows; /* where those of its tiles begin in a measured step, which has a head of -1 */
};

/* What is the same for a group's elements in one step. */
#define WS_NUMBER_FIELD(name) T name;
template <typename T> struct Group {
  T scalars[WS_MAX_SCALARS];
  T sign; /* -1 to ascend */
  WS_EACH_NUMBER(WS_NUMBER_FIELD)
  int options;
  int flags;
};

template <typename S> struct StepArguments {
  typedef typename Storage<S>::Real T;
  const Tile *tiles;
  const Tensor<S> *tensors;
  Group<T> *table;        /* of all groups, or null if they are in this struct */
  const NormResult *norm; /* or null if the host knows the scale */
  T scale;
  T prescale;   /* a power of two that gradients are multiplied by first; 1 but for rare scales */
  T clip_value; /* largest magnitude of a gradient element, negative for any */
  T unused;     /* the groups begin at a multiple of 8 bytes */
  int flags;
  int first_group; /* where groups_float* writes */
  Group<T> groups[WS_INLINE_GROUPS];
  /* By what gradients of each tensor are multiplied besides, WS_MAX_NUMBERS apart, or null. */
  const T *tensor_factors;
  T *rows; /* of tiles: what a measured step sees, or null */
};

/* What is added up over: a tensor, or all tensors of a group. */
template <typename T> struct SumWhole {
  T *kept[WS_MAX_KEPT]; /* state that holds one value for it */
  long long first_leaf; /* among the leaves of the launch */
  long long leaves;     /* 0 of a group without tensors in the launch */
  long long count;      /* of elements */
  long long rows;       /* length of the first dimension of a tensor; 0 of a group */
  int group;
  int unused;
  T *row_factors; /* of a tensor whose squares are kept so, otherwise null: see factors.cu */
  T *column_factors;
  T *row_inverses; /* which phases read: see factors.cuh */
  T *column_inverses;
  T *row_sums;    /* of tiles: those of a row one after the other */
  T *column_sums; /* those of a tile one after the other */
  long long height; /* of a matrix, the last two dimensions */
  long long width;
};

/* The same for the three kernels of such a rule: its sums, the tensors' numbers and the update. */
template <typename S> struct SumArguments {
  typedef typename Storage<S>::Real T;
  const Tile *leaves;
  const SumWhole<T> *tensors;
  const SumWhole<T> *wholes; /* what is added up over: the tensors, or the groups of the launch */
  T *sums; /* of the leaves, and after them those of the next sum */
  int *exponents;
  T *numbers; /* WS_MAX_NUMBERS for each whole */
  long long leaf_count;
  long long rule;  /* whose numbers are formed: the hash of its name, see sums.cu */
  long long kinds; /* of each sum from the first, in three bits from the lowest, WS_SUM_... + 1 */
  StepArguments<S> step;
};

/* How an operand of a mixed tensor is stored: see io.warmstep.backend.Encoding. */
enum {
  WS_STORED_FLOAT32 = 1,
  WS_STORED_FLOAT16 = 2,
  WS_STORED_BFLOAT16 = 3,
  WS_STORED_BFLOAT16_RANDOM = 4,
  WS_STORED_BFLOAT16_MASTER = 5,
  WS_STORED_BFLOAT16_MASTER_24 = 6,
  WS_STORED_BFLOAT16_MASTER_24_RANDOM = 7,
  WS_STORED_FLOAT16_MASTER = 8,
  /* Codes of 8 bits in groups, which lie together with their scales: see codes.cuh. */
  WS_STORED_MOMENT_CODES = 9,
  WS_STORED_SQUARE_CODES = 10,
  WS_STORED_SQUARE_CODES_RANDOM = 11
};

/* Parameters whose operands are stored in ways of their own. */
struct MixedTensor {
  void *operands[WS_MAX_OPERANDS]; /* values, gradients and state */
  void *rest;                      /* what masters keep beside the values */
  float *average;                  /* of the values, or null */
  long long length;
  long long first_tile; /* of the whole of which this is a part, for random numbers */
  long long rows;       /* where those of its tiles begin in a measured step */
  int group;
  int parameter; /* its number, for random numbers */
  unsigned char stored[WS_MAX_OPERANDS];
};

/* The last three scalars of a group are what averages take of its parameters, and the number of its step,
   the lower 16 bits and the next. */
struct MixedArguments {
  const MixedTensor *tensors;
  unsigned key[2]; /* of random numbers */
  StepArguments<float> step;
};

/* The same for the kernels of a rule with sums. */
struct MixedSumArguments {
  const MixedTensor *tensors;
  unsigned key[2];
  int is_first; /* whether the phase before the update, with a block for each leaf */
  int unused;
  SumArguments<float> sums;
};

/* One matrix of a batch: where it comes from, and the tensor whose first number divides it. */
template <typename T> struct MatrixPart {
  T *values;
  long long tensor;
};

/* A launch of the matrix phase. A factor is rows x depth or depth x columns for each matrix. */
template <typename T> struct MatrixArguments {
  const MatrixPart<T> *parts;
  const T *numbers; /* WS_MAX_NUMBERS for each tensor */
  const NormResult *norm; /* or null */
  const T *left;
  const T *right;
  const T *other;
  T *out;
  T factor;
  T other_factor;
  int rows;
  int columns;
  int depth;
  int flags; /* WS_MATRIX_... */
  int across; /* tiles beside each other */
  int tiles;  /* of a matrix */
};

template <typename S> struct LeafTensor {
  const S *gradients;
  long long length;
  long long first_leaf; /* among the leaves of all tensors of the arithmetic type */
};

template <typename S> struct LeafArguments {
  const Tile *leaves;
  const LeafTensor<S> *tensors;
  typename Storage<S>::Real *sums;
  int *exponents;
  int kind; /* WS_SUM_... */
  int unused;
};

/* The tree of the gradients of one arithmetic type. */
template <typename T> struct TreeArguments {
  const T *sums; /* of the leaves */
  const int *exponents;
  T *node_sums; /* room for those of every 4096 leaves */
  int *node_exponents;
  int count; /* of leaves, at most WS_LEAF nodes' */
  int unused;
};

/* What gradients are multiplied by first, as io.warmstep.step.GradientScale has it. */
struct GradientScale {
  double scale;
  float float_scale; /* for float32, where the prescale is 1 */
  float mantissa;    /* that rounded to float32 as if it had no bounds: mantissa * 2^exponent */
  int exponent;
  int unused;
};

struct NormArguments {
  TreeArguments<float> floats;
  TreeArguments<double> doubles;
  NormResult *result;
  NormResult *outcome; /* the same in memory of the host's */
  unsigned *arrived; /* how many blocks have; 0 before and after */
  double gradient_scale; /* what gradients are multiplied by first */
  double clip_norm;      /* 0 for none */
  double clip_eps;       /* what is added to the norm that divides it */
  float float_scale;     /* of that, what float32 gradients are multiplied by after the prescale */
  float scale_mantissa;  /* that rounded to float32 as if it had no bounds: mantissa * 2^exponent */
  int scale_exponent;
  int skip_non_finite;
  int blocks; /* of the launch: one per node, at least one */
  int kind;   /* WS_SUM_... */
  const GradientScale *scale; /* in the place of the four above, or null */
};

/* How far captured steps have come. */
struct CapturedState {
  GradientScale scale; /* of the next step */
  double loss_scale;
  long long launches; /* that the host had numbers for */
  long long steps;    /* that happened, ever */
  long long skipped;
  long long early;    /* launches that the host had no numbers for */
  int finite_steps;   /* in a row, since the loss scale last changed */
  int last_skipped;   /* whether the last step was */
};

/* What the host and captured steps tell each other, in memory of the host's. */
struct CapturedExchange {
  long long allowed;  /* launches that the host has numbers for; all else is the device's to write */
  long long launches;
  long long steps;
  long long skipped;
  long long early;
  double loss_scale;
  int finite_steps;
  int last_skipped;
};

struct CapturedArguments {
  CapturedState *state;
  CapturedExchange *exchange;
  NormResult *result;    /* the norm's, or if there is none what tells the scale and whether to skip */
  const unsigned *slots; /* of the host's memory: the groups of a step's launches one after the other */
  unsigned *table;       /* where the launches read them */
  float *loss_scale;     /* where the user's kernels read it; null without one */
  double gradient_scale; /* what gradients are multiplied by, apart from the loss scale */
  double growth_factor;  /* of the loss scale */
  double backoff_factor;
  int growth_interval;   /* in steps; 0 without a loss scale */
  int slot_words;
  int slot_count;
  int has_norm;
};

/* Offsets and sizes in bytes. A class with base or template is fine: all are of standard layout. */
#define WS_AT(type, field, offset) \
  static_assert(__builtin_offsetof(type, field) == offset, #type "." #field)
#define WS_SIZE(type, size) static_assert(sizeof(type) == size, "size of " #type)

WS_SIZE(Tile, 8);
WS_AT(NormResult, skip, 20);
WS_SIZE(NormResult, 24);
WS_AT(Tensor<float>, values, 0);
WS_AT(Tensor<float>, gradients, 8);
WS_AT(Tensor<float>, state, 16);
WS_AT(Tensor<float>, length, 128);
WS_AT(Tensor<float>, group, 136);
WS_AT(Tensor<float>, head, 140);
WS_AT(Tensor<float>, rows, 144);
WS_SIZE(Tensor<float>, 152);
WS_SIZE(Tensor<double>, 152);
WS_AT(Group<float>, sign, 64);
WS_AT(Group<float>, weight_decay, 68);
WS_AT(Group<float>, options, 68 + 4 * WS_GRADIENT_NUMBERS);
WS_AT(Group<float>, flags, 72 + 4 * WS_GRADIENT_NUMBERS);
WS_SIZE(Group<float>, 76 + 4 * WS_GRADIENT_NUMBERS);
WS_AT(Group<double>, sign, 128);
WS_AT(Group<double>, weight_decay, 136);
WS_AT(Group<double>, options, 136 + 8 * WS_GRADIENT_NUMBERS);
WS_AT(Group<double>, flags, 140 + 8 * WS_GRADIENT_NUMBERS);
WS_SIZE(Group<double>, 144 + 8 * WS_GRADIENT_NUMBERS);
WS_AT(StepArguments<float>, tiles, 0);
WS_AT(StepArguments<float>, tensors, 8);
WS_AT(StepArguments<float>, table, 16);
WS_AT(StepArguments<float>, norm, 24);
WS_AT(StepArguments<float>, scale, 32);
WS_AT(StepArguments<float>, prescale, 36);
WS_AT(StepArguments<float>, clip_value, 40);
WS_AT(StepArguments<float>, flags, 48);
WS_AT(StepArguments<float>, first_group, 52);
WS_AT(StepArguments<float>, groups, 56);
WS_AT(StepArguments<float>, tensor_factors, 1272 + 64 * WS_GRADIENT_NUMBERS);
WS_AT(StepArguments<float>, rows, 1280 + 64 * WS_GRADIENT_NUMBERS);
WS_SIZE(StepArguments<float>, 1288 + 64 * WS_GRADIENT_NUMBERS);
WS_AT(StepArguments<double>, scale, 32);
WS_AT(StepArguments<double>, prescale, 40);
WS_AT(StepArguments<double>, clip_value, 48);
WS_AT(StepArguments<double>, flags, 64);
WS_AT(StepArguments<double>, first_group, 68);
WS_AT(StepArguments<double>, groups, 72);
WS_AT(StepArguments<double>, tensor_factors, 2376 + 128 * WS_GRADIENT_NUMBERS);
WS_AT(StepArguments<double>, rows, 2384 + 128 * WS_GRADIENT_NUMBERS);
WS_SIZE(StepArguments<double>, 2392 + 128 * WS_GRADIENT_NUMBERS);
WS_AT(SumWhole<float>, first_leaf, 40);
WS_AT(SumWhole<float>, leaves, 48);
WS_AT(SumWhole<float>, count, 56);
WS_AT(SumWhole<float>, rows, 64);
WS_AT(SumWhole<float>, group, 72);
WS_AT(SumWhole<float>, row_factors, 80);
WS_AT(SumWhole<float>, height, 128);
WS_SIZE(SumWhole<float>, 144);
WS_AT(SumArguments<float>, leaves, 0);
WS_AT(SumArguments<float>, tensors, 8);
WS_AT(SumArguments<float>, wholes, 16);
WS_AT(SumArguments<float>, sums, 24);
WS_AT(SumArguments<float>, exponents, 32);
WS_AT(SumArguments<float>, numbers, 40);
WS_AT(SumArguments<float>, leaf_count, 48);
WS_AT(SumArguments<float>, rule, 56);
WS_AT(SumArguments<float>, kinds, 64);
WS_AT(SumArguments<float>, step, 72);
WS_SIZE(SumArguments<float>, 1360 + 64 * WS_GRADIENT_NUMBERS);
WS_AT(SumArguments<double>, step, 72);
WS_SIZE(SumArguments<double>, 2464 + 128 * WS_GRADIENT_NUMBERS);
WS_AT(MixedTensor, rest, 128);
WS_AT(MixedTensor, average, 136);
WS_AT(MixedTensor, length, 144);
WS_AT(MixedTensor, first_tile, 152);
WS_AT(MixedTensor, rows, 160);
WS_AT(MixedTensor, group, 168);
WS_AT(MixedTensor, parameter, 172);
WS_AT(MixedTensor, stored, 176);
WS_SIZE(MixedTensor, 192);
WS_AT(MixedArguments, key, 8);
WS_AT(MixedArguments, step, 16);
WS_SIZE(MixedArguments, 1304 + 64 * WS_GRADIENT_NUMBERS);
WS_AT(MixedSumArguments, key, 8);
WS_AT(MixedSumArguments, is_first, 16);
WS_AT(MixedSumArguments, sums, 24);
WS_SIZE(MixedSumArguments, 1384 + 64 * WS_GRADIENT_NUMBERS);
WS_SIZE(MatrixPart<float>, 16);
WS_AT(MatrixArguments<float>, parts, 0);
WS_AT(MatrixArguments<float>, numbers, 8);
WS_AT(MatrixArguments<float>, norm, 16);
WS_AT(MatrixArguments<float>, left, 24);
WS_AT(MatrixArguments<float>, right, 32);
WS_AT(MatrixArguments<float>, other, 40);
WS_AT(MatrixArguments<float>, out, 48);
WS_AT(MatrixArguments<float>, factor, 56);
WS_AT(MatrixArguments<float>, rows, 64);
WS_SIZE(MatrixArguments<float>, 88);
WS_AT(MatrixArguments<double>, factor, 56);
WS_AT(MatrixArguments<double>, rows, 72);
WS_AT(MatrixArguments<double>, columns, 76);
WS_AT(MatrixArguments<double>, depth, 80);
WS_AT(MatrixArguments<double>, flags, 84);
WS_AT(MatrixArguments<double>, across, 88);
WS_AT(MatrixArguments<double>, tiles, 92);
WS_SIZE(MatrixArguments<double>, 96);
WS_AT(LeafTensor<float>, gradients, 0);
WS_AT(LeafTensor<float>, length, 8);
WS_AT(LeafTensor<float>, first_leaf, 16);
WS_SIZE(LeafTensor<float>, 24);
WS_AT(LeafArguments<float>, kind, 32);
WS_SIZE(LeafArguments<float>, 40);
WS_AT(TreeArguments<float>, count, 32);
WS_SIZE(TreeArguments<float>, 40);
WS_AT(NormArguments, doubles, 40);
WS_AT(NormArguments, result, 80);
WS_AT(NormArguments, outcome, 88);
WS_AT(NormArguments, arrived, 96);
WS_AT(NormArguments, gradient_scale, 104);
WS_AT(NormArguments, clip_norm, 112);
WS_AT(NormArguments, clip_eps, 120);
WS_AT(NormArguments, float_scale, 128);
WS_AT(NormArguments, scale_mantissa, 132);
WS_AT(NormArguments, scale_exponent, 136);
WS_AT(NormArguments, skip_non_finite, 140);
WS_AT(NormArguments, blocks, 144);
WS_AT(NormArguments, kind, 148);
WS_AT(NormArguments, scale, 152);
WS_SIZE(NormArguments, 160);
WS_AT(GradientScale, float_scale, 8);
WS_AT(GradientScale, mantissa, 12);
WS_AT(GradientScale, exponent, 16);
WS_SIZE(GradientScale, 24);
WS_AT(CapturedState, loss_scale, 24);
WS_AT(CapturedState, launches, 32);
WS_AT(CapturedState, steps, 40);
WS_AT(CapturedState, skipped, 48);
WS_AT(CapturedState, early, 56);
WS_AT(CapturedState, finite_steps, 64);
WS_AT(CapturedState, last_skipped, 68);
WS_SIZE(CapturedState, 72);
WS_AT(CapturedExchange, allowed, 0);
WS_AT(CapturedExchange, launches, 8);
WS_AT(CapturedExchange, steps, 16);
WS_AT(CapturedExchange, skipped, 24);
WS_AT(CapturedExchange, early, 32);
WS_AT(CapturedExchange, loss_scale, 40);
WS_AT(CapturedExchange, finite_steps, 48);
WS_AT(CapturedExchange, last_skipped, 52);
WS_SIZE(CapturedExchange, 56);
WS_AT(CapturedArguments, state, 0);
WS_AT(CapturedArguments, exchange, 8);
WS_AT(CapturedArguments, result, 16);
WS_AT(CapturedArguments, slots, 24);
WS_AT(CapturedArguments, table, 32);
WS_AT(CapturedArguments, loss_scale, 40);
WS_AT(CapturedArguments, gradient_scale, 48);
WS_AT(CapturedArguments, growth_factor, 56);
WS_AT(CapturedArguments, backoff_factor, 64);
WS_AT(CapturedArguments, growth_interval, 72);
WS_AT(CapturedArguments, slot_words, 76);
WS_AT(CapturedArguments, slot_count, 80);
WS_AT(CapturedArguments, has_norm, 84);
WS_SIZE(CapturedArguments, 88);

#endif
