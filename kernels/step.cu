/*
 * The update, in one launch for any number of tensors and groups. A block updates one tile of one
 * tensor: it loads parameters, gradients and state, calls the rule and stores. Unscaling, clipping,
 * the sign of maximize and the zeroing of gradients happen in that pass.
 *
 * Entries: <rule>_<type> for the types float32, float64, float16 and bfloat16 of parameters and
 * gradients; state is of the arithmetic type. For rules with a matrix phase first_<rule>_<type>, which
 * moves the state and leaves parameters and gradients as they are. And groups_float32 and groups_float64, which write the
 * scalars of groups into the table in device memory when a launch has no room for them.
 */
#include "factors.cuh"
#include "gradients.cuh"

WS_DEVICE float scale_of(const NormResult *norm, float) { return norm->float_scale; }
WS_DEVICE double scale_of(const NormResult *norm, double) { return norm->double_scale; }

/*
 * The range of elements of a tile. Those from vectors to vectors_end can be accessed by whole
 * vectors: all, but for a few at a tensor's ends, or none.
 */
struct Range {
  long long from;
  long long vectors;
  long long vectors_end;
  long long to;
};

template <typename S> WS_DEVICE Range range_of(const Tile &tile, const Tensor<S> &tensor) {
  Range range;
  const long long aligned = (long long)tile.index * WS_TILE + (tensor.head > 0 ? tensor.head : 0);
  range.from = tile.index == 0 ? 0 : aligned;
  range.to = aligned + WS_TILE < tensor.length ? aligned + WS_TILE : tensor.length;
  range.vectors = tensor.head >= 0 && aligned < range.to ? aligned : range.to;
  range.vectors_end = range.to - ((range.to - range.vectors) & (Storage<S>::COUNT - 1));
  return range;
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

  const Tensor<S> &tensor;
  const Group<T> &group;
  T scale;
  T prescale;
  T clip_value;
  const SumWhole<T> *factors; /* of the first slot, or null */
  int flags; /* 0 if gradients only need their scale and everything else is stored */

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
      p[i] = Rule::update(p[i], g[i], state, group.scalars, OPTIONS);
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) s[k][i] = state[k];
    }
  }

  /* All loads come before the first use of one. */
  WS_DEVICE_MEMBER void vectors(int t, const Range &range) const {
    WS_ROLLED
    for (long long index = range.vectors + t * VECTOR; index < range.vectors_end;
        index += WS_BLOCK * VECTOR) {
      S values[VECTOR], gradients[VECTOR];
      T p[VECTOR], g[VECTOR], s[ROOM][VECTOR];
      if (READS & WS_PARAMETER) load_vector(tensor.values + index, values);
      if (READS & WS_GRADIENT) load_vector(tensor.gradients + index, gradients);
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) {
        if (Rule::FACTORED && factors) {
          load_factored<VECTOR>(*factors, index, VECTOR, s[k]);
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
  WS_DEVICE_MEMBER void scalars(int t, const Range &range) const {
    const long long before = (HAS_VECTORS ? range.vectors : range.to) - range.from;
    const long long count = before + (HAS_VECTORS ? range.to - range.vectors_end : 0);
    WS_ROLLED
    for (long long i = t; i < count; i += WS_BLOCK) {
      const long long index = i + (i < before ? range.from : range.vectors_end - before);
      T p[1] = {READS & WS_PARAMETER ? widen(tensor.values[index]) : 0}, g[1], s[ROOM][1];
      g[0] = READS & WS_GRADIENT ? widen(tensor.gradients[index]) : 0;
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) {
        if (Rule::FACTORED && factors) {
          load_factored<1>(*factors, index, 1, s[k]);
        } else {
          s[k][0] = READS & WS_STATE(k) ? tensor.state[k][index] : 0;
        }
      }
      compute(p, g, s);
      if ((WRITES & WS_PARAMETER) && (flags & WS_KEEP_PARAMETERS) == 0) {
        narrow(p[0], tensor.values + index);
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
      const StepArguments<S> &arguments, const SumWhole<T> *factors) {
    if (group.options != OPTIONS) {
      Tiles<Rule, S, OPTIONS + 1>::update(range, tensor, group, scale, arguments, factors);
      return;
    }
    const Update<Rule, S, OPTIONS> update = {
        tensor, group, group.sign * scale, arguments.prescale, arguments.clip_value, factors,
        (arguments.flags & WS_ZERO_GRADIENTS) | group.flags};
    WS_THREADS(t) {
      if (update.HAS_VECTORS) update.vectors(t, range);
      update.scalars(t, range);
    }
  }
};

template <class Rule, typename S, int OPTIONS> struct Tiles<Rule, S, OPTIONS, false> {
  typedef typename Storage<S>::Real T;
  WS_DEVICE void update(
      const Range &, const Tensor<S> &, const Group<T> &, T, const StepArguments<S> &,
      const SumWhole<T> *) {}
};

/* numbers: of the tensors or groups, for a rule with sums, and wholes: of its tensors. */
template <class Rule, typename S>
WS_DEVICE void step(
    const StepArguments<S> &arguments, const typename Storage<S>::Real *numbers = nullptr,
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
        for (long long i = range.from + t; i < range.to; i += WS_BLOCK) tensor.gradients[i] = S();
      }
    }
    return;
  }
  enum { /* rules with several phases have no such factors, nor have passes */
    MAY_HAVE_FACTORS =
        Rule::NUMBERS == 0 && (Rule::READS & WS_GRADIENT) != 0 && (Rule::WRITES & WS_PARAMETER) != 0
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
  const int whole = Rule::OF_GROUPS ? tensor.group : tile.tensor;
  WS_UNROLL
  for (int i = 0; i < Rule::NUMBERS; i++) {
    group.scalars[Rule::SCALARS + i] = numbers[(long long)whole * WS_MAX_NUMBERS + i];
  }
  const SumWhole<T> *factors = nullptr;
  if (Rule::FACTORED && wholes[tile.tensor].scaled_rows) factors = wholes + tile.tensor;
  Tiles<Rule, S>::update(range, tensor, group, scale, arguments, factors);
}

template <class Rule, typename S> WS_DEVICE void step(const SumArguments<S> &arguments) {
  step<Rule, S>(arguments.step, arguments.numbers, arguments.tensors);
}

template <typename T> WS_DEVICE void write_groups(const StepArguments<T> &arguments) {
  WS_THREADS(t) {
    if (t < arguments.flags) arguments.table[arguments.first_group + t] = arguments.groups[t];
  }
}

WS_KERNEL groups_float32(const StepArguments<float> arguments) { write_groups(arguments); }
WS_KERNEL groups_float64(const StepArguments<double> arguments) { write_groups(arguments); }
WS_LIST(groups_float32, StepArguments<float>)
WS_LIST(groups_float64, StepArguments<double>)

/* An entry for each rule: what the header says of it, as a type, and the kernel. */
#define WS_RULE(rule, RULE, KERNELS, Arguments, reads, writes, numbers, of_groups, factored) \
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
  WS_RULE(rule, RULE, WS_KERNEL_, StepArguments, ~0, ~WS_GRADIENT, 0, 0, 0)
#define WS_SUMS_ENTRY(rule, RULE) WS_TWO_PHASES(rule, RULE, WS_KERNEL_, 0, 0)
#define WS_GROUP_SUMS_ENTRY(rule, RULE) WS_TWO_PHASES(rule, RULE, WS_KERNELS_, 1, 0)
#define WS_FACTORED_ENTRY(rule, RULE) WS_TWO_PHASES(rule, RULE, WS_KERNELS_, 0, 1)
#define WS_TWO_PHASES(rule, RULE, KERNELS, of_groups, factored)                         \
  WS_RULE(rule, RULE, KERNELS, SumArguments, WS_##RULE##_READS, WS_##RULE##_WRITES,     \
          WS_##RULE##_NUMBERS, of_groups, factored)
#define WS_SHARED_SUMS_ENTRY(rule, RULE) WS_SUMS_ENTRY(rule, RULE)
#define WS_PASS_ENTRY(pass, PASS) \
  WS_RULE(pass, PASS, WS_KERNELS_, StepArguments, WS_##PASS##_READS, WS_##PASS##_WRITES, 0, 0, 0)

/* The first phase is an update that writes no parameters. */
#define WS_MATRIX_ENTRY(rule, RULE)                                                    \
  WS_SUMS_ENTRY(rule, RULE)                                                            \
  struct WS_NAME(rule##_first) : WS_NAME(rule##_rule) {                                \
    enum { READS = WS_##RULE##_SUM_READS, WRITES = WS_##RULE##_SUM_WRITES, NUMBERS = 0 }; \
    WS_DEVICE Real update(Real p, Real g, Real *s, const Real *k, int options) {       \
      WS_NAME(rule##_advance)(p, g, s, k, options);                                    \
      return p;                                                                        \
    }                                                                                  \
  };                                                                                   \
  WS_JOIN(WS_FIRST_, WS_BITS)(rule)

#define WS_FIRST_OF(rule, RuleType, type, S)                                           \
  WS_KERNEL_FOR(2) first_##rule##_##type(const SumArguments<S> arguments) {            \
    step<RuleType, S>(arguments.step);                                                 \
  }                                                                                    \
  WS_LIST(first_##rule##_##type, SumArguments<S>)
#define WS_FIRST_32(rule) WS_FIRST_OF(rule, ws_##rule##_first_f32, float32, float)
#define WS_FIRST_64(rule) WS_FIRST_OF(rule, ws_##rule##_first_f64, float64, double)

#define WS_KERNEL_OF(rule, RuleType, blocks, type, S, Arguments)                       \
  WS_KERNEL_FOR(blocks) rule##_##type(const Arguments<S> arguments) {                  \
    step<RuleType, S>(arguments);                                                      \
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
