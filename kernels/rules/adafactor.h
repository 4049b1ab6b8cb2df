/*
 * Adafactor (Shazeer and Stern 2018), as PyTorch computes it: of a matrix only the means of squared
 * gradients over rows and columns are kept, R and C.
 *
 *   v = R * C / max(mean(R), eps1)        (of a matrix; its inverse root: factors.cu, factors.cl)
 *   u = g * min(1 / sqrt(v), 1 / eps1)
 *   v = v + fresh * (g * g - v)           (of a vector; fresh: t^beta2_decay)
 *   u = g / max(sqrt(v), eps1)
 *   alpha = max(eps2, rms(p)) * rate      (rate: min(lr, 1 / sqrt(t)))
 *   p = keep * p - alpha / max(1, rms(u) / d) * u
 *
 * State: 0 variance of vectors, and of matrices min(1 / sqrt(v), 1 / eps1). Sums over each tensor:
 * 0 |p|, 1 |u|. Numbers: 0 the factor of u. Scalars: 0 fresh, 1 eps1, 2 rate, 3 eps2, 4 d, 5 keep.
 *
 * Those of vectors and of matrices together, and the product of two inverse roots:
 *
 * Operations of the state: 1 fma, 1 mul, 1 add.
 * Operations of the terms: 2 mul, 1 div, 1 sqrt.
 * Operations of the numbers: 1 mul, 4 div, 1 sqrt.
 * Operations with options 0: 1 fma, 3 mul, 1 div, 1 sqrt.
 */
#ifndef WS_ADAFACTOR_H
#define WS_ADAFACTOR_H
#define WS_ADAFACTOR_OPTIONS 1
#define WS_ADAFACTOR_SLOTS(options) 1
#define WS_ADAFACTOR_MAX_SLOTS 1
#define WS_ADAFACTOR_SCALARS 6
#define WS_ADAFACTOR_BLOCKS 2 /* see rules.h */
#define WS_ADAFACTOR_SUMS 2
#define WS_ADAFACTOR_KIND(sum) WS_SUM_SQUARES
#define WS_ADAFACTOR_NUMBERS 1
#define WS_ADAFACTOR_KEPT 0
#define WS_ADAFACTOR_SUM_READS (WS_PARAMETER | WS_GRADIENT | WS_STATE(0))
#define WS_ADAFACTOR_SUM_WRITES WS_STATE(0)
#define WS_ADAFACTOR_READS (WS_PARAMETER | WS_GRADIENT | WS_STATE(0))
#define WS_ADAFACTOR_WRITES WS_PARAMETER
#endif

WS_INLINE WS_REAL WS_NAME(adafactor_direction)(
    WS_REAL g, const WS_REAL *s, const WS_REAL *k, int options) {
  if (options == WS_INVERSE) {
    return g * s[0];
  }
  return g / WS_MAX(WS_SQRT(s[0]), WS_OR_EPSILON(k[1]));
}

/* Only of vectors. */
WS_INLINE void WS_NAME(adafactor_advance)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  s[0] = WS_FMA(k[0], g * g - s[0], s[0]);
}

WS_INLINE void WS_NAME(adafactor_terms)(
    WS_REAL p, WS_REAL g, const WS_REAL *s, const WS_REAL *k, WS_REAL *x, int options) {
  x[0] = p;
  x[1] = WS_NAME(adafactor_direction)(g, s, k, options);
}

/* x: a tensor's sums, size: its elements, rows and columns, k: scalars, n: receives the numbers. */
WS_INLINE void WS_NAME(adafactor_numbers)(
    const WS_REAL *x, const WS_REAL *size, WS_REAL *s, const WS_REAL *k, WS_REAL *n, int options) {
  WS_REAL root = WS_SQRT(size[0]);
  WS_REAL alpha = WS_MAX(k[3], x[0] / root) * k[2];
  n[0] = alpha / WS_MAX((WS_REAL)1, x[1] / root / k[4]);
}

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars, then the number. */
WS_INLINE WS_REAL WS_NAME(adafactor)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  return WS_FMA(-k[6], WS_NAME(adafactor_direction)(g, s, k, options), k[5] * p);
}

WS_FACTORED_ENTRY(adafactor, ADAFACTOR)
