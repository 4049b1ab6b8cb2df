/*
 * OpenCL: state as codes of 8 bits in groups of 32 elements, which lie in words of 16 bits: the codes
 * of all groups of a parameter, and then their scales. See io.warmstep.storage.StateCodes, whose
 * operations these are. A work-item has whole groups: WS_GROUP_UNITS units that follow each other.
 */
#define WS_GROUP 32
#define WS_GROUP_UNITS (WS_GROUP / WS_LANES)
#define WS_TO_LANES WS_JOIN(convert_float, WS_LANES)

/* The scale of a group of a parameter. */
#define WS_SCALE_OF(state, at, length) \
  ((state) + ((length) + WS_GROUP - 1) / WS_GROUP * (WS_GROUP / 2))[(at) / WS_GROUP]

/* Codes of a unit, which begins at a multiple of its lanes. */
WS_INLINE ws_words ws_load_codes(global const ushort *state, ws_unit unit) {
  global const uchar *a = (global const uchar *)state;
  uchar lanes[WS_LANES];
  int i;
  if (unit.to == WS_LANES) {
    return WS_TO_WORDS(WS_VLOAD(0, a + unit.at));
  }
  for (i = 0; i < WS_LANES; i++) {
    lanes[i] = i < unit.to ? a[unit.at + i] : 0;
  }
  return WS_TO_WORDS(WS_VLOAD(0, lanes));
}

WS_INLINE void ws_store_codes(global ushort *state, ws_unit unit, ws_words codes) {
  global uchar *a = (global uchar *)state;
  ws_bytes bytes = WS_TO_BYTES(codes & 0xffu);
  uchar lanes[WS_LANES];
  int i;
  if (unit.to == WS_LANES) {
    WS_VSTORE_BYTES(bytes, a + unit.at);
    return;
  }
  WS_VSTORE(bytes, 0, lanes);
  for (i = 0; i < WS_LANES; i++) {
    if (i < unit.to) {
      a[unit.at + i] = lanes[i];
    }
  }
}

WS_INLINE ws_lanes ws_decode_moment(ws_words codes, float scale) {
  ws_words is_negative = codes >> 7;
  ws_words magnitude = codes < 128u ? codes : 256u - codes;
  ws_lanes share = WS_TO_LANES(magnitude) / WS_TO_LANES(254u - magnitude);
  ws_words bits = WS_AS_WORDS(share * scale) | is_negative << 31;
  return WS_AS_LANES(magnitude == 128u ? (ws_words)0x7fc00000u : bits);
}

WS_INLINE ws_lanes ws_decode_square(ws_words codes, float scale) {
  ws_lanes root = WS_TO_LANES(codes * codes) * (1.0f / 64009.0f);
  ws_lanes x = root * root * scale;
  ws_words bits = WS_AS_WORDS(x * x);
  bits = codes == 254u ? (ws_words)0x7f800000u : bits;
  return WS_AS_LANES(codes == 255u ? (ws_words)0x7fc00000u : bits);
}

/* What lanes count for in their group: their magnitudes, unless infinite or another's. */
WS_INLINE ws_words ws_group_largest(ws_words largest, ws_lanes x, ws_unit unit) {
  ws_words magnitude = WS_AS_WORDS(x) & 0x7fffffffu;
  ws_words within = WS_VLOAD(0, ws_lane_numbers) < (uint)unit.to ? magnitude : (ws_words)0u;
  return max(largest, within < 0x7f800000u ? within : (ws_words)0u);
}

/* The largest of the lanes. */
WS_INLINE uint ws_largest_lane(ws_words x) {
#if WS_LANES == 16
  uint8 eight = max(x.lo, x.hi);
  uint4 four = max(eight.lo, eight.hi);
#elif WS_LANES == 8
  uint4 four = max(x.lo, x.hi);
#else
  uint4 four = x;
#endif
  uint2 two = max(four.lo, four.hi);
  return max(two.x, two.y);
}

WS_INLINE ws_words ws_encode_moment(ws_lanes x, float scale) {
  ws_words bits = WS_AS_WORDS(x);
  ws_words is_negative = bits >> 31;
  ws_words least = min(bits & 0x7fffffffu, (ws_words)as_uint(scale));
  ws_lanes magnitude = WS_AS_LANES(least);
  ws_lanes sum = scale + magnitude;
  ws_lanes share = (magnitude + magnitude) / (scale == 0 ? (ws_lanes)1 : sum);
  ws_words code = WS_TO_WORDS(share * 127.0f + 0.5f);
  code = is_negative != 0u ? 256u - code : code;
  return WS_AS_FLAGS(bits & 0x7fffffffu) >= 0x7f800000 ? (ws_words)128u : code;
}

/* Of the roots; threshold: a half, or random. */
WS_INLINE ws_words ws_encode_square(ws_lanes root, float scale, ws_lanes threshold) {
  ws_words magnitude = WS_AS_WORDS(root) & 0x7fffffffu;
  ws_lanes finite = WS_AS_LANES(magnitude < 0x7f800000u ? magnitude : (ws_words)0u);
  ws_lanes share = sqrt(sqrt(finite / (scale == 0 ? 1.0f : scale)));
  ws_words code = min(WS_TO_WORDS(share * 253.0f + threshold), (ws_words)253u);
  code = scale == 0 ? (ws_words)0u : code;
  code = magnitude == 0x7f800000u ? (ws_words)254u : code;
  return ws_are_nan(magnitude) ? (ws_words)255u : code;
}

/* A group of a slot, of which each unit has its lanes of x. */
WS_INLINE void ws_store_moments(
    global ushort *state, long at, long length, const ws_lanes *x) {
  ws_words largest = 0;
  uint word;
  int i;
  for (i = 0; i < WS_GROUP_UNITS && at + i * WS_LANES < length; i++) {
    largest = ws_group_largest(largest, x[i], ws_unit_at(at + i * WS_LANES, length, 0));
  }
  word = min((ws_largest_lane(largest) + 0x7fffu) >> 15, 0xfd00u);
  WS_SCALE_OF(state, at, length) = (ushort)word;
  for (i = 0; i < WS_GROUP_UNITS && at + i * WS_LANES < length; i++) {
    ws_unit unit = ws_unit_at(at + i * WS_LANES, length, 0);
    ws_store_codes(state, unit, ws_encode_moment(x[i], as_float(word << 15)));
  }
}

WS_INLINE void ws_store_squares(
    global ushort *state, long at, long length, const ws_lanes *x, ws_source source,
    uint operand, int randomly) {
  ws_lanes roots[WS_GROUP_UNITS];
  ws_words largest = 0;
  uint word;
  int i;
  for (i = 0; i < WS_GROUP_UNITS && at + i * WS_LANES < length; i++) {
    roots[i] = sqrt(x[i]);
    largest = ws_group_largest(largest, roots[i], ws_unit_at(at + i * WS_LANES, length, 0));
  }
  word = min((ws_largest_lane(largest) + 0x7fffu) >> 15, 0xbeffu);
  WS_SCALE_OF(state, at, length) = (ushort)word;
  for (i = 0; i < WS_GROUP_UNITS && at + i * WS_LANES < length; i++) {
    ws_unit unit = ws_unit_at(at + i * WS_LANES, length, 0);
    ws_lanes threshold = 0.5f;
    if (randomly) {
      threshold = WS_TO_LANES(ws_random(source, operand, unit.at)) * 0x1p-16f;
    }
    ws_store_codes(state, unit, ws_encode_square(roots[i], as_float(word << 15), threshold));
  }
}

#define ws_load_int8_moment(a, rest, unit) \
  ws_decode_moment(ws_load_codes(a, unit), as_float((uint)WS_SCALE_OF(a, unit.at, length) << 15))
#define ws_load_int8_square(a, rest, unit) \
  ws_decode_square(ws_load_codes(a, unit), as_float((uint)WS_SCALE_OF(a, unit.at, length) << 15))
#define ws_load_int8_square_random ws_load_int8_square
