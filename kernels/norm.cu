/*
 * The global gradient norm by the tree of tree.cuh. float32 and float64 gradients have trees of their
 * own, which the root joins.
 *
 * Entries: leaves_<type> for every type of gradients, one block per leaf; global_norm, one block per
 * node, of which the last to finish adds the nodes' sums and computes what gradients are to be
 * multiplied by. Nothing here writes gradients, and the host need not wait.
 */
#include "tree.cuh"

#include "scale.h"

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
    if (kind == WS_SUM_MAGNITUDES) {
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
  if (kind == WS_SUM_LARGEST) {
    leaf.sum = F::value(largest);
    leaf.exponent = 0;
    return leaf;
  }
  if (!exponent_of_largest(largest, &leaf) || !PlainSum<S>::CAN_FAIL) return leaf;
  WS_UNSHARED(); /* sums are not the largest magnitudes */
  leaf.sum = sum_of<true>(scratch, kind, x, n, power_of_two<T>(-leaf.exponent));
  return leaf;
}

template <typename S> WS_DEVICE void leaves(const LeafArguments<S> &arguments) {
  typedef typename Storage<S>::Real T;
  WS_SHARED Scratch<T> scratch;
  const Tile leaf = arguments.leaves[WS_BLOCK_INDEX];
  const LeafTensor<S> tensor = arguments.tensors[leaf.tensor];
  const long long from = (long long)leaf.index * WS_LEAF;
  const S *x = tensor.gradients + from;
  WS_OPAQUE(x); /* else registers keep what it is made of */
  WS_ASSUME_GLOBAL(x);
  const int n = tensor.length - from < WS_LEAF ? (int)(tensor.length - from) : WS_LEAF;
  Sum<T> result;
  result.sum = 0;
  result.exponent = 0;
  if (arguments.kind != WS_SUM_LARGEST) {
    result.sum = sum_of<false>(scratch, arguments.kind, x, n, (T)1);
  }
  if (!Format<T>::is_plain(result.sum)) result = scaled_leaf(scratch, arguments.kind, x, n);
  WS_UNSHARED(); /* only device memory from here on */
  WS_THREADS(t) {
    if (t == 0) {
      const Tile *again = arguments.leaves + WS_BLOCK_INDEX_AGAIN;
      const long long place = arguments.tensors[again->tensor].first_leaf + again->index;
      arguments.sums[place] = result.sum;
      arguments.exponents[place] = result.exponent;
    }
  }
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
  if (kind == WS_SUM_MAGNITUDES) return a + b;
  return kind == WS_SUM_LARGEST ? ws_max_f64(a, b) : hypotenuse(a, b);
}

/* From the trees' roots. In float32 throughout if there are no float64 gradients. */
WS_DEVICE NormResult result_of(
    const Sum<float> &floats, const Sum<double> &doubles, const NormArguments &arguments) {
  const GradientScale *own = arguments.scale;
  const double gradient_scale = own ? own->scale : arguments.gradient_scale;
  const bool is_squared = arguments.kind == WS_SUM_SQUARES;
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
    result.norm = raw * gradient_scale;
    if (clips) factor = ws_min_f64(1.0, arguments.clip_norm / (result.norm + arguments.clip_eps));
    float_factor = (float)factor;
  } else {
    const float norm = ws_scale_by_power(
        float_root * (own ? own->mantissa : arguments.scale_mantissa),
        floats.exponent + (own ? own->exponent : arguments.scale_exponent));
    result.norm = norm;
    const float float_eps = (float)arguments.clip_eps;
    if (clips) float_factor = ws_min_f32(1.0f, (float)arguments.clip_norm / (norm + float_eps));
    factor = float_factor;
  }
  result.float_scale = (own ? own->float_scale : arguments.float_scale) * float_factor;
  result.double_scale = gradient_scale * factor;
  /* The sums tell: the norm of finite gradients can be beyond the type's range. Neither is < 0. */
  const bool finite = floats.sum <= 3.4028234663852886e38f && doubles.sum <= 1.7976931348623157e308;
  result.skip = arguments.skip_non_finite && !finite ? WS_SKIP_UPDATE : 0;
  return result;
}

WS_KERNEL leaves_float32(const LeafArguments<float> arguments) { leaves(arguments); }
/* Without a bound some assemblers take 2 to 6 registers more, and one block less fits. */
WS_KERNEL_FOR(6) leaves_float64(const LeafArguments<double> arguments) { leaves(arguments); }
WS_KERNEL leaves_float16(const LeafArguments<Float16> arguments) { leaves(arguments); }
/* Without one sm_120 takes 40. As many blocks fit, so a minimum of blocks would not say it. */
WS_KERNEL_WITHIN(38) leaves_bfloat16(const LeafArguments<Bfloat16> arguments) { leaves(arguments); }

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
  if (kind == WS_SUM_LARGEST) {
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
