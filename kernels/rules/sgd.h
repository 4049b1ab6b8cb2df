/*
 * Stochastic gradient descent without momentum (Robbins and Monro 1951).
 *
 *   p = p - lr * g
 *
 * State: none. Options: none. Scalars: 0 lr.
 *
 * Operations with options 0: 1 fma.
 */
#ifndef WS_SGD_H
#define WS_SGD_H
#define WS_SGD_OPTIONS 1 /* count of option sets: options are 0 to this less 1 */
#define WS_SGD_SLOTS(options) 0
#define WS_SGD_MAX_SLOTS 0
#define WS_SGD_SCALARS 1
#define WS_SGD_BLOCKS 0 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(sgd)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)s;
  (void)options;
  return WS_FMA(-k[0], g, p);
}

WS_ENTRY(sgd, SGD)
