/*
 * RAdam (Liu et al. 2020).
 *
 *   m = beta1 * m + fresh1 * g                (fresh1: 1 - beta1)
 *   v = beta2 * v + fresh2 * g * g            (fresh2: 1 - beta2)
 *   p = keep * p - step_size * m / (sqrt(v) + eps)     (rectified)
 *   p = keep * p - step_size * m                       (in the first steps)
 *
 * step_size has both bias corrections and the rectification; keep = 1 - lr * weight_decay where
 * decay is decoupled, else 1. State: 0 exp_avg, 1 exp_avg_sq. Options: none. Scalars: 0 step_size,
 * 1 keep, 2 beta1, 3 fresh1, 4 beta2, 5 fresh2, 6 eps, 7 whether the step is rectified.
 *
 * Operations with options 0: 3 fma, 4 mul, 1 add, 1 div, 1 sqrt.
 */
#ifndef WS_RADAM_H
#define WS_RADAM_H
#define WS_RADAM_OPTIONS 1
#define WS_RADAM_SLOTS(options) 2
#define WS_RADAM_MAX_SLOTS 2
#define WS_RADAM_SCALARS 8
#define WS_RADAM_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(radam)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL m = WS_FMA(k[2], s[0], k[3] * g);
  WS_REAL v = WS_FMA(k[4], s[1], (k[5] * g) * g);
  s[0] = m;
  s[1] = v;
  return WS_FMA(-k[0], m / (k[7] != 0 ? WS_SQRT(v) + k[6] : (WS_REAL)1), k[1] * p);
}

WS_ENTRY(radam, RADAM)
