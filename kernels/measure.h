/*
 * OpenCL: what a step sees of its own update, as io.warmstep.backend.UpdateTiles has it. With WS_MEASURED
 * step.cl has a work-group for each tile of 2048 elements, counted from a parameter's first. It keeps
 * what the tile holds before the update and reads again what is stored, each work-item in the places
 * that the tree takes from it. With codes others have updated them.
 */
#undef WS_BITS
#define WS_LEAF 2048
#include "tree.h"
#undef WS_BITS
#define WS_BITS WS_JOIN(WS_ARITHMETIC, v)

/* Numbers of a row before those of codes: their order is that of the stores below. */
#define WS_ROW_CODES 4
#ifdef WS_CODED
#define WS_CODES_NUMBERS_float32
#define WS_CODES_NUMBERS_bfloat16
#define WS_CODES_NUMBERS_bfloat16_random
#define WS_CODES_NUMBERS_int8_moment +2
#define WS_CODES_NUMBERS_int8_square +2
#define WS_CODES_NUMBERS_int8_square_random +2
#define WS_SLOT_NUMBERS(i) WS_JOIN(WS_CODES_NUMBERS_, WS_STORED_##i)
#define WS_ROW (WS_ROW_CODES WS_EACH_SLOT(WS_SLOT_NUMBERS))
#else
#define WS_ROW WS_ROW_CODES
#endif

#ifdef WS_MIXED
#define WS_MEASURED_PARAMETERS WS_MIXED_PARAMETERS
#define WS_MEASURED_ARGUMENTS , rest + segment[WS_SEGMENT - 4]
#else
#define WS_MEASURED_PARAMETERS
#define WS_MEASURED_ARGUMENTS
#endif

/* What the tile holds before its update: values, and 1 for each gradient that is finite and not 0. */
WS_INLINE void ws_keep(
    long at, long length, int aligned, global WS_TYPE_OF_VALUES *p,
    global WS_TYPE_OF_GRADIENTS *g WS_MEASURED_PARAMETERS, ws_lanes *before, ws_lanes *moving) {
  int i;
  for (i = 0; i < WS_RUNS; i++) {
    ws_unit unit = ws_unit_at(at + i * WS_LANES * WS_LOCAL, length, aligned);
    before[i] = 0;
    moving[i] = 0;
    if (unit.to > 0) {
      ws_lanes gradient = WS_LOAD_GRADIENTS(g, unit);
      before[i] = WS_LOAD_VALUES(p, unit);
      moving[i] = gradient != 0 && fabs(gradient) <= WS_LARGEST_FINITE ? (ws_lanes)1 : (ws_lanes)0;
    }
  }
}

#define WS_STORE_SUM(kind, x)                    \
  {                                              \
    ws_one sum = ws_sum_of(kind, x, 1, shared);  \
    if (row != 0 && get_local_id(0) == 0) {      \
      *row++ = sum;                              \
    }                                            \
  }

/* Codes that are the largest number or not finite, and codes of 0 of elements that move. */
#define WS_COUNT_float32(i)
#define WS_COUNT_bfloat16(i)
#define WS_COUNT_bfloat16_random(i)
#define WS_COUNT_int8_moment(i) \
  WS_COUNT(i, ws_decode_moment((ws_words)127u, as_float(0xfd00u << 15)))
#define WS_COUNT_int8_square(i) \
  WS_COUNT(i, ws_decode_square((ws_words)253u, as_float(0xbeffu << 15)))
#define WS_COUNT_int8_square_random WS_COUNT_int8_square
#define WS_COUNT_SLOT(i) WS_JOIN(WS_COUNT_, WS_STORED_##i)(i)
#define WS_COUNT(slot, largest)                                                        \
  for (i = 0; i < WS_RUNS; i++) {                                                      \
    ws_unit unit = ws_unit_at(at + i * WS_LANES * WS_LOCAL, length, aligned);          \
    ws_lanes x = unit.to > 0 ? WS_LOAD_SLOT(slot, state##slot, unit) : (ws_lanes)0;    \
    change[i] = fabs(x) < largest ? (ws_lanes)0 : (ws_lanes)1; /* NaN is not below it */ \
    before[i] = x == 0 ? moving[i] : (ws_lanes)0;                                      \
  }                                                                                    \
  WS_STORE_SUM(WS_SUM_SIGNED, change)                                                  \
  WS_STORE_SUM(WS_SUM_SIGNED, before)

/* Stores the tile's row after its update; a row of 0 for none. Overwrites what was kept. */
WS_INLINE void ws_measure(
    long at, long length, int aligned, global WS_TYPE_OF_VALUES *p WS_EACH_SLOT(WS_STATE_PARAMETER)
        WS_MEASURED_PARAMETERS, ws_lanes *before, ws_lanes *moving, local ws_lanes *shared,
    global ws_one *row) {
  ws_lanes change[WS_RUNS];
  int i;
  for (i = 0; i < WS_RUNS; i++) {
    ws_unit unit = ws_unit_at(at + i * WS_LANES * WS_LOCAL, length, aligned);
    change[i] = unit.to > 0 ? WS_LOAD_VALUES(p, unit) - before[i] : (ws_lanes)0;
  }
  WS_STORE_SUM(WS_SUM_SQUARES, change)
  WS_STORE_SUM(WS_SUM_SQUARES, before)
  for (i = 0; i < WS_RUNS; i++) {
    before[i] = change[i] == 0 ? moving[i] : (ws_lanes)0;
  }
  WS_STORE_SUM(WS_SUM_SIGNED, moving)
  WS_STORE_SUM(WS_SUM_SIGNED, before)
#ifdef WS_CODED
  WS_EACH_SLOT(WS_COUNT_SLOT)
#endif
}
