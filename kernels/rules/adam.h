/*
 * Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019), AMSGrad (Reddi et al. 2018).
 *
 *   m = beta1 * m + fresh1 * g            (fresh1: 1 - beta1)
 *   v = beta2 * v + fresh2 * g * g        (fresh2: 1 - beta2)
 *   v = u = max(u, v)                     (AMSGrad; the stored v stays)
 *   p = keep * p - step_size * m / (sqrt(v) * root_scale + eps)
 *
 * step_size = lr / (1 - beta1^t), root_scale = 1 / sqrt(1 - beta2^t), and keep = 1 - lr *
 * weight_decay where decay is decoupled, else 1.
 *
 * State: 0 exp_avg, 1 exp_avg_sq, and 2 max_exp_avg_sq with AMSGrad. Options: 1 AMSGrad.
 * Scalars: 0 step_size, 1 keep, 2 beta1, 3 fresh1, 4 beta2, 5 fresh2, 6 root_scale, 7 eps.
 *
 * Operations with options 0: 4 fma, 4 mul, 1 div, 1 sqrt.
 * Operations with options 1: 4 fma, 4 mul, 1 div, 1 sqrt.
 */
#ifndef WS_ADAM_H
#define WS_ADAM_H
#define WS_ADAM_OPTIONS 2
#define WS_ADAM_SLOTS(options) (2 + ((options) & 1))
#define WS_ADAM_MAX_SLOTS 3
#define WS_ADAM_SCALARS 8
#define WS_ADAM_BLOCKS 0
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(adam)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL step_size = k[0], keep = k[1], root_scale = k[6], eps = k[7];
  WS_REAL m = WS_FMA(k[2], s[0], k[3] * g);
  WS_REAL v = WS_FMA(k[4], s[1], (k[5] * g) * g);
  s[0] = m;
  s[1] = v;
  if ((options & 1) != 0) {
    v = WS_MAX(s[2], v);
    s[2] = v;
  }
  return WS_FMA(-step_size, m / WS_FMA(WS_SQRT(v), root_scale, eps), keep * p);
}

WS_ENTRY(adam, ADAM)
