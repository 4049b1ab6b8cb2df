/*
 * The update of parameters whose operands are stored in ways of their own: with a master, gradients
 * of another type, state in fewer bits, rounded at random. The arithmetic is float32. An entry for
 * each rule, mixed_<rule>, converts as the tensor's row says: the whole block takes the same way.
 * Where all rows of a launch say the same, the module is loaded with constants in place of what they
 * say, and the driver's compiler leaves the other ways out (io.warmstep.backend.cuda.StoredConstants).
 *
 * A block updates one tile of one tensor, counted from its first element. A thread has EACH elements
 * beside each other at a time, and a tile is whole if it consists of such vectors in each operand:
 * then all loads come before the first conversion, so that they are in flight together, and what is
 * no code is stored from registers. Elsewhere, at the end of a tensor of another length and where an
 * operand is not aligned, elements are moved one by one.
 *
 * The entry of a rule with sums is launched for both of its phases. In the first a block has a leaf of
 * one tensor, two tiles. It moves and stores state; then it goes over the leaf again, forms terms of
 * what memory now holds, and adds them up by the tree of tree.cuh. A sum that may have overflowed or
 * underflowed takes it another time. Of a rule with a matrix phase the first only moves state, by tiles.
 *
 * In a measured step a block reads again what it has stored, while the caches hold it, and forms its
 * tile's row of numbers: see io.warmstep.backend.UpdateTiles.
 */
#include "codes.cuh"
#include "gradients.cuh"
#include "tree.cuh"

/* Elements that a thread updates at a time. */
enum { EACH = 4 };

/* The bits of a thread's elements as they are stored, from the lowest of the first word. */
struct Bits {
  unsigned word[EACH];
};

/* A thread's elements in their tensor. */
struct Place {
  long long from;
  int count; /* how many there are, up to EACH */
};

/* How an operand is stored, of a number that is a constant to the compiler. */
template <int OPERAND = 0, bool EXISTS = (OPERAND < WS_MAX_OPERANDS)> struct Stored {
  static WS_DEVICE_MEMBER int of(const MixedTensor *tensor, int operand) {
    return operand == OPERAND ? WS_STORED(tensor, OPERAND)
                              : Stored<OPERAND + 1>::of(tensor, operand);
  }
};
template <int OPERAND> struct Stored<OPERAND, false> {
  static WS_DEVICE_MEMBER int of(const MixedTensor *, int) { return 0; }
};
WS_DEVICE int stored_of(const MixedTensor *tensor, int operand) {
  return Stored<>::of(tensor, operand);
}

WS_DEVICE bool is_bfloat16(int stored) {
  return stored >= WS_STORED_BFLOAT16 && stored <= WS_STORED_BFLOAT16_MASTER_24_RANDOM;
}

WS_DEVICE bool is_master_24(int stored) {
  static_assert(
      WS_STORED_BFLOAT16_MASTER_24 / 2 == 3 && WS_STORED_BFLOAT16_MASTER_24_RANDOM / 2 == 3,
      "two that differ in the last bit");
  return stored >> 1 == 3;
}

WS_DEVICE bool is_random(int stored) {
  const unsigned kinds = 1u << WS_STORED_BFLOAT16_RANDOM |
      1u << WS_STORED_BFLOAT16_MASTER_24_RANDOM | 1u << WS_STORED_SQUARE_CODES_RANDOM;
  return (kinds >> stored & 1u) != 0;
}

/* Bytes of an element, and of one that is no code. */
WS_DEVICE int width(int stored) {
  return stored == WS_STORED_FLOAT32 ? 4 : is_coded(stored) ? 1 : 2;
}
WS_DEVICE int number_width(int stored) { return stored == WS_STORED_FLOAT32 ? 4 : 2; }

/* Not 0 if vectors of such elements are not aligned in it. */
WS_DEVICE unsigned misaligned(const void *operand, int bytes) {
  return (unsigned)(size_t)operand & (unsigned)(EACH * bytes - 1);
}

WS_DEVICE Bits load_vector(const void *operand, int bytes, const Place &place) {
  WS_ASSUME_GLOBAL(operand);
  const char *a = (const char *)operand + place.from * bytes;
  Bits x = {};
  if (bytes == 4) {
    const uint4 v = *(const uint4 *)a;
    x.word[0] = v.x, x.word[1] = v.y, x.word[2] = v.z, x.word[3] = v.w;
  } else if (bytes == 2) {
    const uint2 v = *(const uint2 *)a;
    x.word[0] = v.x, x.word[1] = v.y;
  } else {
    x.word[0] = *(const unsigned *)a;
  }
  return x;
}

/* One element after the other. */
WS_DEVICE Bits gather(const void *operand, int bytes, const Place &place) {
  WS_ASSUME_GLOBAL(operand);
  const char *a = (const char *)operand + place.from * bytes;
  Bits x = {};
  WS_ROLLED
  for (int i = place.count - 1; i >= 0; i--) { /* each pushes those behind it on */
    const char *b = a + i * bytes;
    const unsigned next = bytes == 4 ? *(const unsigned *)b
        : bytes == 2                 ? *(const unsigned short *)b
                                     : *(const unsigned char *)b;
    x.word[3] = WS_SHIFT_LEFT(x.word[3], x.word[2], 8 * bytes);
    x.word[2] = WS_SHIFT_LEFT(x.word[2], x.word[1], 8 * bytes);
    x.word[1] = WS_SHIFT_LEFT(x.word[1], x.word[0], 8 * bytes);
    x.word[0] = WS_SHIFT_LEFT(x.word[0], 0, 8 * bytes) | next;
  }
  return x;
}

WS_DEVICE void store_vector(void *operand, int bytes, const Place &place, const Bits &x) {
  WS_ASSUME_GLOBAL(operand);
  char *a = (char *)operand + place.from * bytes;
  if (bytes == 4) {
    *(uint4 *)a = {x.word[0], x.word[1], x.word[2], x.word[3]};
  } else if (bytes == 2) {
    *(uint2 *)a = {x.word[0], x.word[1]};
  } else {
    *(unsigned *)a = x.word[0];
  }
}

/* One element after the other. */
WS_DEVICE void scatter(void *operand, int bytes, const Place &place, Bits x) {
  WS_ASSUME_GLOBAL(operand);
  char *a = (char *)operand + place.from * bytes;
  WS_ROLLED
  for (int i = 0; i < place.count; i++) {
    char *b = a + i * bytes;
    if (bytes == 4) {
      *(unsigned *)b = x.word[0];
    } else if (bytes == 2) {
      *(unsigned short *)b = (unsigned short)x.word[0];
    } else {
      *(unsigned char *)b = (unsigned char)x.word[0];
    }
    x.word[0] = WS_SHIFT_RIGHT(x.word[1], x.word[0], 8 * bytes);
    x.word[1] = WS_SHIFT_RIGHT(x.word[2], x.word[1], 8 * bytes);
    x.word[2] = WS_SHIFT_RIGHT(x.word[3], x.word[2], 8 * bytes);
  }
}

/* Element i of 16 bits. */
WS_DEVICE ws_half_bits half_of(const Bits &x, int i) {
  return (ws_half_bits)(x.word[i / 2] >> 16 * (i % 2));
}

WS_DEVICE Bits joined(const ws_half_bits *halves) {
  Bits x = {};
  WS_UNROLL
  for (int i = 0; i < EACH; i++) x.word[i / 2] |= (unsigned)halves[i] << 16 * (i % 2);
  return x;
}

WS_DEVICE Bits bits_of(const float *x) {
  Bits bits;
  WS_UNROLL
  for (int i = 0; i < EACH; i++) bits.word[i] = ws_to_bits_f32(x[i]);
  return bits;
}

/* MAY_BE_FLOAT16: state is not. */
template <bool MAY_BE_FLOAT16> WS_DEVICE void widen(const Bits &bits, int stored, float *x) {
  if (stored == WS_STORED_FLOAT32) {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) x[i] = ws_from_bits_f32(bits.word[i]);
  } else if (!MAY_BE_FLOAT16 || is_bfloat16(stored)) {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) x[i] = ws_from_bfloat16(half_of(bits, i));
  } else {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) x[i] = ws_from_float16(half_of(bits, i));
  }
}

/* Remainders of which the lower 8 bits are 0, from the bytes that they are kept as, and back. */
WS_DEVICE Bits unpack(const Bits &bytes) {
  const unsigned x = bytes.word[0];
  return {{(x & 0xffu) << 8 | (x & 0xff00u) << 16, (x >> 8 & 0xff00u) | (x & 0xff000000u)}};
}

WS_DEVICE Bits pack(const Bits &halves) {
  const unsigned x = halves.word[0], y = halves.word[1];
  return {{(x >> 8 & 0xffu) | (x >> 16 & 0xff00u) | (y << 8 & 0xff0000u) | (y & 0xff000000u)}};
}

/* Puts masters together from the parameters: see io.warmstep.storage.Remainders. */
WS_DEVICE void join(const Bits &rest, int stored, float *x) {
  if (is_bfloat16(stored)) {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      const unsigned bits = ws_to_bits_f32(x[i]) + (unsigned)(int)(short)half_of(rest, i);
      if ((bits & 0x7fffffffu) <= 0x7f800000u) x[i] = ws_from_bits_f32(bits);
    }
  } else {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      const float master = ws_from_bits_f32(rest.word[i]);
      /* What is written is what was read, unless it is a NaN, which both are then. */
      const float rounded = ws_from_float16(ws_to_float16(master));
      if (ws_to_bits_f32(rounded) == ws_to_bits_f32(x[i])) x[i] = master;
    }
  }
}

/* Philox4x32-10 (Salmon et al. 2011). */
WS_DEVICE void philox(unsigned *c, unsigned key0, unsigned key1) {
  WS_UNROLLED_BY(2)
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

/* The random bits of a tile for an operand: a thread's output has 16 for each of eight elements that
   are WS_BLOCK apart, two in a word. */
struct Random {
  alignas(16) unsigned word[4][WS_BLOCK]; /* read by vectors */
};

/* The random bits of elements beside each other, of which the first is at `at` in the tile. */
WS_DEVICE void random_at(const Random &random, int place, unsigned *bits) {
  const unsigned at = (unsigned)place; /* whose quotients are shifts */
  const uint4 v = *(const uint4 *)&random.word[at / (2 * WS_BLOCK)][at % WS_BLOCK];
  const unsigned shift = at / WS_BLOCK % 2 * 16;
  bits[0] = v.x >> shift & 0xffffu, bits[1] = v.y >> shift & 0xffffu;
  bits[2] = v.z >> shift & 0xffffu, bits[3] = v.w >> shift & 0xffffu;
}

/* Numbers as bfloat16, rounded at random or to nearest. NaN and infinities pass; at random the
   largest finite number is not crossed. */
WS_DEVICE Bits narrow(const float *x, bool at_random, const Random &random, int at) {
  unsigned drawn[EACH] = {};
  if (at_random) random_at(random, at, drawn);
  ws_half_bits halves[EACH];
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    const unsigned bits = ws_to_bits_f32(x[i]);
    const unsigned magnitude = bits & 0x7fffffffu;
    const unsigned up = magnitude >= 0x7f7f0000u ? 0 : drawn[i];
    const unsigned rounded = (bits + (at_random ? up : 0x7fffu + (bits >> 16 & 1u))) >> 16;
    halves[i] = (ws_half_bits)(magnitude > 0x7f800000u ? 0x7fc0u : rounded);
  }
  return joined(halves);
}

/* Rounds numbers that are no NaN to their upper 24 bits, whatever the lower 8 are then. */
WS_DEVICE void round_to_24(Bits *x, bool at_random, const Random &random, int at) {
  unsigned drawn[EACH] = {};
  if (at_random) random_at(random, at, drawn);
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    const unsigned bits = x->word[i];
    const bool is_last = (bits & 0x7fffffffu) >= 0x7f7fff00u;
    const unsigned up = is_last ? 0 : drawn[i] & 0xffu;
    x->word[i] = bits + (at_random ? up : 0x7fu + (bits >> 8 & 1u));
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

/* What is to be stored of a slot of the tile, a thread's elements in a row: as they are stored, or
   the numbers that become codes. */
union Slot {
  alignas(16) unsigned word[WS_BLOCK][EACH];
  float number[WS_BLOCK * EACH];
};

WS_DEVICE void keep(unsigned *row, const Bits &x) {
  *(uint4 *)row = {x.word[0], x.word[1], x.word[2], x.word[3]};
}

WS_DEVICE Bits kept(const unsigned *row) {
  const uint4 v = *(const uint4 *)row;
  return {{v.x, v.y, v.z, v.w}};
}

/* What a code stands for at a scale of 1, of squares the root. */
struct Table {
  float moment[256], root[256];
};

WS_DEVICE void decode(const Table &table, int stored, unsigned codes, float scale, float *x) {
  const bool is_moment = stored == WS_STORED_MOMENT_CODES;
  const float *shares = is_moment ? table.moment : table.root;
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    const float scaled = shares[codes >> 8 * i & 0xffu] * scale;
    x[i] = is_moment ? scaled : scaled * scaled;
  }
}

/* The largest of the first few that are finite, without what the mask leaves out. */
WS_DEVICE unsigned largest_finite(Bits x, unsigned mask, int count) {
  unsigned largest = 0;
  WS_ROLLED
  for (int i = 0; i < count; i++) {
    const unsigned one = x.word[0] & mask;
    if (one < 0x7f800000u && one > largest) largest = one;
    x.word[0] = x.word[1], x.word[1] = x.word[2], x.word[2] = x.word[3], x.word[3] = 0;
  }
  return largest;
}

/* Numbers of a group as codes; word: the bits of its scale. is_plain: all exist, are finite and, of
   squares, not below 0. */
WS_DEVICE Bits encode(
    int stored, const Bits &x, unsigned word, bool is_plain, const Random &random, int at) {
  const bool is_moment = stored == WS_STORED_MOMENT_CODES;
  const float scale = ws_from_bits_f32(word << 15);
  const float inverse = WS_RECIPROCAL_ABOUT(word == 0 ? 1.0f : scale);
  unsigned drawn[EACH] = {WS_TO_NEAREST, WS_TO_NEAREST, WS_TO_NEAREST, WS_TO_NEAREST}, sums[EACH];
  if (stored == WS_STORED_SQUARE_CODES_RANDOM) random_at(random, at, drawn);
  bool is_doubted = !is_plain || !is_plain_scale(word, largest_scale(is_moment));
  if (is_moment) {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      sums[i] = about_moment(ws_from_bits_f32(x.word[i]), inverse, 254 * inverse);
    }
  } else {
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      sums[i] = about_square(ws_from_bits_f32(x.word[i]), inverse, drawn[i]);
    }
  }
  Bits codes = {};
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    is_doubted |= is_doubtful(sums[i]);
    codes.word[0] |= (sums[i] >> 16 & 0xffu) << 8 * i;
  }
  if (is_doubted) {
    unsigned bits[EACH] = {x.word[0], x.word[1], x.word[2], x.word[3]};
    WS_ROLLED
    for (int i = 0; i < EACH; i++) {
      const unsigned code = is_moment ? encode_moment(bits[0], scale)
                                      : encode_square(bits[0], scale, drawn[0]);
      codes.word[0] = WS_SHIFT_RIGHT(code, codes.word[0], 8);
      WS_UNROLL
      for (int k = 0; k < EACH - 1; k++) bits[k] = bits[k + 1], drawn[k] = drawn[k + 1];
    }
  }
  return codes;
}

/* Of the elements of a block, of which there may be none beyond `count`. */
WS_DEVICE Place place_of(long long first, int at, int count) {
  return {first + at, count - at < EACH ? count - at : EACH};
}

/*
 * Adds a thread's terms of a quarter of a leaf, in the order of sums.cu: the first, the third, the second,
 * the fourth. What waits for the next one is kept where slots are while they move.
 */
template <class Rule>
WS_DEVICE void add(
    Scratch<float> *scratch, Slot *slots, int t, int turn, const float (*x)[EACH]) {
  WS_UNROLL
  for (int j = 0; j < Rule::SUMS; j++) {
    unsigned largest = turn == 0 ? 0 : scratch[j].largest[t];
    const Bits lower = kept(slots[j].word[t]);
    WS_UNROLL
    for (int i = 0; i < EACH; i++) {
      const unsigned magnitude = ws_to_bits_f32(x[j][i]) & 0x7fffffffu;
      if (magnitude > largest) largest = magnitude;
      const float two = pair(Rule::kind(j), ws_from_bits_f32(lower.word[i]), x[j][i]);
      float *const sum = &scratch[j].sums[i][t];
      if (turn == 1) *sum = two;
      if (turn == 3) *sum = *sum + two;
    }
    scratch[j].largest[t] = largest;
    keep(slots[j].word[t], bits_of(x[j]));
  }
}

/* A leaf's sums, and what the terms of a pass over it are multiplied by. */
template <class Rule> struct LeafSums {
  Sum<float> sums[Rule::TERMS];
  float factors[Rule::TERMS];

  /*
   * Takes what a pass has added up. False if another is to follow, with the terms divided by a power of
   * two where a plain sum does not do.
   */
  WS_DEVICE_MEMBER bool take(Scratch<float> *scratch, bool is_plain_pass) {
    float folded[Rule::TERMS];
    bool is_last = true;
    fold<Rule::SUMS>(scratch, folded);
    WS_UNROLL
    for (int j = 0; j < Rule::SUMS; j++) {
      if (!is_plain_pass) {
        if (factors[j] != 0) sums[j].sum = folded[j];
        continue;
      }
      sums[j].sum = folded[j];
      sums[j].exponent = 0;
      factors[j] = 0;
      if (is_plain(Rule::kind(j), folded[j])) continue;
      if (exponent_of_largest(largest_of(scratch[j]), &sums[j])) {
        factors[j] = power_of_two<float>(-sums[j].exponent);
        is_last = false;
      } else if (Rule::kind(j) == WS_SUM_SIGNED) {
        sums[j].sum = folded[j];
      }
    }
    return is_last;
  }
};

WS_DEVICE const StepArguments<float> &step_of(const MixedArguments &arguments) {
  return arguments.step;
}
WS_DEVICE const StepArguments<float> &step_of(const MixedSumArguments &arguments) {
  return arguments.sums.step;
}

/* The numbers of a tensor, behind a group's scalars. */
template <class Rule> WS_DEVICE void load_numbers(const MixedArguments &, int, Group<float> *) {}
template <class Rule>
WS_DEVICE void load_numbers(const MixedSumArguments &arguments, int tensor, Group<float> *group) {
  WS_UNROLL
  for (int i = 0; i < Rule::NUMBERS; i++) {
    group->scalars[Rule::SCALARS + i] =
        arguments.sums.numbers[(long long)tensor * WS_MAX_NUMBERS + i];
  }
}

/* What a thread keeps of a measured tile. */
struct Measured {
  float before[EACH];               /* the elements at hand, as they were */
  float changes[EACH], sizes[EACH]; /* sums of squares, of elements a turn apart */
  unsigned long long counts; /* the other numbers of a row, at most 8, in four bits each at their place */
};

/* Numbers of a row: these two sums, two counts, and two more for each slot of codes. */
enum { ROW_MOVING = 2, ROW_STILL = 3, ROW_CODES = 4 };

WS_DEVICE void count(Measured &own, int number, unsigned first, unsigned second) {
  own.counts += (unsigned long long)(second << 4 | first) << 4 * number;
}

/* Takes elements as they are stored now; moves: 1 for each with a gradient that moves it. */
WS_DEVICE void see(Measured &own, const float *p, const unsigned *moves) {
  unsigned moving = 0, still = 0;
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    const float before = own.before[i], change = p[i] - before;
    own.changes[i] = ws_fma_f32(change, change, own.changes[i]);
    own.sizes[i] = ws_fma_f32(before, before, own.sizes[i]);
    moving += moves[i];
    still += change == 0 ? moves[i] : 0;
  }
  count(own, ROW_MOVING, moving, still);
}

/* The bits of numbers that are stored as codes. */
WS_DEVICE void see_codes(
    Measured &own, const Bits &x, bool is_moment, const unsigned *moves, int number) {
  const unsigned bound = ws_to_bits_f32(largest_number(is_moment));
  unsigned saturated = 0, vanished = 0;
  WS_UNROLL
  for (int i = 0; i < EACH; i++) {
    const unsigned magnitude = x.word[i] & 0x7fffffffu;
    saturated += magnitude >= bound;
    vanished += magnitude == 0 ? moves[i] : 0;
  }
  count(own, number, saturated, vanished);
}

/* Adds up WS_TILE / 2 numbers by halves to the first, which is the first thread's then. */
WS_DEVICE void fold_tile(Slot &slot) {
  WS_ROLLED
  for (int width = WS_TILE / 4; width > 0; width /= 2) {
    WS_BARRIER();
    WS_THREADS(t) {
      WS_ROLLED
      for (int i = t; i < width; i += WS_BLOCK) slot.number[i] += slot.number[i + width];
    }
  }
}

WS_DEVICE const Tile *leaves_of(const MixedArguments &) { return nullptr; }
WS_DEVICE const Tile *leaves_of(const MixedSumArguments &arguments) { return arguments.sums.leaves; }

WS_DEVICE void store_sum(const MixedArguments &, const Tile &, int, const Sum<float> &) {}
WS_DEVICE void store_sum(
    const MixedSumArguments &arguments, const Tile &leaf, int which, const Sum<float> &sum) {
  const SumArguments<float> &sums = arguments.sums;
  const long long place =
      which * sums.leaf_count + sums.tensors[leaf.tensor].first_leaf + leaf.index;
  sums.sums[place] = sum.sum;
  sums.exponents[place] = sum.exponent;
}

/* is_first: the phase before the update, of a rule that has one. rows: of a measured step, or null. */
template <class Rule, class Arguments>
WS_DEVICE void mixed(const Arguments &arguments, bool is_first, float *rows) {
  WS_BLOCKS_OF_16_BITS(Rule::HALF_BLOCKS);
  const StepArguments<float> &step = step_of(arguments);
  const bool is_leaf = Rule::SUMS > 0 && is_first;
  const int extent = is_leaf ? WS_LEAF : WS_TILE;
  const int writes = is_first ? Rule::SUM_WRITES : Rule::WRITES;
  const Tile tile = (is_leaf ? leaves_of(arguments) : step.tiles)[WS_BLOCK_INDEX];
  const MixedTensor *tensor = arguments.tensors + tile.tensor;
  const long long first = (long long)tile.index * extent;
  const long long left = tensor->length - first;
  const int count = left < extent ? (int)left : extent;
  int skip = step.flags & WS_ONLY_ZERO_GRADIENTS;
  float scale = step.scale;
  if (!skip && step.norm) {
    scale = step.norm->float_scale;
    skip = step.norm->skip;
  }
  const bool updates = skip == 0;
  const bool zeroes = !is_first && (step.flags & (updates ? (int)WS_ZERO_GRADIENTS : skip)) != 0;
  if (!updates && !zeroes) return;
  Group<float> group;
  if (step.table) {
    group = step.table[tensor->group];
  } else {
    group = step.groups[tensor->group];
  }
  if (!is_first) load_numbers<Rule>(arguments, tile.tensor, &group);
  scale = group.sign * scale;
  if (step.tensor_factors) {
    scale = scale * step.tensor_factors[(long long)tile.tensor * WS_MAX_NUMBERS];
  }
  const int values = stored_of(tensor, 0), gradients = stored_of(tensor, 1);
  float *const averages = WS_AVERAGE(tensor);
  const bool has_rest = values >= WS_STORED_BFLOAT16_MASTER;
  const bool is_24 = is_master_24(values);
  const int rest_width = values == WS_STORED_FLOAT16_MASTER ? 4 : is_24 ? 1 : 2;
  const int measures = updates && !is_first && rows;
  int codes = 0; /* slots of them */
  bool encodes = false, draws = (writes & WS_PARAMETER) != 0 && is_random(values);
  unsigned odd = (unsigned)count % EACH | misaligned(tensor->operands[0], number_width(values)) |
      misaligned(tensor->operands[1], number_width(gradients)) |
      misaligned(averages, 4);
  if (has_rest) odd |= misaligned(tensor->rest, rest_width);
  WS_UNROLL
  for (int k = 0; k < Rule::MAX_SLOTS; k++) {
    const int stored = stored_of(tensor, 2 + k);
    const bool is_written = (writes & WS_STATE(k)) != 0;
    codes += is_coded(stored);
    encodes |= is_written && is_coded(stored);
    draws |= is_written && is_random(stored);
    odd |= misaligned(tensor->operands[2 + k], width(stored));
  }
  const bool coded = codes > 0, whole = odd == 0;
  WS_SHARED_ARRAY(Scratch<float>, scratch, Rule::TERMS)
  /* In a leaf each slot has those of two tiles. */
  constexpr int DRAWN = (int)Rule::SUM_WRITES != 0 ? 2 * (int)Rule::ROOM : 1 + (int)Rule::ROOM;
  WS_SHARED_ARRAY(Random, random, DRAWN)
  /* While terms are added up those that wait for others. */
  constexpr int HELD = (int)Rule::ROOM > (int)Rule::TERMS ? (int)Rule::ROOM : (int)Rule::TERMS;
  WS_SHARED_ARRAY(Slot, slots, HELD)
  WS_SHARED Table table;
  if (updates && draws) {
    const unsigned number = (unsigned)group.scalars[WS_MAX_SCALARS - 2] |
        (unsigned)group.scalars[WS_MAX_SCALARS - 1] << 16;
    WS_UNSHARED();
    WS_THREADS(t) {
      WS_ROLLED
      for (int own = 0; own < (is_leaf ? 2 : 1) * Rule::MAX_SLOTS + (is_leaf ? 0 : 1); own++) {
        const int operand = is_leaf ? 2 + own / 2 : own == 0 ? 0 : 1 + own;
        if (Rule::HAS_FIRST && (writes >> operand & 1) == 0) continue;
        if (!is_random(tensor->stored[operand])) continue;
        const long long of = is_leaf ? 2 * (long long)tile.index + own % 2 : tile.index;
        const long long output = (tensor->first_tile + of) * WS_BLOCK + t;
        unsigned c[4] = {
            (unsigned)output, (unsigned)(output >> 32) | (unsigned)operand << 24,
            (unsigned)tensor->parameter, number};
        philox(c, arguments.key[0], arguments.key[1]);
        WS_UNROLL
        for (int i = 0; i < 4; i++) random[own].word[i][t] = c[i];
      }
    }
    WS_BARRIER();
  }
  if (updates && coded) {
    static_assert(WS_BLOCK == 256, "a code for each thread");
    WS_UNSHARED();
    WS_THREADS(t) {
      table.moment[t] = decode_moment((unsigned)t);
      table.root[t] = decode_root((unsigned)t);
    }
    WS_BARRIER();
  }
  const bool loops = zeroes || encodes || !whole;
  /* Of a leaf the passes from 1 on add terms up; it has no other where it moves no state. */
  int pass = is_leaf && Rule::SUM_WRITES == 0 ? 1 : 0;
  LeafSums<Rule> leaf_sums = {};
  static_assert(ROW_CODES + 2 * Rule::MAX_SLOTS <= 16, "counts of a thread are 64 bits");
  WS_OWN(Measured, seen)
  WS_UNSHARED();
  WS_THREADS(t) {
    (void)t;
    WS_MY(seen, t) = {};
  }
  int again = 0; /* whether a turn reads what the last one stored of the same elements */
  WS_ROLLED
  for (int next = 0;; again = measures & ~again, next += again ? 0 : WS_BLOCK * EACH) {
    if (next >= (is_leaf && pass > 0 ? WS_LEAF : count)) {
      if (!is_leaf || (pass > 0 && leaf_sums.take(scratch, pass == 1))) break;
      pass++;
      next = 0;
      WS_BARRIER(); /* others have stored what this pass reads of a group */
    }
    const bool adds = is_leaf && pass > 0;
    const int reads = measures ? ~0
        : adds                 ? (int)Rule::SUM_READS | (int)Rule::SUM_WRITES
        : is_first             ? (int)Rule::SUM_READS
                               : (int)Rule::READS;
    const int turn = next / (WS_BLOCK * EACH);
    const int start = adds ? (turn / 2 + turn % 2 * 2) * (WS_BLOCK * EACH) : next;
    if (again && encodes) WS_BARRIER(); /* one thread stores a group's scale */
    WS_UNSHARED();
    WS_THREADS(t) {
      const int at = start + t * EACH;
      if (updates && (adds || at < count)) {
        const bool exists = !adds || at < count;
        const Place place = place_of(first, at, count);
        Bits p_bits, g_bits, rest, average, s_bits[Rule::ROOM] = {};
        if (Rule::HAS_FIRST) p_bits = g_bits = rest = {}; /* of which a phase may read none */
        unsigned short scales[Rule::ROOM] = {};
        if (whole && exists) {
          if (reads & WS_PARAMETER) {
            p_bits = load_vector(tensor->operands[0], number_width(values), place);
            if (has_rest) rest = load_vector(tensor->rest, rest_width, place);
          }
          if (reads & WS_GRADIENT) {
            g_bits = load_vector(tensor->operands[1], number_width(gradients), place);
          }
          if (averages && !is_first) average = load_vector(averages, 4, place);
          WS_UNROLL
          for (int k = 0; k < Rule::MAX_SLOTS; k++) {
            const int stored = stored_of(tensor, 2 + k);
            if (stored && (reads & WS_STATE(k))) {
              s_bits[k] = load_vector(tensor->operands[2 + k], width(stored), place);
            }
          }
        } else {
          WS_ROLLED
          for (int j = -2; j < 2 + Rule::MAX_SLOTS; j++) {
            const void *operand = j == -2 ? averages : tensor->rest;
            int bytes = j == -2 ? 4 : rest_width;
            if (j >= 0) {
              operand = tensor->operands[j];
              bytes = width(tensor->stored[j]);
            }
            if (!operand || (is_first && j == -2)) continue;
            if (Rule::HAS_FIRST && (reads >> (j < 0 ? 0 : j) & 1) == 0) continue;
            const Bits x = gather(operand, bytes, place);
            if (j == -2) average = x;
            if (j == -1) rest = x;
            if (j == 0) p_bits = x;
            if (j == 1) g_bits = x;
            WS_UNROLL
            for (int k = 0; k < Rule::MAX_SLOTS; k++) {
              if (j == 2 + k) s_bits[k] = x;
            }
          }
        }
        if (coded && exists) {
          WS_UNROLL
          for (int k = 0; k < Rule::MAX_SLOTS; k++) {
            if (is_coded(stored_of(tensor, 2 + k)) && (reads & WS_STATE(k))) {
              const void *codes = tensor->operands[2 + k];
              WS_ASSUME_GLOBAL(codes);
              const char *at_scale = (const char *)codes + scale_at(tensor->length, place.from);
              scales[k] = *(const unsigned short *)at_scale;
            }
          }
        }
        float p[EACH], g[EACH], s[Rule::ROOM][EACH] = {};
        widen<true>(p_bits, values, p);
        if (is_24) rest = unpack(rest);
        if (has_rest) join(rest, values, p);
        widen<true>(g_bits, gradients, g);
        WS_UNROLL
        for (int k = 0; k < Rule::MAX_SLOTS; k++) {
          const int stored = stored_of(tensor, 2 + k);
          if (is_coded(stored)) {
            /* Finite numbers beside a scale of 0 are 0 at any scale, and infinite ones stay. */
            const unsigned word = scales[k] > 1 ? scales[k] : 1;
            decode(table, stored, s_bits[k].word[0], ws_from_bits_f32(word << 15), s[k]);
          } else if (stored) {
            widen<false>(s_bits[k], stored, s[k]);
          }
        }
        Measured &own_seen = WS_MY(seen, t);
        if (again) {
          unsigned moves[EACH];
          WS_UNROLL
          for (int i = 0; i < EACH; i++) moves[i] = finite_magnitude(ws_to_bits_f32(g[i])) != 0;
          see(own_seen, p, moves);
          WS_UNROLL
          for (int k = 0; k < Rule::MAX_SLOTS; k++) keep(slots[k].word[t], bits_of(s[k]));
          WS_ROLLED
          for (int k = 0; k < Rule::MAX_SLOTS; k++) {
            const int stored = tensor->stored[2 + k];
            if (!is_coded(stored)) continue;
            const bool is_moment = stored == WS_STORED_MOMENT_CODES;
            see_codes(own_seen, kept(slots[k].word[t]), is_moment, moves, ROW_CODES + 2 * k);
          }
          continue;
        }
        WS_UNROLL
        for (int i = 0; i < EACH; i++) own_seen.before[i] = p[i];
        const bool keeps = (group.flags & WS_KEEP_PARAMETERS) != 0;
        float before[EACH];
        WS_UNROLL
        for (int i = 0; i < EACH; i++) before[i] = p[i];
        prepare<EACH>(group, scale, step.prescale, step.clip_value, g, p);
        if (adds) {
          float x[Rule::TERMS][EACH];
          WS_UNROLL
          for (int i = 0; i < EACH; i++) {
            float state[Rule::ROOM], own[Rule::TERMS] = {};
            WS_UNROLL
            for (int k = 0; k < Rule::MAX_SLOTS; k++) state[k] = s[k][i];
            Rule::terms(p[i], g[i], state, group.scalars, own, group.options);
            WS_UNROLL
            for (int j = 0; j < Rule::SUMS; j++) {
              const float term = pass > 1 ? leaf_sums.factors[j] * own[j] : own[j];
              x[j][i] = i < place.count ? term : 0;
            }
          }
          add<Rule>(scratch, slots, t, turn, x);
          continue;
        }
        if (is_first) {
          WS_UNROLL
          for (int i = 0; i < EACH; i++) {
            float state[Rule::ROOM];
            WS_UNROLL
            for (int k = 0; k < Rule::MAX_SLOTS; k++) state[k] = s[k][i];
            Rule::advance(p[i], g[i], state, group.scalars, group.options);
            WS_UNROLL
            for (int k = 0; k < Rule::MAX_SLOTS; k++) s[k][i] = state[k];
          }
        } else {
          Computing<Rule>::update(group.options, p, g, s, group.scalars);
        }
        WS_UNROLL
        for (int k = 0; k < Rule::MAX_SLOTS; k++) {
          const int stored = stored_of(tensor, 2 + k);
          if (!stored || (writes & WS_STATE(k)) == 0) continue;
          Bits bits = bits_of(s[k]);
          if (!is_coded(stored) && stored != WS_STORED_FLOAT32) {
            const Random &own = random[is_leaf ? 2 * k + start / WS_TILE : 1 + k];
            bits = narrow(s[k], is_random(stored), own, is_leaf ? at % WS_TILE : at);
          }
          if (whole && !is_coded(stored)) {
            store_vector(tensor->operands[2 + k], number_width(stored), place, bits);
          } else {
            keep(slots[k].word[t], bits);
          }
        }
        if (is_first) continue;
        if (keeps) {
          WS_UNROLL
          for (int i = 0; i < EACH; i++) p[i] = before[i];
        }
        if (averages) {
          const float weight = group.scalars[WS_MAX_SCALARS - 3];
          float a[EACH];
          WS_UNROLL
          for (int i = 0; i < EACH; i++) {
            a[i] = ws_from_bits_f32(average.word[i]);
            a[i] = ws_fma_f32(weight, p[i] - a[i], a[i]);
          }
          average = bits_of(a);
          if (whole) store_vector(averages, 4, place, average);
        }
        rest = bits_of(p);
        if (values == WS_STORED_FLOAT32) {
          p_bits = rest;
        } else if (is_bfloat16(values) && has_rest) {
          if (is_24) round_to_24(&rest, is_random(values), random[0], at);
          ws_half_bits upper[EACH], lower[EACH];
          WS_UNROLL
          for (int i = 0; i < EACH; i++) {
            const unsigned bits = rest.word[i];
            const bool is_nan = (ws_to_bits_f32(p[i]) & 0x7fffffffu) > 0x7f800000u;
            upper[i] = (ws_half_bits)(is_nan ? 0x7fc0u : (bits + 0x8000u) >> 16);
            lower[i] = (ws_half_bits)(is_nan ? 0u : bits);
          }
          p_bits = joined(upper);
          rest = joined(lower);
          if (is_24) rest = pack(rest);
        } else if (is_bfloat16(values)) {
          p_bits = narrow(p, is_random(values), random[0], at);
        } else {
          ws_half_bits halves[EACH];
          WS_UNROLL
          for (int i = 0; i < EACH; i++) halves[i] = ws_to_float16(p[i]);
          p_bits = joined(halves);
        }
        if (whole) {
          if (!keeps) {
            store_vector(tensor->operands[0], number_width(values), place, p_bits);
            if (has_rest) store_vector(tensor->rest, rest_width, place, rest);
          }
        } else {
          WS_ROLLED
          for (int which = 0; which < 3; which++) {
            void *to = averages;
            int bytes = 4;
            Bits x = average;
            if (which == 0) {
              to = keeps ? nullptr : tensor->operands[0];
              bytes = number_width(values);
              x = p_bits;
            } else if (which == 1) {
              to = keeps || !has_rest ? nullptr : tensor->rest;
              bytes = rest_width;
              x = rest;
            }
            if (to) scatter(to, bytes, place, x);
          }
        }
      }
    }
    if (adds || !loops) continue;
    WS_UNSHARED(); /* a thread's own places */
    WS_THREADS(t) {
      const int at = start + t * EACH;
      if (at < count) {
        const Place place = place_of(first, at, count);
        WS_ROLLED
        for (int j = zeroes && again == measures ? 1 : 2;
             j < (updates && !again && !whole ? 2 + Rule::MAX_SLOTS : 2); j++) {
          const int stored = tensor->stored[j];
          if (!stored || is_coded(stored)) continue;
          if (Rule::HAS_FIRST && j > 1 && (writes >> j & 1) == 0) continue;
          Bits bits = {};
          if (j > 1) bits = kept(slots[j - 2].word[t]);
          if (whole) {
            store_vector(tensor->operands[j], width(stored), place, bits);
          } else {
            scatter(tensor->operands[j], width(stored), place, bits);
          }
        }
      }
    }
    if (!updates || !encodes || again) continue;
    WS_BARRIER(); /* a group's scale was read by all and is written by one */
    WS_ROLLED
    for (int k = 0; k < Rule::MAX_SLOTS; k++) {
      const int stored = tensor->stored[2 + k];
      if (!is_coded(stored) || (Rule::HAS_FIRST && (writes & WS_STATE(k)) == 0)) continue;
      const bool is_moment = stored == WS_STORED_MOMENT_CODES;
      WS_OWN(Bits, numbers)
      WS_OWN(unsigned, magnitude)
      WS_OWN(bool, is_plain)
      WS_UNSHARED();
      WS_THREADS(t) {
        Bits bits = {};
        unsigned largest = 0;
        bool plain = false;
        const int exist = count - start - t * EACH;
        if (exist > 0) {
          bits = kept(slots[k].word[t]);
          const unsigned mask = is_moment ? 0x7fffffffu : ~0u;
          WS_UNROLL
          for (int i = 0; i < EACH; i++) {
            const unsigned one = bits.word[i] & mask;
            largest = one > largest ? one : largest;
          }
          plain = exist >= EACH && largest < 0x7f800000u;
          if (!plain) largest = largest_finite(bits, mask, exist < EACH ? exist : EACH);
        }
        WS_MY(numbers, t) = bits;
        WS_MY(magnitude, t) = largest;
        WS_MY(is_plain, t) = plain;
      }
      WS_UNSHARED();
      WS_THREADS(t) {
        unsigned largest = WS_NEAR_MAX(magnitude, t);
        const int at = start + t * EACH;
        if (at < count) {
          const Place place = place_of(first, at, count);
          /* That of squares is the root of the largest. */
          if (!is_moment) largest = ws_to_bits_f32(ws_sqrt_f32(ws_from_bits_f32(largest)));
          const unsigned up = scale_bits(largest), most = largest_scale(is_moment);
          const unsigned word = up < most ? up : most;
          const Random &own = random[is_leaf ? 2 * k + start / WS_TILE : 1 + k];
          const int of = is_leaf ? at % WS_TILE : at;
          const Bits codes = encode(stored, WS_MY(numbers, t), word, WS_MY(is_plain, t), own, of);
          void *to = tensor->operands[2 + k];
          WS_ASSUME_GLOBAL(to);
          if (at % WS_GROUP == 0) {
            char *at_scale = (char *)to + scale_at(tensor->length, place.from);
            *(unsigned short *)at_scale = (unsigned short)word;
          }
          if (whole) {
            store_vector(to, 1, place, codes);
          } else {
            scatter(to, 1, place, codes);
          }
        }
      }
    }
  }
  if (measures) {
    const int width = ROW_CODES + 2 * codes;
    float *row = rows + tensor->rows + (long long)tile.index * width;
    WS_ROLLED
    for (int number = 0; number < ROW_CODES + 2 * Rule::MAX_SLOTS; number++) {
      if (number >= ROW_CODES && !is_coded(tensor->stored[number / 2])) continue;
      WS_UNSHARED(); /* a thread's own place, which others have left before the last barrier */
      WS_THREADS(t) {
        const Measured &own = WS_MY(seen, t);
        float x[EACH] = {(float)(int)(own.counts >> 4 * number & 15u)};
        WS_UNROLL
        for (int i = 0; i < EACH; i++) {
          if (number < 2) x[i] = number == 0 ? own.changes[i] : own.sizes[i];
        }
        keep(slots->word[t], bits_of(x));
      }
      fold_tile(*slots);
      WS_UNSHARED(); /* the same thread's */
      WS_THREADS(t) {
        if (t == 0) *row = slots->number[0];
      }
      row++;
    }
  }
  if (!is_leaf) return;
  WS_UNSHARED(); /* only device memory from here on */
  WS_THREADS(t) {
    if (t == 0) {
      WS_UNROLL
      for (int j = 0; j < Rule::SUMS; j++) store_sum(arguments, tile, j, leaf_sums.sums[j]);
    }
  }
}

#define WS_MIXED_RULE(rule, RULE, PHASES)                                               \
  struct mixed_##rule##_rule {                                                          \
    enum {                                                                              \
      OPTIONS = WS_##RULE##_OPTIONS,                                                    \
      SCALARS = WS_##RULE##_SCALARS,                                                    \
      MAX_SLOTS = WS_##RULE##_MAX_SLOTS,                                                \
      ROOM = MAX_SLOTS == 0 ? 1 : MAX_SLOTS,                                            \
      /* At four some rules of three slots or more would spill registers. */            \
      HALF_BLOCKS = WS_##RULE##_BLOCKS == 0 || MAX_SLOTS < 3 ? 4 : 2                    \
    };                                                                                  \
    PHASES(rule, RULE)                                                                  \
                                                                                        \
    static constexpr int slots(int options) {                                           \
      return (void)options, WS_##RULE##_SLOTS(options);                                 \
    }                                                                                   \
    WS_DEVICE float update(float p, float g, float *s, const float *k, int options) {   \
      return WS_NAME(rule)(p, g, s, k, options);                                        \
    }                                                                                   \
  };                                                                                    \
  static_assert(                                                                        \
      WS_##RULE##_SCALARS + mixed_##rule##_rule::NUMBERS + 3 <= WS_MAX_SCALARS,         \
      "scalars of mixed_" #rule);

#define WS_ONE_PHASE(rule, RULE)                                                        \
  enum { READS = ~0, WRITES = ~WS_GRADIENT, SUM_READS = 0, SUM_WRITES = 0 };            \
  enum { HAS_FIRST = 0, SUMS = 0, TERMS = 1, NUMBERS = 0 };                             \
  static constexpr WS_DEVICE_MEMBER int kind(int) { return 0; }                         \
  WS_DEVICE void advance(float, float, float *, const float *, int) {}                  \
  WS_DEVICE void terms(float, float, const float *, const float *, float *, int) {}
#define WS_ENTRY(rule, RULE)                                                            \
  WS_MIXED_RULE(rule, RULE, WS_ONE_PHASE)                                               \
  WS_DEFINE_ROWS(mixed_##rule, float, MixedArguments, step.rows)                        \
  WS_KERNEL_FOR(2) mixed_##rule(const MixedArguments arguments) {                       \
    mixed<mixed_##rule##_rule>(                                                         \
        arguments, false, WS_ROWS(mixed_##rule, arguments, step.rows));                 \
  }                                                                                     \
  WS_LIST(mixed_##rule, MixedArguments)

#define WS_FIRST_PHASE(rule, RULE)                                                      \
  enum {                                                                                \
    HAS_FIRST = 1,                                                                      \
    READS = WS_##RULE##_READS,                                                          \
    WRITES = WS_##RULE##_WRITES,                                                        \
    SUM_READS = WS_##RULE##_SUM_READS,                                                  \
    SUM_WRITES = WS_##RULE##_SUM_WRITES,                                                \
    NUMBERS = WS_##RULE##_NUMBERS                                                       \
  };                                                                                    \
  static constexpr WS_DEVICE_MEMBER int kind(int sum) {                                 \
    return (void)sum, WS_##RULE##_KIND(sum);                                            \
  }                                                                                     \
  WS_DEVICE void advance(float p, float g, float *s, const float *k, int options) {     \
    WS_NAME(rule##_advance)(p, g, s, k, options);                                       \
  }                                                                                     \
  WS_DEVICE void terms(                                                                 \
      float p, float g, const float *s, const float *k, float *x, int options) {        \
    WS_NAME(rule##_terms)(p, g, s, k, x, options);                                      \
  }
#define WS_WITH_SUMS(rule, RULE)                                                        \
  enum { SUMS = WS_##RULE##_SUMS, TERMS = SUMS };                                       \
  WS_FIRST_PHASE(rule, RULE)
/* What a rule's first phase leaves in a slot is added up by norm.cu. */
#define WS_WITH_MATRIX(rule, RULE)                                                      \
  enum { SUMS = 0, TERMS = 1 };                                                         \
  WS_FIRST_PHASE(rule, RULE)
#define WS_MIXED_PHASES(rule, RULE, PHASES)                                             \
  WS_MIXED_RULE(rule, RULE, PHASES)                                                     \
  WS_DEFINE_IS_FIRST(mixed_##rule)                                                      \
  WS_DEFINE_ROWS(mixed_##rule, float, MixedSumArguments, sums.step.rows)                \
  WS_KERNEL_FOR(2) mixed_##rule(const MixedSumArguments arguments) {                    \
    mixed<mixed_##rule##_rule>(                                                         \
        arguments, WS_IS_FIRST(mixed_##rule, arguments),                                \
        WS_ROWS(mixed_##rule, arguments, sums.step.rows));                              \
  }                                                                                     \
  WS_LIST(mixed_##rule, MixedSumArguments)
#define WS_SUMS_ENTRY(rule, RULE) WS_MIXED_PHASES(rule, RULE, WS_WITH_SUMS)
#define WS_SHARED_SUMS_ENTRY(rule, RULE) WS_MIXED_PHASES(rule, RULE, WS_WITH_SUMS)
#define WS_MATRIX_ENTRY(rule, RULE) WS_MIXED_PHASES(rule, RULE, WS_WITH_MATRIX)

#define WS_BITS 32
#include "rules.h"
