/*
 * What every rule has in common: the gradient that enters its formula.
 *
 *   g = scale * g                         (unscaling, clipping by norm, the sign of maximize)
 *   g = max(-bound, min(bound, g))        (clipping by value; a negative bound for none)
 *   g = weight_decay * p + g              (L2; 0 for none)
 */
WS_INLINE WS_REAL WS_NAME(clip)(WS_REAL bound, WS_REAL g) {
  return g > bound ? bound : g < -bound ? -bound : g; /* as above, NaN and zeros included */
}

WS_INLINE WS_REAL WS_NAME(decay)(WS_REAL weight_decay, WS_REAL g, WS_REAL p) {
  return WS_FMA(weight_decay, p, g);
}

WS_INLINE WS_REAL WS_NAME(gradient)(
    WS_REAL scale, WS_REAL bound, WS_REAL weight_decay, WS_REAL g, WS_REAL p) {
  g = scale * g;
  g = bound >= 0 ? WS_NAME(clip)(bound, g) : g;
  return weight_decay != 0 ? WS_NAME(decay)(weight_decay, g, p) : g;
}
