/*
 * Schedule-Free SGD (Defazio et al. 2024). The parameter is y, what gradients are taken at.
 *
 *   y = y + average * (z - y) - step_size * g
 *   z = z - lr * g
 *
 * average: the weight of this step's z in the average of all, step_size = lr * (1 - momentum * (1 -
 * average)), with the lr of the warm-up. State: 0 z. Options: none. Scalars: 0 average, 1 step_size,
 * 2 lr.
 *
 * Operations with options 0: 3 fma, 1 add.
 */
#ifndef WS_SCHEDULEFREESGD_H
#define WS_SCHEDULEFREESGD_H
#define WS_SCHEDULEFREESGD_OPTIONS 1
#define WS_SCHEDULEFREESGD_SLOTS(options) 1
#define WS_SCHEDULEFREESGD_MAX_SLOTS 1
#define WS_SCHEDULEFREESGD_SCALARS 3
#define WS_SCHEDULEFREESGD_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(schedulefreesgd)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL z = s[0];
  (void)options;
  s[0] = WS_FMA(-k[2], g, z);
  return WS_FMA(-k[1], g, WS_FMA(k[0], z - p, p));
}

WS_ENTRY(schedulefreesgd, SCHEDULEFREESGD)
