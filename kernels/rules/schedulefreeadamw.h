/*
 * Schedule-Free AdamW (Defazio et al. 2024). The parameter is y, what gradients are taken at.
 *
 *   v = beta2 * v + fresh2 * g * g            (fresh2: 1 - beta2)
 *   n = inner * m + fresh * g                 (inner momentum, m = n; otherwise n = g)
 *   d = moment_scale * n / (sqrt(v) * root_scale + eps) + weight_decay * y
 *   y = y + average * (z - y) - step_size * d
 *   z = z - lr * d
 *
 * average, step_size and lr: see schedulefreesgd.h, with beta1 for its momentum. root_scale = 1 /
 * sqrt(1 - beta2^t), moment_scale = 1 / (1 - inner^t). Options: 1 inner momentum. State: 0 z,
 * 1 exp_avg_sq, 2 exp_avg (inner momentum). Scalars: 0 average, 1 step_size, 2 lr, 3 beta2, 4 fresh2,
 * 5 root_scale, 6 eps, 7 weight_decay, 8 inner, 9 fresh, 10 moment_scale.
 *
 * Operations with options 0: 6 fma, 2 mul, 1 add, 1 div, 1 sqrt.
 * Operations with options 1: 7 fma, 4 mul, 1 add, 1 div, 1 sqrt.
 */
#ifndef WS_SCHEDULEFREEADAMW_H
#define WS_SCHEDULEFREEADAMW_H
#define WS_SCHEDULEFREEADAMW_OPTIONS 2
#define WS_SCHEDULEFREEADAMW_SLOTS(options) ((options) & 1 ? 3 : 2)
#define WS_SCHEDULEFREEADAMW_MAX_SLOTS 3
#define WS_SCHEDULEFREEADAMW_SCALARS 11
#define WS_SCHEDULEFREEADAMW_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(schedulefreeadamw)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL z = s[0];
  WS_REAL v = WS_FMA(k[3], s[1], (k[4] * g) * g);
  WS_REAL d = g;
  s[1] = v;
  if ((options & 1) != 0) {
    WS_REAL m = WS_FMA(k[8], s[2], k[9] * g);
    s[2] = m;
    d = k[10] * m;
  }
  d = WS_FMA(k[7], p, d / WS_FMA(WS_SQRT(v), k[5], k[6]));
  s[0] = WS_FMA(-k[2], d, z);
  return WS_FMA(-k[1], d, WS_FMA(k[0], z - p, p));
}

WS_ENTRY(schedulefreeadamw, SCHEDULEFREEADAMW)
