/*
 * Lion with caution (Liang et al. 2024): lion.h, but what is moved is
 *
 *   d = sign(beta1 * m + fresh1 * g)
 *   a = 1 where d * g > 0, else 0             (NaN if one of them is)
 *   p = keep * p - lr * a * mask_scale * d
 *
 * with mask_scale = count / max(sum of a over the tensor, least_mean * count).
 *
 * State, options and scalars are those of lion.h, and scalars 6 least_mean and 7 looks_ahead, which is 0.
 * Sums over each tensor: 0 a. Numbers: 0 mask_scale. The first phase on CUDA is that of adam_cautious.h,
 * which then is the same.
 *
 * Operations of the terms: 1 fma, 1 mul.
 * Operations of the numbers: 1 mul, 1 div.
 * Operations with options 0: 3 fma, 5 mul.
 */
#ifndef WS_LION_CAUTIOUS_H
#define WS_LION_CAUTIOUS_H
#define WS_LION_CAUTIOUS_OPTIONS 1
#define WS_LION_CAUTIOUS_SLOTS(options) 1
#define WS_LION_CAUTIOUS_MAX_SLOTS 1
#define WS_LION_CAUTIOUS_SCALARS 8
#define WS_LION_CAUTIOUS_BLOCKS 2 /* see rules.h */
#define WS_LION_CAUTIOUS_SUMS 1
#define WS_LION_CAUTIOUS_KIND(sum) WS_SUM_MAGNITUDES
#define WS_LION_CAUTIOUS_NUMBERS 1
#define WS_LION_CAUTIOUS_KEPT 0
#define WS_LION_CAUTIOUS_SUM_READS (WS_GRADIENT | WS_STATE(0))
#define WS_LION_CAUTIOUS_SUM_WRITES 0
#define WS_LION_CAUTIOUS_READS ~0
#define WS_LION_CAUTIOUS_WRITES ~WS_GRADIENT
#endif

WS_INLINE void WS_NAME(lion_cautious_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {}

WS_INLINE void WS_NAME(lion_cautious_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  WS_REAL direction = WS_FMA(k[2], s[0], k[3] * g);
  WS_REAL turned = WS_TURNED(direction, g);
  x[0] = WS_IS_POSITIVE(turned);
}

/* x: a tensor's sums, size: its elements, rows and columns, s: its state, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(lion_cautious_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  n[0] = size[0] / WS_MAX(x[0], k[6] * size[0]);
}

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars, then the numbers. */
WS_INLINE WS_REAL WS_NAME(lion_cautious)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL direction = WS_FMA(k[2], s[0], k[3] * g);
  WS_REAL turned = WS_TURNED(direction, g);
  WS_REAL a = WS_IS_POSITIVE(turned);
  s[0] = WS_FMA(k[4], s[0], k[5] * g);
  return WS_FMA(-k[0], (a * k[8]) * WS_SIGN(direction), k[1] * p);
}

WS_SHARED_SUMS_ENTRY(lion_cautious, LION_CAUTIOUS)
