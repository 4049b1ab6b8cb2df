/*
 * LARS (You, Gitman and Ginsburg 2017): momentum whose gradient is scaled, for each tensor, by the
 * ratio of the tensor's norm to the gradient's.
 *
 *   ratio = trust * |p| / (|g| + weight_decay * |p| + eps)
 *   d = ratio * (g + weight_decay * p)
 *   d = b = momentum * b + fresh * d      (with momentum; fresh: 1 - dampening, 1 at first)
 *   d = d + momentum * b                  (Nesterov, with the d from before)
 *   p = p - lr * d
 *
 * The ratio is 1 if a norm is 0 or adapts is; with clips it is min(ratio / lr, 1).
 *
 * State: 0 momentum_buffer with momentum. Sums over each tensor: 0 |p|, 1 |g|. Numbers: 0 ratio.
 * Options: 1 momentum, 2 Nesterov momentum. Scalars: 0 lr, 1 momentum, 2 fresh, 3 weight_decay,
 * 4 trust, 5 eps, 6 adapts, 7 clips.
 *
 * Operations of the numbers: 1 fma, 1 add, 1 mul, 2 div.
 * Operations with options 0: 2 fma, 1 mul.
 * Operations with options 1: 3 fma, 2 mul.
 * Operations with options 2: 4 fma, 2 mul.
 */
#ifndef WS_LARS_H
#define WS_LARS_H
#define WS_LARS_OPTIONS 3
#define WS_LARS_SLOTS(options) ((options) > 0 ? 1 : 0)
#define WS_LARS_MAX_SLOTS 1
#define WS_LARS_SCALARS 8
#define WS_LARS_BLOCKS 2 /* see rules.h */
#define WS_LARS_SUMS 2
#define WS_LARS_KIND(sum) WS_SUM_SQUARES
#define WS_LARS_NUMBERS 1
#define WS_LARS_KEPT 0
#define WS_LARS_SUM_READS (WS_PARAMETER | WS_GRADIENT)
#define WS_LARS_SUM_WRITES 0
#define WS_LARS_READS ~0
#define WS_LARS_WRITES ~WS_GRADIENT
#endif

WS_INLINE void WS_NAME(lars_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {}

WS_INLINE void WS_NAME(lars_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  x[0] = p;
  x[1] = g;
}

/* x: a tensor's sums, size: its elements, rows and columns, s: its state, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(lars_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  WS_REAL divisor = WS_FMA(k[3], x[0], x[1]) + k[5];
  WS_REAL ratio = x[0] > 0 && x[1] > 0 ? k[4] * x[0] / divisor : (WS_REAL)1;
  ratio = k[7] != 0 ? WS_MIN(ratio / k[0], (WS_REAL)1) : ratio;
  n[0] = k[6] != 0 ? ratio : (WS_REAL)1;
}

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars, then the numbers. */
WS_INLINE WS_REAL WS_NAME(lars)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL d = k[8] * (k[3] != 0 ? WS_FMA(k[3], p, g) : g);
  if (options != 0) {
    WS_REAL b = WS_FMA(k[1], s[0], k[2] * d);
    s[0] = b;
    d = options == 2 ? WS_FMA(k[1], b, d) : b;
  }
  return WS_FMA(-k[0], d, p);
}

WS_SUMS_ENTRY(lars, LARS)
