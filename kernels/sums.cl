/*
 * The first phase of rules that add something up over each tensor or group, and the numbers that come
 * of it, on OpenCL 1.2. Built once for each such rule and storage type; the parameters of the
 * build: see step.cl, and WS_KEPT, how much state of its own each tensor or group has.
 */
#include "portable.h"
#include "half.h"
#include "storage.h"
#include "operands.h"
#undef WS_BITS
#include "tree.h"
#include "gradient.h"
#include WS_RULE_FILE
#undef WS_BITS
#define WS_BITS WS_JOIN(WS_ARITHMETIC, v)

#define WS_SUMS WS_OF_RULE(_SUMS)
#define WS_KIND(sum) WS_OF_RULE(_KIND)(sum)
/* Of one element's type, whatever WS_BITS is. */
#define WS_ONE_PHASE(name) \
  WS_JOIN(WS_JOIN(WS_JOIN(WS_JOIN(ws_, WS_RULE), name), _f), WS_ARITHMETIC)
#define WS_PHASE(name) WS_JOIN(WS_JOIN(WS_JOIN(WS_JOIN(ws_, WS_RULE), name), _f), WS_BITS)
/* Where state may be stored in fewer bits it moves in a pass of its own, of which the terms are made. */
#if defined(WS_MIXED) && WS_OF_RULE(_SUM_WRITES) != 0
#define WS_MOVES_FIRST
#endif
#define WS_LOAD_STATE(i) \
  s[i] = WS_SUM_READS(WS_STATE(i)) ? WS_LOAD_SLOT(i, state##i, unit) : (WS_REAL)0;
/* For terms of state that has moved, and is in memory. */
#ifdef WS_MOVES_FIRST
#define WS_LOAD_MOVED(i)                                                   \
  s[i] = WS_SUM_READS(WS_STATE(i)) || WS_SUM_WRITES(WS_STATE(i))           \
      ? WS_LOAD_SLOT(i, state##i, unit) : (WS_REAL)0;
#else
#define WS_LOAD_MOVED WS_LOAD_STATE
#endif
#define WS_STORE_STATE(i)                   \
  if (WS_SUM_WRITES(WS_STATE(i))) {         \
    WS_STORE_SLOT(i, state##i, unit, s[i]); \
  }
#define WS_DRAW_STATE(i)                        \
  if (WS_SUM_WRITES(WS_STATE(i))) {             \
    WS_DRAW(WS_STORED_##i, i + 2u, first, end); \
  }
#define WS_MOVE_STATE(i) state##i += segment[5 + i];

/* What a segment ends with. */
#define WS_REST_OFFSET segment[WS_SEGMENT - WS_KEPT - 5] /* of operands that are stored in several ways */
#define WS_PARAMETER_NUMBER segment[WS_SEGMENT - WS_KEPT - 4]
#define WS_ROWS segment[WS_SEGMENT - WS_KEPT - 3]
#define WS_FIRST_LEAF segment[WS_SEGMENT - WS_KEPT - 2]
#define WS_LEAVES segment[WS_SEGMENT - WS_KEPT - 1]
#define WS_KEPT_OFFSET(i) segment[WS_SEGMENT - WS_KEPT + i]

#define WS_EACH_KEPT WS_JOIN(WS_EACH_, WS_KEPT)
#define WS_KEPT_PARAMETER(i) , global ws_one *kept##i
#define WS_LOAD_KEPT(i) kept[i] = kept##i[WS_KEPT_OFFSET(i)];
#define WS_STORE_KEPT(i) kept##i[WS_KEPT_OFFSET(i)] = kept[i];
#if WS_FIRST > 0
#define WS_FIRST_PARAMETERS WS_EACH_KEPT(WS_KEPT_PARAMETER)
#else
#define WS_FIRST_PARAMETERS
#endif

#ifdef WS_MIXED
#define WS_SUM_MIXED_PARAMETERS WS_MIXED_PARAMETERS, uint key0, uint key1
#else
#define WS_SUM_MIXED_PARAMETERS
#endif
#ifdef WS_CODED
#define WS_STRETCH WS_GROUP
#define WS_STORE_GROUP_STATE(i)     \
  if (WS_SUM_WRITES(WS_STATE(i))) { \
    WS_STORE_GROUP(i, held[i]);     \
  }
#else
#define WS_STRETCH WS_LANES
#endif

/* The places of a unit beyond a tensor's end count as zeros. */
WS_INLINE ws_lanes ws_within(ws_lanes x, ws_unit unit) {
  ws_one lanes[WS_LANES];
  int i;
  if (unit.to == WS_LANES) {
    return x;
  }
  WS_VSTORE(x, 0, lanes);
  for (i = 0; i < WS_LANES; i++) {
    lanes[i] = i < unit.to ? lanes[i] : 0;
  }
  return WS_VLOAD(0, lanes);
}

/*
 * One leaf. Segments are as in step.cl, of tensors whose tiles are leaves; units are aligned where
 * element 0 is in every buffer. After the offsets of operands come, with WS_MIXED, the offset of what
 * masters keep and the parameter's number, then the length of the tensor's first dimension, the place of
 * its first leaf among all and how many it has, and the offsets of its own or its group's state.
 */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_sums(
    ws_groups_argument groups, ws_one scale, ws_one prescale, ws_one clip_value, int from_control,
    int has_tiles, global const ws_one *control, global const long *segments,
    global const int *tiles, long leaf_count, global ws_one *sums, global int *exponents,
    global WS_TYPE_OF_VALUES *p,
    global WS_TYPE_OF_GRADIENTS *g WS_EACH_SLOT(WS_STATE_PARAMETER) WS_FIRST_PARAMETERS
        WS_FACTORED_PARAMETERS WS_SUM_MIXED_PARAMETERS) {
  local ws_lanes shared[WS_LOCAL];
  long leaf = get_group_id(0);
  global const long *segment = segments + WS_SEGMENT * (long)(has_tiles ? tiles[leaf] : 0);
  int group = (int)(segment[2] & 0xffffff);
  int options = (int)(segment[2] >> 32 & 0xffff);
  int aligned = (int)(segment[2] >> 48);
  long place = WS_FIRST_LEAF + leaf - segment[0];
  long length = segment[1];
  long start = (leaf - segment[0]) * WS_LEAF;
  long at = start + WS_LANES * (long)get_local_id(0);
  ws_one numbers[WS_FIELDS];
  WS_REAL k[WS_SCALARS + WS_FIRST];
  ws_lanes x[WS_SUMS][WS_RUNS];
  int i, j;

  if (WS_IS_SKIPPED(from_control, control)) {
    return;
  }
  WS_NUMBERS_OF_GROUP(groups, group, numbers);
  for (i = 0; i < WS_SCALARS; i++) {
    k[i] = numbers[i];
  }
#if WS_FIRST > 0
  {
    ws_one kept[WS_OF_RULE(_KEPT)] = {0};
    ws_one first[WS_FIRST];
    WS_EACH_KEPT(WS_LOAD_KEPT)
    WS_ONE_PHASE(_begin)(kept, numbers, first);
    for (i = 0; i < WS_FIRST; i++) {
      k[WS_SCALARS + i] = first[i];
    }
  }
#endif
  scale = (from_control ? control[0] : scale) * numbers[WS_SIGN_OF_GRADIENTS];
  p += segment[3];
  g += segment[4];
  WS_EACH_SLOT(WS_MOVE_STATE)
#ifdef WS_MIXED
  rest += WS_REST_OFFSET;
#endif
#ifdef WS_MOVES_FIRST
  {
    long end = min(start + WS_LEAF, length);
    long first;
    ws_source source;
    source.key0 = key0;
    source.key1 = key1;
    source.parameter = (uint)WS_PARAMETER_NUMBER;
    source.first = 0; /* what is added up over is never part of a parameter */
    source.step = (uint)numbers[WS_STEP_LOWER] | (uint)numbers[WS_STEP_UPPER] << 16;
#ifdef WS_DRAWN
    ws_half_lanes drawn[WS_SLOTS_USED + 2][WS_RUN_LENGTH / WS_LANES];
    source.drawn = drawn;
#endif
    for (first = start + WS_STRETCH * (long)get_local_id(0); first < end;
        first += WS_STRETCH * WS_LOCAL) {
#ifdef WS_CODED
      WS_REAL held[WS_OF_RULE(_MAX_SLOTS)][WS_GROUP_UNITS];
      int unit_of_group;
#endif
#ifdef WS_DRAWN
      if (first % WS_RUN_LENGTH == 0) {
        WS_EACH_SLOT(WS_DRAW_STATE)
      }
#endif
      for (i = 0; i < WS_STRETCH / WS_LANES && first + i * WS_LANES < end; i++) {
        ws_unit unit = ws_unit_at(first + i * WS_LANES, length, aligned);
        WS_REAL s[WS_OF_RULE(_MAX_SLOTS)];
        WS_REAL value = WS_SUM_READS(WS_PARAMETER) ? WS_LOAD_VALUES(p, unit) : (WS_REAL)0;
        WS_REAL gradient = 0;
        if (WS_SUM_READS(WS_GRADIENT)) {
          gradient = WS_PREPARED(
              scale, prescale, clip_value, WS_LOAD_GRADIENTS(g, unit), value);
        }
        WS_EACH_SLOT(WS_LOAD_STATE)
        WS_PHASE(_advance)(value, gradient, s, k, options);
        WS_EACH_SLOT(WS_STORE_STATE)
#ifdef WS_CODED
        unit_of_group = i;
        WS_EACH_SLOT(WS_HOLD_STATE)
#endif
      }
#ifdef WS_CODED
      WS_EACH_SLOT(WS_STORE_GROUP_STATE)
#endif
    }
    WS_GLOBAL_BARRIER;
  }
#endif
  for (i = 0; i < WS_RUNS; i++) {
    ws_unit unit = ws_unit_at(at + i * WS_LANES * WS_LOCAL, length, aligned);
    WS_REAL s[WS_OF_RULE(_MAX_SLOTS) + 1]; /* one at least */
    WS_REAL own[WS_SUMS];
    WS_REAL value = 0;
    WS_REAL gradient = 0;
    if (unit.to <= 0) {
      for (j = 0; j < WS_SUMS; j++) {
        x[j][i] = 0;
      }
      continue;
    }
    if (WS_SUM_READS(WS_PARAMETER)) {
      value = WS_LOAD_VALUES(p, unit);
    }
    if (WS_SUM_READS(WS_GRADIENT)) {
      gradient = WS_PREPARED(
          scale, prescale, clip_value, WS_LOAD_GRADIENTS(g, unit), value);
    }
    WS_EACH_SLOT(WS_LOAD_MOVED)
#ifdef WS_FACTORED /* which have moved already */
    s[0] = ws_load_factored(
        row_inverses + WS_FACTOR(0), column_inverses + WS_FACTOR(1), WS_FACTOR(2), WS_FACTOR(3),
        ws_inverse_bound(numbers[1]), unit);
#elif WS_OF_RULE(_SUM_WRITES) != 0 && !defined(WS_MOVES_FIRST)
    WS_PHASE(_advance)(value, gradient, s, k, options);
    WS_EACH_SLOT(WS_STORE_STATE)
#endif
    WS_PHASE(_terms)(value, gradient, s, k, own, WS_FACTORED_OPTIONS(options));
    for (j = 0; j < WS_SUMS; j++) {
      x[j][i] = ws_within(own[j], unit);
    }
  }
  for (j = 0; j < WS_SUMS; j++) {
    int exponent;
    ws_one sum = ws_leaf(WS_KIND(j), x[j], shared, &exponent);
    if (get_local_id(0) == 0) {
      sums[j * leaf_count + place] = sum;
      exponents[j * leaf_count + place] = exponent;
    }
  }
}

#undef WS_BITS
#define WS_BITS WS_ARITHMETIC

/* The numbers of one tensor, or of one group. */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_numbers(
    ws_groups_argument groups, global const long *segments, long leaf_count, global ws_one *sums,
    global int *exponents,
    global ws_one *tensor_numbers, int from_control,
    global const ws_one *control WS_EACH_KEPT(WS_KEPT_PARAMETER)) {
  local ws_lanes shared[WS_LOCAL];
  local int shared_exponents[WS_LOCAL];
  long tensor = get_group_id(0);
  global const long *segment = segments + WS_SEGMENT * tensor;
  int group = (int)(segment[2] & 0xffffff);
  int options = (int)(segment[2] >> 32 & 0xffff);
  long whole = WS_FIRST > 0 ? group : tensor;
  ws_one numbers[WS_FIELDS];
  ws_one roots[WS_SUMS];
  ws_one own[WS_NUMBERS];
  ws_one kept[WS_OF_RULE(_KEPT) + 1] = {0}; /* one at least */
  ws_one size[3];
  int i;

  if (WS_IS_SKIPPED(from_control, control)) {
    return;
  }
  for (i = 0; i < WS_SUMS; i++) {
    int exponent;
    long first = i * leaf_count + WS_FIRST_LEAF;
    ws_one sum = ws_join_all(
        WS_KIND(i), WS_LEAVES, sums + first, exponents + first, shared, shared_exponents, &exponent);
    roots[i] =
        (WS_KIND(i) == WS_SUM_SQUARES ? sqrt(sum) : sum) * WS_NAME(power_of_two)(exponent);
  }
  if (get_local_id(0) == 0) {
    WS_NUMBERS_OF_GROUP(groups, group, numbers);
    WS_EACH_KEPT(WS_LOAD_KEPT)
    size[0] = segment[1];
    size[1] = WS_ROWS;
    size[2] = WS_ROWS == 0 ? 0 : segment[1] / WS_ROWS;
    WS_PHASE(_numbers)(roots, size, kept, numbers, own, options);
    WS_EACH_KEPT(WS_STORE_KEPT)
    for (i = 0; i < WS_NUMBERS; i++) {
      tensor_numbers[WS_NUMBERS * whole + i] = own[i];
    }
  }
}
