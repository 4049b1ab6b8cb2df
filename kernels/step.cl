/*
 * The update on OpenCL 1.2: load, prepare the gradient, call the rule, store. Built once for each
 * rule and storage type:
 *
 *   WS_RULE, WS_RULE_UPPER, WS_RULE_FILE   such as adam, ADAM and "rules/adam.h"
 *   WS_ARITHMETIC                          32 or 64; with 64 also WS_DOUBLE
 *   WS_STORAGE                             0 as the arithmetic type, 1 float16, 2 bfloat16
 *   WS_GROUPS                              parameter groups that fit into the arguments
 *   WS_LOCAL                               work-items of a work-group
 */
#include "portable.h"
#include "half.h"
#include "storage.h"

#define WS_ENTRY(rule, RULE)
#define WS_BITS WS_JOIN(WS_ARITHMETIC, x4)
#include "gradient.h"
#include WS_RULE_FILE

#define WS_OF_RULE(what) WS_JOIN(WS_JOIN(WS_, WS_RULE_UPPER), what)
#define WS_SCALARS WS_OF_RULE(_SCALARS)
#define WS_SLOTS(options) WS_OF_RULE(_SLOTS)(options)

/* For each group the rule's scalars, its weight decay and 1, or -1 to maximize. */
typedef struct {
  ws_one value[WS_GROUPS][WS_SCALARS + 2];
} ws_groups;

/*
 * One work-item updates one unit of four elements. The work of a launch is cut into segments, runs
 * of elements that lie one after the other in every buffer, and these into tiles of 4 * WS_LOCAL
 * elements. A segment whose buffers' offsets all leave the same rest modulo 4 has its units placed
 * so that all accesses are aligned; its first unit then begins before its first element.
 *
 * control: factor of gradients and whether to go on, from norm.cl; unused unless from_control
 * segments: for each 8 longs: first tile, length, group | options << 32 | aligned << 48, offsets
 * tiles: segment of each tile; unused if there is one segment
 */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_step(
    ws_groups groups, ws_one unscale, ws_one bound, int from_control, int zero_gradients,
    int has_tiles, global const ws_one *control, global const long *segments,
    global const int *tiles, global ws_stored *p, global ws_stored *g, global ws_one *s0,
    global ws_one *s1, global ws_one *s2) {
  long tile = get_group_id(0);
  global const long *segment = segments + 8 * (long)(has_tiles ? tiles[tile] : 0);
  long length = segment[1];
  int group = (int)(segment[2] & 0xffffff);
  int options = (int)(segment[2] >> 32 & 0xffff);
  int aligned = (int)(segment[2] >> 48);
  long at = 4 * ((tile - segment[0]) * WS_LOCAL + get_local_id(0));
  WS_REAL k[WS_SCALARS];
  WS_REAL s[3] = {(WS_REAL)0, (WS_REAL)0, (WS_REAL)0};
  WS_REAL value, gradient;
  ws_one factor = unscale;
  ws_unit unit;
  int i;

  if (from_control) {
    if (control[1] == 0) {
      return; /* a gradient is not finite: the step is skipped */
    }
    factor = control[0];
  }
  unit = ws_unit_at(at - (aligned ? segment[3] & 3 : 0), length, aligned);
  if (unit.to <= unit.from) {
    return;
  }
  for (i = 0; i < WS_SCALARS; i++) {
    k[i] = groups.value[group][i];
  }

  value = ws_load(p + segment[3], unit);
  gradient = ws_load(g + segment[4], unit);
  if (WS_SLOTS(options) > 0) {
    s[0] = ws_load_state(s0 + segment[5], unit);
  }
  if (WS_SLOTS(options) > 1) {
    s[1] = ws_load_state(s1 + segment[6], unit);
  }
  if (WS_SLOTS(options) > 2) {
    s[2] = ws_load_state(s2 + segment[7], unit);
  }

  gradient = WS_NAME(gradient)(
      (WS_REAL)(factor * groups.value[group][WS_SCALARS + 1]), (WS_REAL)bound,
      (WS_REAL)groups.value[group][WS_SCALARS],
      gradient, value);
  value = WS_NAME(WS_RULE)(value, gradient, s, k, options);

  ws_store(p + segment[3], unit, value);
  if (zero_gradients) {
    ws_store(g + segment[4], unit, (WS_REAL)0);
  }
  if (WS_SLOTS(options) > 0) {
    ws_store_state(s0 + segment[5], unit, s[0]);
  }
  if (WS_SLOTS(options) > 1) {
    ws_store_state(s1 + segment[6], unit, s[1]);
  }
  if (WS_SLOTS(options) > 2) {
    ws_store_state(s2 + segment[7], unit, s[2]);
  }
}
