/*
 * Prodigy (Mishchenko and Defazio 2023): Adam that finds its own step size d. All of d is a group's.
 *   e = lr * sqrt(c2) / c1                (corrects; c = 1 - beta^t; otherwise e = lr)
 *   m = beta1 * m + d * (1 - beta1) * g
 *   v = beta2 * v + d^2 * (1 - beta2) * g * g
 *   s = beta3 * s + d / d0 * (d * e) * g  (safeguards: d for d * e)
 *   num = beta3 * num + d / d0 * (d * e) * sum(g * (p0 - p)), h = d_coef * num / sum(|s|)
 *   d_max = max(d_max, h), d' = min(d_max, (1 + growth) * (d or, if it is d0, max(d, h)))
 *   p = (1 - d * e * weight_decay) * p - d * e * m / (sqrt(v) + d' * eps)
 *
 * A growth below 0 is no limit. While all s are 0 nothing counts and no parameter moves.
 * State: 0 exp_avg, 1 exp_avg_sq, 2 s, 3 p0; of the group 0 d, 1 d_max, 2 d_numerator, 3 c1, 4 c2.
 * Sums over the group: 0 g * (p0 - p), 1 |s|. Numbers of the first phase: factors of g in 0 m, 1 v,
 * 2 s. Numbers: 0 d * e, 1 d' * eps, 2 the parameter's factor. Scalars: 0 lr, 1 beta1, 2 1 - beta1,
 * 3 beta2, 4 1 - beta2, 5 beta3, 6 d0, 7 d_coef, 8 growth, 9 eps, 10 weight_decay, 11 corrects,
 * 12 safeguards.
 *
 * Operations of the beginning: 2 fma, 6 mul, 2 div, 1 sqrt.
 * Operations of the state: 3 fma, 4 mul.
 * Operations of the terms: 1 mul, 1 add.
 * Operations of the numbers: 7 fma, 6 mul, 3 div, 1 sqrt.
 * Operations with options 0 and no gradient: 1 fma, 1 mul, 1 add, 1 div, 1 sqrt.
 */
#ifndef WS_PRODIGY_H
#define WS_PRODIGY_H
#define WS_PRODIGY_OPTIONS 1
#define WS_PRODIGY_SLOTS(options) 4
#define WS_PRODIGY_MAX_SLOTS 4
#define WS_PRODIGY_SCALARS 13
#define WS_PRODIGY_BLOCKS 2 /* see rules.h */
#define WS_PRODIGY_SUMS 2
#define WS_PRODIGY_KIND(sum) ((sum) == 0 ? WS_SUM_SIGNED : WS_SUM_MAGNITUDES)
#define WS_PRODIGY_FIRST 3
#define WS_PRODIGY_NUMBERS 3
#define WS_PRODIGY_KEPT 5
#define WS_PRODIGY_SUM_READS \
  (WS_PARAMETER | WS_GRADIENT | WS_STATE(0) | WS_STATE(1) | WS_STATE(2) | WS_STATE(3))
#define WS_PRODIGY_SUM_WRITES (WS_STATE(0) | WS_STATE(1) | WS_STATE(2))
#define WS_PRODIGY_READS (WS_PARAMETER | WS_STATE(0) | WS_STATE(1))
#define WS_PRODIGY_WRITES WS_PARAMETER
#endif

/* d * e. s: the group's state, k: scalars. */
WS_INLINE WS_REAL WS_NAME(prodigy_size)(const WS_REAL *s, const WS_REAL *k) {
  WS_REAL size = s[0] * k[0];
  return k[11] != 0 ? size * (WS_SQRT(WS_FMA(k[3], s[4], k[4])) / WS_FMA(k[1], s[3], k[2])) : size;
}

/* n: receives the numbers of the first phase. */
WS_INLINE void WS_NAME(prodigy_begin)(const WS_REAL *s, const WS_REAL *k, WS_REAL *n) {
  n[0] = s[0] * k[2];
  n[1] = (s[0] * s[0]) * k[4];
  n[2] = (s[0] / k[6]) * (k[12] != 0 ? s[0] : WS_NAME(prodigy_size)(s, k));
}

/* k: scalars, then the numbers of the first phase. */
WS_INLINE void WS_NAME(prodigy_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  s[0] = WS_FMA(k[1], s[0], k[13] * g);
  s[1] = WS_FMA(k[3], s[1], (k[14] * g) * g);
  s[2] = WS_FMA(k[5], s[2], k[15] * g);
}

WS_INLINE void WS_NAME(prodigy_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  x[0] = g * (s[3] - p);
  x[1] = s[2];
}

/* x: the group's sums, size: its elements, s: its state, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(prodigy_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  WS_REAL d = s[0], step_size = WS_NAME(prodigy_size)(s, k);
  WS_REAL numerator = WS_FMA(k[5], s[2], ((d / k[6]) * step_size) * x[0]);
  WS_REAL estimate = (k[7] * numerator) / x[1];
  WS_REAL largest = WS_MAX(s[1], estimate);
  WS_REAL next = d == k[6] ? WS_MAX(d, estimate) : d;
  next = k[8] >= 0 ? WS_MIN(largest, WS_FMA(next, k[8], next)) : largest;
  s[0] = x[1] == 0 ? d : next;
  s[1] = x[1] == 0 ? s[1] : largest;
  s[2] = x[1] == 0 ? s[2] : numerator;
  s[3] = x[1] == 0 || k[11] == 0 ? s[3] : WS_FMA(k[1], s[3], k[2]);
  s[4] = x[1] == 0 || k[11] == 0 ? s[4] : WS_FMA(k[3], s[4], k[4]);
  n[0] = x[1] == 0 ? (WS_REAL)0 : step_size;
  n[1] = x[1] == 0 ? (WS_REAL)1 : next * k[9];
  n[2] = x[1] == 0 ? (WS_REAL)1 : WS_FMA(-step_size, k[10], (WS_REAL)1);
}

/* p: parameter, s: the element's state, k: the step's scalars, then the numbers. */
WS_INLINE WS_REAL WS_NAME(prodigy)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  return WS_FMA(-k[13], s[0] / (WS_SQRT(s[1]) + k[14]), k[15] * p);
}

WS_GROUP_SUMS_ENTRY(prodigy, PRODIGY)
