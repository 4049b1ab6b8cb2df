/*
 * NovoGrad (Ginsburg et al. 2019): gradients divided by a running average of each tensor's gradient
 * norm.
 *
 *   v = |g|^2 while v is 0, later beta2 * v + fresh2 * |g|^2        (fresh2: 1 - beta2)
 *   v = u = max(u, v)                     (AMSGrad; the stored v stays)
 *   g = g / (sqrt(v) + eps) + weight_decay * p
 *   m = beta1 * m + fresh1 * g            (fresh1: 1, or 1 - beta1)
 *   p = p - lr * m
 *
 * State: 0 exp_avg; of each tensor 0 exp_avg_sq v, 1 max_exp_avg_sq u. Sums over each tensor: 0 |g|.
 * Numbers: 0 sqrt(v) + eps. Scalars: 0 lr, 1 beta1, 2 fresh1, 3 beta2, 4 fresh2, 5 eps,
 * 6 weight_decay, 7 takes_maximum.
 *
 * Operations of the numbers: 1 fma, 2 mul, 1 add, 1 sqrt.
 * Operations with options 0: 3 fma, 1 mul, 1 div.
 */
#ifndef WS_NOVOGRAD_H
#define WS_NOVOGRAD_H
#define WS_NOVOGRAD_OPTIONS 1
#define WS_NOVOGRAD_SLOTS(options) 1
#define WS_NOVOGRAD_MAX_SLOTS 1
#define WS_NOVOGRAD_SCALARS 8
#define WS_NOVOGRAD_BLOCKS 2 /* see rules.h */
#define WS_NOVOGRAD_SUMS 1
#define WS_NOVOGRAD_KIND(sum) WS_SUM_SQUARES
#define WS_NOVOGRAD_NUMBERS 1
#define WS_NOVOGRAD_KEPT 2
#define WS_NOVOGRAD_SUM_READS WS_GRADIENT
#define WS_NOVOGRAD_SUM_WRITES 0
#define WS_NOVOGRAD_READS ~0
#define WS_NOVOGRAD_WRITES ~WS_GRADIENT
#endif

WS_INLINE void WS_NAME(novograd_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {}

WS_INLINE void WS_NAME(novograd_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  x[0] = g;
}

/* x: a tensor's sums, size: its elements, rows and columns, s: its state, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(novograd_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  WS_REAL square = x[0] * x[0];
  WS_REAL v = s[0] == 0 ? square : WS_FMA(k[3], s[0], k[4] * square);
  s[0] = v;
  s[1] = k[7] != 0 ? WS_MAX(s[1], v) : s[1];
  n[0] = WS_SQRT(k[7] != 0 ? s[1] : v) + k[5];
}

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars, then the numbers. */
WS_INLINE WS_REAL WS_NAME(novograd)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL d = g / k[8];
  d = k[6] != 0 ? WS_FMA(k[6], p, d) : d;
  s[0] = WS_FMA(k[1], s[0], k[2] * d);
  return WS_FMA(-k[0], s[0], p);
}

WS_SUMS_ENTRY(novograd, NOVOGRAD)
