/*
 * LAMB (You et al. 2020): Adam with decoupled weight decay, whose update of each tensor is scaled
 * by the ratio of the tensor's norm to its own.
 *
 *   m = beta1 * m + fresh1 * g            (fresh1: 1 - beta1, or 1)
 *   v = beta2 * v + fresh2 * g * g        (fresh2: 1 - beta2)
 *   u = moment_scale * m / (sqrt(v) * root_scale + eps) + weight_decay * p
 *   p = p - lr * |p| / |u| * u
 *
 * moment_scale = 1 / (1 - beta1^t), root_scale = 1 / sqrt(1 - beta2^t); or both 1. The ratio is 1 if
 * a norm is 0 or adapts is; with clips it is at most 1.
 *
 * State: 0 exp_avg, 1 exp_avg_sq. Sums over each tensor: 0 |p|, 1 |u|. Numbers: 0 lr * ratio.
 * Scalars: 0 lr, 1 beta1, 2 fresh1, 3 beta2, 4 fresh2, 5 moment_scale, 6 root_scale, 7 eps,
 * 8 weight_decay, 9 adapts, 10 clips.
 *
 * Operations of the state: 2 fma, 3 mul.
 * Operations of the terms: 2 fma, 1 mul, 1 div, 1 sqrt.
 * Operations of the numbers: 1 mul, 1 div.
 * Operations with options 0 and no gradient: 3 fma, 1 mul, 1 div, 1 sqrt.
 */
#ifndef WS_LAMB_H
#define WS_LAMB_H
#define WS_LAMB_OPTIONS 1
#define WS_LAMB_SLOTS(options) 2
#define WS_LAMB_MAX_SLOTS 2
#define WS_LAMB_SCALARS 11
#define WS_LAMB_BLOCKS 2 /* see rules.h */
#define WS_LAMB_SUMS 2
#define WS_LAMB_KIND(sum) WS_SUM_SQUARES
#define WS_LAMB_NUMBERS 1
#define WS_LAMB_KEPT 0
#define WS_LAMB_SUM_READS (WS_PARAMETER | WS_GRADIENT | WS_STATE(0) | WS_STATE(1))
#define WS_LAMB_SUM_WRITES (WS_STATE(0) | WS_STATE(1))
#define WS_LAMB_READS (WS_PARAMETER | WS_STATE(0) | WS_STATE(1))
#define WS_LAMB_WRITES WS_PARAMETER
#endif

WS_INLINE WS_REAL WS_NAME(lamb_update)(WS_REAL p, const WS_REAL *s, const WS_REAL *k) {
  WS_REAL u = (k[5] * s[0]) / WS_FMA(WS_SQRT(s[1]), k[6], k[7]);
  return k[8] != 0 ? WS_FMA(k[8], p, u) : u;
}

/* The first phase's state, of which the terms and the second phase then are functions. */
WS_INLINE void WS_NAME(lamb_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  s[0] = WS_FMA(k[1], s[0], k[2] * g);
  s[1] = WS_FMA(k[3], s[1], (k[4] * g) * g);
}

WS_INLINE void WS_NAME(lamb_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  x[0] = p;
  x[1] = WS_NAME(lamb_update)(p, s, k);
}

/* x: a tensor's sums, size: its elements, rows and columns, s: its state, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(lamb_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  WS_REAL ratio = x[0] > 0 && x[1] > 0 ? x[0] / x[1] : (WS_REAL)1;
  ratio = k[9] != 0 ? ratio : (WS_REAL)1;
  n[0] = k[0] * (k[10] != 0 ? WS_MIN(ratio, (WS_REAL)1) : ratio);
}

/* p: parameter, s: the element's state, k: the step's scalars, then the tensor's numbers. */
WS_INLINE WS_REAL WS_NAME(lamb)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  return WS_FMA(-k[11], WS_NAME(lamb_update)(p, s, k), p);
}

WS_SUMS_ENTRY(lamb, LAMB)
