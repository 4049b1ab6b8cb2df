/*
 * OpenCL: loads and stores of what is stored in another way than as elements of the parameters' type
 * and, state, of its arithmetic. With WS_MIXED step.cl is also built with
 *
 *   WS_STORED_VALUES, WS_STORED_GRADIENTS, WS_STORED_0 and so on for each slot of state
 *     how they are stored: float32, float16, bfloat16, bfloat16_random, bfloat16_master,
 *     bfloat16_master24, bfloat16_master24_random or float16_master; state also int8_moment,
 *     int8_square and int8_square_random
 *
 *   WS_CODED      if a slot is stored in one of those, as codes.h says
 *
 *   WS_AVERAGES   if an average of the parameters is kept, in float32
 *
 *   WS_DRAWN      if a work-item draws the random numbers of a whole run of elements at once
 *
 * and has arguments for what masters keep beside the parameters, and for the key of the random
 * numbers. The arithmetic is float32.
 */
#define WS_ELEMENT_float32 float
#define WS_ELEMENT_float16 ushort
#define WS_ELEMENT_bfloat16 ushort
#define WS_ELEMENT_bfloat16_random ushort
#define WS_ELEMENT_bfloat16_master ushort
#define WS_ELEMENT_bfloat16_master24 ushort
#define WS_ELEMENT_bfloat16_master24_random ushort
#define WS_ELEMENT_float16_master ushort
#define WS_ELEMENT_int8_moment ushort
#define WS_ELEMENT_int8_square ushort
#define WS_ELEMENT_int8_square_random ushort
#define WS_REST_float32 ushort /* none */
#define WS_REST_float16 ushort
#define WS_REST_bfloat16 ushort
#define WS_REST_bfloat16_random ushort
#define WS_REST_bfloat16_master ushort
#define WS_REST_bfloat16_master24 uchar
#define WS_REST_bfloat16_master24_random uchar
#define WS_REST_float16_master float

#define WS_IS_RANDOM_float32 0
#define WS_IS_RANDOM_float16 0
#define WS_IS_RANDOM_bfloat16 0
#define WS_IS_RANDOM_bfloat16_random 1
#define WS_IS_RANDOM_bfloat16_master 0
#define WS_IS_RANDOM_bfloat16_master24 0
#define WS_IS_RANDOM_bfloat16_master24_random 1
#define WS_IS_RANDOM_float16_master 0
#define WS_IS_RANDOM_int8_moment 0
#define WS_IS_RANDOM_int8_square 0
#define WS_IS_RANDOM_int8_square_random 1

/* Elements of a run, and outputs of the generator that they share. */
#define WS_RUN_LENGTH 2048
#define WS_RUN_OUTPUTS 256

/*
 * What random numbers follow from, but for the operand and the element, which is counted from first, a
 * multiple of WS_RUN_LENGTH. With WS_DRAWN also what was drawn of the run, in a row for each operand.
 */
typedef struct {
  uint key0;
  uint key1;
  uint parameter;
  uint step;
  long first;
#ifdef WS_DRAWN
  ws_half_lanes (*drawn)[WS_RUN_LENGTH / WS_LANES];
#endif
} ws_source;

/* 8 bits each, as storage.h has 16. */
WS_INLINE ws_words ws_load_bytes(global const uchar *a, ws_unit unit) {
  uchar lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    return WS_TO_WORDS(
        unit.aligned ? *(global const ws_bytes *)(a + unit.at) : WS_VLOAD(0, a + unit.at));
  }
  for (i = 0; i < WS_LANES; i++) {
    lanes[i] = i >= unit.from && i < unit.to ? a[unit.at + i] : 0;
  }
  return WS_TO_WORDS(WS_VLOAD(0, lanes));
}

WS_INLINE void ws_store_bytes(global uchar *a, ws_unit unit, ws_words words) {
  ws_bytes bytes = WS_TO_BYTES(words & 0xffu);
  uchar lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    if (unit.aligned) {
      *(global ws_bytes *)(a + unit.at) = bytes;
    } else {
      WS_VSTORE_BYTES(bytes, a + unit.at);
    }
    return;
  }
  WS_VSTORE(bytes, 0, lanes);
  for (i = 0; i < WS_LANES; i++) {
    if (i >= unit.from && i < unit.to) {
      a[unit.at + i] = lanes[i];
    }
  }
}

/*
 * Upper words of products with a number. PoCL takes mul_hi apart into products of 16 bits, but has an
 * instruction for the products of every second lane.
 */
#ifdef WS_DRAWN
#if WS_LANES == 16
typedef ulong8 ws_pairs;
#define WS_AS_PAIRS as_ulong8
#elif WS_LANES == 8
typedef ulong4 ws_pairs;
#define WS_AS_PAIRS as_ulong4
#else
typedef ulong2 ws_pairs;
#define WS_AS_PAIRS as_ulong2
#endif
WS_INLINE ws_words ws_upper_product(ws_words x, uint y) {
  ws_pairs lower = (WS_AS_PAIRS(x) & 0xffffffffUL) * (ulong)y;
  ws_pairs upper = (WS_AS_PAIRS(x) >> 32) * (ulong)y;
  return WS_AS_WORDS(lower >> 32 | (upper & 0xffffffff00000000UL));
}
#else
#define ws_upper_product(x, y) mul_hi(x, (ws_words)(y))
#endif

/*
 * Philox4x32-10 (Salmon et al. 2011): 16 bits for each element. Of each run of 2048 elements from a
 * parameter's first, the eight that are 256 apart share one output. Here an output for each lane, by
 * the words of its number.
 */
WS_INLINE void ws_philox(
    ws_source source, uint operand, ws_words low, ws_words high, ws_words *output) {
  ws_words c0 = low, c1 = high | operand << 24;
  ws_words c2 = (ws_words)source.parameter, c3 = (ws_words)source.step;
  uint k0 = source.key0, k1 = source.key1;
  int i;
  for (i = 0; i < 10; i++) {
    ws_words high0 = ws_upper_product(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;
    ws_words high1 = ws_upper_product(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  output[0] = c0;
  output[1] = c1;
  output[2] = c2;
  output[3] = c3;
}

#ifdef WS_DRAWN
/* Draws for the elements from `at`, where a run begins, to its end or, if that is before, `length`. */
WS_INLINE void ws_draw(ws_source source, uint operand, long at, long length) {
  ulong outputs = (ulong)(source.first + at) / WS_RUN_LENGTH * WS_RUN_OUTPUTS; /* before the run's */
  ws_half_lanes *drawn = source.drawn[operand];
  int i, j;
  for (i = 0; i < WS_RUN_OUTPUTS && i < length - at; i += WS_LANES) {
    ws_words output[4];
    ws_philox(
        source, operand, (uint)outputs + i + WS_VLOAD(0, ws_lane_numbers), (ws_words)(uint)(outputs >> 32),
        output);
    _Pragma("unroll") for (j = 0; j < 8; j++) {
      ws_words word = output[j / 2] >> (uint)(j % 2 * 16);
      drawn[(j * WS_RUN_OUTPUTS + i) / WS_LANES] = WS_TO_HALVES(word & 0xffffu);
    }
  }
}

WS_INLINE ws_words ws_random(ws_source source, uint operand, long at) {
  return WS_TO_WORDS(source.drawn[operand][(uint)at % WS_RUN_LENGTH / WS_LANES]);
}
#else
WS_INLINE ws_words ws_random(ws_source source, uint operand, long at) {
  uint lanes[WS_LANES];
  uint low[WS_LANES], high[WS_LANES];
  ws_words place, word, output[4];
  int i;
  for (i = 0; i < WS_LANES; i++) {
    ulong element = (ulong)(source.first + at + i);
    ulong block = element / WS_RUN_LENGTH * WS_RUN_OUTPUTS + element % WS_RUN_OUTPUTS;
    low[i] = (uint)block;
    high[i] = (uint)(block >> 32);
    lanes[i] = (uint)(element / WS_RUN_OUTPUTS) & 7u;
  }
  place = WS_VLOAD(0, lanes);
  ws_philox(source, operand, WS_VLOAD(0, low), WS_VLOAD(0, high), output);
  word = place < 2u ? output[0] : place < 4u ? output[1] : place < 6u ? output[2] : output[3];
  return word >> ((place & 1u) << 4) & 0xffffu;
}
#endif

/* Each is rounded up or down. NaN and infinities pass, and the largest finite number is not crossed. */
WS_INLINE ws_words ws_narrow_randomly(ws_lanes value, ws_words random) {
  ws_words bits = WS_AS_WORDS(value);
  ws_words rounded = (bits + random) >> 16;
  ws_words within = (bits & 0x7fffffffu) < 0x7f800000u && (rounded & 0x7fffu) == 0x7f80u
      ? rounded - 1u : rounded;
  return ws_are_nan(bits) ? bits >> 16 | 0x40u : within;
}

#define ws_load_float32(a, rest, unit) ws_load_state(a, unit)
#define ws_load_float16(a, rest, unit) ws_widen_float16(ws_load_halves(a, unit))
#define ws_load_bfloat16(a, rest, unit) ws_widen_bfloat16(ws_load_halves(a, unit))
#define ws_load_bfloat16_random ws_load_bfloat16

/* See io.warmstep.storage.Remainders. */
WS_INLINE ws_lanes ws_join_master(ws_words upper, ws_words lower) {
  ws_words bits = (upper << 16) + lower - (lower >> 15 << 16);
  return WS_AS_LANES(ws_are_nan(bits) ? upper << 16 : bits);
}

WS_INLINE ws_words ws_upper(ws_words bits) {
  return ws_are_nan(bits) ? 0x7fc0u : (bits + 0x8000u) >> 16;
}

WS_INLINE ws_words ws_lower(ws_words bits) { return ws_are_nan(bits) ? 0u : bits; }

/* The bits of numbers whose lower 8 are then 0, rounded to nearest or by 8 of the random bits. */
WS_INLINE ws_words ws_to_24(ws_lanes value) {
  ws_words bits = WS_AS_WORDS(value);
  return ws_are_nan(bits) ? bits : (bits + 0x7fu + (bits >> 8 & 1u)) & ~0xffu;
}

WS_INLINE ws_words ws_randomly_to_24(ws_lanes value, ws_words random) {
  ws_words bits = WS_AS_WORDS(value);
  ws_words rounded = (bits + (random & 0xffu)) & ~0xffu;
  ws_words within = (bits & 0x7fffffffu) < 0x7f800000u && (rounded & 0x7fffffffu) == 0x7f800000u
      ? rounded - 0x100u : rounded;
  return ws_are_nan(bits) ? bits : within;
}

#define ws_load_bfloat16_master(a, rest, unit) \
  ws_join_master(ws_load_halves(a, unit), ws_load_halves(rest, unit))
#define ws_load_bfloat16_master24(a, rest, unit) \
  ws_join_master(ws_load_halves(a, unit), ws_load_bytes(rest, unit) << 8)
#define ws_load_bfloat16_master24_random ws_load_bfloat16_master24

WS_INLINE ws_lanes ws_load_float16_master(
    global const ushort *a, global const float *rest, ws_unit unit) {
  ws_words halves = ws_load_halves(a, unit);
  ws_lanes master = ws_load_state(rest, unit);
  return ws_narrow_float16(master) == halves ? master : ws_widen_float16(halves);
}

#define ws_store_float32(a, rest, unit, value, source, operand) ws_store_state(a, unit, value)
#define ws_store_float16(a, rest, unit, value, source, operand) \
  ws_store_halves(a, unit, ws_narrow_float16(value))
#define ws_store_bfloat16(a, rest, unit, value, source, operand) \
  ws_store_halves(a, unit, ws_narrow_bfloat16(value))
#define ws_store_bfloat16_random(a, rest, unit, value, source, operand) \
  ws_store_halves(a, unit, ws_narrow_randomly(value, ws_random(source, operand, unit.at)))
#define ws_store_float16_master(a, rest, unit, value, source, operand) \
  ws_store_halves(a, unit, ws_narrow_float16(value));                  \
  ws_store_state(rest, unit, value)
#define ws_store_bfloat16_master(a, rest, unit, value, source, operand) \
  ws_store_halves(a, unit, ws_upper(WS_AS_WORDS(value)));               \
  ws_store_halves(rest, unit, ws_lower(WS_AS_WORDS(value)))
#define ws_store_bfloat16_master24(a, rest, unit, value, source, operand) \
  ws_store_24(a, rest, unit, ws_to_24(value))
#define ws_store_bfloat16_master24_random(a, rest, unit, value, source, operand) \
  ws_store_24(a, rest, unit, ws_randomly_to_24(value, ws_random(source, operand, unit.at)))

WS_INLINE void ws_store_24(global ushort *a, global uchar *rest, ws_unit unit, ws_words bits) {
  ws_store_halves(a, unit, ws_upper(bits));
  ws_store_bytes(rest, unit, ws_lower(bits) >> 8);
}

#ifdef WS_CODED
#include "codes.h"

/* A slot of a unit that is stored with its group, and of a group that is stored by its units. */
#define ws_store_int8_moment(a, rest, unit, value, source, operand)
#define ws_store_int8_square(a, rest, unit, value, source, operand)
#define ws_store_int8_square_random(a, rest, unit, value, source, operand)
#define ws_store_group_float32(a, at, length, x, source, operand)
#define ws_store_group_bfloat16(a, at, length, x, source, operand)
#define ws_store_group_bfloat16_random(a, at, length, x, source, operand)
#define ws_store_group_int8_moment(a, at, length, x, source, operand) \
  ws_store_moments(a, at, length, x)
#define ws_store_group_int8_square(a, at, length, x, source, operand) \
  ws_store_squares(a, at, length, x, source, operand, 0)
#define ws_store_group_int8_square_random(a, at, length, x, source, operand) \
  ws_store_squares(a, at, length, x, source, operand, 1)
#endif
