/*
 * What a GPU's approximate operations may give: results that are off by up to 2^-23 of the exact ones
 * (PTX ISA, rcp.approx.ftz, sqrt.approx and sqrt.approx.ftz), below or above as the bits of the argument have it, so that
 * nothing passes that relies on better ones. Zeros, infinities and NaN are as if rounded correctly.
 */
#ifndef CUDASIM_APPROXIMATE_H
#define CUDASIM_APPROXIMATE_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace approximate {

static inline uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* From y, which is rounded correctly, as far as is allowed in the argument's direction. */
static inline float moved(float y, double exact, uint32_t argument) {
  if (!(exact > 0) || !std::isfinite(y) || y == 0) return y;
  const bool is_up = (argument * 0x9E3779B9u >> 31) != 0;
  for (uint32_t steps = 2; steps > 0; steps--) {
    const uint32_t bits = is_up ? bits_of(y) + steps : bits_of(y) - steps;
    float other;
    std::memcpy(&other, &bits, sizeof other);
    if (std::fabs((double)other - exact) <= exact * 0x1p-23 && std::isfinite(other)) return other;
  }
  return y;
}

static inline float root(float x) { return moved(std::sqrt(x), std::sqrt((double)x), bits_of(x)); }

/* A zero for a subnormal number. */
static inline float flushed(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

static inline float normal_root(float x) { return root(flushed(x)); }

static inline float reciprocal(float x) {
  const float normal = flushed(x);
  return flushed(moved(1 / normal, 1.0 / (double)normal, bits_of(normal)));
}

}  // namespace approximate

#endif
