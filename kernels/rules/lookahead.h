/*
 * No rule, but a pass around one (Zhang et al. 2019): brings parameters and slow weights together.
 *
 *   p = p + weight * (s - p)                  (p = s with a weight of 1)
 *   s = p
 *
 * State: 0 the slow weights. Options: none. Scalars: 0 weight, which is 1 - alpha.
 *
 * Operations with options 0 and no gradient: 1 fma, 1 add.
 */
#ifndef WS_LOOKAHEAD_H
#define WS_LOOKAHEAD_H
#define WS_LOOKAHEAD_OPTIONS 1
#define WS_LOOKAHEAD_SLOTS(options) 1
#define WS_LOOKAHEAD_MAX_SLOTS 1
#define WS_LOOKAHEAD_SCALARS 1
#define WS_LOOKAHEAD_BLOCKS 2 /* see rules.h */
#define WS_LOOKAHEAD_READS (WS_PARAMETER | WS_STATE(0))
#define WS_LOOKAHEAD_WRITES (WS_PARAMETER | WS_STATE(0))
#endif

/* p: parameter, s: the element's state, k: the pass's scalar. Returns the new p. */
WS_INLINE WS_REAL WS_NAME(lookahead)(
    WS_REAL p, WS_REAL g, WS_REAL *s, const WS_REAL *k, int options) {
  s[0] = k[0] == 1 ? s[0] : WS_FMA(k[0], s[0] - p, p);
  return s[0];
}

WS_PASS_ENTRY(lookahead, LOOKAHEAD)
