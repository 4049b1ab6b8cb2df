/*
 * Lion (Chen et al. 2023).
 *
 *   p = keep * p - lr * sign(beta1 * m + fresh1 * g)   (fresh1: 1 - beta1; sign(0) = 0)
 *   m = beta2 * m + fresh2 * g                         (fresh2: 1 - beta2)
 *
 * keep = 1 - lr * weight_decay. State: 0 exp_avg. Options: none. Scalars: 0 lr, 1 keep, 2 beta1, 3
 * fresh1, 4 beta2, 5 fresh2.
 *
 * Operations with options 0: 3 fma, 3 mul.
 */
#ifndef WS_LION_H
#define WS_LION_H
#define WS_LION_OPTIONS 1
#define WS_LION_SLOTS(options) 1
#define WS_LION_MAX_SLOTS 1
#define WS_LION_SCALARS 6
#define WS_LION_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(lion)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL direction = WS_FMA(k[2], s[0], k[3] * g);
  s[0] = WS_FMA(k[4], s[0], k[5] * g);
  return WS_FMA(-k[0], WS_SIGN(direction), k[1] * p);
}

WS_ENTRY(lion, LION)
