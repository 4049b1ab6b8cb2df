/*
 * The update, in one launch for any number of tensors and groups. A block updates one tile of one
 * tensor: it loads parameters, gradients and state, calls the rule and stores. Unscaling, clipping,
 * the sign of maximize and the zeroing of gradients happen in that pass.
 *
 * Entries: <rule>_<type> for the types float32, float64, float16 and bfloat16 of parameters and
 * gradients; state is of the arithmetic type. general_<rule>_<type>, the same for what is rare: see
 * Update. And groups_float32 and groups_float64, which write the scalars of groups into the table in
 * device memory when a launch has no room for them.
 */
#include "grid.cuh"

enum {
  WS_HALF_BLOCKS = 3 /* of 16-bit types on a multiprocessor, for every rule: see rules.h */
};

WS_DEVICE float scale_of(const NormResult *norm, float) { return norm->float_scale; }
WS_DEVICE double scale_of(const NormResult *norm, double) { return norm->double_scale; }

/*
 * One block's work. N is how many elements a thread holds at a time.
 *
 * There are two forms of it, an entry each. The plain one is fast. The general one also has a
 * prescale, a power of two that gradients are multiplied by before their scale where both together
 * are beyond the range of the type, and groups whose parameters keep their bits. Both are rare, and
 * in the plain form they would take registers, so it is one element at a time.
 */
template <class Rule, typename S, bool PLAIN, int OPTIONS> struct Update {
  typedef typename Storage<S>::Real T;
  enum {
    SLOTS = Rule::slots(OPTIONS),
    ROOM = SLOTS == 0 ? 1 : SLOTS,
    VECTOR = Storage<S>::COUNT,
    VECTORS = 1, /* in flight for each array and thread: two took 4 % longer on an H200 */
    SCALARS = 16 / sizeof(T) /* likewise where elements are accessed one by one */
  };

  const Tensor<S> &tensor;
  const Group<T> &group;
  T scale;
  T prescale;
  T clip_value;
  bool zeroes;

  template <int N> WS_DEVICE_MEMBER void compute(T *p, const T *g, T (*s)[N]) const {
    WS_UNROLL
    for (int i = 0; i < N; i++) {
      T state[ROOM];
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) state[k] = s[k][i];
      T gradient = Rule::gradient(scale, clip_value, group.weight_decay, g[i], p[i]);
      p[i] = Rule::update(p[i], gradient, state, group.scalars, OPTIONS);
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) s[k][i] = state[k];
    }
  }

  /* Elements from (aligned) to from + WS_TILE, for the plain form. */
  WS_DEVICE_MEMBER void vectors(int t, long long from) const {
    enum { N = VECTORS * VECTOR, STRIDE = WS_BLOCK * VECTOR };
    WS_UNROLL
    for (int at = 0; at < WS_TILE; at += VECTORS * STRIDE) {
      typename Storage<S>::Vector values[VECTORS], gradients[VECTORS];
      typename Storage<T>::Vector states[ROOM][VECTORS];
      T p[N], g[N], s[ROOM][N];
      const long long first = from + at + t * VECTOR;
      WS_UNROLL
      for (int i = 0; i < VECTORS; i++) {
        const long long index = first + i * STRIDE;
        values[i] = load_vector(tensor.values + index);
        gradients[i] = load_vector(tensor.gradients + index);
        WS_UNROLL
        for (int k = 0; k < SLOTS; k++) states[k][i] = load_vector(tensor.state[k] + index);
      }
      WS_UNROLL
      for (int i = 0; i < VECTORS; i++) {
        widen_vector<S>(values[i], p + i * VECTOR);
        widen_vector<S>(gradients[i], g + i * VECTOR);
        WS_UNROLL
        for (int k = 0; k < SLOTS; k++) widen_vector<T>(states[k][i], s[k] + i * VECTOR);
      }
      compute<N>(p, g, s);
      WS_UNROLL
      for (int i = 0; i < VECTORS; i++) {
        const long long index = first + i * STRIDE;
        store_vector(tensor.values + index, p + i * VECTOR);
        WS_UNROLL
        for (int k = 0; k < SLOTS; k++) {
          store_vector(tensor.state[k] + index, s[k] + i * VECTOR);
        }
        if (zeroes) {
          const T zeros[VECTOR] = {};
          store_vector(tensor.gradients + index, zeros);
        }
      }
    }
  }

  /* Elements from to below to, of any number and alignment, N in flight. */
  template <int N>
  WS_DEVICE_MEMBER void scalars(int t, long long from, long long to) const {
    WS_ROLLED
    for (long long first = from + t; first < to; first += N * WS_BLOCK) {
      S values[N], gradients[N];
      T p[N], g[N], s[ROOM][N];
      WS_UNROLL
      for (int i = 0; i < N; i++) {
        const long long index = first + i * WS_BLOCK;
        const bool inside = index < to;
        values[i] = inside ? tensor.values[index] : S();
        gradients[i] = inside ? tensor.gradients[index] : S();
        WS_UNROLL
        for (int k = 0; k < SLOTS; k++) s[k][i] = inside ? tensor.state[k][index] : 0;
      }
      WS_UNROLL
      for (int i = 0; i < N; i++) {
        p[i] = widen(values[i]);
        g[i] = PLAIN ? widen(gradients[i]) : prescale * widen(gradients[i]);
      }
      compute<N>(p, g, s);
      WS_UNROLL
      for (int i = 0; i < N; i++) {
        const long long index = first + i * WS_BLOCK;
        if (index < to) {
          if (PLAIN || !group.keeps_parameters) narrow(p[i], tensor.values + index);
          WS_UNROLL
          for (int k = 0; k < SLOTS; k++) tensor.state[k][index] = s[k][i];
          if (zeroes) tensor.gradients[index] = S();
        }
      }
    }
  }
};

/* The range of elements of a tile. The first also has the elements before the aligned ones. */
struct Range {
  long long from;
  long long aligned; /* where whole vectors begin */
  long long to;
  bool whole; /* whether from aligned on there is a full tile that can be accessed by vectors */
};

template <typename S> WS_DEVICE Range range_of(const Tile &tile, const Tensor<S> &tensor) {
  Range range;
  range.aligned = (long long)tile.index * WS_TILE + (tensor.head > 0 ? tensor.head : 0);
  range.from = tile.index == 0 ? 0 : range.aligned;
  range.to = range.aligned + WS_TILE;
  range.whole = tensor.head >= 0 && range.to <= tensor.length;
  if (range.to > tensor.length) range.to = tensor.length;
  return range;
}

/* The block agrees on the options, so all threads take the same way. */
template <class Rule, typename S, bool PLAIN, int OPTIONS = 0,
          bool EXISTS = (OPTIONS < Rule::OPTIONS)>
struct Tiles {
  typedef typename Storage<S>::Real T;

  WS_DEVICE void update(
      const Range &range, const Tensor<S> &tensor, const Group<T> &group, T scale, T prescale,
      T bound, bool zeroes) {
    if (group.options != OPTIONS) {
      Tiles<Rule, S, PLAIN, OPTIONS + 1>::update(
          range, tensor, group, scale, prescale, bound, zeroes);
      return;
    }
    typedef Update<Rule, S, PLAIN, OPTIONS> Work;
    const Work update = {tensor, group, group.sign * scale, prescale, bound, zeroes};
    WS_THREADS(t) {
      if (PLAIN) {
        update.template scalars<Work::SCALARS>(
            t, range.from, range.whole ? range.aligned : range.to);
        if (range.whole) update.vectors(t, range.aligned);
      } else {
        update.template scalars<1>(t, range.from, range.to);
      }
    }
  }
};

template <class Rule, typename S, bool PLAIN, int OPTIONS>
struct Tiles<Rule, S, PLAIN, OPTIONS, false> {
  typedef typename Storage<S>::Real T;
  WS_DEVICE void update(const Range &, const Tensor<S> &, const Group<T> &, T, T, T, bool) {}
};

template <class Rule, typename S, bool PLAIN> WS_DEVICE void step(const StepArguments<S> &arguments) {
  typedef typename Storage<S>::Real T;
  const Tile tile = arguments.tiles[WS_BLOCK_INDEX];
  const Tensor<S> tensor = arguments.tensors[tile.tensor];
  const Range range = range_of(tile, tensor);
  const bool zeroes = (arguments.flags & (WS_ZERO_GRADIENTS | WS_ONLY_ZERO_GRADIENTS)) != 0;
  bool updates = (arguments.flags & WS_ONLY_ZERO_GRADIENTS) == 0;
  T scale = arguments.scale;
  if (updates && arguments.norm) {
    scale = scale_of(arguments.norm, T());
    updates = !arguments.norm->skip;
  }
  if (!updates) {
    if (zeroes) {
      WS_THREADS(t) {
        for (long long i = range.from + t; i < range.to; i += WS_BLOCK) tensor.gradients[i] = S();
      }
    }
    return;
  }
  Group<T> group;
  if (arguments.table) {
    group = arguments.table[tensor.group];
  } else {
    group = arguments.groups[tensor.group];
  }
  Tiles<Rule, S, PLAIN>::update(
      range, tensor, group, scale, arguments.prescale, arguments.clip_value, zeroes);
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
#define WS_ENTRY(rule, RULE)                                                         \
  struct WS_NAME(rule##_rule) {                                                      \
    typedef WS_REAL Real;                                                            \
    enum { OPTIONS = WS_##RULE##_OPTIONS, BLOCKS = WS_##RULE##_BLOCKS };             \
    static constexpr int slots(int options) {                                        \
      return (void)options, WS_##RULE##_SLOTS(options);                              \
    }                                                                                \
    WS_DEVICE Real gradient(Real scale, Real bound, Real decay, Real g, Real p) {    \
      return WS_NAME(gradient)(scale, bound, decay, g, p);                           \
    }                                                                                \
    WS_DEVICE Real update(Real p, Real g, Real *s, const Real *k, int options) {     \
      return WS_NAME(rule)(p, g, s, k, options);                                     \
    }                                                                                \
  };                                                                                 \
  static_assert(WS_##RULE##_MAX_SLOTS + 2 <= WS_MAX_OPERANDS, "state of " #rule);   \
  static_assert(WS_##RULE##_SCALARS <= WS_MAX_SCALARS, "scalars of " #rule);        \
  WS_JOIN(WS_KERNELS_, WS_BITS)(rule)

#define WS_KERNEL_OF(rule, RuleType, blocks, type, S)                                  \
  WS_KERNEL_FOR(blocks) rule##_##type(const StepArguments<S> arguments) {              \
    step<RuleType, S, true>(arguments);                                                \
  }                                                                                    \
  WS_KERNEL_FOR(blocks) general_##rule##_##type(const StepArguments<S> arguments) {    \
    step<RuleType, S, false>(arguments);                                               \
  }                                                                                    \
  WS_LIST(rule##_##type, StepArguments<S>)                                             \
  WS_LIST(general_##rule##_##type, StepArguments<S>)
#define WS_KERNELS_32(rule)                                                            \
  WS_KERNEL_OF(rule, ws_##rule##_rule_f32, ws_##rule##_rule_f32::BLOCKS, float32, float) \
  WS_KERNEL_OF(rule, ws_##rule##_rule_f32, WS_HALF_BLOCKS, float16, Float16)           \
  WS_KERNEL_OF(rule, ws_##rule##_rule_f32, WS_HALF_BLOCKS, bfloat16, Bfloat16)
#define WS_KERNELS_64(rule) \
  WS_KERNEL_OF(rule, ws_##rule##_rule_f64, ws_##rule##_rule_f64::BLOCKS, float64, double)

#define WS_BITS 32
#include "gradient.h"
#include "rules.h"
#undef WS_BITS
#define WS_BITS 64
#include "gradient.h"
#include "rules.h"
#undef WS_BITS
