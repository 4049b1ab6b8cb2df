/*
 * Adaptive clipping on OpenCL 1.2: what the gradient of each tensor is multiplied by, from the leaves
 * that norm.cl makes of parameters and of gradients. Built once for each arithmetic type; the
 * parameters of the build: see step.cl.
 */
#include "portable.h"
#include "half.h"
#include "storage.h"
#include "tree.h"
#include "gradient.h"

/*
 * One tensor.
 *
 * scale, prescale, from_control, control: as in step.cl
 * leaf_count: of parameters; those of gradients lie behind them
 * tensors: for each two longs: the place of its first leaf, and how many it has
 * limits: for each what its gradient's norm is at most of its own, and the least that this counts as
 */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_tensor_factors(
    ws_one scale, ws_one prescale, int from_control, global const ws_one *control, long leaf_count,
    global const long *tensors, global const ws_one *limits, global ws_one *sums,
    global int *exponents, global ws_one *factors) {
  local ws_lanes shared[WS_LOCAL];
  local int shared_exponents[WS_LOCAL];
  long tensor = get_group_id(0);
  ws_one norms[2];
  int i;

  for (i = 0; i < 2; i++) {
    int exponent;
    long first = i * leaf_count + tensors[2 * tensor];
    ws_one sum = ws_join_all(
        WS_SUM_SQUARES, tensors[2 * tensor + 1], sums + first, exponents + first, shared,
        shared_exponents, &exponent);
    norms[i] = sqrt(sum) * WS_NAME(power_of_two)(exponent);
  }
  if (get_local_id(0) == 0) {
    scale = from_control ? control[0] : scale;
    factors[tensor] = WS_NAME(tensor_factor)(
        norms[0], scale * (prescale * norms[1]), limits[2 * tensor], limits[2 * tensor + 1]);
  }
}
