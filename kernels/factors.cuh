/*
 * Squares that are kept as factors of the rows and columns of matrices: see factors.cu. Element (i, j) of a
 * matrix is scaled_rows[i] * column_factors[j].
 */
#ifndef WS_FACTORS_CUH
#define WS_FACTORS_CUH

#include "grid.cuh"

/* N elements from one on, of which those from `left` on are beyond the last. */
template <int N, typename T>
WS_DEVICE void load_factored(const SumWhole<T> &its, long long at, int left, T *to) {
  long long row = at / its.width, column = at - row * its.width;
  const long long matrix = row / its.height;
  long long below = row - matrix * its.height; /* within the matrix */
  const T *columns = its.column_factors + matrix * its.width;
  WS_UNROLL
  for (int e = 0; e < N; e++) {
    to[e] = e < left ? its.scaled_rows[row] * columns[column] : 0;
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
