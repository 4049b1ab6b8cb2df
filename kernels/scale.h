/* value * 2^exponent for any exponent, rounded once, as Java's Math.scalb. Value >= 0 or NaN. */
WS_INLINE float ws_scale_by_power(float value, int exponent) {
  ws_word_32 bits;
  if (!(value > 0 && value <= 3.4028234663852886e38f)) return value;
  if (value < 1.1754943508222875e-38f) { /* a subnormal number becomes a normal one */
    value *= 16777216.0f;
    exponent -= 24;
  }
  bits = ws_to_bits_f32(value);
  exponent += (int)(bits >> 23) - 127;
  bits = (bits & 0x7fffffu) | 0x3f800000u; /* the value is now in [1, 2) */
  if (exponent > 127) return ws_from_bits_f32(0x7f800000u);
  if (exponent < -149) {
    return ws_from_bits_f32(exponent == -150 && bits > 0x3f800000u ? 1u : 0u);
  }
  return ws_from_bits_f32(bits)
      * ws_from_bits_f32(
          exponent < -126 ? 1u << (exponent + 149) : (ws_word_32)(exponent + 127) << 23);
}
