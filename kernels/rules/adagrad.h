/*
 * Adagrad (Duchi, Hazan and Singer 2011).
 *
 *   sum = sum + g * g
 *   p = p - lr * g / (sqrt(sum) + eps)
 *
 * lr is that of the step, decayed. State: 0 sum. Options: none. Scalars: 0 lr, 1 eps.
 *
 * Operations with options 0: 2 fma, 1 add, 1 div, 1 sqrt.
 */
#ifndef WS_ADAGRAD_H
#define WS_ADAGRAD_H
#define WS_ADAGRAD_OPTIONS 1
#define WS_ADAGRAD_SLOTS(options) 1
#define WS_ADAGRAD_MAX_SLOTS 1
#define WS_ADAGRAD_SCALARS 2
#define WS_ADAGRAD_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(adagrad)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL sum = WS_FMA(g, g, s[0]);
  s[0] = sum;
  return WS_FMA(-k[0], g / (WS_SQRT(sum) + k[1]), p);
}

WS_ENTRY(adagrad, ADAGRAD)
