/*
 * The matrix phase: a Newton-Schulz iteration on matrices that a rule's first phase left in a slot.
 * A batch of matrices of one shape is copied into the workspace, divided and with no more rows than
 * columns; there each step is three products, out = f(left right); and it is copied back.
 *
 * An element of a product is one chain of multiply-adds over the inner index from the first on. A
 * block does a tile of the product, of which each thread holds a few elements in registers, 8 x 8 of
 * float32 or 4 x 4 of float64; both factors pass through shared memory. Of a symmetric product tiles
 * below the diagonal are left out, and the others stored twice.
 *
 * Entries: matrix_copy_<type> and matrix_product_<type> for the types float32 and float64.
 */
#include "grid.cuh"

enum { WS_SIDE = 16 /* threads along each side of a tile */, WS_DEPTH = 16, WS_COPY = 32 };

WS_DEVICE float matrix_fma(float a, float b, float c) { return ws_fma_f32(a, b, c); }
WS_DEVICE double matrix_fma(double a, double b, double c) { return ws_fma_f64(a, b, c); }

/* Between a slot and the workspace, 32 x 32 elements in a block. rows and columns are the source's. */
template <typename T> WS_DEVICE void copy_matrix(const MatrixArguments<T> &arguments) {
  WS_SHARED T tile[WS_COPY][WS_COPY + 1];
  if (arguments.norm && arguments.norm->skip) return;
  const int matrix = WS_BLOCK_INDEX / arguments.tiles;
  const int index = WS_BLOCK_INDEX % arguments.tiles;
  const int row = index / arguments.across * WS_COPY;
  const int column = index % arguments.across * WS_COPY;
  const int rows = arguments.rows, columns = arguments.columns;
  const MatrixPart<T> part = arguments.parts[matrix];
  T *const own = arguments.out + (long long)matrix * rows * columns;
  const bool stores = (arguments.flags & WS_MATRIX_STORES) != 0;
  const T *const from = stores ? own : part.values;
  T *const to = stores ? part.values : own;
  const T divisor = stores ? 1 : arguments.numbers[part.tensor * WS_MAX_NUMBERS];
  WS_THREADS(t) {
    WS_ROLLED
    for (int i = t / WS_COPY; i < WS_COPY; i += WS_BLOCK / WS_COPY) {
      const int j = t % WS_COPY;
      if (row + i < rows && column + j < columns) {
        const T x = from[(long long)(row + i) * columns + column + j];
        tile[i][j] = stores ? x : x / divisor;
      }
    }
  }
  WS_BARRIER();
  WS_THREADS(t) {
    const bool transposes = (arguments.flags & WS_MATRIX_TRANSPOSES) != 0;
    const int first = transposes ? column : row, second = transposes ? row : column;
    const int height = transposes ? columns : rows, width = transposes ? rows : columns;
    WS_ROLLED
    for (int i = t / WS_COPY; i < WS_COPY; i += WS_BLOCK / WS_COPY) {
      const int j = t % WS_COPY;
      if (first + i < height && second + j < width) {
        to[(long long)(first + i) * width + second + j] = transposes ? tile[j][i] : tile[i][j];
      }
    }
  }
}

/* What a block has of a product of one arithmetic type. */
template <typename T> struct Product {
  enum {
    VECTOR = Storage<T>::COUNT,
    HELD = 2 * VECTOR,          /* rows and columns of a thread */
    TILE = WS_SIDE * HELD,      /* rows and columns of the tile */
    HALF = TILE / 2,            /* a thread's second vector begins as much after the first */
    PITCH = TILE + VECTOR,      /* of a row in shared memory */
    STAGED = WS_SIDE / 4 * VECTOR, /* rows that go through shared memory at a time */
    LOADS = TILE * WS_DEPTH / WS_BLOCK
  };

  struct Shared { /* rows are read by vectors */
    alignas(16) T left[WS_DEPTH][PITCH];
    alignas(16) T right[WS_DEPTH][PITCH];
    T staged[STAGED][PITCH];
  };

  /* What a thread keeps from phase to phase: its sums, and what it loads next of each factor. */
  struct Held {
    T sums[HELD][HELD];
    const T *left;
    const T *right;
  };

  /*
   * A thread's elements of a part of a factor: of `left` rows or columns every WS_DEPTH-th, and beyond
   * them the last of these again. Their sums are stored nowhere, and to choose zeros for them would take
   * registers.
   */
  WS_DEVICE void load(const T *from, long long step, int left, T *elements) {
    WS_UNROLL
    for (int e = 0; e < LOADS; e++) {
      elements[e] = *from;
      if ((e + 1) * WS_DEPTH < left) from += step;
    }
  }

  /* Elements of rows, by the inner index. */
  WS_DEVICE void store_rows(int t, const T *elements, T (*to)[PITCH]) {
    WS_UNROLL
    for (int e = 0; e < LOADS; e++) to[t % WS_DEPTH][t / WS_DEPTH + e * WS_DEPTH] = elements[e];
  }
  /* Elements of columns. */
  WS_DEVICE void store_columns(int t, const T *elements, T (*to)[PITCH]) {
    WS_UNROLL
    for (int e = 0; e < LOADS; e++) to[t / WS_DEPTH][t % WS_DEPTH + e * WS_DEPTH] = elements[e];
  }

  /* Adds the products of one inner index. */
  WS_DEVICE void add(int t, const T *left, const T *right, Held &held) {
    T a[HELD], b[HELD];
    load_vector(left + t / WS_SIDE * VECTOR, a);
    load_vector(left + t / WS_SIDE * VECTOR + HALF, a + VECTOR);
    load_vector(right + t % WS_SIDE * VECTOR, b);
    load_vector(right + t % WS_SIDE * VECTOR + HALF, b + VECTOR);
    WS_UNROLL
    for (int i = 0; i < HELD; i++) {
      WS_UNROLL
      for (int j = 0; j < HELD; j++) held.sums[i][j] = matrix_fma(a[i], b[j], held.sums[i][j]);
    }
  }

  /* A half of a thread's rows. */
  WS_DEVICE void stage(int t, const T (*sums)[HELD], T (*to)[PITCH]) {
    WS_UNROLL
    for (int i = 0; i < VECTOR; i++) {
      T *const row = to[t / WS_SIDE % 4 * VECTOR + i];
      store_vector(row + t % WS_SIDE * VECTOR, sums[i]);
      store_vector(row + t % WS_SIDE * VECTOR + HALF, sums[i] + VECTOR);
    }
  }
};

template <typename T> WS_DEVICE void multiply_matrix(const MatrixArguments<T> &arguments) {
  typedef Product<T> P;
  WS_SHARED typename P::Shared shared;
  WS_OWN(typename P::Held, all_held)
  if (arguments.norm && arguments.norm->skip) return;
  const int matrix = WS_BLOCK_INDEX / arguments.tiles;
  const int index = WS_BLOCK_INDEX % arguments.tiles;
  const int row = index / arguments.across * P::TILE;
  const int column = index % arguments.across * P::TILE;
  const bool half = (arguments.flags & WS_MATRIX_HALF) != 0;
  if (half && column < row) return;
  const bool by_rows = (arguments.flags & WS_MATRIX_TRANSPOSES) != 0;
  const int rows = arguments.rows, columns = arguments.columns, depth = arguments.depth;
  const int before = matrix * rows; /* few enough, since columns are no fewer than rows */
  WS_THREADS(t) {
    typename P::Held &held = WS_MY(all_held, t);
    WS_UNROLL
    for (int i = 0; i < P::HELD; i++) {
      WS_UNROLL
      for (int j = 0; j < P::HELD; j++) held.sums[i][j] = 0;
    }
    /* Threads beside each other load elements beside each other, of rows by the inner index. */
    const int first = t / WS_DEPTH, second = t % WS_DEPTH;
    const T *const right = arguments.right + (long long)matrix * depth * columns;
    held.left = arguments.left + (long long)(before + clamped(row + first, rows)) * depth + second;
    held.right = by_rows
        ? right + (long long)clamped(column + first, columns) * depth + second
        : right + (long long)first * columns + clamped(column + second, columns);
  }
  WS_UNSHARED(); /* a thread's own is not shared memory */
  const long long step = WS_DEPTH * (long long)depth;
  WS_ROLLED
  for (int at = 0; at < depth; at += WS_DEPTH) {
    const int n = depth - at < WS_DEPTH ? depth - at : (int)WS_DEPTH;
    WS_THREADS(t) {
      typename P::Held &held = WS_MY(all_held, t);
      const int first = t / WS_DEPTH, second = t % WS_DEPTH;
      const int beyond = second - clamped(second, n); /* the last part's inner indices end at n */
      T elements[P::LOADS];
      held.left -= beyond;
      P::load(held.left, step, rows - row - first, elements);
      P::store_rows(t, elements, shared.left);
      held.left += WS_DEPTH;
      if (by_rows) {
        held.right -= beyond;
        P::load(held.right, step, columns - column - first, elements);
        P::store_rows(t, elements, shared.right);
        held.right += WS_DEPTH;
      } else {
        held.right -= (first - clamped(first, n)) * (long long)columns;
        P::load(held.right, WS_DEPTH, columns - column - second, elements);
        P::store_columns(t, elements, shared.right);
        held.right += WS_DEPTH * (long long)columns;
      }
    }
    WS_BARRIER();
    WS_THREADS(t) {
      WS_ROLLED
      for (int k = 0; k < n; k++) {
        P::add(t, shared.left[k], shared.right[k], WS_MY(all_held, t));
      }
    }
    WS_BARRIER();
  }
  const T *const other = arguments.other + (long long)before * columns;
  T *const out = arguments.out + (long long)before * columns;
  /* A few rows at a time go through shared memory, so that neighbours store beside each other. */
  WS_ROLLED
  for (int part = 0; part < 8; part++) {
    WS_THREADS(t) {
      const typename P::Held &held = WS_MY(all_held, t);
      if (t / WS_SIDE / 4 == part % 4) {
        if (part < 4) {
          P::stage(t, held.sums, shared.staged);
        } else {
          P::stage(t, held.sums + P::VECTOR, shared.staged);
        }
      }
    }
    WS_BARRIER();
    const int first = row + part * P::STAGED;
    WS_THREADS(t) {
      WS_ROLLED
      for (int e = t; e < P::STAGED * P::TILE; e += WS_BLOCK) {
        const int i = first + e / P::TILE, j = column + e % P::TILE;
        if (i < rows && j < columns) {
          T x = shared.staged[e / P::TILE][e % P::TILE];
          if ((arguments.flags & WS_MATRIX_COMBINES) != 0) {
            const T y = other[(long long)i * columns + j];
            x = matrix_fma(arguments.factor, x, arguments.other_factor * y);
          } else if ((arguments.flags & WS_MATRIX_ADDS) != 0) {
            x = matrix_fma(arguments.other_factor, other[(long long)i * columns + j], x);
          }
          shared.staged[e / P::TILE][e % P::TILE] = x;
          if (!half || j >= i) out[(long long)i * columns + j] = x;
        }
      }
    }
    WS_BARRIER();
    if (half) {
      WS_THREADS(t) {
        WS_ROLLED
        for (int e = t; e < P::STAGED * P::TILE; e += WS_BLOCK) {
          const int i = first + e % P::STAGED, j = column + e / P::STAGED;
          if (j < columns && j > i) {
            out[(long long)j * columns + i] = shared.staged[e % P::STAGED][e / P::STAGED];
          }
        }
      }
      WS_BARRIER();
    }
  }
}

WS_KERNEL matrix_copy_float32(const MatrixArguments<float> arguments) { copy_matrix(arguments); }
WS_KERNEL matrix_copy_float64(const MatrixArguments<double> arguments) { copy_matrix(arguments); }
WS_KERNEL_WITHIN(96) matrix_product_float32(const MatrixArguments<float> arguments) {
  multiply_matrix(arguments);
}
WS_KERNEL_FOR(2) matrix_product_float64(const MatrixArguments<double> arguments) {
  multiply_matrix(arguments);
}
WS_LIST(matrix_copy_float32, MatrixArguments<float>)
WS_LIST(matrix_copy_float64, MatrixArguments<double>)
WS_LIST(matrix_product_float32, MatrixArguments<float>)
WS_LIST(matrix_product_float64, MatrixArguments<double>)
