/*
 * The update on OpenCL 1.2: load, prepare the gradient, call the rule, store. Built once for each
 * rule and storage type:
 *
 *   WS_RULE, WS_RULE_UPPER, WS_RULE_FILE   such as adam, ADAM and "rules/adam.h"
 *   WS_ARITHMETIC                          32 or 64; with 64 also WS_DOUBLE
 *   WS_STORED                              float16 or bfloat16; left out for the arithmetic type
 *   WS_SLOTS_USED                          state of each element in this launch, 0 to 14
 *   WS_SEGMENT                             longs of a segment
 *   WS_FIRST                               numbers of the first phase, of a rule that adds up over groups
 *   WS_GROUPS                              parameter groups whose numbers are an argument
 *   WS_LANES                               elements that a work-item works on at a time: 4, 8, 16
 *   WS_LOCAL                               work-items of a work-group
 *   WS_UNITS                               how many times a work-item does so
 *   WS_FACTORED                            if the first slot is kept as factors: see operands.h
 *   WS_MIXED                               if operands are stored in several ways: see mixed.h
 *   WS_DRAWN                               if a work-item's tile is a run of elements that share random
 *                                          numbers, and it draws them all at once: see mixed.h
 *   WS_TENSOR_FACTORS                      if gradients are clipped tensor by tensor: see clip.cl
 *   WS_AHEAD                               if the host does not wait for the step's outcome: see ahead.cl
 *   WS_MEASURED                            if the update is measured: see measure.h
 *
 * A GPU has many work-items of one unit of 16 bytes. A processor has one work-item with many wide
 * units: its compiler keeps what is the same for all of them in registers.
 */
#include "portable.h"
#include "half.h"
#include "storage.h"
#include "operands.h"
#ifdef WS_MEASURED
#include "measure.h"
#endif

#define WS_LOAD_STATE(i)                                                                     \
  s[i] = WS_SLOTS(options) > i && WS_READS(WS_STATE(i)) ? WS_LOAD_SLOT(i, state##i, unit)    \
                                                        : (WS_REAL)0;
#define WS_STORE_STATE(i) \
  if (WS_SLOTS(options) > i && WS_WRITES(WS_STATE(i))) { \
    WS_STORE_SLOT(i, state##i, unit, s[i]); \
  }

#ifdef WS_DRAWN
#define WS_DRAW_VALUES WS_DRAW(WS_STORED_VALUES, 0u, at, segment[1])
#define WS_DRAW_STATE(i)                                \
  if (WS_WRITES(WS_STATE(i))) {                         \
    WS_DRAW(WS_STORED_##i, i + 2u, at, segment[1]);     \
  }
#endif

/* With codes the units of a group follow each other, and its state is stored after the last. */
#ifdef WS_CODED
#define WS_NEXT_UNIT(i) \
  ((i) % WS_GROUP_UNITS == WS_GROUP_UNITS - 1 ? WS_GROUP * (WS_LOCAL - 1) + WS_LANES : WS_LANES)
#define WS_ITEM_LANES WS_GROUP
#define WS_STORE_GROUP_STATE(i) \
  if (WS_SLOTS(options) > i && WS_WRITES(WS_STATE(i))) { \
    WS_STORE_GROUP(i, held[i]); \
  }
#else
#define WS_NEXT_UNIT(i) (WS_LANES * WS_LOCAL)
#define WS_ITEM_LANES WS_LANES
#endif

/* A work-item's units of a tile. Called with constant options, which then cost nothing. */
WS_INLINE void ws_units(
    int options, long at, long length, int aligned, const WS_REAL *k, const ws_one *numbers,
    ws_one scale, ws_one prescale, ws_one clip_value, int keeps_parameters, int zero_gradients,
    global WS_TYPE_OF_VALUES *p,
    global WS_TYPE_OF_GRADIENTS *g WS_EACH_SLOT(WS_STATE_PARAMETER)
WS_FACTORED_UNITS
#ifdef WS_MIXED
    WS_MIXED_PARAMETERS, ws_source source, WS_REAL average_weight WS_AVERAGE_PARAMETERS
#endif
) {
  int i;
#ifdef WS_CODED
  WS_REAL held[WS_OF_RULE(_MAX_SLOTS) + 1][WS_GROUP_UNITS];
#endif
  for (i = 0; i < WS_UNITS; at += WS_NEXT_UNIT(i), i++) {
    ws_unit unit = ws_unit_at(at, length, aligned);
    WS_REAL s[WS_OF_RULE(_MAX_SLOTS) + 1]; /* one at least */
    WS_REAL value, gradient;
    if (unit.to <= unit.from) {
      return;
    }
    value = WS_LOAD_VALUES(p, unit);
    gradient = WS_READS(WS_GRADIENT) ? WS_LOAD_GRADIENTS(g, unit) : (WS_REAL)0;
    WS_EACH_SLOT(WS_LOAD_STATE)
    WS_LOAD_FACTORED(unit)

    if (WS_READS(WS_GRADIENT)) {
      gradient = WS_PREPARED(scale, prescale, clip_value, gradient, value);
    }
#ifdef WS_AVERAGES
    {
      WS_REAL next = WS_UPDATE(value, gradient, s, k, options);
      WS_REAL a = ws_load_state(average, unit);
      value = keeps_parameters ? value : next;
      ws_store_state(average, unit, WS_FMA(average_weight, value - a, a));
    }
#else
    value = WS_UPDATE(value, gradient, s, k, WS_FACTORED_OPTIONS(options));
#endif

    if (!keeps_parameters) {
      WS_STORE_VALUES(p, unit, value);
    }
    if (zero_gradients) {
      WS_STORE_GRADIENTS(g, unit, (WS_REAL)0);
    }
    WS_EACH_SLOT(WS_STORE_STATE)
#ifdef WS_CODED
    {
      int unit_of_group = i % WS_GROUP_UNITS;
      WS_EACH_SLOT(WS_HOLD_STATE)
      if (unit_of_group == WS_GROUP_UNITS - 1 || length - at <= WS_LANES) {
        long first = at - unit_of_group * WS_LANES;
        WS_EACH_SLOT(WS_STORE_GROUP_STATE)
      }
    }
#endif
  }
}

#ifdef WS_AHEAD
/* All that a skipped step does. */
WS_INLINE void ws_zero_units(
    long at, long length, int aligned, global WS_TYPE_OF_GRADIENTS *g) {
  int i;
  for (i = 0; i < WS_UNITS; at += WS_NEXT_UNIT(i), i++) {
    ws_unit unit = ws_unit_at(at, length, aligned);
    if (unit.to <= unit.from) {
      return;
    }
    WS_STORE_GRADIENTS(g, unit, (WS_REAL)0);
  }
}
#endif

/*
 * The work of a launch is cut into segments, runs of elements that lie one after the other in every
 * buffer, and these into tiles, one for each work-group. A segment whose buffers' offsets all leave
 * the same rest modulo WS_LANES is aligned: its units are placed so that all accesses are, and its
 * first unit then begins before its first element.
 *
 * prescale: a power of two that gradients are multiplied by first; 1 unless what they are
 *   multiplied by in all is beyond the range of the type
 * scale: what they are multiplied by then; unused if from_control
 * from_control: not 0 if there is a norm; WS_SKIPPABLE besides if its outcome can be that nothing happens
 * control: the scale and whether all gradients are finite, from norm.cl; unused unless from_control
 * segments: for each WS_SEGMENT longs: first tile, length, group | options << 32 | aligned << 48, offsets
 * tiles: segment of each tile; unused if there is one segment
 * rest, key0, key1, average: with WS_MIXED, what masters keep beside parameters, the seed of random
 *   numbers and averages; a segment then ends with the offsets in the first and the last of them,
 *   the parameter's number, and that of the segment's first element within it
 * tensor_factors: with WS_TENSOR_FACTORS, of each segment, which is a tensor then: what gradients are
 *   multiplied by besides
 * tensor_numbers: of each segment, which is a tensor then, or of each group, for a rule with sums: see
 *   sums.cl
 * places, rows: with WS_MEASURED, of each segment, which is a parameter then and whose units are aligned
 *   where its first element is in every buffer, the place of its first row, or -1 if it has none
 */
#ifdef WS_HAS_SUMS
#define WS_SUMS_PARAMETER , global const ws_one *tensor_numbers
#else
#define WS_SUMS_PARAMETER
#endif
#ifdef WS_TENSOR_FACTORS
#define WS_FACTORS_PARAMETER , global const ws_one *tensor_factors
#else
#define WS_FACTORS_PARAMETER
#endif
#ifdef WS_MEASURED
#define WS_ROWS_PARAMETERS , global const long *places, global ws_one *rows
#else
#define WS_ROWS_PARAMETERS
#endif
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_step(
    ws_groups_argument groups, ws_one scale, ws_one prescale, ws_one clip_value, int from_control,
    int zero_gradients, int has_tiles, global const ws_one *control, global const long *segments,
    global const int *tiles, global WS_TYPE_OF_VALUES *p,
    global WS_TYPE_OF_GRADIENTS *g WS_EACH_SLOT(WS_STATE_PARAMETER) WS_SUMS_PARAMETER WS_FACTORED_PARAMETERS
#ifdef WS_MIXED
    WS_MIXED_PARAMETERS, uint key0, uint key1 WS_AVERAGE_PARAMETERS
#endif
    WS_FACTORS_PARAMETER WS_ROWS_PARAMETERS) {
  long tile = get_group_id(0);
  global const long *segment = segments + WS_SEGMENT * (long)(has_tiles ? tiles[tile] : 0);
  int group = (int)(segment[2] & 0xffffff);
  int options = (int)(segment[2] >> 32 & 0xffff);
  int aligned = (int)(segment[2] >> 48);
  long at = WS_LANES * ((tile - segment[0]) * WS_LOCAL * WS_UNITS) +
      WS_ITEM_LANES * (long)get_local_id(0);
  ws_one numbers[WS_FIELDS];
  WS_REAL k[WS_SCALARS + WS_NUMBERS];
  int i;
#ifdef WS_MEASURED
  local ws_lanes shared[WS_LOCAL];
  ws_lanes before[WS_RUNS], moving[WS_RUNS];
  long seen = (tile - segment[0]) * WS_LEAF + WS_LANES * (long)get_local_id(0);
  long place = places[has_tiles ? tiles[tile] : 0];
#endif

  at -= aligned ? segment[3] % WS_LANES : 0;
  if (WS_IS_SKIPPED(from_control, control)) {
#ifdef WS_AHEAD /* else the host sees to it */
    if (zero_gradients) {
      ws_zero_units(at, segment[1], aligned, g + segment[4]);
    }
#endif
    return;
  }
  WS_NUMBERS_OF_GROUP(groups, group, numbers);
  if (WS_IS_PASS && numbers[WS_KEEPS_PARAMETERS] != 0) {
    return; /* it is not due after this step */
  }
  for (i = 0; i < WS_SCALARS; i++) {
    k[i] = numbers[i];
  }
#ifdef WS_HAS_SUMS
  for (i = 0; i < WS_NUMBERS; i++) {
    long whole = WS_FIRST > 0 ? group : has_tiles ? tiles[tile] : 0;
    k[WS_SCALARS + i] = tensor_numbers[WS_NUMBERS * whole + i];
  }
#endif
  scale = (from_control ? control[0] : scale) * numbers[WS_SIGN_OF_GRADIENTS];
#ifdef WS_TENSOR_FACTORS
  scale *= tensor_factors[has_tiles ? tiles[tile] : 0];
#endif

#ifdef WS_MIXED
  ws_source source;
  source.key0 = key0;
  source.key1 = key1;
  source.parameter = (uint)segment[WS_SEGMENT - 2];
  source.first = segment[WS_SEGMENT - 1];
  source.step = (uint)numbers[WS_STEP_LOWER] | (uint)numbers[WS_STEP_UPPER] << 16;
#ifdef WS_DRAWN
  ws_half_lanes drawn[WS_SLOTS_USED + 2][WS_RUN_LENGTH / WS_LANES];
  source.drawn = drawn;
  WS_DRAW_VALUES
  WS_EACH_SLOT(WS_DRAW_STATE)
#endif
#define WS_MIXED_ARGUMENTS                                                         \
  , rest + segment[WS_SEGMENT - 4], source, (WS_REAL)numbers[WS_AVERAGE_WEIGHT],   \
      average + segment[WS_SEGMENT - 3]
#else
#define WS_MIXED_ARGUMENTS
#endif
#define WS_RUN(options)                                                                      \
  ws_units(options, at, segment[1], aligned, k, numbers, scale, prescale, clip_value,        \
           numbers[WS_KEEPS_PARAMETERS] != 0, zero_gradients,                                \
           p + segment[3], g + segment[4] WS_EACH_SLOT(WS_STATE_ARGUMENT) WS_FACTORED_ARGUMENTS    \
           WS_MIXED_ARGUMENTS)
#ifdef WS_MEASURED
  ws_keep(
      seen, segment[1], aligned, p + segment[3], g + segment[4] WS_MEASURED_ARGUMENTS, before, moving);
  WS_GLOBAL_BARRIER;
#endif
  if (WS_OPTIONS == 1 || options == 0) {
    WS_RUN(0);
  } else if (WS_OPTIONS == 2 || options == 1) {
    WS_RUN(1);
  } else if (WS_OPTIONS == 3 || options == 2) {
    WS_RUN(2);
  } else if (WS_OPTIONS == 4 || options == 3) {
    WS_RUN(3);
  } else {
    WS_RUN(options);
  }
#ifdef WS_MEASURED
  WS_GLOBAL_BARRIER;
  ws_measure(
      seen, segment[1], aligned, p + segment[3] WS_EACH_SLOT(WS_STATE_ARGUMENT) WS_MEASURED_ARGUMENTS,
      before, moving, shared, place < 0 ? 0 : rows + place + (tile - segment[0]) * WS_ROW);
#endif
}
