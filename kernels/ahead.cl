/*
 * Steps of which the host does not wait to hear whether they happen, on OpenCL 1.2. The numbers of the
 * next steps lie in a ring, and a skipped step takes none of them: which place is this step's is decided
 * here, after the norm and before all that reads it. The counts and the loss scale are in the device's
 * memory and move here, as Progress and LossScaler move them on the host. Built once for each arithmetic
 * type of the norm, on devices that compute in float64:
 *
 *   WS_ARITHMETIC   of the norm's outcome
 *   WS_WORDS        of ws_put alone: words of 32 bits that a step's numbers take
 */
#include "portable.h"

#ifdef WS_WORDS
typedef struct {
  uint word[WS_WORDS];
} ws_words_of_step;

/* Puts the numbers of a step into a place of a ring. One work-item. */
kernel void ws_put(ws_words_of_step numbers, int place, global uint *ring) {
  int i;
  for (i = 0; i < WS_WORDS; i++) {
    ring[(long)place * WS_WORDS + i] = numbers.word[i];
  }
}
#else
typedef WS_JOIN(ws_real_, WS_ARITHMETIC) ws_one;

/* The host reads this, too: see AheadRing. */
typedef struct {
  double loss_scale;
  long steps;
  long skipped;
  int finite_steps;
  int last_skipped;
} ws_counts;

/*
 * What gradients are multiplied by first, as the host's GradientScale has it where a normal float32 holds
 * the factor, which the host sees to. It is read in norm.cl.
 */
WS_INLINE void ws_set_scale(global double *scale, double factor) {
  global float *parts = (global float *)scale;
  ulong bits = as_ulong(factor);
  int exponent = (int)(bits >> 52) - 1023;
  float mantissa = (float)as_double((bits & 0xfffffffffffffUL) | 0x3ff0000000000000UL);
  if (mantissa == 2) {
    mantissa = 1;
    exponent++;
  }
  scale[0] = factor;
  parts[2] = mantissa * as_float((uint)(exponent + 127) << 23);
  parts[3] = mantissa;
  parts[4] = as_float((uint)exponent);
}

/* Has steps begin from somewhere. One work-item. */
kernel void ws_begin(
    double gradient_scale, double loss_scale, long steps, long skipped, int finite_steps,
    int last_skipped, global ws_counts *counts, global double *scale) {
  counts->loss_scale = loss_scale;
  counts->steps = steps;
  counts->skipped = skipped;
  counts->finite_steps = finite_steps;
  counts->last_skipped = last_skipped;
  ws_set_scale(scale, gradient_scale / loss_scale);
}

/* Has gradients multiplied by another factor apart from the loss scale; before the norm. One work-item. */
kernel void ws_rescale(double gradient_scale, global const ws_counts *counts, global double *scale) {
  ws_set_scale(scale, gradient_scale / counts->loss_scale);
}

/*
 * Counts a step, moves the loss scale and says in the norm's outcomes which of the places has the step's
 * numbers: control[3]. With one outcome alone both arguments are that. One work-item.
 *
 * growth_interval: 0 without a loss scale
 * lent: the loss scale for kernels of the caller's; not written without one
 */
kernel void ws_decide(
    double gradient_scale, double growth_factor, double backoff_factor, int growth_interval,
    int places, global ws_counts *counts, global double *scale, global ws_one *control,
    global float *float_control, global ws_counts *told, global float *lent) {
  ws_counts next = *counts;
  int happens = control[1] != 0;
  next.last_skipped = !happens;
  if (happens) {
    next.steps++;
  } else {
    next.skipped++;
  }
  if (growth_interval > 0) {
    int grows = happens && next.finite_steps >= growth_interval - 1;
    double moved = next.loss_scale * (happens ? growth_factor : backoff_factor);
    if (!happens) {
      next.loss_scale = moved > 1.1754943508222875e-38 ? moved : 1.1754943508222875e-38;
    } else if (grows && moved <= 3.4028234663852886e38) {
      next.loss_scale = moved;
    }
    next.finite_steps = happens && !grows ? next.finite_steps + 1 : 0;
    ws_set_scale(scale, gradient_scale / next.loss_scale);
    *lent = (float)next.loss_scale;
  }
  control[3] = next.steps % places;
  float_control[3] = next.steps % places;
  *counts = next;
  *told = next;
}
#endif
