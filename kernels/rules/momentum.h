/*
 * Gradient descent with momentum: heavy ball (Polyak 1964) or Nesterov's, in the form of Sutskever
 * et al. 2013.
 *
 *   b = momentum * b + fresh * g          (fresh: 1 - dampening; 1 at the first step)
 *   p = p - lr * b                        (heavy ball)
 *   p = p - lr * (momentum * b + g)       (Nesterov)
 *
 * State: 0 momentum_buffer. Options: 1 Nesterov. Scalars: 0 lr, 1 momentum, 2 fresh.
 *
 * Operations with options 0: 2 fma, 1 mul.
 * Operations with options 1: 3 fma, 1 mul.
 */
#ifndef WS_MOMENTUM_H
#define WS_MOMENTUM_H
#define WS_MOMENTUM_OPTIONS 2
#define WS_MOMENTUM_SLOTS(options) 1
#define WS_MOMENTUM_MAX_SLOTS 1
#define WS_MOMENTUM_SCALARS 3
#define WS_MOMENTUM_BLOCKS 0
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(momentum)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  WS_REAL lr = k[0], mu = k[1], fresh = k[2];
  WS_REAL b = WS_FMA(mu, s[0], fresh * g);
  s[0] = b;
  return WS_FMA(-lr, (options & 1) != 0 ? WS_FMA(mu, b, g) : b, p);
}

WS_ENTRY(momentum, MOMENTUM)
