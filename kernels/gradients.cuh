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

#define WS_NUMBER_OF_GROUP(name) , group.name
#define WS_NO_NUMBER(name) , 0

/* g: as it is in memory. scale: with the sign of the group. */
#define WS_GRADIENTS_OF(T, bits)                                                                \
  WS_DEVICE T gradient(const Group<T> &group, T scale, T prescale, T clip_value, T g, T p) {    \
    return ws_gradient_f##bits(                                                                 \
        scale, prescale, clip_value, g, p WS_EACH_NUMBER(WS_NUMBER_OF_GROUP));                  \
  }                                                                                             \
  /* Without what depends on the parameter. */                                                  \
  WS_DEVICE T gradient(T scale, T prescale, T clip_value, T g) {                                \
    return ws_gradient_f##bits(scale, prescale, clip_value, g, 0 WS_EACH_NUMBER(WS_NO_NUMBER)); \
  }                                                                                             \
  /* N gradients, in the place of those in memory. */                                           \
  template <int N>                                                                              \
  WS_DEVICE void prepare(                                                                       \
      const Group<T> &group, T scale, T prescale, T clip_value, T *g, const T *p) {             \
    ws_gradients_f##bits(                                                                       \
        scale, prescale, clip_value, N, g, p WS_EACH_NUMBER(WS_NUMBER_OF_GROUP));               \
  }
WS_GRADIENTS_OF(float, 32)
WS_GRADIENTS_OF(double, 64)

#endif
