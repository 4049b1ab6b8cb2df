/*
 * Squares that are kept as factors of the rows and columns of matrices: see factors.cu. Phases read their
 * inverse roots, which of element (i, j) of a matrix are row_inverses[i] * column_inverses[j], or the bound
 * if that is less.
 */
#ifndef WS_FACTORS_CUH
#define WS_FACTORS_CUH

#include "grid.cuh"

/* The least that a mean of rows and a root of squares count as. */
WS_DEVICE float factor_eps(float eps) { return eps == 0 ? ws_epsilon_32 : eps; }
WS_DEVICE double factor_eps(double eps) { return eps == 0 ? ws_epsilon_64 : eps; }

/* 1 / eps, which is finite. */
WS_DEVICE float inverse_bound(float eps) {
  return 1 / ws_max_f32(factor_eps(eps), ws_least_normal_32);
}
WS_DEVICE double inverse_bound(double eps) {
  return 1 / ws_max_f64(factor_eps(eps), ws_least_normal_64);
}

/* The factors of a tensor, or null, and the bound of inverse roots. */
template <typename T> struct Factored {
  const SumWhole<T> *its;
  T bound;
  WS_DEVICE_MEMBER operator bool() const { return its != nullptr; }
};

/* whole: the tensor's. eps: scalar 1 of its group. */
template <typename T> WS_DEVICE Factored<T> factored_of(const SumWhole<T> &whole, T eps) {
  const Factored<T> none = {nullptr, 0}, factored = {&whole, inverse_bound(eps)};
  return whole.row_inverses ? factored : none;
}

/* N elements from one on, of which those from `left` on are beyond the last. */
template <int N, typename T>
WS_DEVICE void load_factored(const Factored<T> &factored, long long at, int left, T *to) {
  const SumWhole<T> &its = *factored.its;
  long long row = at / its.width, column = at - row * its.width;
  const long long matrix = row / its.height;
  long long below = row - matrix * its.height; /* within the matrix */
  const T *columns = its.column_inverses + matrix * its.width;
  WS_UNROLL
  for (int e = 0; e < N; e++) {
    const T inverse = e < left ? its.row_inverses[row] * columns[column] : 0;
    to[e] = inverse > factored.bound ? factored.bound : inverse; /* NaN stays */
    if (++column == its.width) {
      column = 0;
      row++;
      if (++below == its.height) {
        below = 0;
        columns += its.width;
      }
    }
  }
}

#endif
