/*
 * AdaBelief (Zhuang et al. 2020).
 *
 *   m = beta1 * m + fresh1 * g                (fresh1: 1 - beta1)
 *   v = beta2 * v + fresh2 * (g - m)^2 + eps  (fresh2: 1 - beta2)
 *   v = u = max(u, v)                         (AMSGrad; the stored v stays)
 *   p = keep * p - step_size * m / (sqrt(v) * root_scale + eps)
 *   p = keep * p - step_size * m              (in the first steps, if rectified)
 *
 * step_size has the bias correction and the rectification, root_scale is 1 / sqrt(1 - beta2^t) or,
 * if rectified, 1; keep is what decoupled decay leaves. State: 0 exp_avg, 1 exp_avg_var, and 2
 * max_exp_avg_var with AMSGrad. Options: 1 AMSGrad. Scalars: 0 step_size, 1 keep, 2 beta1, 3
 * fresh1, 4 beta2, 5 fresh2, 6 root_scale, 7 eps, 8 whether the root is divided by.
 *
 * Operations with options 0: 4 fma, 4 mul, 2 add, 1 div, 1 sqrt.
 * Operations with options 1: 4 fma, 4 mul, 2 add, 1 div, 1 sqrt.
 */
#ifndef WS_ADABELIEF_H
#define WS_ADABELIEF_H
#define WS_ADABELIEF_OPTIONS 2
#define WS_ADABELIEF_SLOTS(options) (2 + ((options) & 1))
#define WS_ADABELIEF_MAX_SLOTS 3
#define WS_ADABELIEF_SCALARS 9
#define WS_ADABELIEF_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(adabelief)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL m = WS_FMA(k[2], s[0], k[3] * g);
  WS_REAL rest = g - m;
  WS_REAL v = WS_FMA(k[4], s[1], (k[5] * rest) * rest) + k[7];
  s[0] = m;
  s[1] = v;
  if ((options & 1) != 0) {
    v = WS_MAX(s[2], v);
    s[2] = v;
  }
  return WS_FMA(
      -k[0],
      m / (k[8] != 0 ? WS_FMA(WS_SQRT(v), k[6], k[7]) : (WS_REAL)1),
      k[1] * p);
}

WS_ENTRY(adabelief, ADABELIEF)
