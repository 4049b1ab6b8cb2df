/*
 * AdamW and NAdamW with caution (Liang et al. 2024): adam.h and nadamw.h, but what is moved is
 *
 *   d = m, or beta1 * m + fresh1 * g if looks_ahead is not 0
 *   a = 1 where d * g > 0, else 0             (NaN if one of them is)
 *   p = keep * p - step_size * a * mask_scale * d / (sqrt(v) * root_scale + eps)
 *
 * with mask_scale = count / max(sum of a over the tensor, least_mean * count).
 *
 * State and options are those of adam.h. Sums over each tensor: 0 a. Numbers: 0 mask_scale. Scalars:
 * 0 step_size, 1 keep, 2 beta1, 3 fresh1, 4 beta2, 5 fresh2, 6 least_mean, 7 looks_ahead, 8 root_scale,
 * 9 eps.
 *
 * Operations of the terms: 2 fma, 1 mul.
 * Operations of the numbers: 1 mul, 1 div.
 * Operations with options 0: 5 fma, 6 mul, 1 div, 1 sqrt.
 * Operations with options 1: 5 fma, 6 mul, 1 div, 1 sqrt.
 */
#ifndef WS_ADAM_CAUTIOUS_H
#define WS_ADAM_CAUTIOUS_H
#define WS_ADAM_CAUTIOUS_OPTIONS 2
#define WS_ADAM_CAUTIOUS_SLOTS(options) (2 + ((options) & 1))
#define WS_ADAM_CAUTIOUS_MAX_SLOTS 3
#define WS_ADAM_CAUTIOUS_SCALARS 10
#define WS_ADAM_CAUTIOUS_BLOCKS 2 /* see rules.h */
#define WS_ADAM_CAUTIOUS_SUMS 1
#define WS_ADAM_CAUTIOUS_KIND(sum) WS_SUM_MAGNITUDES
#define WS_ADAM_CAUTIOUS_NUMBERS 1
#define WS_ADAM_CAUTIOUS_KEPT 0
#define WS_ADAM_CAUTIOUS_SUM_READS (WS_GRADIENT | WS_STATE(0))
#define WS_ADAM_CAUTIOUS_SUM_WRITES 0
#define WS_ADAM_CAUTIOUS_READS ~0
#define WS_ADAM_CAUTIOUS_WRITES ~WS_GRADIENT
#endif

WS_INLINE void WS_NAME(adam_cautious_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {}

WS_INLINE void WS_NAME(adam_cautious_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  WS_REAL m = WS_FMA(k[2], s[0], k[3] * g);
  WS_REAL d = k[7] != 0 ? WS_FMA(k[2], m, k[3] * g) : m;
  WS_REAL turned = WS_TURNED(d, g);
  x[0] = WS_IS_POSITIVE(turned);
}

/* x: a tensor's sums, size: its elements, rows and columns, s: its state, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(adam_cautious_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  n[0] = size[0] / WS_MAX(x[0], k[6] * size[0]);
}

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars, then the numbers. */
WS_INLINE WS_REAL WS_NAME(adam_cautious)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL m = WS_FMA(k[2], s[0], k[3] * g);
  WS_REAL v = WS_FMA(k[4], s[1], (k[5] * g) * g);
  WS_REAL d = k[7] != 0 ? WS_FMA(k[2], m, k[3] * g) : m;
  WS_REAL turned = WS_TURNED(d, g);
  WS_REAL a = WS_IS_POSITIVE(turned);
  s[0] = m;
  s[1] = v;
  if ((options & 1) != 0) {
    v = WS_MAX(s[2], v);
    s[2] = v;
  }
  return WS_FMA(-k[0], ((a * k[10]) * d) / WS_FMA(WS_SQRT(v), k[8], k[9]), k[1] * p);
}

WS_SUMS_ENTRY(adam_cautious, ADAM_CAUTIOUS)
