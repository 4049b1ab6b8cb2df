/*
 * RMSProp (Tieleman and Hinton 2012), optionally centered (Graves 2013) and with momentum.
 *
 *   v = alpha * v + fresh * g * g         (fresh: 1 - alpha)
 *   a = alpha * a + fresh * g             (centered)
 *   d = g / (sqrt(v) + eps)               (centered: sqrt(max(0, v - a * a)))
 *   d = b = momentum * b + d              (with momentum)
 *   p = p - lr * d
 *
 * State: 0 square_avg, then grad_avg if centered, then momentum_buffer if with momentum.
 * Options: 1 centered, 2 with momentum. Scalars: 0 lr, 1 alpha, 2 fresh, 3 eps, 4 momentum.
 *
 * The compiler does fresh * g once.
 * Operations with options 0: 2 fma, 2 mul, 1 add, 1 div, 1 sqrt.
 * Operations with options 1: 4 fma, 2 mul, 1 add, 1 div, 1 sqrt.
 * Operations with options 2: 3 fma, 2 mul, 1 add, 1 div, 1 sqrt.
 * Operations with options 3: 5 fma, 2 mul, 1 add, 1 div, 1 sqrt.
 */
#ifndef WS_RMSPROP_H
#define WS_RMSPROP_H
#define WS_RMSPROP_OPTIONS 4
#define WS_RMSPROP_SLOTS(options) (1 + ((options) & 1) + ((options) >> 1 & 1))
#define WS_RMSPROP_MAX_SLOTS 3
#define WS_RMSPROP_SCALARS 5
#define WS_RMSPROP_BLOCKS (WS_BITS == 32 ? 0 : 2) /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(rmsprop)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL lr = k[0], alpha = k[1], fresh = k[2], eps = k[3], mu = k[4];
  WS_REAL v = WS_FMA(alpha, s[0], (fresh * g) * g);
  WS_REAL variance = v;
  WS_REAL d;
  s[0] = v;
  if ((options & 1) != 0) {
    WS_REAL a = WS_FMA(alpha, s[1], fresh * g);
    s[1] = a;
    /* Rounding can make the difference negative. */
    variance = WS_MAX((WS_REAL)0, WS_FMA(-a, a, v));
  }
  d = g / (WS_SQRT(variance) + eps);
  if ((options & 2) != 0) {
    WS_REAL *b = (options & 1) != 0 ? &s[2] : &s[1];
    d = WS_FMA(mu, *b, d);
    *b = d;
  }
  return WS_FMA(-lr, d, p);
}

WS_ENTRY(rmsprop, RMSPROP)
