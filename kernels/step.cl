/*
 * The update on OpenCL 1.2: load, prepare the gradient, call the rule, store. Built once for each
 * rule and storage type:
 *
 *   WS_RULE, WS_RULE_UPPER, WS_RULE_FILE   such as adam, ADAM and "rules/adam.h"
 *   WS_ARITHMETIC                          32 or 64; with 64 also WS_DOUBLE
 *   WS_STORED                              float16 or bfloat16; left out for the arithmetic type
 *   WS_SLOTS_USED                          state of each element in this launch, 0 to 14
 *   WS_SEGMENT                             longs of a segment
 *   WS_GROUPS                              parameter groups whose numbers are an argument
 *   WS_LANES                               elements that a work-item works on at a time: 4, 8, 16
 *   WS_LOCAL                               work-items of a work-group
 *   WS_UNITS                               how many times a work-item does so
 *
 * A GPU has many work-items of one unit of 16 bytes. A processor has one work-item with many wide
 * units: its compiler keeps what is the same for all of them in registers.
 */
#include "portable.h"
#include "half.h"
#include "storage.h"

#define WS_ENTRY(rule, RULE)
#define WS_BITS WS_JOIN(WS_ARITHMETIC, v)
#include "gradient.h"
#include WS_RULE_FILE

#define WS_OF_RULE(what) WS_JOIN(WS_JOIN(WS_, WS_RULE_UPPER), what)
#define WS_UPDATE WS_JOIN(WS_JOIN(WS_JOIN(ws_, WS_RULE), _f), WS_BITS)
#define WS_SCALARS WS_OF_RULE(_SCALARS)
#define WS_SLOTS(options) WS_OF_RULE(_SLOTS)(options)
#define WS_OPTIONS WS_OF_RULE(_OPTIONS)

/* X(0) X(1) and so on, for each slot of state. */
#define WS_EACH_0(X)
#define WS_EACH_1(X) X(0)
#define WS_EACH_2(X) WS_EACH_1(X) X(1)
#define WS_EACH_3(X) WS_EACH_2(X) X(2)
#define WS_EACH_4(X) WS_EACH_3(X) X(3)
#define WS_EACH_5(X) WS_EACH_4(X) X(4)
#define WS_EACH_6(X) WS_EACH_5(X) X(5)
#define WS_EACH_7(X) WS_EACH_6(X) X(6)
#define WS_EACH_8(X) WS_EACH_7(X) X(7)
#define WS_EACH_9(X) WS_EACH_8(X) X(8)
#define WS_EACH_10(X) WS_EACH_9(X) X(9)
#define WS_EACH_11(X) WS_EACH_10(X) X(10)
#define WS_EACH_12(X) WS_EACH_11(X) X(11)
#define WS_EACH_13(X) WS_EACH_12(X) X(12)
#define WS_EACH_14(X) WS_EACH_13(X) X(13)
#define WS_EACH_SLOT WS_JOIN(WS_EACH_, WS_SLOTS_USED)
#define WS_STATE_PARAMETER(i) , global ws_one *state##i
#define WS_STATE_ARGUMENT(i) , state##i + segment[5 + i]
#define WS_LOAD_STATE(i) \
  s[i] = WS_SLOTS(options) > i ? ws_load_state(state##i, unit) : (WS_REAL)0;
#define WS_STORE_STATE(i) \
  if (WS_SLOTS(options) > i) {           \
    ws_store_state(state##i, unit, s[i]); \
  }

/*
 * For each group the rule's scalars, its weight decay, 1 or, to maximize, -1, and 1 if its
 * parameters keep their bits whatever the rule gives, else 0.
 */
#define WS_FIELDS (WS_SCALARS + 3)
typedef struct {
  ws_one value[WS_GROUPS][WS_FIELDS];
} ws_groups;

/* A work-item's units of a tile. Called with constant options, which then cost nothing. */
WS_INLINE void ws_units(
    int options, long at, long length, int aligned, const WS_REAL *k, WS_REAL scale,
    WS_REAL prescale, WS_REAL bound, WS_REAL weight_decay, int keeps_parameters,
    int zero_gradients, global ws_stored *p,
    global ws_stored *g WS_EACH_SLOT(WS_STATE_PARAMETER)) {
  int i;
  for (i = 0; i < WS_UNITS; i++, at += WS_LANES * WS_LOCAL) {
    ws_unit unit = ws_unit_at(at, length, aligned);
    WS_REAL s[WS_OF_RULE(_MAX_SLOTS) + 1]; /* one at least */
    WS_REAL value, gradient;
    if (unit.to <= unit.from) {
      return;
    }
    value = ws_load(p, unit);
    gradient = prescale * ws_load(g, unit);
    WS_EACH_SLOT(WS_LOAD_STATE)

    gradient = WS_NAME(gradient)(scale, bound, weight_decay, gradient, value);
    value = WS_UPDATE(value, gradient, s, k, options);

    if (!keeps_parameters) {
      ws_store(p, unit, value);
    }
    if (zero_gradients) {
      ws_store(g, unit, (WS_REAL)0);
    }
    WS_EACH_SLOT(WS_STORE_STATE)
  }
}

/*
 * The work of a launch is cut into segments, runs of elements that lie one after the other in every
 * buffer, and these into tiles, one for each work-group. A segment whose buffers' offsets all leave
 * the same rest modulo WS_LANES is aligned: its units are placed so that all accesses are, and its
 * first unit then begins before its first element.
 *
 * prescale: a power of two that gradients are multiplied by first; 1 unless what they are
 *   multiplied by in all is beyond the range of the type
 * scale: what they are multiplied by then; unused if from_control
 * control: the scale, from norm.cl; unused unless from_control
 * segments: for each WS_SEGMENT longs: first tile, length, group | options << 32 | aligned << 48, offsets
 * tiles: segment of each tile; unused if there is one segment
 */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_step(
    ws_groups groups, ws_one scale, ws_one prescale, ws_one bound, int from_control,
    int zero_gradients, int has_tiles, global const ws_one *control, global const long *segments,
    global const int *tiles, global ws_stored *p,
    global ws_stored *g WS_EACH_SLOT(WS_STATE_PARAMETER)) {
  long tile = get_group_id(0);
  global const long *segment = segments + WS_SEGMENT * (long)(has_tiles ? tiles[tile] : 0);
  int group = (int)(segment[2] & 0xffffff);
  int options = (int)(segment[2] >> 32 & 0xffff);
  int aligned = (int)(segment[2] >> 48);
  long at = WS_LANES * ((tile - segment[0]) * WS_LOCAL * WS_UNITS + get_local_id(0));
  ws_one numbers[WS_FIELDS];
  WS_REAL k[WS_SCALARS];
  WS_REAL weight_decay;
  int i, j;

  /* All indices are constants once unrolled: with others a GPU's compiler copies the argument into
   * every work-item's private memory. */
#pragma unroll
  for (i = 0; i < WS_FIELDS; i++) {
    numbers[i] = groups.value[0][i];
#pragma unroll
    for (j = 1; j < WS_GROUPS; j++) {
      numbers[i] = j == group ? groups.value[j][i] : numbers[i];
    }
  }
  for (i = 0; i < WS_SCALARS; i++) {
    k[i] = numbers[i];
  }
  weight_decay = numbers[WS_SCALARS];
  scale = (from_control ? control[0] : scale) * numbers[WS_SCALARS + 1];
  at -= aligned ? segment[3] % WS_LANES : 0;

#define WS_RUN(options)                                                                      \
  ws_units(options, at, segment[1], aligned, k, (WS_REAL)scale, (WS_REAL)prescale,           \
           (WS_REAL)bound, weight_decay, numbers[WS_SCALARS + 2] != 0, zero_gradients,       \
           p + segment[3], g + segment[4] WS_EACH_SLOT(WS_STATE_ARGUMENT))
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
}
