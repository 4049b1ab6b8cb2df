/* Loads and stores. */
#include "access.h"

namespace ptx {
namespace PTX_ISA {

namespace {
/* How the addresses of a warp lie. */
enum class Shape { ROW, SAME, ANY };

ALWAYS Shape shape_of(const Warp &w, const uint64_t *at, unsigned size) {
  const uint64_t first = at[__builtin_ctz(w.mask)];
  uint64_t differs = 0, gaps = 0;
  if (w.mask == ~0u) {
    EACH_LANE(l) gaps |= at[l] ^ (first + l * size);
    if (!gaps) return Shape::ROW;
    EACH_LANE(l) differs |= at[l] ^ first;
  } else {
    EACH_LANE(l) differs |= (at[l] ^ first) & (uint64_t)w.lanes64[l];
  }
  return differs ? Shape::ANY : Shape::SAME;
}

ALWAYS bool all_set(const uint8_t *defined, size_t n) {
  return !defined || !std::memchr(defined, 0, n);
}

ALWAYS uint64_t element(const uint8_t *from, const Instr &in) {
  switch (in.bytes) {
    case 1: return in.extends ? (uint64_t)(int64_t)(int8_t)*from : *from;
    case 2: {
      uint16_t x;
      std::memcpy(&x, from, sizeof x);
      return in.extends ? (uint64_t)(int64_t)(int16_t)x : x;
    }
    case 4: {
      uint32_t x;
      std::memcpy(&x, from, sizeof x);
      return in.extends ? (uint64_t)(int64_t)(int32_t)x : x;
    }
    default: {
      uint64_t x;
      std::memcpy(&x, from, sizeof x);
      return x;
    }
  }
}

ALWAYS void set_lane(Warp &w, uint32_t at, bool wide, unsigned lane, uint64_t value) {
  if (wide) {
    row<uint64_t>(w, at)[lane] = value;
  } else {
    row<uint32_t>(w, at)[lane] = (uint32_t)value;
  }
}
ALWAYS uint64_t lane_of(const Warp &w, uint32_t at, bool wide, unsigned lane) {
  return wide ? row<uint64_t>(w, at)[lane] : row<uint32_t>(w, at)[lane];
}

/* Element l * COUNT + i belongs to lane l of the i-th register. */
template <class E, class R> ALWAYS void load_row(Warp &w, const Instr &in, const uint8_t *data) {
  const E *from = (const E *)data;
  const unsigned count = in.count;
  for (unsigned i = 0; i < count; i++) {
    R *d = (R *)(w.rows + in.d[i]);
    EACH_LANE(l) d[l] = (R)from[l * count + i];
  }
}
template <class E, class R> ALWAYS void store_row(Warp &w, const Instr &in, uint8_t *data) {
  E *to = (E *)data;
  const unsigned count = in.count;
  for (unsigned i = 0; i < count; i++) {
    const R *s = (const R *)(w.rows + in.s[i]);
    EACH_LANE(l) to[l * count + i] = (E)s[l];
  }
}

void load_lanes(Warp &w, const Instr &in, const uint64_t *at, unsigned size) {
  uint32_t known[4] = {0, 0, 0, 0};
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const unsigned l = (unsigned)__builtin_ctz(left);
    const Place p = place(w, in, l, at[l], size);
    for (unsigned i = 0; i < in.count; i++) {
      set_lane(w, in.d[i], in.wide, l, element(p.data() + i * in.bytes, in));
      const uint8_t *defined = p.region->defined;
      if (all_set(defined ? defined + p.offset + i * in.bytes : nullptr, in.bytes)) {
        known[i] |= 1u << l;
      }
    }
    if (!in.strong) note_read(w, *p.region, p.offset, size, l, w.thread(l));
  }
  for (unsigned i = 0; i < in.count; i++) define(w, in.d[i], known[i]);
}

void load_same(Warp &w, const Instr &in, uint64_t at, unsigned size) {
  const unsigned lane = (unsigned)__builtin_ctz(w.mask);
  const Place p = place(w, in, lane, at, size);
  for (unsigned i = 0; i < in.count; i++) {
    const uint64_t value = element(p.data() + i * in.bytes, in);
    if (in.wide) {
      uint64_t *d = row<uint64_t>(w, in.d[i]);
      for (unsigned l = 0; l < LANES; l++) put<uint64_t>(w, d, l, value, w.full);
    } else {
      uint32_t *d = row<uint32_t>(w, in.d[i]);
      for (unsigned l = 0; l < LANES; l++) put<uint32_t>(w, d, l, (uint32_t)value, w.full);
    }
    const uint8_t *defined = p.region->defined;
    define(w, in.d[i],
           all_set(defined ? defined + p.offset + i * in.bytes : nullptr, in.bytes) ? ~0u : 0);
  }
  if (!in.strong) {
    const bool several = (w.mask & (w.mask - 1)) != 0;
    note_read(w, *p.region, p.offset, size, lane,
              several ? SEVERAL_OF_WARP + w.index : w.thread(lane));
  }
}

void load(Warp &w, const Instr &in) {
  alignas(64) uint64_t at[LANES];
  const unsigned size = (unsigned)in.bytes * in.count;
  addresses_of(w, in, at);
  const Shape shape = shape_of(w, at, size);
  const bool own = in.space == Space::LOCAL ||
                   (in.space == Space::GENERIC &&
                    (at[__builtin_ctz(w.mask)] & WINDOW_MASK) == LOCAL_WINDOW);
  if (shape == Shape::SAME && !own) return load_same(w, in, at[__builtin_ctz(w.mask)], size);
  if (shape != Shape::ROW || own || in.strong) return load_lanes(w, in, at, size);
  const Place p = place(w, in, 0, at[0], size);
  /* The whole row must be in the region, and nobody else have written it. */
  if (p.region->end - p.region->begin - p.offset < LANES * size ||
      !all_set(p.region->defined ? p.region->defined + p.offset : nullptr, LANES * size) ||
      !note_row<false>(w, *p.region, p.offset, size)) {
    return load_lanes(w, in, at, size);
  }
  if (in.wide) {
    switch (in.bytes) {
      case 4: in.extends ? load_row<int32_t, uint64_t>(w, in, p.data())
                         : load_row<uint32_t, uint64_t>(w, in, p.data()); break;
      case 8: load_row<uint64_t, uint64_t>(w, in, p.data()); break;
      default: return load_lanes(w, in, at, size);
    }
  } else {
    switch (in.bytes) {
      case 1: in.extends ? load_row<int8_t, uint32_t>(w, in, p.data())
                         : load_row<uint8_t, uint32_t>(w, in, p.data()); break;
      case 2: in.extends ? load_row<int16_t, uint32_t>(w, in, p.data())
                         : load_row<uint16_t, uint32_t>(w, in, p.data()); break;
      default: load_row<uint32_t, uint32_t>(w, in, p.data()); break;
    }
  }
  for (unsigned i = 0; i < in.count; i++) define(w, in.d[i], ~0u);
}

/* Of lanes whose values were never set: in a thread's or block's own memory they stay so. */
void unset_store(Warp &w, const Instr &in, unsigned lane, const Place &p) {
  const bool own = p.region == &w.block->shared || p.region == &w.block->local_of_lane[lane];
  for (unsigned i = 0; i < in.count; i++) {
    if (defined(w, in.s[i]) >> lane & 1) continue;
    if (!own) w.block->fault(w, lane, Fault::UNSET, "writes a value that was never set");
    if (p.region->defined) std::memset(p.region->defined + p.offset + i * in.bytes, 0, in.bytes);
  }
}

void store_lanes(Warp &w, const Instr &in, const uint64_t *at, unsigned size) {
  uint32_t known = ~0u;
  for (unsigned i = 0; i < in.count; i++) known &= defined(w, in.s[i]);
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const unsigned l = (unsigned)__builtin_ctz(left);
    const Place p = place(w, in, l, at[l], size);
    if (p.region->constant) w.block->fault(w, l, Fault::READ_ONLY, "writes what is only read");
    uint8_t bytes[32];
    for (unsigned i = 0; i < in.count; i++) {
      const uint64_t value = lane_of(w, in.s[i], in.wide, l);
      std::memcpy(bytes + i * in.bytes, &value, in.bytes);
    }
    if (!in.strong) {
      note_write(w, *p.region, p.offset, size, l, std::memcmp(p.data(), bytes, size) != 0);
    }
    std::memcpy(p.data(), bytes, size);
    if (p.region->defined) std::memset(p.region->defined + p.offset, 1, size);
    if (!(known >> l & 1)) unset_store(w, in, l, p);
  }
}

void store(Warp &w, const Instr &in) {
  alignas(64) uint64_t at[LANES];
  const unsigned size = (unsigned)in.bytes * in.count;
  addresses_of(w, in, at);
  uint32_t known = ~0u;
  for (unsigned i = 0; i < in.count; i++) known &= defined(w, in.s[i]);
  const bool own = in.space == Space::LOCAL ||
                   (in.space == Space::GENERIC &&
                    (at[__builtin_ctz(w.mask)] & WINDOW_MASK) == LOCAL_WINDOW);
  if (own || in.strong || known != ~0u || shape_of(w, at, size) != Shape::ROW) {
    return store_lanes(w, in, at, size);
  }
  const Place p = place(w, in, 0, at[0], size);
  if (p.region->end - p.region->begin - p.offset < LANES * size || p.region->constant ||
      !note_row<true>(w, *p.region, p.offset, size)) {
    return store_lanes(w, in, at, size);
  }
  if (in.wide) {
    switch (in.bytes) {
      case 4: store_row<uint32_t, uint64_t>(w, in, p.data()); break;
      case 8: store_row<uint64_t, uint64_t>(w, in, p.data()); break;
      default: return store_lanes(w, in, at, size);
    }
  } else {
    switch (in.bytes) {
      case 1: store_row<uint8_t, uint32_t>(w, in, p.data()); break;
      case 2: store_row<uint16_t, uint32_t>(w, in, p.data()); break;
      default: store_row<uint32_t, uint32_t>(w, in, p.data()); break;
    }
  }
  if (p.region->defined) std::memset(p.region->defined + p.offset, 1, LANES * size);
}
}  // namespace

Handler atomic_handler(const Key &key);

Handler memory_handler(const Key &key) {
  switch (key.op) {
    case Op::LD: return load;
    case Op::ST: return store;
    case Op::ATOM: return atomic_handler(key);
    default: return nullptr;
  }
}

}  // namespace PTX_ISA
}  // namespace ptx
