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
  WS_LARGEST_ROOT = 0xbeff,  /* of squares: the largest whose square is finite */
  WS_TO_NEAREST = 0x8000     /* a half in units of 2^-16 */
};

WS_DEVICE bool is_coded(int stored) { return stored >= WS_STORED_MOMENT_CODES; }

/* Bytes from a slot's first code to the scale of an element's group; of `length` elements in all. */
WS_DEVICE long long scale_at(long long length, long long element) {
  const unsigned long long groups = ((unsigned long long)length + WS_GROUP - 1) / WS_GROUP;
  return (long long)(groups * WS_GROUP + (unsigned long long)element / WS_GROUP * 2);
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

/* The bits of the largest scale, without the lower 15. */
WS_DEVICE unsigned largest_scale(bool is_moment) {
  return is_moment ? WS_LARGEST_SCALE : WS_LARGEST_ROOT;
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

/* Of a number's bits. drawn: the threshold in units of 2^-16: WS_TO_NEAREST, or random. */
WS_DEVICE unsigned encode_square(unsigned bits, float scale, unsigned drawn) {
  const float root = ws_sqrt_f32(ws_from_bits_f32(bits));
  const unsigned magnitude = ws_to_bits_f32(root) & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) return magnitude == 0x7f800000u ? 254 : 255;
  if (scale == 0) return 0;
  const float share = ws_sqrt_f32(ws_sqrt_f32(root / scale));
  const unsigned code = (unsigned)(int)(share * 253.0f + (float)(int)drawn * 0x1p-16f);
  return code < 253 ? code : 253;
}

/*
 * The same from approximate quotients and roots, one instruction each on a GPU but for the root of the
 * number, where those that are correctly rounded are about ten. What a code is the integer part of comes
 * out in units of 2^-16, so that the code is the third byte. It differs from what the operations above
 * give by less than WS_DOUBT: by the bounds of WS_RECIPROCAL_ABOUT and WS_ROOT_ABOUT and the roundings
 * of both ways, by 0.35 units of 2^-12 for moments and 0.45 for squares, and by 0.5 more where 3072 is
 * added, whose last bit that is. So codes are the same unless an integer is within WS_DOUBT, and then
 * the operations above decide.
 *
 * For finite numbers and, of squares, none below 0, and for scales within bounds, see is_plain_scale.
 */
enum { WS_DOUBT = 16 };

WS_DEVICE bool is_doubtful(unsigned sum) {
  return ((sum + WS_DOUBT) & (0x10000u - 2 * WS_DOUBT)) == 0;
}

/* A share of the scale x is 254 * x / (1 + x), here with the number's sign. */
WS_DEVICE unsigned about_moment(float x, float inverse, float many_inverses) {
  const float divisor = ws_fma_f32(ws_abs_f32(x), inverse, 1.0f);
  const float sum = ws_fma_f32(x * many_inverses, WS_RECIPROCAL_ABOUT(divisor), 3072.0f);
  return ws_to_bits_f32(sum) * 16 + WS_TO_NEAREST;
}

WS_DEVICE unsigned about_square(float x, float inverse, unsigned drawn) {
  /* Of the root a scale may leave a subnormal number, whose share is below 2^-31. */
  const float share = WS_NORMAL_ROOT_ABOUT(WS_NORMAL_ROOT_ABOUT(WS_ROOT_ABOUT(x) * inverse));
  return ws_to_bits_f32(ws_fma_f32(share, 253.0f, 3072.0f)) * 16 + drawn;
}

/* word: a scale's bits without the lower 15. Whether 254 times its inverse is finite and nothing is
   above it; or all is 0. */
WS_DEVICE bool is_plain_scale(unsigned word, unsigned largest) {
  const unsigned least = (127 - 119) << 8;
  return word == 0 || word - least < largest - least;
}

#endif
