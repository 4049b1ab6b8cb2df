/*
 * The global gradient norm on OpenCL 1.2 by the tree of tree.h. Built once for each storage type;
 * WS_ARITHMETIC, WS_STORED, WS_LANES and WS_LOCAL: see step.cl.
 */
#include "portable.h"
#include "half.h"
#include "storage.h"
#include "scale.h"
#include "tree.h"

/*
 * segments: for each 8 longs: first leaf of this launch, length, where its first leaf's sum goes,
 * whether aligned, offset; tiles: segment of each leaf, unused if there is one segment.
 */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_norm_leaves(
    int has_tiles, global const long *segments, global const int *tiles,
    global const ws_stored *g, global ws_one *sums, global int *exponents, int kind) {
  local ws_lanes shared[WS_LOCAL];
  long leaf = get_group_id(0);
  global const long *segment = segments + 8 * (long)(has_tiles ? tiles[leaf] : 0);
  long at = (leaf - segment[0]) * WS_LEAF + WS_LANES * (long)get_local_id(0);
  ws_lanes x[WS_RUNS];
  ws_one sum;
  int exponent;
  int i;

  for (i = 0; i < WS_RUNS; i++) {
    ws_unit unit = ws_unit_at(at + i * WS_LANES * WS_LOCAL, segment[1], (int)segment[3]);
    x[i] = unit.to > 0 ? ws_load(g + segment[4], unit) : (ws_lanes)0;
  }
  sum = ws_leaf(kind, x, shared, &exponent);
  if (get_local_id(0) == 0) {
    sums[segment[2] + leaf - segment[0]] = sum;
    exponents[segment[2] + leaf - segment[0]] = exponent;
  }
}

/* Joins `count` sums, 4096 per work-group. */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_norm_nodes(
    long count, global const ws_one *sums, global const int *exponents, global ws_one *node_sums,
    global int *node_exponents, int kind) {
  local ws_lanes shared[WS_LOCAL];
  local int shared_exponents[WS_LOCAL];
  long first = get_group_id(0) * (long)WS_LEAF;
  int exponent;
  ws_one sum = ws_join(
      kind, first, min(count - first, (long)WS_LEAF), sums, exponents, shared, shared_exponents,
      &exponent);
  if (get_local_id(0) == 0) {
    node_sums[get_group_id(0)] = sum;
    node_exponents[get_group_id(0)] = exponent;
  }
}

/*
 * From the root of each tree to the outcome: control[0] is what gradients are multiplied by, after the
 * prescale of step.cl; the update reads it. control[1] is 1 if all are finite and else 0, control[2]
 * is the norm of the scaled gradients. One work-item.
 *
 * gradient_scale is what gradients are multiplied by first, without the prescale; in float32 all of
 * it is scale_mantissa * 2^scale_exponent. With WS_AHEAD these come from what ahead.cl has set, and the
 * arguments are unused. max_norm is negative for no clipping, and eps what is added to the norm. A count
 * of 0 means that there are no gradients of that type; with float64 ones all is computed in float64.
 */
#ifdef WS_AHEAD
#define WS_SCALE_ARGUMENT global const ws_one *scale
#else
#define WS_SCALE_ARGUMENT ws_one gradient_scale
#endif
#if !defined(WS_STORED) && WS_ARITHMETIC == 32
kernel void ws_norm_finish(
    WS_SCALE_ARGUMENT, float scale_mantissa, int scale_exponent, float max_norm, float eps, int count,
    global const float *sums, global const int *exponents, global float *control, int kind) {
#ifdef WS_AHEAD
  float gradient_scale = scale[2];
#endif
  float root = count > 0 ? sums[0] : 0.0f;
  int exponent = count > 0 ? exponents[0] : 0;
  float norm;
#ifdef WS_AHEAD
  scale_mantissa = scale[3];
  scale_exponent = as_int(scale[4]);
#endif
  if (kind == WS_SUM_SQUARES) {
    root = sqrt(root);
  } else if (kind == WS_SUM_LARGEST && root > 0 && root <= FLT_MAX) {
    /* From 1 to 2, so that the product stays within the range. */
    exponent = ws_exponent_of(root);
    root *= ws_power_of_two_f32(-exponent);
  }
  norm = ws_scale_by_power(root * scale_mantissa, exponent + scale_exponent);
  control[0] = max_norm >= 0 ? gradient_scale * ws_min_f32(1, max_norm / (norm + eps))
                             : gradient_scale;
  /* A norm can be beyond the range of finite gradients; the sum in the root's scale is not. */
  control[1] = count == 0 || sums[0] <= FLT_MAX;
  control[2] = norm;
}
#elif !defined(WS_STORED)
kernel void ws_norm_finish(
    WS_SCALE_ARGUMENT, double max_norm, double eps, int count, global const double *sums,
    global const int *exponents, global double *control, float float_scale, int float_count,
    global const float *float_sums, global const int *float_exponents,
    global float *float_control, int kind) {
#ifdef WS_AHEAD
  double gradient_scale = scale[0];
#endif
  double raw = 0;
  double factor = 1;
  double norm;
  int finite;
#ifdef WS_AHEAD
  float_scale = ((global const float *)scale)[2];
#endif
  if (count > 0) {
    raw = (kind == WS_SUM_SQUARES ? sqrt(sums[0]) : sums[0]) * ws_power_of_two_f64(exponents[0]);
  }
  if (float_count > 0) {
    float root = kind == WS_SUM_SQUARES ? sqrt(float_sums[0]) : float_sums[0];
    double other = root * ws_power_of_two_f32(float_exponents[0]);
    double larger = ws_max_f64(raw, other);
    if (kind == WS_SUM_MAGNITUDES) {
      raw += other;
    } else if (kind == WS_SUM_LARGEST) {
      raw = larger;
    } else if (larger != 0 && larger <= DBL_MAX) {
      double ratio = ws_min_f64(raw, other) / larger;
      raw = larger * sqrt(fma(ratio, ratio, 1));
    } else {
      raw = larger;
    }
  }
  norm = raw * gradient_scale;
  if (max_norm >= 0) {
    factor = ws_min_f64(1, max_norm / (norm + eps));
  }
  /* A norm can be beyond the range of finite gradients; the sums in the roots' scales are not. */
  finite = (count == 0 || sums[0] <= DBL_MAX) && (float_count == 0 || float_sums[0] <= FLT_MAX);
  control[0] = gradient_scale * factor;
  control[1] = finite;
  control[2] = norm;
  float_control[0] = float_scale * (float)factor;
  float_control[1] = finite;
  float_control[2] = (float)norm;
}
#endif
