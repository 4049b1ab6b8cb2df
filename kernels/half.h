/*
 * Conversion between float32 and the 16-bit storage types: exact when widening, to nearest even when
 * narrowing. NaN stays NaN, quiet. GPUs of CUDA have instructions for float16; elsewhere it is integer
 * arithmetic, and NaN keeps its upper payload bits.
 */
#ifndef WS_HALF_H
#define WS_HALF_H

WS_INLINE float ws_from_bfloat16(ws_half_bits h) {
  return ws_from_bits_f32((ws_word_32)h << 16);
}

WS_INLINE ws_half_bits ws_to_bfloat16(float value) {
  ws_word_32 bits = ws_to_bits_f32(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return (ws_half_bits)(bits >> 16 | 0x40u);
  }
  return (ws_half_bits)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#if defined(__CUDACC__)
WS_INLINE float ws_from_float16(ws_half_bits h) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(h));
  return value;
}

WS_INLINE ws_half_bits ws_to_float16(float value) {
  ws_half_bits h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(value));
  return h;
}
#else
WS_INLINE float ws_from_float16(ws_half_bits h) {
  ws_word_32 magnitude = (h & 0x7fffu) << 13;
  ws_word_32 sign = (h & 0x8000u) << 16;
  if (magnitude >= 0x0f800000u) { /* infinity or NaN: the exponent becomes all ones */
    return ws_from_bits_f32(sign | magnitude | 0x7f800000u);
  }
  /* Read as a float32 the exponent is 112 too small; the product is exact, denormals included. */
  return ws_from_bits_f32(
      sign | ws_to_bits_f32(ws_from_bits_f32(magnitude) * ws_from_bits_f32(0x77800000u)));
}

WS_INLINE ws_half_bits ws_to_float16(float value) {
  ws_word_32 bits = ws_to_bits_f32(value);
  ws_word_32 sign = bits >> 16 & 0x8000u;
  ws_word_32 magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return (ws_half_bits)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  }
  if (magnitude >= 0x477ff000u) { /* 65520 and above round to infinity */
    return (ws_half_bits)(sign | 0x7c00u);
  }
  if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 rounds at the last denormal bit */
    ws_word_32 shifted = ws_to_bits_f32(ws_from_bits_f32(magnitude) + 0.5f);
    return (ws_half_bits)(sign | (shifted - 0x3f000000u));
  }
  return (ws_half_bits)(sign | (((magnitude + 0xfffu + (magnitude >> 13 & 1u)) >> 13) - (112u << 10)));
}
#endif

#endif
