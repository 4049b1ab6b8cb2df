/*
 * The first phase of rules that add something up, over each tensor or each group, before they update
 * elements, and the numbers of tensors or groups that come of it. One block does one leaf of one tensor:
 * it loads what the rule's first phase reads, moves state, and adds the terms up by the tree of tree.cuh.
 * Then one block for each tensor or group joins its leaves, and the rule forms the numbers, which step.cu
 * reads. A step that is skipped does nothing here.
 *
 * Entries: sums_<rule>_<type> for rules with sums, of 16-bit types only those with WS_GROUP_SUMS_ENTRY or
 * WS_FACTORED_ENTRY, others being mixed.cu's; and numbers_float32 and numbers_float64 for all of these,
 * those with WS_MATRIX_ENTRY and adaptive clipping, whose sums are norm.cu's: most of what they do is the
 * same.
 */
#include "factors.cuh"
#include "gradients.cuh"
#include "tree.cuh"

WS_DEVICE float sums_scale(const NormResult *norm, float) { return norm->float_scale; }
WS_DEVICE double sums_scale(const NormResult *norm, double) { return norm->double_scale; }

/* N elements, of which those from `left` on are beyond the last. */
template <int N, typename T> WS_DEVICE void load_some(const T *from, bool whole, int left, T *to) {
  if (whole) {
    WS_UNROLL
    for (int e = 0; e < N; e += Storage<T>::COUNT) load_vector(from + e, to + e);
  } else {
    WS_UNROLL
    for (int e = 0; e < N; e++) to[e] = e < left ? from[e] : T();
  }
}

template <int N, typename T> WS_DEVICE void store_some(T *to, bool whole, int left, const T *from) {
  if (whole) {
    WS_UNROLL
    for (int e = 0; e < N; e += Storage<T>::COUNT) store_vector(to + e, from + e);
  } else {
    WS_UNROLL
    for (int e = 0; e < N; e++) {
      if (e < left) to[e] = from[e];
    }
  }
}

/* One leaf's terms. */
template <class Rule, typename S> struct Leaf {
  typedef typename Storage<S>::Real T;
  enum {
    SUMS = Rule::SUMS,
    SLOTS = Rule::MAX_SLOTS,
    ROOM = SLOTS == 0 ? 1 : SLOTS,
    READS = Rule::SUM_READS,
    WRITES = Rule::SUM_WRITES,
    SOME = sizeof(T) == 8 ? 2 : 4 /* elements at a time: more of float64 take too many registers */
  };

  const Tensor<S> &tensor;
  const Group<T> &group;
  T scale;
  T prescale;
  T clip_value;
  long long from; /* first element */
  int n;          /* how many */
  Factored<T> factors; /* of the first slot, or null */
  bool whole;     /* whether a full leaf that can be accessed by vectors */

  /* The terms of one element; with ADVANCES its state moves first. */
  template <bool ADVANCES> WS_DEVICE_MEMBER void terms(T p, T g, T *s, T *x) const {
    if (READS & WS_GRADIENT) {
      g = gradient(group, scale, prescale, clip_value, g, p);
    }
    const bool is_factored = Rule::FACTORED && factors;
    if (ADVANCES && WRITES != 0 && !is_factored) Rule::advance(p, g, s, group.scalars, group.options);
    Rule::terms(p, g, s, group.scalars, x, is_factored ? WS_INVERSE : group.options);
  }

  /* Those of some of a thread's elements, from the i-th on, whose state moves. */
  WS_DEVICE_MEMBER void some(int t, int i, T (*x)[SOME]) const {
    const int first = held_index(t, i);
    const long long at = from + first;
    const int left = n - first;
    S values[SOME], gradients[SOME];
    T state[ROOM][SOME];
    if (READS & WS_PARAMETER) load_some<SOME>(tensor.values + at, whole, left, values);
    if (READS & WS_GRADIENT) load_some<SOME>(tensor.gradients + at, whole, left, gradients);
    WS_UNROLL
    for (int k = 0; k < SLOTS; k++) {
      if (Rule::FACTORED && factors) {
        load_factored<SOME>(factors, at, left, state[k]);
      } else if (READS & WS_STATE(k)) {
        load_some<SOME>(tensor.state[k] + at, whole, left, state[k]);
      }
    }
    WS_UNROLL
    for (int e = 0; e < SOME; e++) {
      T s[ROOM], own[SUMS];
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) s[k] = READS & WS_STATE(k) ? state[k][e] : 0;
      terms<true>(
          READS & WS_PARAMETER ? widen(values[e]) : 0,
          READS & WS_GRADIENT ? widen(gradients[e]) : 0, s, own);
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) state[k][e] = s[k];
      WS_UNROLL
      for (int j = 0; j < SUMS; j++) x[j][e] = e < left ? own[j] : 0;
    }
    WS_UNROLL
    for (int k = 0; k < SLOTS; k++) {
      if (Rule::FACTORED && factors) continue;
      if (WRITES & WS_STATE(k)) store_some<SOME>(tensor.state[k] + at, whole, left, state[k]);
    }
  }

  /* What the first two halvings make of a thread's terms, with the state's move. */
  WS_DEVICE_MEMBER void first(int t, Scratch<T> *scratch) const {
    WS_ROLLED
    for (int part = 0; part < 4; part += SOME) {
      T sums[SUMS][SOME] = {}, lower[SUMS][SOME] = {};
      WS_ROLLED
      for (int i = 0; i < 4; i++) { /* the lower half's first four, the upper half's, the next of both */
        T own[SUMS][SOME];
        some(t, 4 * (i / 2 + i % 2 * 2) + part, own);
        WS_UNROLL
        for (int j = 0; j < SUMS; j++) {
          WS_UNROLL
          for (int e = 0; e < SOME; e++) {
            const T two = pair(Rule::kind(j), lower[j][e], own[j][e]);
            lower[j][e] = own[j][e];
            if (i == 1) sums[j][e] = two;
            if (i == 3) sums[j][e] = sums[j][e] + two;
          }
        }
      }
      WS_UNROLL
      for (int j = 0; j < SUMS; j++) {
        WS_UNROLL
        for (int e = 0; e < SOME; e++) scratch[j].sums[part + e][t] = sums[j][e];
      }
    }
  }

  /* A sum's term of a thread's i-th element, from the state that was stored. */
  WS_DEVICE_MEMBER T term(int t, int i, int sum) const {
    const int index = held_index(t, i);
    if (index >= n) return 0;
    const long long at = from + index;
    T s[ROOM], x[SUMS];
    WS_UNROLL
    for (int k = 0; k < SLOTS; k++) {
      if (Rule::FACTORED && factors) {
        load_factored<1>(factors, at, 1, s + k);
      } else {
        s[k] = READS & WS_STATE(k) ? tensor.state[k][at] : 0;
      }
    }
    terms<false>(
        READS & WS_PARAMETER ? widen(tensor.values[at]) : 0,
        READS & WS_GRADIENT ? widen(tensor.gradients[at]) : 0, s, x);
    T chosen = x[0];
    WS_UNROLL
    for (int j = 1; j < SUMS; j++) chosen = j == sum ? x[j] : chosen;
    return chosen;
  }

  /* A sum that may have overflowed or underflowed, from terms divided by a power of two. */
  WS_DEVICE Sum<T> scaled(const Leaf &leaf, Scratch<T> &scratch, int sum, T plain) {
    typedef Format<T> F;
    Sum<T> result;
    T factor = 1;
    WS_ROLLED
    for (int pass = 0; pass < 2; pass++) { /* for the largest magnitude, and with its power */
      WS_BARRIER();
      WS_THREADS(t) {
        typename F::Word largest = 0;
        WS_ROLLED
        for (int e = 0; e < 4; e++) {
          T own = 0, lower = 0;
          WS_ROLLED
          for (int i = 0; i < 4; i++) { /* as in first */
            const T x = factor * leaf.term(t, e + 4 * (i / 2 + i % 2 * 2), sum);
            const typename F::Word word = F::bits(x) << 1 >> 1;
            if (word > largest) largest = word;
            const T two = pair(Rule::kind(sum), lower, x);
            lower = x;
            if (i == 1) own = two;
            if (i == 3) own = own + two;
          }
          scratch.sums[e][t] = own;
        }
        scratch.largest[t] = largest;
      }
      if (pass == 0) {
        if (!exponent_of_largest(largest_of(scratch), &result)) {
          if (Rule::kind(sum) == WS_SUM_SIGNED) result.sum = plain;
          return result;
        }
        factor = power_of_two<T>(-result.exponent);
      }
    }
    result.sum = fold(scratch);
    return result;
  }
};

/* A group's scalars, from the arguments or the table. */
template <typename S, typename T>
WS_DEVICE void load_group(const StepArguments<S> &step, int index, Group<T> *group) {
  if (step.table) {
    *group = step.table[index];
  } else {
    *group = step.groups[index];
  }
}

template <class Rule, typename S> WS_DEVICE void sums(const SumArguments<S> &arguments) {
  typedef typename Storage<S>::Real T;
  enum { SUMS = Rule::SUMS };
  WS_SHARED Scratch<T> scratch[SUMS];
  const NormResult *norm = arguments.step.norm;
  if (norm && norm->skip) return;
  const Tile tile = arguments.leaves[WS_BLOCK_INDEX];
  const Tensor<S> tensor = arguments.step.tensors[tile.tensor];
  Group<T> group;
  load_group(arguments.step, tensor.group, &group);
  Rule::begin(arguments.wholes[tensor.group].kept, group.scalars);
  const T scale = norm ? sums_scale(norm, T()) : arguments.step.scale;
  const long long from = (long long)tile.index * WS_LEAF;
  const int n = tensor.length - from < WS_LEAF ? (int)(tensor.length - from) : WS_LEAF;
  Factored<T> factors = {};
  if (Rule::FACTORED) factors = factored_of(arguments.tensors[tile.tensor], group.scalars[1]);
  const Leaf<Rule, S> leaf = {
      tensor, group, group.sign * scale, arguments.step.prescale, arguments.step.clip_value, from, n,
      factors, n == WS_LEAF && tensor.head == 0};
  WS_THREADS(t) { leaf.first(t, scratch); }
  T plain[SUMS];
  fold<SUMS>(scratch, plain);
  const long long place = arguments.tensors[tile.tensor].first_leaf + tile.index;
  WS_ROLLED
  for (int j = 0; j < SUMS; j++) {
    Sum<T> sum;
    sum.sum = plain[0];
    WS_UNROLL
    for (int k = 1; k < SUMS; k++) sum.sum = k == j ? plain[k] : sum.sum;
    sum.exponent = 0;
    if (!is_plain(Rule::kind(j), sum.sum)) {
      sum = Leaf<Rule, S>::scaled(leaf, scratch[0], j, sum.sum);
    }
    WS_UNSHARED(); /* only device memory in this phase */
    WS_THREADS(t) {
      if (t == 0) {
        arguments.sums[j * arguments.leaf_count + place] = sum.sum;
        arguments.exponents[j * arguments.leaf_count + place] = sum.exponent;
      }
    }
  }
}

/* Joins leaves; in every thread. The sums of nodes take the place of leaves. */
template <typename T>
WS_DEVICE Sum<T> join_all(Scratch<T> &scratch, int kind, T *sums, int *exponents, int count) {
  Sum<T> sum;
  int nodes;
  WS_ROLLED
  do {
    nodes = (count - 1) / WS_LEAF + 1;
    WS_ROLLED
    for (int node = 0; node < nodes; node++) {
      const int from = node * WS_LEAF;
      const int n = count - from < WS_LEAF ? count - from : WS_LEAF;
      sum = join(scratch, kind, sums + from, exponents + from, n);
      WS_UNSHARED(); /* only device memory in this phase */
      WS_THREADS(t) {
        if (t == 0 && nodes > 1) {
          sums[node] = sum.sum;
          exponents[node] = sum.exponent;
        }
      }
      WS_BARRIER();
    }
    count = nodes;
  } while (nodes > 1);
  return sum;
}

WS_DEVICE float root_of(float sum) { return ws_sqrt_f32(sum); }
WS_DEVICE double root_of(double sum) { return ws_sqrt_f64(sum); }

/* All rules that form numbers, for each type one after the other from the first place. */
template <typename T, int PLACE> struct RuleAt;

/* By which the host says whose numbers it wants: FNV-1a of the rule's name. */
constexpr unsigned name_hash(const char *name, unsigned hash = 2166136261u) {
  return *name == 0 ? hash : name_hash(name + 1, (hash ^ (unsigned char)*name) * 16777619u);
}

/* One thread's work: the numbers of one whole. */
template <class Rule, typename T>
WS_DEVICE void form_numbers(
    const SumArguments<T> &arguments, const SumWhole<T> &row, const T *roots, long long whole) {
  enum { KEPT = Rule::KEPT, KEPT_ROOM = KEPT == 0 ? 1 : KEPT };
  Group<T> group;
  load_group(arguments.step, row.group, &group);
  T kept[KEPT_ROOM], x[Rule::SUMS], out[Rule::NUMBERS];
  WS_UNROLL
  for (int k = 0; k < KEPT; k++) kept[k] = row.kept[k] ? *row.kept[k] : 0;
  WS_UNROLL
  for (int j = 0; j < Rule::SUMS; j++) x[j] = roots[j];
  const NormResult *norm = arguments.step.norm;
  const T size[] = {
      (T)row.count, (T)row.rows, (T)(row.rows == 0 ? 0 : row.count / row.rows),
      norm ? sums_scale(norm, T()) : arguments.step.scale, arguments.step.prescale};
  Rule::numbers(x, size, kept, group.scalars, out, group.options);
  WS_UNROLL
  for (int k = 0; k < KEPT; k++) {
    if (row.kept[k]) *row.kept[k] = kept[k];
  }
  WS_UNROLL
  for (int i = 0; i < Rule::NUMBERS; i++) {
    arguments.numbers[whole * WS_MAX_NUMBERS + i] = out[i];
  }
}

/* The rule that the host wants, of those from a place on. */
template <typename T, int PLACE, int END> struct Numbers {
  WS_DEVICE void form(
      const SumArguments<T> &arguments, const SumWhole<T> &row, const T *roots, long long whole) {
    typedef RuleAt<T, PLACE> Here;
    if (arguments.rule == Here::NAME) {
      form_numbers<typename Here::Rule>(arguments, row, roots, whole);
    } else {
      Numbers<T, PLACE + 1, END>::form(arguments, row, roots, whole);
    }
  }
};
template <typename T, int END> struct Numbers<T, END, END> {
  WS_DEVICE void form(const SumArguments<T> &, const SumWhole<T> &, const T *, long long) {}
};

/* All of what one block's tensor or group adds up. */
template <typename T, int FIRST, int END>
WS_DEVICE void numbers(const SumArguments<T> &arguments) {
  WS_SHARED Scratch<T> scratch;
  WS_SHARED T roots[WS_MAX_SUMS];
  const NormResult *norm = arguments.step.norm;
  if (norm && norm->skip) return;
  const long long whole = WS_BLOCK_INDEX;
  const SumWhole<T> &row = arguments.wholes[whole];
  if (row.leaves == 0) return;
  WS_ROLLED
  for (int j = 0; arguments.kinds >> (3 * j) != 0; j++) {
    const int kind = (int)(arguments.kinds >> (3 * j) & 7) - 1;
    const long long first = j * arguments.leaf_count + row.first_leaf;
    const Sum<T> sum = join_all(
        scratch, kind, arguments.sums + first, arguments.exponents + first, (int)row.leaves);
    const T root = kind == WS_SUM_SQUARES ? root_of(sum.sum) : sum.sum;
    WS_UNSHARED(); /* nobody has used the roots */
    WS_THREADS(t) {
      if (t == 0) roots[j] = root * power_of_two<T>(sum.exponent);
    }
  }
  WS_BARRIER();
  WS_THREADS(t) {
    if (t == 0) Numbers<T, FIRST, END>::form(arguments, row, roots, whole);
  }
}

/* The entries of a rule: what its header says of it, as a type, and the kernels. */
#define WS_SUMS_ENTRY(rule, RULE)                                                            \
  WS_SUMS_RULE(rule, RULE, 0, )                                                              \
  WS_JOIN(WS_SUM_KERNEL_, WS_BITS)(rule)
#define WS_FACTORED_ENTRY(rule, RULE)                                                        \
  WS_SUMS_RULE(rule, RULE, 1, )                                                              \
  WS_JOIN(WS_SUM_KERNELS_, WS_BITS)(rule)
#define WS_GROUP_SUMS_ENTRY(rule, RULE)                                                      \
  WS_SUMS_RULE(rule, RULE, 0, WS_BEGIN(rule, RULE))                                          \
  WS_JOIN(WS_SUM_KERNELS_, WS_BITS)(rule)
/* The sum of what a rule's first phase leaves in a slot is norm.cu's. */
#define WS_MATRIX_ENTRY(rule, RULE) WS_SUMS_RULE(rule, RULE, 0, )
/* From the state of a group to the numbers of the first phase, which follow the scalars. */
#define WS_BEGIN(rule, RULE)                                                                 \
  Real s[WS_##RULE##_KEPT];                                                                  \
  for (int i = 0; i < WS_##RULE##_KEPT; i++) s[i] = kept[i] ? *kept[i] : 0;                  \
  WS_NAME(rule##_begin)(s, k, k + WS_##RULE##_SCALARS);
#define WS_SUMS_RULE(rule, RULE, factored, BEGIN)                                            \
  struct WS_NAME(rule##_sums) {                                                              \
    typedef WS_REAL Real;                                                                    \
    enum {                                                                                   \
      SUMS = WS_##RULE##_SUMS,                                                               \
      NUMBERS = WS_##RULE##_NUMBERS,                                                         \
      KEPT = WS_##RULE##_KEPT,                                                               \
      FACTORED = factored,                                                                   \
      MAX_SLOTS = WS_##RULE##_MAX_SLOTS,                                                     \
      SUM_READS = WS_##RULE##_SUM_READS,                                                     \
      SUM_WRITES = WS_##RULE##_SUM_WRITES,                                                   \
      BLOCKS = MAX_SLOTS > 2 ? 2 : 3, /* with more state, 3 and 0 spill registers */         \
      DOUBLE_BLOCKS = MAX_SLOTS > 2 ? 1 : 2                                                  \
    };                                                                                       \
    static constexpr WS_DEVICE_MEMBER int kind(int sum) {                                    \
      return (void)sum, WS_##RULE##_KIND(sum);                                               \
    }                                                                                        \
    WS_DEVICE void begin(Real *const *kept, Real *k) { BEGIN }                               \
    WS_DEVICE void advance(Real p, Real g, Real *s, const Real *k, int options) {            \
      WS_NAME(rule##_advance)(p, g, s, k, options);                                          \
    }                                                                                        \
    WS_DEVICE void terms(                                                                    \
        Real p, Real g, const Real *s, const Real *k, Real *x, int options) {                \
      WS_NAME(rule##_terms)(p, g, s, k, x, options);                                         \
    }                                                                                        \
    WS_DEVICE void numbers(                                                                  \
        const Real *x, const Real *size, Real *s, const Real *k, Real *out, int options) {   \
      WS_NAME(rule##_numbers)(x, size, s, k, out, options);                                  \
    }                                                                                        \
  };                                                                                         \
  template <> struct RuleAt<WS_REAL, __COUNTER__> {                                          \
    typedef WS_NAME(rule##_sums) Rule;                                                       \
    static constexpr unsigned NAME = name_hash(#rule);                                       \
  };                                                                                         \
  static_assert(WS_##RULE##_SUMS <= WS_MAX_SUMS, "sums of " #rule);                          \
  static_assert(WS_##RULE##_NUMBERS <= WS_MAX_NUMBERS, "numbers of " #rule);                 \
  static_assert(WS_##RULE##_KEPT <= WS_MAX_KEPT, "state of tensors of " #rule);

/*
 * What adaptive clipping makes of the norms of a tensor and of its gradient as it is in memory. What
 * is kept of the tensor are the bound and the least that its norm counts as, which stay as they are.
 */
#define WS_TENSOR_FACTORS                                                                    \
  struct WS_NAME(tensor_factors) {                                                           \
    typedef WS_REAL Real;                                                                    \
    enum { SUMS = 2, NUMBERS = 1, KEPT = 2 };                                                \
    WS_DEVICE void numbers(                                                                  \
        const Real *x, const Real *size, Real *s, const Real *, Real *out, int) {            \
      out[0] = WS_NAME(tensor_factor)(x[0], size[3] * (size[4] * x[1]), s[0], s[1]);         \
    }                                                                                        \
  };                                                                                         \
  template <> struct RuleAt<WS_REAL, __COUNTER__> {                                          \
    typedef WS_NAME(tensor_factors) Rule;                                                    \
    static constexpr unsigned NAME = name_hash("adaptive clip");                             \
  };

/* blocks: of a multiprocessor, see rules.h. */
#define WS_SUMS_KERNEL(rule, RuleType, blocks, type, S)                                      \
  WS_KERNEL_FOR(blocks) sums_##rule##_##type(const SumArguments<S> arguments) {              \
    sums<RuleType, S>(arguments);                                                            \
  }                                                                                          \
  WS_LIST(sums_##rule##_##type, SumArguments<S>)
#define WS_SUM_KERNEL_32(rule)                                                               \
  WS_SUMS_KERNEL(rule, ws_##rule##_sums_f32, ws_##rule##_sums_f32::BLOCKS, float32, float)
#define WS_SUM_KERNELS_32(rule)                                                              \
  WS_SUM_KERNEL_32(rule)                                                                     \
  WS_SUMS_KERNEL(rule, ws_##rule##_sums_f32, ws_##rule##_sums_f32::BLOCKS, float16, Float16) \
  WS_SUMS_KERNEL(rule, ws_##rule##_sums_f32, ws_##rule##_sums_f32::BLOCKS, bfloat16, Bfloat16)
#define WS_SUM_KERNELS_64(rule) WS_SUM_KERNEL_64(rule)
#define WS_SUM_KERNEL_64(rule)                                                              \
  WS_SUMS_KERNEL(rule, ws_##rule##_sums_f64, ws_##rule##_sums_f64::DOUBLE_BLOCKS, float64, double)
enum { FIRST_OF_FLOAT32 = __COUNTER__ + 1 };
#define WS_BITS 32
WS_TENSOR_FACTORS
#include "rules.h"
#undef WS_BITS
enum { END_OF_FLOAT32 = __COUNTER__, FIRST_OF_FLOAT64 };
#define WS_BITS 64
WS_TENSOR_FACTORS
#include "rules.h"
#undef WS_BITS
enum { END_OF_FLOAT64 = __COUNTER__ };

WS_KERNEL_FOR(2) numbers_float32(const SumArguments<float> arguments) {
  numbers<float, FIRST_OF_FLOAT32, END_OF_FLOAT32>(arguments);
}
WS_KERNEL_FOR(2) numbers_float64(const SumArguments<double> arguments) {
  numbers<double, FIRST_OF_FLOAT64, END_OF_FLOAT64>(arguments);
}
WS_LIST(numbers_float32, SumArguments<float>)
WS_LIST(numbers_float64, SumArguments<double>)
