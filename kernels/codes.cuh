/*
 * State as codes of 8 bits in groups of 32 elements, counted from a tensor's first: the codes of all
 * groups, and then their scales of 16 bits. See io.warmstep.storage.StateCodes, whose operations these
 * are. Eight threads beside each other have the elements of a group.
 */
#ifndef WS_CODES_CUH
#define WS_CODES_CUH

#include "grid.cuh"

enum {
  WS_GROUP = 32,
  WS_LARGEST_SCALE = 0xfd00, /* of moments: 2^126, so that twice the scale is finite */
  WS_LARGEST_ROOT = 0xbeff   /* of squares: the largest whose square is finite */
};

WS_DEVICE bool is_coded(int stored) { return stored >= WS_STORED_MOMENT_CODES; }

/* The scale of a group; codes are those of all groups, of `length` elements. */
WS_DEVICE unsigned short *scale_of(void *codes, long long length, long long element) {
  return (unsigned short *)codes + (length + WS_GROUP - 1) / WS_GROUP * (WS_GROUP / 2) +
      element / WS_GROUP;
}

/* At a scale of 1. */
WS_DEVICE float decode_moment(unsigned code) {
  const unsigned magnitude = code < 128 ? code : 256 - code;
  if (magnitude == 128) return ws_from_bits_f32(0x7fc00000u);
  const float x = (float)(int)magnitude / (float)(int)(254 - magnitude);
  return ws_from_bits_f32(ws_to_bits_f32(x) | code >> 7 << 31);
}

/* The root at a scale of 1; of an infinity and a NaN the number. */
WS_DEVICE float decode_root(unsigned code) {
  if (code >= 254) return ws_from_bits_f32(code == 254 ? 0x7f800000u : 0x7fc00000u);
  const float half = (float)(int)(code * code) * (1.0f / 64009.0f);
  return half * half;
}

/* What the largest codes stand for at the largest scale. */
WS_DEVICE float largest_number(bool is_moment) {
  if (is_moment) return ws_from_bits_f32((unsigned)WS_LARGEST_SCALE << 15);
  const float root = decode_root(253) * ws_from_bits_f32((unsigned)WS_LARGEST_ROOT << 15);
  return root * root;
}

/* What a number counts for in its group. */
WS_DEVICE unsigned finite_magnitude(unsigned bits) {
  const unsigned magnitude = bits & 0x7fffffffu;
  return magnitude < 0x7f800000u ? magnitude : 0;
}

/* The bits of a scale, without the lower 15, from the largest number's. */
WS_DEVICE unsigned scale_bits(unsigned largest) { return (largest + 0x7fffu) >> 15; }

/* Of a number's bits. */
WS_DEVICE unsigned encode_moment(unsigned bits, float scale) {
  const unsigned magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) return 128;
  if (scale == 0) return 0;
  const float absolute = ws_from_bits_f32(magnitude);
  const float least = absolute < scale ? absolute : scale;
  const float share = (least + least) / (scale + least);
  const unsigned code = (unsigned)(int)(share * 127.0f + 0.5f);
  return bits >> 31 ? 256 - code : code;
}

/* Of the root's bits; threshold: a half, or random. */
WS_DEVICE unsigned encode_square(unsigned bits, float scale, float threshold) {
  const float root = ws_from_bits_f32(bits);
  const unsigned magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) return magnitude == 0x7f800000u ? 254 : 255;
  if (scale == 0) return 0;
  const float share = ws_sqrt_f32(ws_sqrt_f32(root / scale));
  const unsigned code = (unsigned)(int)(share * 253.0f + threshold);
  return code < 253 ? code : 253;
}

#endif
