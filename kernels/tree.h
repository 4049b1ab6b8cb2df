/*
 * OpenCL: the tree by which the global norm and sums over tensors are added up, of fixed shape, so
 * that they have the same bits everywhere. A leaf is 4096 elements of one tensor, counted from its
 * beginning and padded with zeros; a node adds 4096 sums. Both add element i and element i + width,
 * for widths 2048 to 1. A sum is kept as sum * 4^exponent: a leaf whose plain sum is too large or too
 * small is summed again with its elements divided by a power of two, so that no finite element
 * overflows or vanishes.
 *
 * A work-group does one leaf or node. Each work-item holds one vector of every run of WS_LANES *
 * WS_LOCAL places: the large widths are within a work-item, the middle ones between two, and those
 * below WS_LANES within a vector again.
 */
#define WS_BITS WS_ARITHMETIC
#ifndef WS_LEAF /* measure.h has another */
#define WS_LEAF 4096
#endif
#if WS_LOCAL > 1
#define WS_BARRIER barrier(CLK_LOCAL_MEM_FENCE)
#define WS_GLOBAL_BARRIER barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#else
#define WS_GLOBAL_BARRIER
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

/* What a tree adds up, as in abi.h. */
#define WS_SUM_SQUARES 0
#define WS_SUM_MAGNITUDES 1
#define WS_SUM_LARGEST 2
#define WS_SUM_SIGNED 3

/* The sum of a leaf's elements, or of their squares or magnitudes, each multiplied by a power of two. */
WS_INLINE ws_one ws_sum_of(int kind, const ws_lanes *x, ws_one scale, local ws_lanes *shared) {
  ws_lanes runs[WS_RUNS / 2];
  int i;
  for (i = 0; i < WS_RUNS / 2; i++) {
    ws_lanes low = scale * x[i];
    ws_lanes high = scale * x[i + WS_RUNS / 2];
    if (kind == WS_SUM_MAGNITUDES) {
      runs[i] = fabs(low) + fabs(high);
    } else if (kind == WS_SUM_SIGNED) {
      runs[i] = low + high;
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

/* Whether a leaf's plain sum will do. One of signed elements is as exact as can be unless it overflows. */
WS_INLINE int ws_is_plain(int kind, ws_one sum) {
  return kind == WS_SUM_LARGEST || (kind == WS_SUM_SIGNED
      ? fabs(sum) <= WS_LARGEST_FINITE
      : sum >= 1 / WS_LARGEST_SUM && sum <= WS_LARGEST_SUM);
}

/* A leaf's sum, and its exponent. */
WS_INLINE ws_one ws_leaf(int kind, const ws_lanes *x, local ws_lanes *shared, int *exponent) {
  ws_one sum = kind == WS_SUM_LARGEST ? ws_largest(x, shared) : ws_sum_of(kind, x, 1, shared);
  *exponent = 0;
  if (!ws_is_plain(kind, sum)) {
    ws_one largest = ws_largest(x, shared);
    if (largest == 0) {
      sum = 0;
      *exponent = WS_MIN_EXPONENT;
    } else if (!(largest <= WS_LARGEST_FINITE)) {
      sum = kind == WS_SUM_SIGNED ? sum : largest; /* infinite or NaN, and stays so */
      *exponent = WS_MAX_EXPONENT - 1;
    } else {
      *exponent = ws_exponent_of(largest);
      sum = ws_sum_of(kind, x, WS_NAME(power_of_two)(-*exponent), shared);
    }
  }
  return sum;
}

/* Joins `count` sums from `first` on, 4096 at most: adds them at the largest of their exponents. */
WS_INLINE ws_one ws_join(
    int kind, long first, long count, global const ws_one *sums, global const int *exponents,
    local ws_lanes *shared, local int *shared_exponents, int *joined) {
  int lane = get_local_id(0);
  long from = first + WS_LANES * lane;
  int exponent = WS_MIN_EXPONENT;
  ws_one x[WS_LANES];
  ws_lanes runs[WS_RUNS];
  int width, i, j;

  count += first;
  for (i = 0; i < WS_RUNS * WS_LANES; i++) {
    long at = from + i / WS_LANES * (WS_LANES * WS_LOCAL) + i % WS_LANES;
    exponent = at < count ? max(exponent, exponents[at]) : exponent;
  }
  WS_BARRIER; /* until an earlier use of this memory is over */
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
      int power = kind == WS_SUM_SQUARES ? 2 : 1;
      int shift = at < count ? power * (exponents[at] - exponent) : WS_MIN_EXPONENT - 1;
      x[j] = shift < WS_MIN_EXPONENT ? 0 : sums[at] * WS_NAME(power_of_two)(shift);
    }
    runs[i] = WS_VLOAD(0, x);
  }
  *joined = exponent;
  return kind == WS_SUM_LARGEST ? ws_largest(runs, shared) : ws_fold(runs, WS_RUNS, shared);
}

/* Joins leaves, of which there is one at least. The sums of nodes take their place. */
WS_INLINE ws_one ws_join_all(
    int kind, long count, global ws_one *sums, global int *exponents, local ws_lanes *shared,
    local int *shared_exponents, int *exponent) {
  ws_one sum;
  for (;;) {
    long nodes = (count + WS_LEAF - 1) / WS_LEAF;
    long node;
    for (node = 0; node < nodes; node++) {
      long first = node * WS_LEAF;
      sum = ws_join(
          kind, first, min(count - first, (long)WS_LEAF), sums, exponents, shared,
          shared_exponents, exponent);
      if (nodes > 1 && get_local_id(0) == 0) {
        sums[node] = sum;
        exponents[node] = *exponent;
      }
    }
    if (nodes == 1) {
      return sum;
    }
    WS_GLOBAL_BARRIER;
    count = nodes;
  }
}
