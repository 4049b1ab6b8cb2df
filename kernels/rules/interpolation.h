/*
 * No rule, but a pass of the optimizer's own: moves parameters towards a slot of their state.
 *
 *   p = p + weight * (s - p)                  (p = s with a weight of 1)
 *
 * State: 0 what they move towards. Options: none. Scalars: 0 weight.
 *
 * Operations with options 0 and no gradient: 1 fma, 1 add.
 */
#ifndef WS_INTERPOLATION_H
#define WS_INTERPOLATION_H
#define WS_INTERPOLATION_OPTIONS 1
#define WS_INTERPOLATION_SLOTS(options) 1
#define WS_INTERPOLATION_MAX_SLOTS 1
#define WS_INTERPOLATION_SCALARS 1
#define WS_INTERPOLATION_BLOCKS 2 /* see rules.h */
#define WS_INTERPOLATION_READS (WS_PARAMETER | WS_STATE(0))
#define WS_INTERPOLATION_WRITES WS_PARAMETER
#endif

/* p: parameter, s: the element's state, k: the pass's scalar. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(interpolation)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  return k[0] == 1 ? s[0] : WS_FMA(k[0], s[0] - p, p);
}

WS_PASS_ENTRY(interpolation, INTERPOLATION)
