/*
 * Rprop (Riedmiller and Braun 1993).
 *
 *   sign = sign(g * prev)
 *   size = clamp(size * grow), clamp(size * shrink) or clamp(size), by the sign
 *   g = 0 where the sign is -1
 *   p = p - sign(g) * size
 *   prev = g
 *
 * Sizes are lr before the first step. State: 0 prev, 1 step_size. Options: none. Scalars: 0 whether
 * it is the first step, 1 lr, 2 shrink, 3 grow, 4 and 5 the bounds of sizes.
 *
 * Operations with options 0: 1 fma, 2 mul.
 */
#ifndef WS_RPROP_H
#define WS_RPROP_H
#define WS_RPROP_OPTIONS 1
#define WS_RPROP_SLOTS(options) 2
#define WS_RPROP_MAX_SLOTS 2
#define WS_RPROP_SCALARS 6
#define WS_RPROP_BLOCKS 2 /* see rules.h */
#endif

/* p: parameter, g: gradient, s: the element's state, k: the step's scalars. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(rprop)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  (void)options;
  WS_REAL product = g * s[0];
  WS_REAL sign = WS_SIGN(product);
  WS_REAL factor = sign > 0 ? k[3] : sign < 0 ? k[2] : sign == 0 ? (WS_REAL)1 : sign;
  WS_REAL size = (k[0] != 0 ? k[1] : s[1]) * factor;
  WS_REAL zero = g > 0 ? (WS_REAL)0 : -(WS_REAL)0;
  g = sign < 0 ? zero : sign == sign ? g : sign;
  size = WS_MAX(k[4], WS_MIN(k[5], size));
  s[0] = g;
  s[1] = size;
  return WS_FMA(-WS_SIGN(g), size, p);
}

WS_ENTRY(rprop, RPROP)
