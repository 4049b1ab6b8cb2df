/*
 * NAdamW: AdamW with a look ahead (Dozat 2016, Choi et al. 2019).
 *
 *   m = beta1 * m + fresh1 * g                (fresh1: 1 - beta1)
 *   v = beta2 * v + fresh2 * g * g            (fresh2: 1 - beta2)
 *   n = beta1 * m + fresh1 * g
 *   p = keep * p - step_size * n / (sqrt(v) * root_scale + eps)
 *
 * step_size = lr / (1 - beta1^t), root_scale = 1 / sqrt(1 - beta2^t), keep = 1 - lr * weight_decay.
 * State: 0 exp_avg, 1 exp_avg_sq. Options: none. Scalars: 0 step_size, 1 keep, 2 beta1, 3 fresh1, 4
 * beta2, 5 fresh2, 6 root_scale, 7 eps.
 *
 * The compiler does fresh1 * g once.
 * Operations with options 0: 5 fma, 4 mul, 1 div, 1 sqrt.
 */
#ifndef WS_NADAMW_H
#define WS_NADAMW_H
#define WS_NADAMW_OPTIONS 1
#define WS_NADAMW_SLOTS(options) 2
#define WS_NADAMW_MAX_SLOTS 2
#define WS_NADAMW_SCALARS 8
#define WS_NADAMW_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(nadamw)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL m = WS_FMA(k[2], s[0], k[3] * g);
  WS_REAL v = WS_FMA(k[4], s[1], (k[5] * g) * g);
  s[0] = m;
  s[1] = v;
  return WS_FMA(
      -k[0],
      WS_FMA(k[2], m, k[3] * g) / WS_FMA(WS_SQRT(v), k[6], k[7]),
      k[1] * p);
}

WS_ENTRY(nadamw, NADAMW)
