/*
 * The update of parameters whose operands are stored in ways of their own: with a master, gradients
 * of another type, state in fewer bits, rounded at random. The arithmetic is float32. An entry for
 * each rule, mixed_<rule>, converts as the tensor's row says: the whole block takes the same way.
 *
 * A block updates one tile of one tensor, counted from its first element. A thread has EACH elements
 * at a time that are 256 apart, so that neighbours access neighbours whatever the alignment is; what
 * would lie behind a tensor's end is the thread's first element once more, and not written.
 */
#include "codes.cuh"

/* Elements that a thread updates at a time. */
enum { EACH = 2 };

/* Where a thread's elements are in their tile, and which of them there are. */
struct Places {
  int at[EACH];
  bool exist[EACH];
  int pass; /* how many such steps of the tile were before */
};

WS_DEVICE bool is_bfloat16(int stored) {
  return stored >= WS_STORED_BFLOAT16 && stored <= WS_STORED_BFLOAT16_MASTER;
}

template <typename S> WS_DEVICE const S *address(const void *operand, long long from) {
  WS_ASSUME_GLOBAL(operand);
  return (const S *)operand + from;
}

/* A thread's numbers of a slot of codes. */
WS_DEVICE void decode(
    void *codes, int stored, long long from, long long length, const Places &places, float *x) {
  WS_ASSUME_GLOBAL(codes);
  const unsigned char *a = (const unsigned char *)codes + from;
  unsigned code[EACH], word[EACH];
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    code[i] = a[places.at[i]];
    word[i] = *scale_of(codes, length, from + places.at[i]);
  }
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    const float scale = ws_from_bits_f32(word[i] << 15);
    x[i] = stored == WS_STORED_MOMENT_CODES ? decode_moment(code[i], scale)
                                            : decode_square(code[i], scale);
  }
}

/* IS_STATE: which is never float16 and has no master. */
template <bool IS_STATE>
WS_DEVICE void load(
    const void *operand, int stored, long long from, const Places &places, float *x) {
  if (stored == WS_STORED_FLOAT32) {
    const float *a = address<float>(operand, from);
    WS_UNROLL
    for (int i = 0; i < EACH; i++) x[i] = a[places.at[i]];
    return;
  }
  const ws_half_bits *a = address<ws_half_bits>(operand, from);
  ws_half_bits halves[EACH];
  WS_UNROLL
  for (int i = 0; i < EACH; i++) halves[i] = a[places.at[i]];
  if (IS_STATE || is_bfloat16(stored)) {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) x[i] = ws_from_bfloat16(halves[i]);
  } else {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) x[i] = ws_from_float16(halves[i]);
  }
}

/* Puts masters together from the parameters: see io.warmstep.storage.Remainders. */
WS_DEVICE void join(const void *rest, int stored, long long from, const Places &places, float *x) {
  if (stored == WS_STORED_BFLOAT16_MASTER) {
    const short *a = address<short>(rest, from);
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      const unsigned bits = ws_to_bits_f32(x[i]) + (unsigned)(int)a[places.at[i]];
      if ((bits & 0x7fffffffu) <= 0x7f800000u) x[i] = ws_from_bits_f32(bits);
    }
  } else {
    const float *a = address<float>(rest, from);
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      const float master = a[places.at[i]];
      /* What is written is what was read, unless it is a NaN, which both are then. */
      const float rounded = ws_from_float16(ws_to_float16(master));
      if (ws_to_bits_f32(rounded) == ws_to_bits_f32(x[i])) x[i] = master;
    }
  }
}

/* Philox4x32-10 (Salmon et al. 2011). */
WS_DEVICE void philox(unsigned *c, unsigned key0, unsigned key1) {
  WS_ROLLED
  for (int i = 0; i < 10; i++) {
    const unsigned long long a = (unsigned long long)c[0] * 0xD2511F53u;
    const unsigned long long b = (unsigned long long)c[2] * 0xCD9E8D57u;
    c[0] = (unsigned)(b >> 32) ^ c[1] ^ key0;
    c[1] = (unsigned)b;
    c[2] = (unsigned)(a >> 32) ^ c[3] ^ key1;
    c[3] = (unsigned)a;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/* What random numbers follow from, but for the operand. */
struct Source {
  unsigned key[2];
  unsigned block[2]; /* the number of the thread's output */
  unsigned parameter;
  unsigned step;
};

/* 16 random bits for each of a thread's two elements: the eight of a tile share one output. */
WS_DEVICE unsigned draw(const Source &source, unsigned operand, int pass) {
  unsigned c[4] = {
      source.block[0], source.block[1] | operand << 24, source.parameter, source.step};
  philox(c, source.key[0], source.key[1]);
  static_assert(EACH == 2, "a word for a pass");
  return pass == 0 ? c[0] : pass == 1 ? c[1] : pass == 2 ? c[2] : c[3];
}

/* NaN and infinities pass, and the largest finite number is not crossed. */
WS_DEVICE ws_half_bits round_randomly(float x, unsigned random) {
  const unsigned bits = ws_to_bits_f32(x);
  const unsigned magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return (ws_half_bits)(bits >> 16 | 0x40u);
  const unsigned rounded = (bits + random) >> 16;
  return (ws_half_bits)(
      magnitude < 0x7f800000u && (rounded & 0x7fffu) == 0x7f80u ? rounded - 1 : rounded);
}

template <typename S> WS_DEVICE void store_those(S *a, const Places &places, const S *x) {
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    if (places.exist[i]) a[places.at[i]] = x[i];
  }
}

/* IS_STATE: which is never float16, has no master and is not rounded at random. */
template <bool IS_STATE>
WS_DEVICE void store(
    void *operand, void *rest, int stored, long long from, const Places &places,
    const Source &source, const float *x) {
  if (stored == WS_STORED_FLOAT32) {
    store_those((float *)address<float>(operand, from), places, x);
    return;
  }
  ws_half_bits halves[EACH];
  if (!IS_STATE && stored == WS_STORED_BFLOAT16_MASTER) {
    ws_half_bits lower[EACH];
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      const unsigned bits = ws_to_bits_f32(x[i]);
      const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
      halves[i] = (ws_half_bits)(is_nan ? 0x7fc0u : (bits + 0x8000u) >> 16);
      lower[i] = (ws_half_bits)(is_nan ? 0u : bits);
    }
    store_those((ws_half_bits *)address<ws_half_bits>(rest, from), places, lower);
  } else if (!IS_STATE && stored == WS_STORED_BFLOAT16_RANDOM) {
    const unsigned word = draw(source, 0, places.pass);
    WS_UNROLL
    for (int i = 0; i < EACH; i++) halves[i] = round_randomly(x[i], word >> 16 * i & 0xffffu);
  } else if (IS_STATE || stored == WS_STORED_BFLOAT16) {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) halves[i] = ws_to_bfloat16(x[i]);
  } else {
    if (stored == WS_STORED_FLOAT16_MASTER) {
      store_those((float *)address<float>(rest, from), places, x);
    }
    WS_UNROLL
    for (int i = 0; i < EACH; i++) halves[i] = ws_to_float16(x[i]);
  }
  store_those((ws_half_bits *)address<ws_half_bits>(operand, from), places, halves);
}

/* State that is stored in loops over slots, since that takes much code. */
WS_DEVICE bool is_held(int stored) {
  return stored == WS_STORED_BFLOAT16_RANDOM || is_coded(stored);
}

/* One element of such a slot, or of squares the root, whose group has that largest one. */
WS_DEVICE void store_held(
    void *operand, int stored, long long length, long long at, unsigned largest, float x,
    unsigned random) {
  WS_ASSUME_GLOBAL(operand);
  if (stored == WS_STORED_BFLOAT16_RANDOM) {
    ((ws_half_bits *)operand)[at] = round_randomly(x, random);
    return;
  }
  const bool is_moment = stored == WS_STORED_MOMENT_CODES;
  const unsigned most = is_moment ? WS_LARGEST_SCALE : WS_LARGEST_ROOT;
  const unsigned up = scale_bits(largest);
  const unsigned word = up < most ? up : most;
  const float scale = ws_from_bits_f32(word << 15);
  const float threshold =
      stored == WS_STORED_SQUARE_CODES_RANDOM ? (float)(int)random * 0x1p-16f : 0.5f;
  ((unsigned char *)operand)[at] =
      (unsigned char)(is_moment ? encode_moment(x, scale) : encode_square(x, scale, threshold));
  if (at % WS_GROUP == 0) *scale_of(operand, length, at) = (unsigned short)word;
}

WS_DEVICE void zero(void *operand, int stored, long long from, const Places &places) {
  if (stored == WS_STORED_FLOAT32) {
    const float zeros[EACH] = {};
    store_those((float *)address<float>(operand, from), places, zeros);
  } else {
    const ws_half_bits zeros[EACH] = {};
    store_those((ws_half_bits *)address<ws_half_bits>(operand, from), places, zeros);
  }
}

/* The rule with constant options, which then cost nothing. */
template <class Rule, int OPTIONS = 0, bool EXISTS = (OPTIONS < Rule::OPTIONS)> struct Computing {
  enum { SLOTS = Rule::slots(OPTIONS) };

  WS_DEVICE void update(
      int options, float *p, const float *g, float (*s)[EACH], const float *scalars) {
    if (options != OPTIONS) {
      Computing<Rule, OPTIONS + 1>::update(options, p, g, s, scalars);
      return;
    }
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      float state[Rule::ROOM];
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) state[k] = s[k][i];
      p[i] = Rule::update(p[i], g[i], state, scalars, OPTIONS);
      WS_UNROLL
      for (int k = 0; k < SLOTS; k++) s[k][i] = state[k];
    }
  }
};

template <class Rule, int OPTIONS> struct Computing<Rule, OPTIONS, false> {
  WS_DEVICE void update(int, float *, const float *, float (*)[EACH], const float *) {}
};

/* A thread's elements of a step, of which the first exists. */
WS_DEVICE Places places_from(int first, int pass, int count) {
  Places places;
  places.pass = pass;
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    const int at = first + WS_BLOCK * i;
    places.exist[i] = at < count;
    places.at[i] = at < count ? at : first;
  }
  return places;
}

WS_DEVICE Source source_of(
    const MixedArguments &arguments, const MixedTensor &tensor, unsigned number,
    long long block) {
  return {
      {arguments.key[0], arguments.key[1]}, {(unsigned)block, (unsigned)(block >> 32)},
      (unsigned)tensor.parameter, number};
}

template <class Rule> WS_DEVICE void mixed(const MixedArguments &arguments) {
  const StepArguments<float> &step = arguments.step;
  const Tile tile = step.tiles[WS_BLOCK_INDEX];
  const MixedTensor *tensor = arguments.tensors + tile.tensor;
  const long long from = (long long)tile.index * WS_TILE;
  const long long left = tensor->length - from;
  const int count = left < WS_TILE ? (int)left : WS_TILE;
  bool updates = (step.flags & WS_ONLY_ZERO_GRADIENTS) == 0;
  float scale = step.scale;
  if (updates && step.norm) {
    scale = step.norm->float_scale;
    updates = !step.norm->skip;
  }
  const bool zeroes = (step.flags & (WS_ZERO_GRADIENTS | WS_ONLY_ZERO_GRADIENTS)) != 0;
  if (!updates && !zeroes) return;
  Group<float> group;
  if (step.table) {
    group = step.table[tensor->group];
  } else {
    group = step.groups[tensor->group];
  }
  scale = group.sign * scale;
  const unsigned number =
      (unsigned)group.scalars[WS_MAX_SCALARS - 2] |
      (unsigned)group.scalars[WS_MAX_SCALARS - 1] << 16;
  const long long first_block = (long long)tile.index * WS_BLOCK;
  bool decodes = false, holds = false;
  WS_UNROLL
  for (int k = 0; k < Rule::MAX_SLOTS; k++) {
    decodes |= updates && is_coded(tensor->stored[2 + k]);
    holds |= updates && is_held(tensor->stored[2 + k]);
  }
  WS_SHARED float held[Rule::ROOM * EACH][WS_BLOCK];
  WS_ROLLED
  for (int pass = 0; WS_BLOCK * EACH * pass < count; pass++) {
    if (decodes) {
      WS_UNSHARED();
      WS_THREADS(t) {
        const int first = t + WS_BLOCK * EACH * pass;
        WS_ROLLED
        for (int k = 0; k < Rule::MAX_SLOTS && first < count; k++) {
          const int stored = tensor->stored[2 + k];
          if (!is_coded(stored)) continue;
          float x[EACH];
          decode(
              tensor->operands[2 + k], stored, from, tensor->length,
              places_from(first, pass, count), x);
          WS_UNROLL
          for (int i = 0; i < EACH; i++) held[k * EACH + i][t] = x[i];
        }
      }
    }
    WS_UNSHARED();
    WS_THREADS(t) {
      const int first = t + WS_BLOCK * EACH * pass;
      if (first < count) {
        const Places places = places_from(first, pass, count);
        const Source source = source_of(arguments, *tensor, number, first_block + t);
        const int gradients = tensor->stored[1];
        if (updates) {
          float p[EACH], g[EACH], s[Rule::ROOM][EACH] = {};
          const int values = tensor->stored[0];
          load<false>(tensor->operands[0], values, from, places, p);
          if (values >= WS_STORED_BFLOAT16_MASTER) join(tensor->rest, values, from, places, p);
          load<false>(tensor->operands[1], gradients, from, places, g);
          WS_UNROLL
          for (int k = 0; k < Rule::MAX_SLOTS; k++) {
            const int stored = tensor->stored[2 + k];
            if (is_coded(stored)) {
              WS_UNROLL
              for (int i = 0; i < EACH; i++) s[k][i] = held[k * EACH + i][t];
            } else if (stored != 0) {
              load<true>(tensor->operands[2 + k], stored, from, places, s[k]);
            }
          }
          WS_UNROLL
          for (int i = 0; i < EACH; i++) g[i] = scale * (step.prescale * g[i]);
          if (step.clip_value >= 0) {
            WS_UNROLL
            for (int i = 0; i < EACH; i++) g[i] = Rule::clip(step.clip_value, g[i]);
          }
          if (group.weight_decay != 0) {
            WS_UNROLL
            for (int i = 0; i < EACH; i++) g[i] = Rule::decay(group.weight_decay, g[i], p[i]);
          }
          float before[EACH];
          WS_UNROLL
          for (int i = 0; i < EACH; i++) before[i] = p[i];
          Computing<Rule>::update(group.options, p, g, s, group.scalars);
          const bool keeps = (group.flags & WS_KEEP_PARAMETERS) != 0;
          if (tensor->average) {
            const float *averages = address<float>(tensor->average, from);
            const float weight = group.scalars[WS_MAX_SCALARS - 3];
            float a[EACH];
            WS_UNROLL
            for (int i = 0; i < EACH; i++) {
              a[i] = averages[places.at[i]];
              a[i] = ws_fma_f32(weight, (keeps ? before[i] : p[i]) - a[i], a[i]);
            }
            store_those((float *)averages, places, a);
          }
          if (!keeps) {
            store<false>(
                tensor->operands[0], tensor->rest, values, from, places, source, p);
          }
          WS_UNROLL
          for (int k = 0; k < Rule::MAX_SLOTS; k++) {
            const int stored = tensor->stored[2 + k];
            if (is_held(stored)) {
              WS_UNROLL
              for (int i = 0; i < EACH; i++) held[k * EACH + i][t] = s[k][i];
            } else if (stored != 0) {
              store<true>(
                  tensor->operands[2 + k], nullptr, stored, from, places, source, s[k]);
            }
          }
        }
        if (zeroes) zero(tensor->operands[1], gradients, from, places);
      }
    }
    if (!holds) continue;
    WS_BARRIER(); /* a group's scale is read by all of a warp and written by one */
    WS_ROLLED
    for (int k = 0; k < Rule::MAX_SLOTS; k++) {
      const int stored = tensor->stored[2 + k];
      if (!is_held(stored)) continue;
      WS_OWN(unsigned, random)
      WS_ROLLED
      for (int i = 0; i < EACH; i++) {
        WS_OWN(unsigned, magnitude)
        WS_UNSHARED();
        WS_THREADS(t) {
          WS_MY(magnitude, t) = 0;
          if (i == 0) WS_MY(random, t) = 0;
          if (t + WS_BLOCK * (EACH * pass + i) < count) {
            float *x = &held[k * EACH + i][t];
            if (stored >= WS_STORED_SQUARE_CODES) *x = ws_sqrt_f32(*x);
            WS_MY(magnitude, t) = finite_magnitude(*x);
            if (i == 0 && (stored == WS_STORED_BFLOAT16_RANDOM ||
                           stored == WS_STORED_SQUARE_CODES_RANDOM)) {
              WS_MY(random, t) = draw(
                  source_of(arguments, *tensor, number, first_block + t), 2 + k, pass);
            }
          }
        }
        WS_UNSHARED();
        WS_THREADS(t) {
          const unsigned largest = WS_WARP_MAX(magnitude, t);
          const int at = t + WS_BLOCK * (EACH * pass + i);
          if (at < count) {
            store_held(
                tensor->operands[2 + k], stored, tensor->length, from + at, largest,
                held[k * EACH + i][t], WS_MY(random, t) >> 16 * i & 0xffffu);
          }
        }
      }
    }
  }
}

/* Rules with sums over tensors have none: their phases are those of one type. */
#define WS_SUMS_ENTRY(rule, RULE)
#define WS_ENTRY(rule, RULE)                                                            \
  struct mixed_##rule##_rule {                                                          \
    enum {                                                                              \
      OPTIONS = WS_##RULE##_OPTIONS,                                                    \
      MAX_SLOTS = WS_##RULE##_MAX_SLOTS,                                                \
      ROOM = MAX_SLOTS == 0 ? 1 : MAX_SLOTS                                             \
    };                                                                                  \
    static constexpr int slots(int options) {                                           \
      return (void)options, WS_##RULE##_SLOTS(options);                                 \
    }                                                                                   \
    WS_DEVICE float clip(float bound, float g) { return WS_NAME(clip)(bound, g); }      \
    WS_DEVICE float decay(float factor, float g, float p) {                             \
      return WS_NAME(decay)(factor, g, p);                                              \
    }                                                                                   \
    WS_DEVICE float update(float p, float g, float *s, const float *k, int options) {   \
      return WS_NAME(rule)(p, g, s, k, options);                                        \
    }                                                                                   \
  };                                                                                    \
  static_assert(WS_##RULE##_SCALARS + 3 <= WS_MAX_SCALARS, "scalars of mixed_" #rule);  \
  WS_KERNEL_FOR(2) mixed_##rule(const MixedArguments arguments) {                       \
    mixed<mixed_##rule##_rule>(arguments);                                              \
  }                                                                                     \
  WS_LIST(mixed_##rule, MixedArguments)

#define WS_BITS 32
#include "gradient.h"
#include "rules.h"
