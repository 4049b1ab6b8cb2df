/*
 * The global gradient norm, as a tree of fixed shape, so that it has the same bits everywhere. A
 * leaf is 4096 elements of one tensor padded with zeros; a node adds 4096 sums. Both add halves:
 * element i and element i + width, for widths 2048 down to 1. A sum of squares is kept as sum *
 * 4^exponent, one of magnitudes as sum * 2^exponent: a leaf whose plain sum is too large or too small
 * is summed again with its elements divided by a power of two. float32 and float64 gradients have
 * trees of their own, which the root joins.
 *
 * Entries: leaves_<type> for every type of gradients, one block per leaf; global_norm, one block per
 * node, of which the last to finish adds the nodes' sums and computes what gradients are to be
 * multiplied by. Nothing here writes gradients, and the host need not wait.
 */
#include "grid.cuh"

#include "scale.h"

enum { WS_HALF = WS_LEAF / 2, WS_HELD = WS_LEAF / WS_BLOCK /* elements of a leaf in a thread */ };

/* What differs between the types: integers of the same size and the bounds of exponents. */
template <typename T> struct Format;
template <> struct Format<float> {
  typedef unsigned int Word;
  enum { FRACTION = 23, BIAS = 127 };
  WS_DEVICE Word bits(float x) { return ws_to_bits_f32(x); }
  WS_DEVICE float value(Word bits) { return ws_from_bits_f32(bits); }
  WS_DEVICE float multiply_add(float a, float b, float c) { return ws_fma_f32(a, b, c); }
  WS_DEVICE bool is_plain(float sum) {
    return sum >= 5.421010862427522e-20f && sum <= 1.8446744073709552e19f; /* 2^-64 to 2^64 */
  }
};
template <> struct Format<double> {
  typedef unsigned long long Word;
  enum { FRACTION = 52, BIAS = 1023 };
  WS_DEVICE Word bits(double x) { return ws_to_bits_f64(x); }
  WS_DEVICE double value(Word bits) { return ws_from_bits_f64(bits); }
  WS_DEVICE double multiply_add(double a, double b, double c) { return ws_fma_f64(a, b, c); }
  WS_DEVICE bool is_plain(double sum) {
    return sum >= 7.458340731200207e-155 && sum <= 1.3407807929942597e154; /* 2^-512 to 2^512 */
  }
};

/* 2^exponent, which must be normal. */
template <typename T> WS_DEVICE T power_of_two(int exponent) {
  typedef Format<T> F;
  return F::value((typename F::Word)(exponent + F::BIAS) << F::FRACTION);
}

WS_DEVICE float magnitude(float x) { return ws_from_bits_f32(ws_to_bits_f32(x) & 0x7fffffffu); }
WS_DEVICE double magnitude(double x) {
  return ws_from_bits_f64(ws_to_bits_f64(x) & 0x7fffffffffffffffull);
}

/* Smallest exponent of a normal number, and the one above which a sum of squares is not scaled. */
template <typename T> WS_DEVICE int min_exponent() { return 1 - Format<T>::BIAS; }
template <typename T> WS_DEVICE int max_exponent() { return Format<T>::BIAS - 1; }

template <typename T> struct Scratch {
  T sums[4][WS_BLOCK]; /* element 4 * t + e is in [e][t] */
  typename Format<T>::Word largest[WS_BLOCK];
  int exponents[WS_BLOCK];
};

template <typename T> struct Sum {
  T sum;
  int exponent;
};

WS_DEVICE int clamped(int index, int n) { return index < n ? index : n - 1; }

/* Index in a leaf of a thread's i-th element: vectors of four, neighbours beside each other. */
WS_DEVICE int held_index(int t, int i) { return i / 4 * (4 * WS_BLOCK) + 4 * t + i % 4; }

/* The first halvings, within a thread: 2048 sums to 1024. */
template <typename T> WS_DEVICE void put(Scratch<T> &scratch, int t, const T *sums) {
  WS_UNROLL
  for (int e = 0; e < 4; e++) scratch.sums[e][t] = sums[e] + sums[4 + e];
}

/* The rest of the halvings, from 1024 sums on; the same result in every thread. */
template <typename T> WS_DEVICE T fold(Scratch<T> &scratch) {
  WS_UNROLL
  for (int width = WS_BLOCK / 2; width > 0; width /= 2) {
    WS_BARRIER();
    WS_THREADS(t) {
      if (t < width) {
        WS_UNROLL
        for (int e = 0; e < 4; e++) scratch.sums[e][t] += scratch.sums[e][t + width];
      }
    }
  }
  WS_BARRIER();
  return WS_UNIFORM(
      (scratch.sums[0][0] + scratch.sums[2][0]) + (scratch.sums[1][0] + scratch.sums[3][0]));
}

template <typename S, typename T> WS_DEVICE void load_leaf(const S *x, int n, int t, T *held) {
  enum { COUNT = Storage<S>::COUNT };
  S stored[WS_HELD];
  if (n == WS_LEAF && (unsigned long long)x % sizeof(typename Storage<S>::Vector) == 0) {
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i += COUNT) load_vector(x + held_index(t, i), stored + i);
  } else {
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      const int index = held_index(t, i);
      stored[i] = index < n ? x[index] : S();
    }
  }
  WS_UNROLL
  for (int i = 0; i < WS_HELD; i++) held[i] = widen(stored[i]);
}

/*
 * Sum of the squares or magnitudes of scale * x; the scale is exact except where the product
 * underflows.
 */
template <bool SCALES, typename S, typename T>
WS_DEVICE T sum_of(Scratch<T> &scratch, int kind, const S *x, int n, T scale) {
  WS_THREADS(t) {
    T held[WS_HELD], sums[WS_HELD / 2];
    load_leaf(x, n, t, held);
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      if (SCALES) held[i] *= scale;
    }
    if (kind == WS_NORM_L1) {
      WS_UNROLL
      for (int i = 0; i < WS_HELD / 2; i++) {
        sums[i] = magnitude(held[i]) + magnitude(held[WS_HELD / 2 + i]);
      }
    } else {
      WS_UNROLL
      for (int i = 0; i < WS_HELD / 2; i++) {
        const T upper = held[WS_HELD / 2 + i];
        sums[i] = Format<T>::multiply_add(upper, upper, held[i] * held[i]);
      }
    }
    put(scratch, t, sums);
  }
  return fold(scratch);
}

/* The largest of what the threads have put into the scratch, in every thread. */
template <typename T> WS_DEVICE typename Format<T>::Word largest_of(Scratch<T> &scratch) {
  for (int width = WS_BLOCK / 2; width > 0; width /= 2) {
    WS_BARRIER();
    WS_THREADS(t) {
      if (t < width && scratch.largest[t + width] > scratch.largest[t]) {
        scratch.largest[t] = scratch.largest[t + width];
      }
    }
  }
  WS_BARRIER();
  return WS_UNIFORM(scratch.largest[0]);
}

/* Largest magnitude, as bits: NaN above infinity above numbers. */
template <typename S, typename T>
WS_DEVICE typename Format<T>::Word largest_bits(Scratch<T> &scratch, const S *x, int n) {
  typedef typename Format<T>::Word Word;
  WS_BARRIER();
  WS_THREADS(t) {
    T held[WS_HELD];
    load_leaf(x, n, t, held);
    Word largest = 0;
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      const Word magnitude = Format<T>::bits(held[i]) << 1 >> 1;
      if (magnitude > largest) largest = magnitude;
    }
    scratch.largest[t] = largest;
  }
  return largest_of(scratch);
}

/* Whether the plain sum of finite elements can overflow or underflow; that of float16 cannot. */
template <typename S> struct PlainSum {
  enum { CAN_FAIL = 1 };
};
template <> struct PlainSum<Float16> {
  enum { CAN_FAIL = 0 };
};

/* A leaf's largest magnitude, or a leaf whose plain sum may have overflowed or underflowed. */
template <typename S, typename T>
WS_DEVICE Sum<T> scaled_leaf(Scratch<T> &scratch, int kind, const S *x, int n) {
  typedef Format<T> F;
  const typename F::Word largest = largest_bits(scratch, x, n);
  Sum<T> leaf;
  if (kind == WS_NORM_MAX) {
    leaf.sum = F::value(largest);
    leaf.exponent = 0;
    return leaf;
  }
  if (largest == 0) {
    leaf.sum = 0;
    leaf.exponent = min_exponent<T>();
    return leaf;
  }
  int exponent = (int)(largest >> F::FRACTION) - F::BIAS;
  if (exponent > F::BIAS || !PlainSum<S>::CAN_FAIL) { /* infinite or NaN, and stays so */
    leaf.sum = F::value(largest);
    leaf.exponent = max_exponent<T>();
    return leaf;
  }
  if (exponent < min_exponent<T>()) exponent = min_exponent<T>();
  if (exponent > max_exponent<T>()) exponent = max_exponent<T>();
  WS_UNSHARED(); /* sums are not the largest magnitudes */
  leaf.sum = sum_of<true>(scratch, kind, x, n, power_of_two<T>(-exponent));
  leaf.exponent = exponent;
  return leaf;
}

template <typename S> WS_DEVICE void leaves(const LeafArguments<S> &arguments) {
  typedef typename Storage<S>::Real T;
  WS_SHARED Scratch<T> scratch;
  const Tile leaf = arguments.leaves[WS_BLOCK_INDEX];
  const LeafTensor<S> tensor = arguments.tensors[leaf.tensor];
  const long long from = (long long)leaf.index * WS_LEAF;
  const S *x = tensor.gradients + from;
  WS_ASSUME_GLOBAL(x);
  const int n = tensor.length - from < WS_LEAF ? (int)(tensor.length - from) : WS_LEAF;
  Sum<T> result;
  result.sum = 0;
  result.exponent = 0;
  if (arguments.kind != WS_NORM_MAX) {
    result.sum = sum_of<false>(scratch, arguments.kind, x, n, (T)1);
  }
  if (!Format<T>::is_plain(result.sum)) result = scaled_leaf(scratch, arguments.kind, x, n);
  WS_UNSHARED(); /* only device memory from here on */
  WS_THREADS(t) {
    if (t == 0) {
      arguments.sums[tensor.first_leaf + leaf.index] = result.sum;
      arguments.exponents[tensor.first_leaf + leaf.index] = result.exponent;
    }
  }
}

/*
 * Joins n sums, 1 to WS_LEAF. All loads are in flight at once: those beyond n are the last one's
 * again. They are from the second-level cache, since other blocks may just have stored the values.
 */
template <typename T>
WS_DEVICE Sum<T> join(Scratch<T> &scratch, int kind, const T *sums, const int *exponents, int n) {
  typedef Format<T> F;
  Sum<T> node;
  WS_BARRIER();
  if (kind == WS_NORM_MAX) {
    WS_THREADS(t) {
      T held[WS_HELD];
      WS_UNROLL
      for (int i = 0; i < WS_HELD; i++) held[i] = WS_LOAD_FRESH(sums + clamped(held_index(t, i), n));
      typename F::Word largest = 0;
      WS_UNROLL
      for (int i = 0; i < WS_HELD; i++) {
        if (F::bits(held[i]) > largest) largest = F::bits(held[i]);
      }
      scratch.largest[t] = largest;
    }
    node.sum = F::value(largest_of(scratch));
    node.exponent = 0;
    return node;
  }
  WS_THREADS(t) {
    int held[WS_HELD];
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      held[i] = WS_LOAD_FRESH(exponents + clamped(held_index(t, i), n));
    }
    int largest = held[0];
    WS_UNROLL
    for (int i = 1; i < WS_HELD; i++) {
      if (held[i] > largest) largest = held[i];
    }
    scratch.exponents[t] = largest;
  }
  for (int width = WS_BLOCK / 2; width > 0; width /= 2) {
    WS_BARRIER();
    WS_THREADS(t) {
      if (t < width && scratch.exponents[t + width] > scratch.exponents[t]) {
        scratch.exponents[t] = scratch.exponents[t + width];
      }
    }
  }
  WS_BARRIER();
  node.exponent = WS_UNIFORM(scratch.exponents[0]);
  const int power = kind == WS_NORM_L1 ? 1 : 2;
  WS_UNSHARED(); /* sums are not exponents */
  WS_THREADS(t) {
    T held[WS_HELD], halves[WS_HELD / 2];
    int below[WS_HELD];
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      const int index = clamped(held_index(t, i), n);
      held[i] = WS_LOAD_FRESH(sums + index);
      below[i] = WS_LOAD_FRESH(exponents + index);
    }
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      const int shift = power * (below[i] - node.exponent);
      const bool counts = held_index(t, i) < n && shift >= min_exponent<T>();
      held[i] = counts ? held[i] * power_of_two<T>(shift) : 0;
    }
    WS_UNROLL
    for (int i = 0; i < WS_HELD / 2; i++) halves[i] = held[i] + held[WS_HELD / 2 + i];
    put(scratch, t, halves);
  }
  node.sum = fold(scratch);
  return node;
}

template <typename T> WS_DEVICE int nodes_of(const TreeArguments<T> &tree) {
  return (tree.count + WS_LEAF - 1) / WS_LEAF;
}

/* Joins the leaves of a node, or all nodes, of which there are at most WS_LEAF. */
template <typename T>
WS_DEVICE Sum<T> join_tree(
    Scratch<T> &scratch, int kind, const TreeArguments<T> &tree, bool is_root, int node) {
  const int from = is_root ? 0 : node * WS_LEAF;
  const int left = (is_root ? nodes_of(tree) : tree.count) - from;
  return join(scratch, kind, (is_root ? tree.node_sums : tree.sums) + from,
              (is_root ? tree.node_exponents : tree.exponents) + from,
              left < WS_LEAF ? left : WS_LEAF);
}

/* A largest magnitude as sum * 2^exponent, so that products with it stay within the type's range. */
template <typename T> WS_DEVICE Sum<T> normalized(const Sum<T> &largest) {
  typedef Format<T> F;
  int exponent = (int)(F::bits(largest.sum) >> F::FRACTION) - F::BIAS;
  if (largest.sum == 0 || exponent > F::BIAS) return largest;
  if (exponent < min_exponent<T>()) exponent = min_exponent<T>();
  if (exponent > max_exponent<T>()) exponent = max_exponent<T>();
  Sum<T> result;
  result.sum = largest.sum * power_of_two<T>(-exponent);
  result.exponent = exponent;
  return result;
}

WS_DEVICE double hypotenuse(double a, double b) {
  const double larger = ws_max_f64(a, b);
  if (larger == 0 || !(larger <= 1.7976931348623157e308)) return larger;
  const double ratio = ws_min_f64(a, b) / larger;
  return larger * ws_sqrt_f64(ws_fma_f64(ratio, ratio, 1.0));
}

/* The norm of both trees' gradients together. */
WS_DEVICE double joined(int kind, double a, double b) {
  if (kind == WS_NORM_L1) return a + b;
  return kind == WS_NORM_MAX ? ws_max_f64(a, b) : hypotenuse(a, b);
}

/* From the trees' roots. In float32 throughout if there are no float64 gradients. */
WS_DEVICE NormResult result_of(
    const Sum<float> &floats, const Sum<double> &doubles, const NormArguments &arguments) {
  const bool is_squared = arguments.kind == WS_NORM_L2;
  const float float_root = is_squared ? ws_sqrt_f32(floats.sum) : floats.sum;
  const bool clips = arguments.clip_norm > 0;
  NormResult result;
  float float_factor = 1;
  double factor = 1;
  if (arguments.doubles.count > 0) {
    const double double_root = is_squared ? ws_sqrt_f64(doubles.sum) : doubles.sum;
    const double double_norm = double_root * power_of_two<double>(doubles.exponent);
    const double raw = arguments.floats.count == 0
        ? double_norm
        : joined(
              arguments.kind, float_root * power_of_two<float>(floats.exponent), double_norm);
    result.norm = raw * arguments.gradient_scale;
    if (clips) factor = ws_min_f64(1.0, arguments.clip_norm / (result.norm + 1e-6));
    float_factor = (float)factor;
  } else {
    const float norm = ws_scale_by_power(
        float_root * arguments.scale_mantissa, floats.exponent + arguments.scale_exponent);
    result.norm = norm;
    if (clips) float_factor = ws_min_f32(1.0f, (float)arguments.clip_norm / (norm + 1e-6f));
    factor = float_factor;
  }
  result.float_scale = arguments.float_scale * float_factor;
  result.double_scale = arguments.gradient_scale * factor;
  /* The sums tell: the norm of finite gradients can be beyond the type's range. Neither is < 0. */
  const bool finite = floats.sum <= 3.4028234663852886e38f && doubles.sum <= 1.7976931348623157e308;
  result.skip = arguments.skip_non_finite && !finite;
  return result;
}

WS_KERNEL leaves_float32(const LeafArguments<float> arguments) { leaves(arguments); }
WS_KERNEL leaves_float64(const LeafArguments<double> arguments) { leaves(arguments); }
WS_KERNEL leaves_float16(const LeafArguments<Float16> arguments) { leaves(arguments); }
WS_KERNEL leaves_bfloat16(const LeafArguments<Bfloat16> arguments) { leaves(arguments); }

WS_KERNEL global_norm(const NormArguments arguments) {
  WS_SHARED Scratch<float> floats;
  WS_SHARED Scratch<double> doubles;
  WS_SHARED int is_last;
  const int float_nodes = nodes_of(arguments.floats);
  const int node = WS_BLOCK_INDEX;
  const int kind = arguments.kind;
  Sum<float> float_sum;
  float_sum.sum = 0;
  float_sum.exponent = min_exponent<float>();
  Sum<double> double_sum;
  double_sum.sum = 0;
  double_sum.exponent = min_exponent<double>();
  WS_ROLLED
  for (int pass = 0; pass < 2; pass++) { /* the node's, and in the last block the roots' */
    const bool is_root = pass == 1;
    if (is_root ? float_nodes > 0 : node < float_nodes) {
      float_sum = join_tree(floats, kind, arguments.floats, is_root, node);
    }
    if (is_root ? arguments.doubles.count > 0 : node >= float_nodes && arguments.doubles.count > 0) {
      double_sum = join_tree(doubles, kind, arguments.doubles, is_root, node - float_nodes);
    }
    if (is_root) break;
    WS_UNSHARED(); /* nobody has used is_last */
    WS_THREADS(t) {
      if (t == 0) {
        if (node < float_nodes) {
          arguments.floats.node_sums[node] = float_sum.sum;
          arguments.floats.node_exponents[node] = float_sum.exponent;
        } else if (arguments.doubles.count > 0) {
          arguments.doubles.node_sums[node - float_nodes] = double_sum.sum;
          arguments.doubles.node_exponents[node - float_nodes] = double_sum.exponent;
        }
        is_last = WS_ARRIVE(arguments.arrived, arguments.blocks);
      }
    }
    WS_BARRIER();
    if (!WS_UNIFORM(is_last)) return;
  }
  if (kind == WS_NORM_MAX) {
    float_sum = normalized(float_sum);
    double_sum = normalized(double_sum);
  }
  WS_UNSHARED(); /* only device memory from here on */
  WS_THREADS(t) {
    if (t == 0) {
      const NormResult result = result_of(float_sum, double_sum, arguments);
      *arguments.result = result;
      *arguments.outcome = result;
    }
  }
}

WS_LIST(leaves_float32, LeafArguments<float>)
WS_LIST(leaves_float64, LeafArguments<double>)
WS_LIST(leaves_float16, LeafArguments<Float16>)
WS_LIST(leaves_bfloat16, LeafArguments<Bfloat16>)
WS_LIST(global_norm, NormArguments)
