/*
 * AdEMAMix (Pagliardini, Ablin and Grangier 2024).
 *
 *   m1 = beta1 * m1 + fresh1 * g              (fresh1: 1 - beta1; with option 1 m1 = g)
 *   m2 = beta3 * m2 + fresh3 * g              (fresh3: 1 - beta3)
 *   v = beta2 * v + fresh2 * g * g            (fresh2: 1 - beta2)
 *   u = (m1 * fast_scale + alpha * m2) / (sqrt(v) * root_scale + eps)
 *   p = p - lr * (weight_decay * p + u)
 *
 * fast_scale = 1 / (1 - beta1^t), root_scale = 1 / sqrt(1 - beta2^t).
 * State: exp_avg_fast (m1) but with option 1, then exp_avg_slow (m2), exp_avg_sq (v). Options: 1
 * where beta1 is 0. Scalars: 0 lr, 1 weight_decay, 2 beta1, 3 fresh1, 4 fast_scale, 5 beta2, 6
 * fresh2, 7 root_scale, 8 beta3, 9 fresh3, 10 alpha, 11 eps.
 *
 * Operations with options 0: 7 fma, 5 mul, 1 div, 1 sqrt.
 * Operations with options 1: 6 fma, 4 mul, 1 div, 1 sqrt.
 */
#ifndef WS_ADEMAMIX_H
#define WS_ADEMAMIX_H
#define WS_ADEMAMIX_OPTIONS 2
#define WS_ADEMAMIX_SLOTS(options) (3 - ((options) & 1))
#define WS_ADEMAMIX_MAX_SLOTS 3
#define WS_ADEMAMIX_SCALARS 12
#define WS_ADEMAMIX_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(ademamix)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL *slow = (options & 1) != 0 ? &s[0] : &s[1];
  WS_REAL *square = (options & 1) != 0 ? &s[1] : &s[2];
  WS_REAL fast = g;
  WS_REAL m = WS_FMA(k[8], *slow, k[9] * g);
  WS_REAL v = WS_FMA(k[5], *square, (k[6] * g) * g);
  if ((options & 1) == 0) {
    fast = WS_FMA(k[2], s[0], k[3] * g);
    s[0] = fast;
  }
  *slow = m;
  *square = v;
  WS_REAL u = WS_FMA(k[10], m, fast * k[4]) / WS_FMA(WS_SQRT(v), k[7], k[11]);
  return WS_FMA(-k[0], WS_FMA(k[1], p, u), p);
}

WS_ENTRY(ademamix, ADEMAMIX)
