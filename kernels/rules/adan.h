/*
 * Adan (Xie et al. 2022).
 *
 *   d = g + previous                          (previous: -g of the last step; 0 at the first)
 *   m = beta1 * m + fresh1 * g                (fresh1: 1 - beta1)
 *   c = beta2 * c + fresh2 * d                (fresh2: 1 - beta2)
 *   n = beta3 * n + fresh3 * (g + beta2 * d)^2
 *   p = (keep * p - (step_size * m + difference_size * c) / (sqrt(n) * root_scale + eps)) * shrink
 *
 * step_size = lr / (1 - beta1^t), difference_size = lr * beta2 / (1 - beta2^t), root_scale = 1 /
 * sqrt(1 - beta3^t); of keep and shrink one is 1, the other has the weight decay. State: 0 exp_avg
 * (m), 1 exp_avg_sq (n), 2 exp_avg_diff (c), 3 neg_pre_grad. Options: none. Scalars: 0 step_size, 1
 * difference_size, 2 keep, 3 shrink, 4 beta1, 5 fresh1, 6 beta2, 7 fresh2, 8 beta3, 9 fresh3, 10
 * root_scale, 11 eps, 12 whether it is the first step.
 *
 * Operations with options 0: 7 fma, 6 mul, 1 add, 1 div, 1 sqrt.
 */
#ifndef WS_ADAN_H
#define WS_ADAN_H
#define WS_ADAN_OPTIONS 1
#define WS_ADAN_SLOTS(options) 4
#define WS_ADAN_MAX_SLOTS 4
#define WS_ADAN_SCALARS 13
#define WS_ADAN_BLOCKS 1 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(adan)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL difference = k[12] != 0 ? (WS_REAL)0 : g + s[3];
  WS_REAL ahead = WS_FMA(k[6], difference, g);
  WS_REAL m = WS_FMA(k[4], s[0], k[5] * g);
  WS_REAL c = WS_FMA(k[6], s[2], k[7] * difference);
  WS_REAL n = WS_FMA(k[8], s[1], (k[9] * ahead) * ahead);
  WS_REAL step = WS_FMA(k[0], m, k[1] * c);
  s[0] = m;
  s[1] = n;
  s[2] = c;
  s[3] = -g;
  return WS_FMA(k[2], p, -(step / WS_FMA(WS_SQRT(n), k[10], k[11]))) * k[3];
}

WS_ENTRY(adan, ADAN)
