/*
 * The global gradient norm on OpenCL 1.2, the same bits everywhere: squares are added by a tree of
 * fixed shape. A leaf is 4096 elements of one tensor, counted from its beginning and padded with
 * zeros; a node adds 4096 sums. Both add element i and element i + width, for widths 2048 to 1.
 * A sum is kept as sum * 4^exponent: a leaf whose plain sum is too large or too small is summed
 * again with its elements divided by a power of two, so that no finite gradient overflows or
 * vanishes. Built once for each storage type; WS_ARITHMETIC, WS_STORED, WS_LANES and WS_LOCAL: see
 * step.cl.
 *
 * A work-group does one leaf or node. Each work-item holds one vector of every run of WS_LANES *
 * WS_LOCAL places: the large widths are within a work-item, the middle ones between two, and those
 * below WS_LANES within a vector again.
 */
#include "portable.h"
#include "half.h"
#include "storage.h"
#include "scale.h"

#define WS_BITS WS_ARITHMETIC
#define WS_LEAF 4096
#if WS_LOCAL > 1
#define WS_BARRIER barrier(CLK_LOCAL_MEM_FENCE)
#else
#define WS_BARRIER /* PoCL 3.1 breaks off on barriers of work-groups of one */
#endif
#define WS_RUNS (WS_LEAF / (WS_LANES * WS_LOCAL))

#define WS_MAX_EXPONENT_32 127
#define WS_MAX_EXPONENT_64 1023
#define WS_MAX_EXPONENT WS_JOIN(WS_MAX_EXPONENT_, WS_ARITHMETIC)
#define WS_MIN_EXPONENT (1 - WS_MAX_EXPONENT)
#if WS_ARITHMETIC == 64
#define WS_ONE_NAME double
#define WS_LARGEST_SUM 0x1p512
#define WS_LARGEST_FINITE DBL_MAX
#else
#define WS_ONE_NAME float
#define WS_LARGEST_SUM 0x1p64f
#define WS_LARGEST_FINITE FLT_MAX
#endif

/* Exact for exponents of normal numbers. */
WS_INLINE float ws_power_of_two_f32(int exponent) { return as_float((exponent + 127) << 23); }
#ifdef WS_DOUBLE
WS_INLINE double ws_power_of_two_f64(int exponent) { return as_double((exponent + 1023L) << 52); }
#endif

/* The exponent of a positive finite number, within those of normal numbers. */
WS_INLINE int ws_exponent_of(ws_one value) {
#if WS_ARITHMETIC == 64
  int exponent = (int)(as_ulong(value) >> 52) - WS_MAX_EXPONENT;
#else
  int exponent = (int)(as_uint(value) >> 23) - WS_MAX_EXPONENT;
#endif
  return clamp(exponent, WS_MIN_EXPONENT, WS_MAX_EXPONENT - 1);
}

/* Adds element i and element i + width of a vector, for widths down to 1. */
WS_INLINE ws_one ws_fold_lanes(ws_lanes lanes) {
#if WS_LANES == 16
  WS_JOIN(WS_ONE_NAME, 8) eight = lanes.lo + lanes.hi;
  WS_JOIN(WS_ONE_NAME, 4) four = eight.lo + eight.hi;
#elif WS_LANES == 8
  WS_JOIN(WS_ONE_NAME, 4) four = lanes.lo + lanes.hi;
#else
  WS_JOIN(WS_ONE_NAME, 4) four = lanes;
#endif
  return (four.s0 + four.s2) + (four.s1 + four.s3);
}

/* Adds up what all work-items hold; every one gets the sum. */
WS_INLINE ws_one ws_fold(ws_lanes *runs, int count, local ws_lanes *shared) {
  int lane = get_local_id(0);
  int width, i;
  for (width = count / 2; width > 0; width /= 2) {
    for (i = 0; i < width; i++) {
      runs[i] += runs[i + width];
    }
  }
  WS_BARRIER; /* until an earlier use of this memory is over */
  shared[lane] = runs[0];
  for (width = WS_LOCAL / 2; width > 0; width /= 2) {
    WS_BARRIER;
    if (lane < width) {
      shared[lane] += shared[lane + width];
    }
  }
  WS_BARRIER;
  return ws_fold_lanes(shared[0]);
}

/* The norm by which gradients are clipped, as in abi.h. */
#define WS_NORM_L2 0
#define WS_NORM_L1 1
#define WS_NORM_MAX 2

/* The sum of squares or magnitudes of a leaf's elements, each multiplied by a power of two. */
WS_INLINE ws_one ws_sum_of(int kind, const ws_lanes *x, ws_one scale, local ws_lanes *shared) {
  ws_lanes runs[WS_RUNS / 2];
  int i;
  for (i = 0; i < WS_RUNS / 2; i++) {
    ws_lanes low = scale * x[i];
    ws_lanes high = scale * x[i + WS_RUNS / 2];
    if (kind == WS_NORM_L1) {
      runs[i] = fabs(low) + fabs(high);
    } else {
      runs[i] = fma(high, high, low * low);
    }
  }
  return ws_fold(runs, WS_RUNS / 2, shared);
}

/* The largest magnitude of a leaf's elements, NaN if one is NaN. */
WS_INLINE ws_one ws_largest(const ws_lanes *x, local ws_lanes *shared) {
  int lane = get_local_id(0);
  ws_lanes largest = 0;
  ws_one lanes[WS_LANES];
  int width, i;
  for (i = 0; i < WS_RUNS; i++) {
    largest = WS_JOIN(WS_NAME(max), v)(largest, fabs(x[i]));
  }
  WS_BARRIER;
  shared[lane] = largest;
  for (width = WS_LOCAL / 2; width > 0; width /= 2) {
    WS_BARRIER;
    if (lane < width) {
      shared[lane] = WS_JOIN(WS_NAME(max), v)(shared[lane], shared[lane + width]);
    }
  }
  WS_BARRIER;
  WS_VSTORE(shared[0], 0, lanes);
  for (i = 1; i < WS_LANES; i++) {
    lanes[0] = WS_MAX(lanes[0], lanes[i]);
  }
  return lanes[0];
}

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
  int exponent = 0;
  int i;

  for (i = 0; i < WS_RUNS; i++) {
    ws_unit unit = ws_unit_at(at + i * WS_LANES * WS_LOCAL, segment[1], (int)segment[3]);
    x[i] = unit.to > 0 ? ws_load(g + segment[4], unit) : (ws_lanes)0;
  }
  sum = kind == WS_NORM_MAX ? ws_largest(x, shared) : ws_sum_of(kind, x, 1, shared);
  if (kind != WS_NORM_MAX && !(sum >= 1 / WS_LARGEST_SUM && sum <= WS_LARGEST_SUM)) {
    ws_one largest = ws_largest(x, shared);
    if (largest == 0) {
      sum = 0;
      exponent = WS_MIN_EXPONENT;
    } else if (!(largest <= WS_LARGEST_FINITE)) {
      sum = largest; /* infinite or NaN, and stays so */
      exponent = WS_MAX_EXPONENT - 1;
    } else {
      exponent = ws_exponent_of(largest);
      sum = ws_sum_of(kind, x, WS_NAME(power_of_two)(-exponent), shared);
    }
  }
  if (get_local_id(0) == 0) {
    sums[segment[2] + leaf - segment[0]] = sum;
    exponents[segment[2] + leaf - segment[0]] = exponent;
  }
}

/* Joins `count` sums, 4096 per work-group: adds them at the largest of their exponents. */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_norm_nodes(
    long count, global const ws_one *sums, global const int *exponents, global ws_one *node_sums,
    global int *node_exponents, int kind) {
  local ws_lanes shared[WS_LOCAL];
  local int shared_exponents[WS_LOCAL];
  int lane = get_local_id(0);
  long from = get_group_id(0) * (long)WS_LEAF + WS_LANES * lane;
  int exponent = WS_MIN_EXPONENT;
  ws_one x[WS_LANES];
  ws_lanes runs[WS_RUNS];
  ws_one sum;
  int width, i, j;

  for (i = 0; i < WS_RUNS * WS_LANES; i++) {
    long at = from + i / WS_LANES * (WS_LANES * WS_LOCAL) + i % WS_LANES;
    exponent = at < count ? max(exponent, exponents[at]) : exponent;
  }
  shared_exponents[lane] = exponent;
  for (width = WS_LOCAL / 2; width > 0; width /= 2) {
    WS_BARRIER;
    if (lane < width) {
      shared_exponents[lane] = max(shared_exponents[lane], shared_exponents[lane + width]);
    }
  }
  WS_BARRIER;
  exponent = shared_exponents[0];

  for (i = 0; i < WS_RUNS; i++) {
    for (j = 0; j < WS_LANES; j++) {
      long at = from + i * (WS_LANES * WS_LOCAL) + j;
      int power = kind == WS_NORM_L1 ? 1 : 2;
      int shift = at < count ? power * (exponents[at] - exponent) : WS_MIN_EXPONENT - 1;
      x[j] = shift < WS_MIN_EXPONENT ? 0 : sums[at] * WS_NAME(power_of_two)(shift);
    }
    runs[i] = WS_VLOAD(0, x);
  }
  sum = kind == WS_NORM_MAX ? ws_largest(runs, shared) : ws_fold(runs, WS_RUNS, shared);
  if (lane == 0) {
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
 * it is scale_mantissa * 2^scale_exponent. max_norm is negative for no clipping. A count of 0 means that there are no gradients of
 * that type; with float64 ones all is computed in float64.
 */
#if !defined(WS_STORED) && WS_ARITHMETIC == 32
kernel void ws_norm_finish(
    float gradient_scale, float scale_mantissa, int scale_exponent, float max_norm, int count,
    global const float *sums, global const int *exponents, global float *control, int kind) {
  float root = count > 0 ? sums[0] : 0.0f;
  int exponent = count > 0 ? exponents[0] : 0;
  float norm;
  if (kind == WS_NORM_L2) {
    root = sqrt(root);
  } else if (kind == WS_NORM_MAX && root > 0 && root <= FLT_MAX) {
    /* From 1 to 2, so that the product stays within the range. */
    exponent = ws_exponent_of(root);
    root *= ws_power_of_two_f32(-exponent);
  }
  norm = ws_scale_by_power(root * scale_mantissa, exponent + scale_exponent);
  control[0] = max_norm >= 0 ? gradient_scale * ws_min_f32(1, max_norm / (norm + 1e-6f))
                             : gradient_scale;
  /* A norm can be beyond the range of finite gradients; the sum in the root's scale is not. */
  control[1] = count == 0 || sums[0] <= FLT_MAX;
  control[2] = norm;
}
#elif !defined(WS_STORED)
kernel void ws_norm_finish(
    double gradient_scale, double max_norm, int count, global const double *sums,
    global const int *exponents, global double *control, float float_scale, int float_count,
    global const float *float_sums, global const int *float_exponents,
    global float *float_control, int kind) {
  double raw = 0;
  double factor = 1;
  double norm;
  int finite;
  if (count > 0) {
    raw = (kind == WS_NORM_L2 ? sqrt(sums[0]) : sums[0]) * ws_power_of_two_f64(exponents[0]);
  }
  if (float_count > 0) {
    float root = kind == WS_NORM_L2 ? sqrt(float_sums[0]) : float_sums[0];
    double other = root * ws_power_of_two_f32(float_exponents[0]);
    double larger = ws_max_f64(raw, other);
    if (kind == WS_NORM_L1) {
      raw += other;
    } else if (kind == WS_NORM_MAX) {
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
    factor = ws_min_f64(1, max_norm / (norm + 1e-6));
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
