/*
 * Adadelta (Zeiler 2012).
 *
 *   v = rho * v + fresh * g * g               (fresh: 1 - rho)
 *   d = sqrt(a + eps) / sqrt(v + eps) * g
 *   a = rho * a + fresh * d * d
 *   p = p - lr * d
 *
 * State: 0 square_avg (v), 1 acc_delta (a). Options: none. Scalars: 0 lr, 1 rho, 2 fresh, 3 eps.
 *
 * Operations with options 0: 3 fma, 5 mul, 2 add, 1 div, 2 sqrt.
 */
#ifndef WS_ADADELTA_H
#define WS_ADADELTA_H
#define WS_ADADELTA_OPTIONS 1
#define WS_ADADELTA_SLOTS(options) 2
#define WS_ADADELTA_MAX_SLOTS 2
#define WS_ADADELTA_SCALARS 4
#define WS_ADADELTA_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(adadelta)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL v = WS_FMA(k[1], s[0], (k[2] * g) * g);
  WS_REAL delta = WS_SQRT(s[1] + k[3]) / WS_SQRT(v + k[3]) * g;
  s[0] = v;
  s[1] = WS_FMA(k[1], s[1], (k[2] * delta) * delta);
  return WS_FMA(-k[0], delta, p);
}

WS_ENTRY(adadelta, ADADELTA)
