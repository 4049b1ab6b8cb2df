/*
 * CUDA: gradient.h by type, with the numbers of a group in a step, for one gradient and for several.
 */
#ifndef WS_GRADIENTS_CUH
#define WS_GRADIENTS_CUH

#include "grid.cuh"

#define WS_BITS 32
#include "gradient.h"
#undef WS_BITS
#define WS_BITS 64
#include "gradient.h"
#undef WS_BITS

/* g: as it is in memory. scale: with the sign of the group. */
#define WS_GRADIENTS_OF(T, bits)                                                                \
  WS_DEVICE T clipped(T bound, T g) { return ws_clip_f##bits(bound, g); }                       \
  WS_DEVICE T decayed(T weight_decay, T g, T p) { return ws_decay_f##bits(weight_decay, g, p); } \
  WS_DEVICE T gradient(const Group<T> &group, T scale, T prescale, T bound, T g, T p) {         \
    return ws_gradient_f##bits(scale, prescale, bound, group.weight_decay, g, p);               \
  }                                                                                             \
  /* Without what depends on the parameter. */                                                  \
  WS_DEVICE T gradient(T scale, T prescale, T bound, T g) {                                     \
    return ws_gradient_f##bits(scale, prescale, bound, 0, g, 0);                                \
  }
WS_GRADIENTS_OF(float, 32)
WS_GRADIENTS_OF(double, 64)

/* N gradients, in the place of those in memory. All branches are the whole block's. */
template <int N, typename T>
WS_DEVICE void prepare(const Group<T> &group, T scale, T prescale, T bound, T *g, const T *p) {
  WS_UNROLL
  for (int i = 0; i < N; i++) g[i] = scale * (prescale * g[i]);
  if (bound >= 0) {
    WS_UNROLL
    for (int i = 0; i < N; i++) g[i] = clipped(bound, g[i]);
  }
  if (group.weight_decay != 0) {
    WS_UNROLL
    for (int i = 0; i < N; i++) g[i] = decayed(group.weight_decay, g[i], p[i]);
  }
}

#endif
