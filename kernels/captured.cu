/*
 * What begins a captured step: a launch of a CUDA graph, which has the same arguments each time. So the
 * numbers that move from step to step come from a ring in memory of the host's, which that fills ahead by
 * the number of the step; a step that is skipped takes none of them. The counts and the loss scale are in
 * device memory and move here, as Progress and LossScaler move them on the host.
 *
 * The host says how many launches it has numbers for. One beyond that finds the host behind: it is counted
 * and skipped, so that not even gradients are set to zero.
 *
 * Entries, of one block:
 *   captured_step   after the norm if there is one and before all that reads the groups
 *   captured_scale  before the norm of a step that multiplies gradients by another factor than the last
 */
#include "grid.cuh"

/* What the host's GradientScale.set does where a normal float32 holds the factor, which the host sees to. */
WS_DEVICE void set_scale(GradientScale *to, double factor) {
  ws_word_64 bits = ws_to_bits_f64(factor);
  int exponent = (int)(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  float mantissa = (float)ws_from_bits_f64(bits);
  if (mantissa == 2) {
    mantissa = 1;
    exponent++;
  }
  to->scale = factor;
  to->mantissa = mantissa;
  to->exponent = exponent;
  to->float_scale = mantissa * ws_from_bits_f32((ws_word_32)(exponent + 127) << 23);
}

WS_DEVICE void move_loss_scale(const CapturedArguments &arguments, bool happened) {
  CapturedState *state = arguments.state;
  double scale = state->loss_scale;
  int finite_steps = 0;
  if (!happened) {
    const double smaller = scale * arguments.backoff_factor;
    scale = smaller > 1.1754943508222875e-38 ? smaller : 1.1754943508222875e-38;
  } else if (state->finite_steps < arguments.growth_interval - 1) {
    finite_steps = state->finite_steps + 1;
  } else {
    const double grown = scale * arguments.growth_factor;
    if (grown <= 3.4028234663852886e38) scale = grown;
  }
  state->finite_steps = finite_steps;
  state->loss_scale = scale;
  *arguments.loss_scale = (float)scale;
  set_scale(&state->scale, arguments.gradient_scale / scale);
}

/* Decides whether the step happens and counts it; which slot has its numbers, or -1. */
WS_DEVICE int decide(const CapturedArguments &arguments) {
  CapturedState *state = arguments.state;
  NormResult *result = arguments.result;
  const long long allowed = *(const volatile long long *)&arguments.exchange->allowed;
  WS_HOST_FENCE(); /* the host wrote the slots before it allowed the launch */
  const bool is_early = state->launches >= allowed;
  if (!arguments.has_norm) {
    result->norm = 0;
    result->double_scale = state->scale.scale;
    result->float_scale = state->scale.float_scale;
    result->skip = 0;
  }
  if (is_early) {
    state->early++;
    result->skip = WS_SKIP_ALL;
    return -1;
  }
  const bool happens = !result->skip;
  state->launches++;
  state->last_skipped = !happens;
  if (happens) {
    state->steps++;
  } else {
    state->skipped++;
  }
  if (arguments.growth_interval > 0) move_loss_scale(arguments, happens);
  return happens ? (int)(state->steps % arguments.slot_count) : -1;
}

/* Tells the host; from the count of launches on it may fill slots again. */
WS_DEVICE void tell(const CapturedArguments &arguments) {
  const CapturedState &state = *arguments.state;
  volatile CapturedExchange *exchange = arguments.exchange;
  exchange->steps = state.steps;
  exchange->skipped = state.skipped;
  exchange->early = state.early;
  exchange->loss_scale = state.loss_scale;
  exchange->finite_steps = state.finite_steps;
  exchange->last_skipped = state.last_skipped;
  WS_HOST_FENCE();
  exchange->launches = state.launches;
}

WS_KERNEL captured_step(const CapturedArguments arguments) {
  WS_SHARED int slot;
  WS_THREADS(t) {
    if (t == 0) slot = decide(arguments);
  }
  WS_BARRIER();
  const int taken = WS_UNIFORM(slot);
  if (taken >= 0) {
    const volatile unsigned *from = arguments.slots + (long long)taken * arguments.slot_words;
    WS_UNSHARED(); /* only device memory and the host's from here on */
    WS_THREADS(t) {
      WS_ROLLED
      for (int i = t; i < arguments.slot_words; i += WS_BLOCK) arguments.table[i] = from[i];
    }
  }
  WS_BARRIER(); /* all have read the slot */
  WS_THREADS(t) {
    if (t == 0) tell(arguments);
  }
}

WS_KERNEL captured_scale(const CapturedArguments arguments) {
  WS_THREADS(t) {
    if (t == 0) set_scale(&arguments.state->scale, arguments.gradient_scale / arguments.state->loss_scale);
  }
}

WS_LIST(captured_step, CapturedArguments)
WS_LIST(captured_scale, CapturedArguments)
