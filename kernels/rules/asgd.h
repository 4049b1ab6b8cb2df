/*
 * Averaged SGD (Polyak and Juditsky 1992).
 *
 *   p = keep * p - eta * g
 *   ax = ax + mu * (p - ax)                   (ax = p while mu is 1)
 *
 * keep = 1 - lambd * eta. State: 0 ax. Options: none. Scalars: 0 eta, 1 keep, 2 mu.
 *
 * Operations with options 0: 2 fma, 1 mul, 1 add.
 */
#ifndef WS_ASGD_H
#define WS_ASGD_H
#define WS_ASGD_OPTIONS 1
#define WS_ASGD_SLOTS(options) 1
#define WS_ASGD_MAX_SLOTS 1
#define WS_ASGD_SCALARS 3
#define WS_ASGD_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(asgd)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL next = WS_FMA(-k[0], g, k[1] * p);
  s[0] = k[2] == 1 ? next : WS_FMA(k[2], next - s[0], s[0]);
  return next;
}

WS_ENTRY(asgd, ASGD)
