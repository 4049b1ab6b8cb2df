/*
 * OpenCL: loads and stores of WS_LANES elements, widening and rounding where they are stored in 16
 * bits. The parameters of the build: see step.cl.
 */
typedef WS_JOIN(ws_real_, WS_ARITHMETIC) ws_one;
typedef WS_JOIN(WS_JOIN(ws_real_, WS_ARITHMETIC), v) ws_lanes;

#ifdef WS_STORED
typedef ushort ws_stored;
#define WS_WIDEN WS_JOIN(ws_from_, WS_STORED)
#else
typedef ws_one ws_stored;
#endif

#define WS_VLOAD WS_JOIN(vload, WS_LANES)
#define WS_VSTORE WS_JOIN(vstore, WS_LANES)

constant uint ws_lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* WS_LANES places from `at`, of which those before `from` and from `to` on are another's. */
typedef struct {
  long at;
  int from;
  int to;
  int aligned;
} ws_unit;

/* The unit at a place, which can lie partly or wholly outside the `length` elements from 0. */
WS_INLINE ws_unit ws_unit_at(long at, long length, int aligned) {
  ws_unit unit;
  unit.at = at;
  unit.from = at < 0 ? (int)-at : 0;
  unit.to = length - at < WS_LANES ? (int)max(length - at, 0L) : WS_LANES;
  unit.aligned = aligned;
  return unit;
}

/* Elements of the arithmetic type. Places that are another's read as zero and are not written. */
WS_INLINE ws_lanes ws_load_state(global const ws_one *a, ws_unit unit) {
  ws_one lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    /* A device that has no access to unaligned vectors takes vload apart. */
    return unit.aligned ? *(global const ws_lanes *)(a + unit.at) : WS_VLOAD(0, a + unit.at);
  }
  for (i = 0; i < WS_LANES; i++) {
    lanes[i] = i >= unit.from && i < unit.to ? a[unit.at + i] : 0;
  }
  return WS_VLOAD(0, lanes);
}

WS_INLINE void ws_store_state(global ws_one *a, ws_unit unit, ws_lanes value) {
  ws_one lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    if (unit.aligned) {
      *(global ws_lanes *)(a + unit.at) = value;
    } else {
      WS_VSTORE(value, 0, a + unit.at);
    }
    return;
  }
  WS_VSTORE(value, 0, lanes);
  for (i = 0; i < WS_LANES; i++) {
    if (i >= unit.from && i < unit.to) {
      a[unit.at + i] = lanes[i];
    }
  }
}

#if WS_ARITHMETIC == 32
typedef WS_JOIN(uint, WS_LANES) ws_words;
typedef WS_JOIN(int, WS_LANES) ws_flags;
typedef WS_JOIN(ushort, WS_LANES) ws_half_lanes;
typedef WS_JOIN(uchar, WS_LANES) ws_bytes;

#define WS_AS_WORDS WS_JOIN(as_uint, WS_LANES)
#define WS_AS_FLAGS WS_JOIN(as_int, WS_LANES)
#define WS_AS_LANES WS_JOIN(as_float, WS_LANES)
#define WS_TO_WORDS WS_JOIN(convert_uint, WS_LANES)
#define WS_TO_HALVES WS_JOIN(convert_ushort, WS_LANES)
#define WS_TO_BYTES WS_JOIN(convert_uchar, WS_LANES)

/* To places that need not be aligned. Of vstore PoCL makes a store for each of such short elements. */
#if WS_LOCAL == 1
typedef struct __attribute__((packed)) { ws_half_lanes lanes; } ws_packed_halves;
typedef struct __attribute__((packed)) { ws_bytes lanes; } ws_packed_bytes;
#define WS_VSTORE_HALVES(value, to) ((global ws_packed_halves *)(to))->lanes = (value)
#define WS_VSTORE_BYTES(value, to) ((global ws_packed_bytes *)(to))->lanes = (value)
#else
#define WS_VSTORE_HALVES(value, to) WS_VSTORE(value, 0, to)
#define WS_VSTORE_BYTES(value, to) WS_VSTORE(value, 0, to)
#endif

/* 16 bits each. Places that are another's read as zero and are not written. */
WS_INLINE ws_words ws_load_halves(global const ushort *a, ws_unit unit) {
  ushort lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    return WS_TO_WORDS(
        unit.aligned ? *(global const ws_half_lanes *)(a + unit.at) : WS_VLOAD(0, a + unit.at));
  }
  for (i = 0; i < WS_LANES; i++) {
    lanes[i] = i >= unit.from && i < unit.to ? a[unit.at + i] : 0;
  }
  return WS_TO_WORDS(WS_VLOAD(0, lanes));
}

WS_INLINE void ws_store_halves(global ushort *a, ws_unit unit, ws_words words) {
  ws_half_lanes halves = WS_TO_HALVES(words & 0xffffu);
  ushort lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    if (unit.aligned) {
      *(global ws_half_lanes *)(a + unit.at) = halves;
    } else {
      WS_VSTORE_HALVES(halves, a + unit.at);
    }
    return;
  }
  WS_VSTORE(halves, 0, lanes);
  for (i = 0; i < WS_LANES; i++) {
    if (i >= unit.from && i < unit.to) {
      a[unit.at + i] = lanes[i];
    }
  }
}

/* All ones where bits are those of a NaN. */
WS_INLINE ws_flags ws_are_nan(ws_words bits) {
  return WS_AS_FLAGS(bits & 0x7fffffffu) > 0x7f800000;
}

/*
 * What half.h does, in all lanes at once: the lower 16 bits of a word are the stored number. Loops over
 * half.h's functions, with branches, are not made vector instructions of. For float16 OpenCL's own
 * conversions are an instruction where there is one; of a NaN they may keep other bits.
 */
WS_INLINE ws_lanes ws_widen_bfloat16(ws_words halves) { return WS_AS_LANES(halves << 16); }

WS_INLINE ws_words ws_narrow_bfloat16(ws_lanes value) {
  ws_words bits = WS_AS_WORDS(value);
  return ws_are_nan(bits) ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

WS_INLINE ws_lanes ws_widen_float16(ws_words halves) {
  ws_half_lanes stored = WS_TO_HALVES(halves & 0xffffu);
  return WS_JOIN(vload_half, WS_LANES)(0, (const private half *)&stored);
}

WS_INLINE ws_words ws_narrow_float16(ws_lanes value) {
  ws_half_lanes stored;
  WS_JOIN(WS_JOIN(vstore_half, WS_LANES), _rte)(value, 0, (private half *)&stored);
  return WS_TO_WORDS(stored);
}
#endif

#ifdef WS_STORED
#define ws_load(a, unit) WS_JOIN(ws_widen_, WS_STORED)(ws_load_halves(a, unit))
#define ws_store(a, unit, value) ws_store_halves(a, unit, WS_JOIN(ws_narrow_, WS_STORED)(value))
#else
#define ws_load ws_load_state
#define ws_store ws_store_state
#endif
