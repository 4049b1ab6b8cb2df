/*
 * Adamax (Kingma and Ba 2015).
 *
 *   m = beta1 * m + fresh1 * g                (fresh1: 1 - beta1)
 *   u = max(beta2 * u, |g| + eps)
 *   p = p - step_size * m / u
 *
 * step_size = lr / (1 - beta1^t). State: 0 exp_avg, 1 exp_inf. Options: none. Scalars: 0 step_size,
 * 1 beta1, 2 fresh1, 3 beta2, 4 eps.
 *
 * Operations with options 0: 2 fma, 2 mul, 1 add, 1 div.
 */
#ifndef WS_ADAMAX_H
#define WS_ADAMAX_H
#define WS_ADAMAX_OPTIONS 1
#define WS_ADAMAX_SLOTS(options) 2
#define WS_ADAMAX_MAX_SLOTS 2
#define WS_ADAMAX_SCALARS 5
#define WS_ADAMAX_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(adamax)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL m = WS_FMA(k[1], s[0], k[2] * g);
  WS_REAL u = WS_MAX(k[3] * s[1], WS_ABS(g) + k[4]);
  s[0] = m;
  s[1] = u;
  return WS_FMA(-k[0], m / u, p);
}

WS_ENTRY(adamax, ADAMAX)
