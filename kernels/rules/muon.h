/*
 * Muon (Jordan 2024): momentum whose matrix is made nearly orthogonal before it is applied.
 *
 *   m = momentum * m + fresh * g          (fresh: 1 - momentum)
 *   u = momentum * m + fresh * g          (Nesterov; otherwise u = m)
 *   X = iterate(u / max(|u|, eps))        (matrix.cu, matrix.cl)
 *   p = keep * p - lr * s * X             (keep: 1 - lr * weight decay)
 *
 * s = sqrt(max(1, rows / columns)), or 0.2 * sqrt(max(rows, columns)) to match AdamW's updates.
 *
 * State: 0 momentum_buffer; room for 1, u and then X. Sums over each tensor: 0 |u|. Numbers: 0 the
 * divisor, 1 lr * s. Scalars: 0 lr, 1 keep, 2 momentum, 3 fresh, 4 is_nesterov, 5 eps, 6 matches_rms.
 *
 * Operations of the state: 2 fma, 1 mul.
 * Operations of the numbers: 2 mul, 1 div, 2 sqrt.
 * Operations with options 0 and no gradient: 1 fma, 1 mul.
 */
#ifndef WS_MUON_H
#define WS_MUON_H
#define WS_MUON_OPTIONS 1
#define WS_MUON_SLOTS(options) 2
#define WS_MUON_MAX_SLOTS 2
#define WS_MUON_SCALARS 7
#define WS_MUON_BLOCKS 2 /* see rules.h */
#define WS_MUON_SUMS 1
#define WS_MUON_KIND(sum) WS_SUM_SQUARES
#define WS_MUON_NUMBERS 2
#define WS_MUON_KEPT 0
#define WS_MUON_SUM_READS (WS_GRADIENT | WS_STATE(0))
#define WS_MUON_SUM_WRITES (WS_STATE(0) | WS_STATE(1))
#define WS_MUON_READS (WS_PARAMETER | WS_STATE(1))
#define WS_MUON_WRITES WS_PARAMETER
#endif

WS_INLINE void WS_NAME(muon_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL fresh = k[3] * g;
  s[0] = WS_FMA(k[2], s[0], fresh);
  s[1] = k[4] != 0 ? WS_FMA(k[2], s[0], fresh) : s[0];
}

WS_INLINE void WS_NAME(muon_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  x[0] = s[1];
}

/* x: a tensor's sums, size: its elements, rows and columns, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(muon_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  WS_REAL original = WS_SQRT(WS_MAX((WS_REAL)1, size[1] / size[2]));
  WS_REAL matching = (WS_REAL)0.2 * WS_SQRT(WS_MAX(size[1], size[2]));
  n[0] = WS_MAX(x[0], k[5]);
  n[1] = k[0] * (k[6] != 0 ? matching : original);
}

/* p: parameter, s: the element's state, k: the step's scalars, then the tensor's numbers. */
WS_INLINE WS_REAL WS_NAME(muon)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  return WS_FMA(-k[8], s[1], k[1] * p);
}

WS_MATRIX_ENTRY(muon, MUON)
