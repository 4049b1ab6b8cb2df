/*
 * What comes before the first phase where squares are kept as factors: sums of squared gradients over the
 * rows and columns of matrices, by which the factors move. A block does a tile of 64 rows and 256 columns
 * at most. In it the squares of a row are added up by halves, 128 down to 1, and those of a column one
 * after the other; then a block for the rows of each matrix, and one for 256 of its columns, add the sums
 * of tiles one after the other and form what phases read, see factors.cuh. A step that is skipped does
 * nothing here.
 *
 * Entries: factor_tiles_<type> for the types float32, float64, float16 and bfloat16 of gradients, and
 * factor_join_float32 and factor_join_float64, for all rules. Their arguments are those of sums.cu, with
 * their own table of tiles in the place of the leaves'.
 */
#include "factors.cuh"
#include "gradients.cuh"

enum { WS_TILE_ROWS = 64, WS_TILE_COLUMNS = WS_BLOCK, WS_ROWS_AT_ONCE = 16 };

WS_DEVICE float factor_scale(const NormResult *norm, float) { return norm->float_scale; }
WS_DEVICE double factor_scale(const NormResult *norm, double) { return norm->double_scale; }
WS_DEVICE float factor_moved(float fresh, float mean, float factor) {
  return ws_fma_f32(fresh, mean - factor, factor);
}
WS_DEVICE double factor_moved(double fresh, double mean, double factor) {
  return ws_fma_f64(fresh, mean - factor, factor);
}
WS_DEVICE float factor_root(float factor) { return ws_sqrt_f32(factor); }
WS_DEVICE double factor_root(double factor) { return ws_sqrt_f64(factor); }
WS_DEVICE float factor_divisor(float mean, float eps) {
  return ws_max_f32(mean, factor_eps(eps));
}
WS_DEVICE double factor_divisor(double mean, double eps) {
  return ws_max_f64(mean, factor_eps(eps));
}

/* The first two scalars of a group, and its sign, in the arguments or the table. */
template <typename T> struct Few {
  T fresh;
  T eps;
  T sign;
};
template <typename T> WS_DEVICE Few<T> few_of(const Group<T> &group) {
  const Few<T> few = {group.scalars[0], group.scalars[1], group.sign};
  return few;
}
template <typename S>
WS_DEVICE Few<typename Storage<S>::Real> few_of(const StepArguments<S> &step, int index) {
  if (step.table) return few_of(step.table[index]);
  return few_of(step.groups[index]);
}

/* Adds up by halves what each of n rows of the scratch holds; the sums are their first elements. */
template <typename T> WS_DEVICE void halves(T (*scratch)[WS_TILE_COLUMNS + 1], int n) {
  WS_ROLLED
  for (int shift = 7; shift >= 0; shift--) {
    WS_BARRIER();
    WS_THREADS(t) {
      WS_ROLLED
      for (int e = t; e < n << shift; e += WS_BLOCK) {
        T *const first = scratch[e >> shift] + (e & ((1 << shift) - 1));
        first[0] += first[1 << shift];
      }
    }
  }
  WS_BARRIER();
}

template <typename S> WS_DEVICE void factor_tiles(const SumArguments<S> &arguments) {
  typedef typename Storage<S>::Real T;
  WS_SHARED T scratch[WS_ROWS_AT_ONCE][WS_TILE_COLUMNS + 1];
  WS_OWN(T, sum)
  const NormResult *norm = arguments.step.norm;
  if (norm && norm->skip) return;
  const Tile tile = arguments.leaves[WS_BLOCK_INDEX];
  const SumWhole<T> &its = arguments.tensors[tile.tensor];
  const S *const gradients = arguments.step.tensors[tile.tensor].gradients;
  const T prescale = arguments.step.prescale, clip_value = arguments.step.clip_value;
  const T scale = few_of(arguments.step, its.group).sign *
      (norm ? factor_scale(norm, T()) : arguments.step.scale);
  const long long height = its.height, width = its.width;
  const int across = (int)((width - 1) / WS_TILE_COLUMNS + 1);
  const int down = (int)((height - 1) / WS_TILE_ROWS + 1);
  const int matrix = tile.index / across / down;
  const long long first = (long long)(tile.index / across % down) * WS_TILE_ROWS;
  const long long column = (long long)(tile.index % across) * WS_TILE_COLUMNS;
  const int rows = height - first < WS_TILE_ROWS ? (int)(height - first) : (int)WS_TILE_ROWS;
  const long long first_row = matrix * height + first;
  WS_ROLLED
  for (int from = 0; from < rows; from += WS_ROWS_AT_ONCE) {
    const int n = rows - from < WS_ROWS_AT_ONCE ? rows - from : (int)WS_ROWS_AT_ONCE;
    WS_THREADS(t) {
      T own = from == 0 ? 0 : WS_MY(sum, t);
      WS_ROLLED
      for (int i = 0; i < n; i += 2) {
        T x[2];
        WS_UNROLL
        for (int e = 0; e < 2; e++) {
          const bool counts = i + e < n && column + t < width;
          x[e] = counts ? widen(gradients[(first_row + from + i + e) * width + column + t]) : 0;
        }
        WS_UNROLL
        for (int e = 0; e < 2; e++) {
          const T g = gradient(scale, prescale, clip_value, x[e]);
          scratch[i + e][t] = g * g;
          own += g * g;
        }
      }
      WS_MY(sum, t) = own;
    }
    halves(scratch, n);
    WS_THREADS(t) {
      if (t < n) {
        its.row_sums[(first_row + from + t) * across + tile.index % across] = scratch[t][0];
      }
    }
    WS_BARRIER();
  }
  WS_THREADS(t) {
    if (column + t < width) {
      const long long part = matrix * (long long)down + first / WS_TILE_ROWS;
      its.column_sums[part * width + column + t] = WS_MY(sum, t);
    }
  }
}

/* The sum of `count` sums of tiles, each `stride` after the other. */
template <typename T> WS_DEVICE T sum_of(const T *sums, int count, long long stride) {
  T sum = 0;
  WS_ROLLED
  for (int i = 0; i < count; i++) sum += sums[i * stride];
  return sum;
}

/* For each matrix a block of its rows and then those of its columns. */
template <typename T> WS_DEVICE void factor_join(const SumArguments<T> &arguments) {
  WS_SHARED T scratch[1][WS_TILE_COLUMNS + 1];
  const NormResult *norm = arguments.step.norm;
  if (norm && norm->skip) return;
  const Tile tile = arguments.leaves[WS_BLOCK_INDEX];
  const SumWhole<T> &its = arguments.tensors[tile.tensor];
  const Few<T> group = few_of(arguments.step, its.group);
  const T fresh = group.fresh;
  const long long height = its.height, width = its.width;
  const int across = (int)((width - 1) / WS_TILE_COLUMNS + 1);
  const int down = (int)((height - 1) / WS_TILE_ROWS + 1);
  const int part = tile.index % (1 + across);
  const long long matrix = tile.index / (1 + across);
  if (part > 0) {
    T *const factors = its.column_factors + matrix * width;
    T *const inverses = its.column_inverses + matrix * width;
    const T *const sums = its.column_sums + matrix * down * width;
    WS_THREADS(t) {
      const long long at = (part - 1) * (long long)WS_TILE_COLUMNS + t;
      if (at < width) {
        const T sum = sum_of(sums + at, down, width);
        const T factor = factor_moved(fresh, sum / (T)height, factors[at]);
        factors[at] = factor;
        inverses[at] = 1 / factor_root(factor);
      }
    }
    return;
  }
  T *const factors = its.row_factors + matrix * height;
  T *const inverses = its.row_inverses + matrix * height;
  const T *const sums = its.row_sums + matrix * height * across;
  WS_THREADS(t) {
    T own = 0;
    WS_ROLLED
    for (long long at = t; at < height; at += WS_TILE_COLUMNS) {
      const T sum = sum_of(sums + at * across, across, 1);
      const T factor = factor_moved(fresh, sum / (T)width, factors[at]);
      factors[at] = factor;
      inverses[at] = factor;
      own += factor;
    }
    scratch[0][t] = own;
  }
  halves(scratch, 1);
  const T root = factor_root(factor_divisor(WS_UNIFORM(scratch[0][0]) / (T)height, group.eps));
  WS_UNSHARED(); /* only device memory in this phase */
  WS_THREADS(t) {
    WS_ROLLED
    for (long long at = t; at < height; at += WS_TILE_COLUMNS) {
      inverses[at] = root / factor_root(inverses[at]);
    }
  }
}

#define WS_FACTOR_TILES(type, S)                                            \
  WS_KERNEL_FOR(2) factor_tiles_##type(const SumArguments<S> arguments) {          \
    factor_tiles<S>(arguments);                                             \
  }                                                                         \
  WS_LIST(factor_tiles_##type, SumArguments<S>)
WS_FACTOR_TILES(float32, float)
WS_FACTOR_TILES(float16, Float16)
WS_FACTOR_TILES(bfloat16, Bfloat16)
WS_FACTOR_TILES(float64, double)
WS_KERNEL_FOR(2) factor_join_float32(const SumArguments<float> arguments) { factor_join(arguments); }
WS_KERNEL_FOR(2) factor_join_float64(const SumArguments<double> arguments) { factor_join(arguments); }
WS_LIST(factor_join_float32, SumArguments<float>)
WS_LIST(factor_join_float64, SumArguments<double>)
