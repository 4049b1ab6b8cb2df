/*
 * StableAdamW (Wortsman et al. 2023): AdamW whose rate is lowered for a tensor where its gradients are
 * larger than the second moment expects.
 *
 *   m = b1 * m + fresh1 * g               (fresh: (1 - beta) / (1 - beta^t), b: 1 - fresh)
 *   v = b2 * v + fresh2 * g * g
 *   eta = lr / max(1, sqrt(mean((g / max(sqrt(v), eps))^2)))
 *   p = (1 - eta * decay) * p - eta * m / (sqrt(v) + eps)
 *
 * State: 0 exp_avg, 1 exp_avg_sq. Sums over each tensor: 0 |g / max(sqrt(v), eps)|.
 * Numbers: 0 eta, 1 the parameter's factor. Scalars: 0 lr, 1 b1, 2 fresh1, 3 b2, 4 fresh2, 5 eps,
 * 6 decay.
 *
 * Operations of the terms: 1 fma, 2 mul, 1 div, 1 sqrt.
 * Operations of the numbers: 1 fma, 2 div, 1 sqrt.
 * Operations with options 0: 3 fma, 4 mul, 1 add, 1 div, 1 sqrt.
 */
#ifndef WS_STABLEADAMW_H
#define WS_STABLEADAMW_H
#define WS_STABLEADAMW_OPTIONS 1
#define WS_STABLEADAMW_SLOTS(options) 2
#define WS_STABLEADAMW_MAX_SLOTS 2
#define WS_STABLEADAMW_SCALARS 7
#define WS_STABLEADAMW_BLOCKS 2 /* see rules.h */
#define WS_STABLEADAMW_SUMS 1
#define WS_STABLEADAMW_KIND(sum) WS_SUM_SQUARES
#define WS_STABLEADAMW_NUMBERS 2
#define WS_STABLEADAMW_KEPT 0
#define WS_STABLEADAMW_SUM_READS (WS_GRADIENT | WS_STATE(1))
#define WS_STABLEADAMW_SUM_WRITES 0
#define WS_STABLEADAMW_READS ~0
#define WS_STABLEADAMW_WRITES ~WS_GRADIENT
#endif

WS_INLINE void WS_NAME(stableadamw_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {}

WS_INLINE void WS_NAME(stableadamw_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  WS_REAL v = WS_FMA(k[3], s[1], (k[4] * g) * g);
  x[0] = g / WS_MAX(WS_SQRT(v), k[5]);
}

/* x: a tensor's sums, size: its elements, rows and columns, s: its state, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(stableadamw_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  n[0] = k[0] / WS_MAX((WS_REAL)1, x[0] / WS_SQRT(size[0]));
  n[1] = WS_FMA(-n[0], k[6], (WS_REAL)1);
}

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars, then the numbers. */
WS_INLINE WS_REAL WS_NAME(stableadamw)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  s[0] = WS_FMA(k[1], s[0], k[2] * g);
  s[1] = WS_FMA(k[3], s[1], (k[4] * g) * g);
  return WS_FMA(-k[7], s[0] / (WS_SQRT(s[1]) + k[5]), k[8] * p);
}

WS_SUMS_ENTRY(stableadamw, STABLEADAMW)
