/*
 * NAdam (Dozat 2016), as PyTorch 2 has it.
 *
 *   m = beta1 * m + fresh1 * g                (fresh1: 1 - beta1)
 *   v = beta2 * v + fresh2 * g * g            (fresh2: 1 - beta2)
 *   p = keep * p - (gradient_size * g + moment_size * m) / (sqrt(v) * root_scale + eps)
 *
 * The sizes have the learning rate, the momentum of this step and the next and their bias
 * corrections; root_scale = 1 / sqrt(1 - beta2^t); keep = 1 - lr * weight_decay where decay is
 * decoupled, else 1. State: 0 exp_avg, 1 exp_avg_sq. Options: none. Scalars: 0 gradient_size, 1
 * moment_size, 2 keep, 3 beta1, 4 fresh1, 5 beta2, 6 fresh2, 7 root_scale, 8 eps.
 *
 * Operations with options 0: 5 fma, 4 mul, 1 div, 1 sqrt.
 */
#ifndef WS_NADAM_H
#define WS_NADAM_H
#define WS_NADAM_OPTIONS 1
#define WS_NADAM_SLOTS(options) 2
#define WS_NADAM_MAX_SLOTS 2
#define WS_NADAM_SCALARS 9
#define WS_NADAM_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(nadam)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL m = WS_FMA(k[3], s[0], k[4] * g);
  WS_REAL v = WS_FMA(k[5], s[1], (k[6] * g) * g);
  WS_REAL step = WS_FMA(k[0], g, k[1] * m);
  s[0] = m;
  s[1] = v;
  return WS_FMA(k[2], p, -(step / WS_FMA(WS_SQRT(v), k[7], k[8])));
}

WS_ENTRY(nadam, NADAM)
