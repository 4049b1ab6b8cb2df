/*
 * What every rule has in common: the gradient that enters its formula.
 *
 *   g = scale * (prescale * g)            (unscaling, clipping by norm, the sign of maximize; and the
 *                                         tensor's factor, if there is one)
 *   g = max(-bound, min(bound, g))        (clipping by value; a negative bound for none)
 *   g = weight_decay * p + g              (L2; 0 for none)
 *
 * gradients.cuh and operands.h call it for the kernels, with a group's numbers.
 */
#ifndef WS_LEAST_NORM
#define WS_LEAST_NORM WS_JOIN(ws_least_norm_, WS_BITS)
#define ws_least_norm_32 1e-6f
#define ws_least_norm_64 1e-6
#define ws_least_norm_32v ws_least_norm_32
#define ws_least_norm_64v ws_least_norm_64
#endif

/*
 * Adaptive clipping (Brock et al. 2021): by what all of a tensor's gradient is multiplied, from the
 * tensor's norm p and the gradient's g. 1 where a norm is NaN: such gradients stay as they are.
 */
WS_INLINE WS_REAL WS_NAME(tensor_factor)(WS_REAL p, WS_REAL g, WS_REAL clip, WS_REAL eps) {
  WS_REAL bound = clip * WS_MAX(p, eps);
  return g > bound ? bound / WS_MAX(g, (WS_REAL)WS_LEAST_NORM) : (WS_REAL)1;
}

WS_INLINE WS_REAL WS_NAME(clip)(WS_REAL bound, WS_REAL g) {
  return g > bound ? bound : g < -bound ? -bound : g; /* as above, NaN and zeros included */
}

WS_INLINE WS_REAL WS_NAME(decay)(WS_REAL weight_decay, WS_REAL g, WS_REAL p) {
  return WS_FMA(weight_decay, p, g);
}

WS_INLINE WS_REAL WS_NAME(gradient)(
    WS_REAL scale, WS_REAL prescale, WS_REAL bound, WS_REAL weight_decay, WS_REAL g, WS_REAL p) {
  g = scale * (prescale * g);
  g = bound >= 0 ? WS_NAME(clip)(bound, g) : g;
  return weight_decay != 0 ? WS_NAME(decay)(weight_decay, g, p) : g;
}
