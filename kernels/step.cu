/*
 * The update, in one launch for any number of tensors and groups. A block updates one tile of one
 * tensor: it loads parameters, gradients and state, calls the rule and stores. Unscaling, clipping,
 * the sign of maximize and the zeroing of gradients happen in that pass.
 *
 * Entries: <rule>_<type> for the types float32, float64, float16 and bfloat16 of parameters and
 * gradients; state is of the arithmetic type. For rules with a matrix phase first_<rule>_<type>, which
 * moves the state and leaves parameters and gradients as they are. And groups_float32 and groups_float64, which write the
 * scalars of groups into the table in device memory when a launch has no room for them.
 *
 * In a measured step, of float64 and of the rules that mixed.cu has no entry for, a block takes its
 * tile's elements one by one, and forms the tile's row of numbers of them: see
 * io.warmstep.backend.UpdateTiles. In other steps the module is loaded without that.
 */
#include "factors.cuh"
#include "gradients.cuh"
#include "tree.cuh"

WS_DEVICE float scale_of(const NormResult *norm, float) { return norm->float_scale; }
WS_DEVICE double scale_of(const NormResult *norm, double) { return norm->double_scale; }

/*
 * The elements of a tile, counted from where whole vectors begin: those from 0 to `whole` are accessed by
 * vectors, all others one by one. That is none, but at a tensor's ends and where arrays are not aligned
 * alike.
 */
struct Range {
  long long start; /* in the tensor */
  int from;        /* below 0 in a tensor's first tile, if it has elements before the vectors */
  int whole;
  int to;
};

template <typename S> WS_DEVICE Range range_of(const Tile &tile, const Tensor<S> &tensor) {
  Range range;
  const int head = tensor.head > 0 ? tensor.head : 0;
  range.start = (long long)tile.index * WS_TILE + head;
  const long long left = tensor.length - range.start;
  range.from = tile.index == 0 ? -head : 0;
  range.to = left < WS_TILE ? (int)left : WS_TILE;
  range.whole = tensor.head >= 0 && range.to > 0 ? range.to & ~(Storage<S>::COUNT - 1) : 0;
  return range;
}

/*
 * What a block sees of its update, in SEEN numbers, for which a measured launch has shared memory: row
 * r holds the sums of elements r and r + WS_TILE / 2 of the tile.
 */
enum { ROW = 4, SEEN = WS_TILE / 2 * ROW };

/* Whether a gradient moves its element: one that is finite and not 0. */
template <typename T> WS_DEVICE bool moves(T gradient) {
  typedef Format<T> F;
  const typename F::Word one = 1, infinity = (2 * F::BIAS + one) << F::FRACTION;
  return F::bits(magnitude(gradient)) - one < infinity - one;
}

/* A thread takes an element; no other thread has its row. */
template <typename T>
WS_DEVICE void see(T *seen, unsigned i, T before, T after, T gradient) {
  T *row = seen + i * ROW % (unsigned)SEEN;
  const T change = after - before, moving = moves(gradient) ? 1 : 0;
  row[0] = Format<T>::multiply_add(change, change, row[0]);
  row[1] = Format<T>::multiply_add(before, before, row[1]);
  row[2] += moving;
  row[3] += change == 0 ? moving : 0;
}

template <typename T> WS_DEVICE void clear(T *seen) {
  WS_THREADS(t) {
    unsigned i = t;
    WS_ROLLED
    do seen[i] = 0; while ((i += WS_BLOCK) < SEEN);
  }
  WS_BARRIER();
}

/* Adds up by halves and stores the tile's row. */
template <typename T> WS_DEVICE void store_row(T *seen, T *row) {
  unsigned width = SEEN;
  WS_ROLLED
  do {
    width /= 2;
    WS_BARRIER();
    WS_THREADS(t) {
      WS_ROLLED
      for (unsigned i = t; i < width; i += WS_BLOCK) seen[i] += seen[i + width];
    }
  } while (width > ROW);
  WS_UNSHARED(); /* the same thread's */
  WS_THREADS(t) {
    if (t < ROW) row[t] = seen[t];
  }
}

/* One block's work. All branches on what is asked for are the whole block's. */
template <class Rule, typename S, int OPTIONS> struct Update {
  typedef typename Storage<S>::Real T;
  enum {
    SLOTS = Rule::slots(OPTIONS),
    ROOM = SLOTS == 0 ? 1 : SLOTS,
    READS = Rule::READS,
    WRITES = Rule::WRITES,
    VECTOR = Storage<S>::COUNT, /* two in flight for each array took 4 % longer on an H200 */
    HAS_VECTORS = sizeof(T) == 4 || SLOTS < 3 /* of float64, two would take more registers than 96 */
  };

  const Group<T> &group;
  T scale;
  T prescale;
  T clip_value;
  Factored<T> factors; /* of the first slot, or null */
  T *seen;
  const T *rows; /* of a measured step, or null */
  int flags; /* 0 if gradients only need their scale and everything else is stored */

  WS_DEVICE_MEMBER int options() const {
    return Rule::FACTORED ? (factors ? WS_INVERSE : 0) : OPTIONS;
  }

  template <int N> WS_DEVICE_MEMBER void compute(T *p, T *g, T (*s)[N]) const {
    if (!(READS & WS_GRADIENT)) {
    } else if (flags != 0) {
      prepare<N>(group, scale, prescale, clip_value, g, p);
    } else {
      WS_UNROLL
      for (int i = 0; i < N; i++) g[i] = scale * g[i];
    }
    WS_UNROLL
    for (int i = 0; i < N; i++) {
      T state[ROOM];
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) state[k] = s[k][i];
      p[i] = Rule::update(p[i], g[i], state, group.scalars, options());
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) s[k][i] = state[k];
    }
  }

  /* All loads come before the first use of one. */
  WS_DEVICE_MEMBER void vectors(int t, const Tensor<S> &tensor, const Range &range) const {
    enum { STRIDE = WS_BLOCK * VECTOR };
    long long index = range.start + t * VECTOR;
    WS_OPAQUE(index); /* else each pass adds the addresses up from its parts */
    WS_ROLLED
    for (int left = range.whole - t * VECTOR; left > 0; left -= STRIDE, index += STRIDE) {
      S values[VECTOR], gradients[VECTOR];
      T p[VECTOR], g[VECTOR], s[ROOM][VECTOR];
      if (READS & WS_PARAMETER) load_vector(tensor.values + index, values);
      if (READS & WS_GRADIENT) load_vector(tensor.gradients + index, gradients);
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) {
        if (Rule::FACTORED && factors) {
          load_factored<VECTOR>(factors, index, VECTOR, s[k]);
        } else if (READS & WS_STATE(k)) {
          load_vector(tensor.state[k] + index, s[k]);
        }
      }
      WS_UNROLL
      for (int i = 0; i < VECTOR; i++) {
        p[i] = READS & WS_PARAMETER ? widen(values[i]) : 0;
        g[i] = READS & WS_GRADIENT ? widen(gradients[i]) : 0;
      }
      compute(p, g, s);
      WS_UNROLL
      for (int i = 0; i < VECTOR; i++) narrow(p[i], &values[i]);
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) {
        if (WRITES & WS_STATE(k)) store_vector(tensor.state[k] + index, s[k]);
      }
      if (!(WRITES & WS_PARAMETER)) continue;
      if (flags == 0) {
        store_vector(tensor.values + index, values);
        continue;
      }
      if ((flags & WS_KEEP_PARAMETERS) == 0) store_vector(tensor.values + index, values);
      if ((flags & WS_ZERO_GRADIENTS) != 0) {
        const S zeros[VECTOR] = {};
        store_vector(tensor.gradients + index, zeros);
      }
    }
  }

  /* The other elements of a range, or all. */
  WS_DEVICE_MEMBER void scalars(int t, const Tensor<S> &tensor, const Range &range) const {
    const int whole = HAS_VECTORS ? range.whole : 0;
    const int count = range.to - range.from - whole;
    WS_ROLLED
    for (int i = t; i < count; i += WS_BLOCK) {
      const T *its = rows;
      if (Rule::MEASURES) WS_OPAQUE(its); /* else the loop is there twice, for null and for others */
      const bool measures = Rule::MEASURES && its;
      const int place = range.from + i;
      const long long index = range.start + (place < 0 ? place : place + whole);
      T p[1] = {READS & WS_PARAMETER ? widen(tensor.values[index]) : 0}, g[1], s[ROOM][1];
      g[0] = READS & WS_GRADIENT ? widen(tensor.gradients[index]) : 0;
      const T before = p[0];
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) {
        if (Rule::FACTORED && factors) {
          load_factored<1>(factors, index, 1, s[k]);
        } else {
          s[k][0] = READS & WS_STATE(k) ? tensor.state[k][index] : 0;
        }
      }
      compute(p, g, s);
      if ((WRITES & WS_PARAMETER) && (flags & WS_KEEP_PARAMETERS) == 0) {
        narrow(p[0], tensor.values + index);
      }
      if (measures) {
        see(seen, (unsigned)i, before, widen(tensor.values[index]), widen(tensor.gradients[index]));
      }
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) {
        if (WRITES & WS_STATE(k)) tensor.state[k][index] = s[k][0];
      }
      if (!(WRITES & WS_PARAMETER)) continue;
      if ((flags & WS_ZERO_GRADIENTS) != 0) tensor.gradients[index] = S();
    }
  }
};

/* The block agrees on the options, so all threads take the same way. */
template <class Rule, typename S, int OPTIONS = 0, bool EXISTS = (OPTIONS < Rule::OPTIONS)>
struct Tiles {
  typedef typename Storage<S>::Real T;

  WS_DEVICE void update(
      const Range &range, const Tensor<S> &tensor, const Group<T> &group, T scale,
      const StepArguments<S> &arguments, const Factored<T> &factors, T *seen,
      const T *rows) {
    if (group.options != OPTIONS) {
      Tiles<Rule, S, OPTIONS + 1>::update(
          range, tensor, group, scale, arguments, factors, seen, rows);
      return;
    }
    const Update<Rule, S, OPTIONS> update = {
        group, group.sign * scale, arguments.prescale, arguments.clip_value, factors, seen, rows,
        (arguments.flags & WS_ZERO_GRADIENTS) + group.flags}; /* by | nvcc would keep both, too */
    WS_THREADS(t) {
      if (!update.HAS_VECTORS) {
        update.scalars(t, tensor, range);
      } else {
        const bool is_whole = range.to - range.from == range.whole;
        update.vectors(t, tensor, range);
        if (!is_whole) { /* looks all up again, which no register has kept meanwhile */
          const Tile *tile = arguments.tiles + WS_BLOCK_INDEX_AGAIN;
          WS_OPAQUE(tile); /* else an assembler of CUDA 12.0 spills adam_float64 on sm_75 */
          const Tensor<S> again = arguments.tensors[tile->tensor];
          update.scalars(WS_THREAD_AGAIN(t), again, range_of(*tile, again));
        }
      }
    }
  }
};

template <class Rule, typename S, int OPTIONS> struct Tiles<Rule, S, OPTIONS, false> {
  typedef typename Storage<S>::Real T;
  WS_DEVICE void update(
      const Range &, const Tensor<S> &, const Group<T> &, T, const StepArguments<S> &,
      const Factored<T> &, T *, const T *) {}
};

/*
 * rows: of a measured step, or null. numbers: of the tensors or groups, for a rule with sums, and
 * wholes: of its tensors.
 */
template <class Rule, typename S>
WS_DEVICE void step(
    const StepArguments<S> &arguments, typename Storage<S>::Real *rows,
    const typename Storage<S>::Real *numbers = nullptr,
    const SumWhole<typename Storage<S>::Real> *wholes = nullptr) {
  typedef typename Storage<S>::Real T;
  const Tile tile = arguments.tiles[WS_BLOCK_INDEX];
  const Tensor<S> tensor = arguments.tensors[tile.tensor];
  const Range range = range_of(tile, tensor);
  int skip = arguments.flags & WS_ONLY_ZERO_GRADIENTS;
  T scale = arguments.scale;
  if (!skip && arguments.norm) {
    scale = scale_of(arguments.norm, T());
    skip = arguments.norm->skip;
  }
  if (skip) {
    if ((Rule::WRITES & WS_PARAMETER) && (arguments.flags & skip) != 0) {
      WS_THREADS(t) {
        WS_ROLLED
        for (int i = range.from + t; i < range.to; i += WS_BLOCK) {
          tensor.gradients[range.start + i] = S();
        }
      }
    }
    return;
  }
  enum { /* rules with several phases have no such factors, nor have passes */
    IS_ALONE = Rule::NUMBERS == 0 && (Rule::WRITES & WS_PARAMETER) != 0,
    MAY_HAVE_FACTORS = IS_ALONE && (Rule::READS & WS_GRADIENT) != 0,
    IS_PASS = IS_ALONE && (Rule::READS & WS_GRADIENT) == 0
  };
  if (MAY_HAVE_FACTORS && arguments.tensor_factors) {
    scale = scale * arguments.tensor_factors[(long long)tile.tensor * WS_MAX_NUMBERS];
  }
  Group<T> group;
  if (arguments.table) {
    group = arguments.table[tensor.group];
  } else {
    group = arguments.groups[tensor.group];
  }
  if (IS_PASS && (group.flags & WS_KEEP_PARAMETERS) != 0) return; /* it is not due after this step */
  const int whole = Rule::OF_GROUPS ? tensor.group : tile.tensor;
  WS_UNROLL
  for (int i = 0; i < Rule::NUMBERS; i++) {
    group.scalars[Rule::SCALARS + i] = numbers[(long long)whole * WS_MAX_NUMBERS + i];
  }
  Factored<T> factors = {};
  if (Rule::FACTORED) factors = factored_of(wholes[tile.tensor], group.scalars[1]);
  WS_DYNAMIC_ARRAY(T, seen, SEEN)
  const bool measures = Rule::MEASURES && rows;
  if (measures) clear(seen);
  Tiles<Rule, S>::update(
      range, tensor, group, scale, arguments, factors, seen, rows);
  if (measures) store_row(seen, rows + tensor.rows + (long long)tile.index * ROW);
}

template <class Rule, typename S>
WS_DEVICE void step(const SumArguments<S> &arguments, typename Storage<S>::Real *rows) {
  step<Rule, S>(arguments.step, rows, arguments.numbers, arguments.tensors);
}

/* Threads beside each other write words beside each other. */
template <typename T> WS_DEVICE void write_groups(const StepArguments<T> &arguments) {
  const int words = arguments.flags * (int)(sizeof(Group<T>) / sizeof(unsigned));
  const unsigned *from = (const unsigned *)arguments.groups;
  unsigned *to = (unsigned *)(arguments.table + arguments.first_group);
  WS_THREADS(t) {
    WS_ROLLED
    for (int i = t; i < words; i += WS_BLOCK) to[i] = from[i];
  }
}

WS_KERNEL groups_float32(const StepArguments<float> arguments) { write_groups(arguments); }
WS_KERNEL groups_float64(const StepArguments<double> arguments) { write_groups(arguments); }
WS_LIST(groups_float32, StepArguments<float>)
WS_LIST(groups_float64, StepArguments<double>)

/* An entry for each rule: what the header says of it, as a type, and the kernel. */
#define WS_RULE(rule, RULE, KERNELS, Arguments, reads, writes, numbers, of_groups, factored, measures) \
  struct WS_NAME(rule##_rule) {                                                      \
    typedef WS_REAL Real;                                                            \
    enum {                                                                           \
      OPTIONS = WS_##RULE##_OPTIONS,                                                 \
      SCALARS = WS_##RULE##_SCALARS,                                                 \
      NUMBERS = numbers,                                                             \
      OF_GROUPS = of_groups,                                                         \
      FACTORED = factored,                                                           \
      READS = reads,                                                                 \
      WRITES = writes,                                                               \
      MEASURES = measures,                                                           \
      BLOCKS = WS_##RULE##_BLOCKS,                                                   \
      HALF_BLOCKS = BLOCKS == 1 ? 2 : 3                                              \
    };                                                                               \
    static constexpr int slots(int options) {                                        \
      return (void)options, WS_##RULE##_SLOTS(options);                              \
    }                                                                                \
    WS_DEVICE Real update(Real p, Real g, Real *s, const Real *k, int options) {     \
      return WS_NAME(rule)(p, g, s, k, options);                                     \
    }                                                                                \
  };                                                                                 \
  static_assert(WS_##RULE##_MAX_SLOTS + 2 <= WS_MAX_OPERANDS, "state of " #rule);   \
  static_assert(WS_##RULE##_SCALARS + numbers <= WS_MAX_SCALARS, "scalars of " #rule); \
  WS_JOIN(KERNELS, WS_BITS)(rule, Arguments)
/* Half types are mixed.cu's, with all other ways to store operands, but for rules that add up over groups or
   keep factors. */
#define WS_ENTRY(rule, RULE) \
  WS_RULE(rule, RULE, WS_KERNEL_, StepArguments, ~0, ~WS_GRADIENT, 0, 0, 0, WS_BITS == 64)
#define WS_SUMS_ENTRY(rule, RULE) WS_TWO_PHASES(rule, RULE, WS_KERNEL_, 0, 0, WS_BITS == 64)
#define WS_GROUP_SUMS_ENTRY(rule, RULE) WS_TWO_PHASES(rule, RULE, WS_KERNELS_, 1, 0, 1)
#define WS_FACTORED_ENTRY(rule, RULE) WS_TWO_PHASES(rule, RULE, WS_KERNELS_, 0, 1, 1)
#define WS_TWO_PHASES(rule, RULE, KERNELS, of_groups, factored, measures)               \
  WS_RULE(rule, RULE, KERNELS, SumArguments, WS_##RULE##_READS, WS_##RULE##_WRITES,     \
          WS_##RULE##_NUMBERS, of_groups, factored, measures)
#define WS_SHARED_SUMS_ENTRY(rule, RULE) WS_SUMS_ENTRY(rule, RULE)
#define WS_PASS_ENTRY(pass, PASS) \
  WS_RULE(pass, PASS, WS_KERNELS_, StepArguments, WS_##PASS##_READS, WS_##PASS##_WRITES, 0, 0, 0, 0)

/* The first phase is an update that writes no parameters. */
#define WS_MATRIX_ENTRY(rule, RULE)                                                    \
  WS_SUMS_ENTRY(rule, RULE)                                                            \
  struct WS_NAME(rule##_first) : WS_NAME(rule##_rule) {                                \
    enum { READS = WS_##RULE##_SUM_READS, WRITES = WS_##RULE##_SUM_WRITES };           \
    enum { NUMBERS = 0, MEASURES = 0 };                                                \
    WS_DEVICE Real update(Real p, Real g, Real *s, const Real *k, int options) {       \
      WS_NAME(rule##_advance)(p, g, s, k, options);                                    \
      return p;                                                                        \
    }                                                                                  \
  };                                                                                   \
  WS_JOIN(WS_FIRST_, WS_BITS)(rule)

#define WS_FIRST_OF(rule, RuleType, type, S)                                           \
  WS_KERNEL_FOR(2) first_##rule##_##type(const SumArguments<S> arguments) {            \
    step<RuleType, S>(arguments.step, nullptr);                                        \
  }                                                                                    \
  WS_LIST(first_##rule##_##type, SumArguments<S>)
#define WS_FIRST_32(rule) WS_FIRST_OF(rule, ws_##rule##_first_f32, float32, float)
#define WS_FIRST_64(rule) WS_FIRST_OF(rule, ws_##rule##_first_f64, float64, double)

#define WS_ROWS_OF_StepArguments rows
#define WS_ROWS_OF_SumArguments step.rows
#define WS_KERNEL_OF(rule, RuleType, blocks, type, S, Arguments)                       \
  WS_DEFINE_ROWS(rule##_##type, RuleType::Real, Arguments<S>, WS_ROWS_OF_##Arguments)  \
  WS_KERNEL_FOR(blocks) rule##_##type(const Arguments<S> arguments) {                  \
    step<RuleType, S>(                                                                 \
        arguments, RuleType::MEASURES                                                  \
            ? WS_ROWS(rule##_##type, arguments, WS_ROWS_OF_##Arguments) : nullptr);    \
  }                                                                                    \
  WS_LIST(rule##_##type, Arguments<S>)
#define WS_KERNEL_32(rule, A) \
  WS_KERNEL_OF(rule, ws_##rule##_rule_f32, ws_##rule##_rule_f32::BLOCKS, float32, float, A)
#define WS_KERNELS_32(rule, A)                                                         \
  WS_KERNEL_32(rule, A)                                                                \
  WS_KERNEL_OF(rule, ws_##rule##_rule_f32, ws_##rule##_rule_f32::HALF_BLOCKS, float16, Float16, A) \
  WS_KERNEL_OF(rule, ws_##rule##_rule_f32, ws_##rule##_rule_f32::HALF_BLOCKS, bfloat16, Bfloat16, A)
#define WS_KERNEL_64(rule, A) WS_KERNELS_64(rule, A)
#define WS_KERNELS_64(rule, A) \
  WS_KERNEL_OF(rule, ws_##rule##_rule_f64, ws_##rule##_rule_f64::BLOCKS, float64, double, A)

#define WS_BITS 32
#include "rules.h"
#undef WS_BITS
#define WS_BITS 64
#include "rules.h"
#undef WS_BITS
