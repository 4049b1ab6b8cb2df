/*
 * What every rule has in common: the gradient that enters its formula.
 *
 *   g = scale * (prescale * g)            (unscaling, clipping by norm, the sign of maximize; and the
 *                                         tensor's factor, if there is one)
 *   g = max(-clip_value, min(clip_value, g))   (clipping by value; negative for none)
 *   g = weight_decay * p + g              (L2; 0 for none)
 *
 * gradients.cuh and operands.h call it for the kernels, with the numbers of a group that it lists.
 * Without WS_BITS this is the list alone.
 */
#ifndef WS_LEAST_NORM
#define WS_LEAST_NORM WS_JOIN(ws_least_norm_, WS_BITS)
#define ws_least_norm_32 1e-6f
#define ws_least_norm_64 1e-6
#define ws_least_norm_32v ws_least_norm_32
#define ws_least_norm_64v ws_least_norm_64

/* X(name) for each of a group's numbers, in the order of io.warmstep.step.GradientNumber. */
#define WS_EACH_NUMBER(X) X(weight_decay)
#define WS_ONE_NUMBER(name) +1
#define WS_NUMBER_PARAMETER(name) , WS_REAL name
enum { WS_GRADIENT_NUMBERS = WS_EACH_NUMBER(WS_ONE_NUMBER) };
#endif

#ifdef WS_BITS

/*
 * Adaptive clipping (Brock et al. 2021): by what all of a tensor's gradient is multiplied, from the
 * tensor's norm p and the gradient's g. 1 where a norm is NaN: such gradients stay as they are.
 */
WS_INLINE WS_REAL WS_NAME(tensor_factor)(WS_REAL p, WS_REAL g, WS_REAL clip, WS_REAL eps) {
  WS_REAL bound = clip * WS_MAX(p, eps);
  return g > bound ? bound / WS_MAX(g, (WS_REAL)WS_LEAST_NORM) : (WS_REAL)1;
}

WS_INLINE WS_REAL WS_NAME(clip)(WS_REAL clip_value, WS_REAL g) {
  /* As above, NaN and zeros included. */
  return g > clip_value ? clip_value : g < -clip_value ? -clip_value : g;
}

WS_INLINE WS_REAL WS_NAME(decay)(WS_REAL weight_decay, WS_REAL g, WS_REAL p) {
  return WS_FMA(weight_decay, p, g);
}

WS_INLINE WS_REAL WS_NAME(gradient)(
    WS_REAL scale, WS_REAL prescale, WS_REAL clip_value, WS_REAL g,
    WS_REAL p WS_EACH_NUMBER(WS_NUMBER_PARAMETER)) {
  g = scale * (prescale * g);
  g = clip_value >= 0 ? WS_NAME(clip)(clip_value, g) : g;
  return weight_decay != 0 ? WS_NAME(decay)(weight_decay, g, p) : g;
}

#ifdef WS_UNROLL
/* CUDA: the same for n gradients, in their place. All branches are the whole block's. */
WS_INLINE void WS_NAME(gradients)(
    WS_REAL scale, WS_REAL prescale, WS_REAL clip_value, int n, WS_REAL *g,
    const WS_REAL *p WS_EACH_NUMBER(WS_NUMBER_PARAMETER)) {
  WS_UNROLL
  for (int i = 0; i < n; i++) g[i] = scale * (prescale * g[i]);
  if (clip_value >= 0) {
    WS_UNROLL
    for (int i = 0; i < n; i++) g[i] = WS_NAME(clip)(clip_value, g[i]);
  }
  if (weight_decay != 0) {
    WS_UNROLL
    for (int i = 0; i < n; i++) g[i] = WS_NAME(decay)(weight_decay, g[i], p[i]);
  }
}
#endif
#endif
