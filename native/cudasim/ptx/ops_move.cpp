/* Moves, also of parts of a register, and addresses between spaces. */
#include "ops.h"

namespace ptx {
namespace PTX_ISA {

namespace {
template <class T> void move(Warp &w, const Instr &in) {
  map<T, T>(w, in, [](T a) { return a; });
}
void move_predicate(Warp &w, const Instr &in) {
  set_predicate(w, in.d[0], w.predicates[in.s[0]], w.predicates_defined[in.s[0]]);
}

void set_constant_predicate(Warp &w, const Instr &in) {
  set_predicate(w, in.d[0], in.offset ? ~0u : 0, ~0u);
}

/* The first part is the lowest. */
template <class Whole, class Part> void pack(Warp &w, const Instr &in) {
  uint32_t known = ~0u;
  alignas(64) Whole whole[LANES] = {};
  for (unsigned i = 0; i < in.count; i++) {
    const Stored<Part> *part = row<Part>(w, in.s[i]);
    EACH_LANE(l) whole[l] |= (Whole)(Part)part[l] << (8 * sizeof(Part) * i);
    known &= defined(w, in.s[i]);
  }
  Stored<Whole> *d = row<Whole>(w, in.d[0]);
  for (unsigned l = 0; l < LANES; l++) put<Whole>(w, d, l, whole[l], w.full);
  define(w, in.d[0], known);
}
template <class Whole, class Part> void unpack(Warp &w, const Instr &in) {
  /* The whole may share no row with a part: rows are of other widths, or read at the same time. */
  const Stored<Whole> *whole = row<Whole>(w, in.s[0]);
  const uint32_t known = defined(w, in.s[0]);
  for (unsigned i = 0; i < in.count; i++) {
    Stored<Part> *d = row<Part>(w, in.d[i]);
    for (unsigned l = 0; l < LANES; l++) {
      put<Part>(w, d, l, (Part)((Whole)whole[l] >> (8 * sizeof(Part) * i)), w.full);
    }
    define(w, in.d[i], known);
  }
}

template <bool TO> void between_spaces(Warp &w, const Instr &in) {
  const uint64_t window = window_of(in.space);
  map<uint64_t, uint64_t>(w, in, [window](uint64_t a) { return TO ? a - window : a + window; });
}
void is_space(Warp &w, const Instr &in) {
  const uint64_t *a = row<uint64_t>(w, in.s[0]);
  const uint64_t window = window_of(in.space);
  uint32_t lanes = 0;
  for (unsigned l = 0; l < LANES; l++) lanes |= (uint32_t)((a[l] & WINDOW_MASK) == window) << l;
  set_predicate(w, in.d[0], lanes, defined(w, in.s[0]));
}
}  // namespace

Handler move_handler(const Key &key) {
  switch (key.op) {
    case Op::MOV:
      switch (bytes_of(key.type)) {
        case 0:
          if (key.type != Type::PRED) return nullptr;
          return key.kind == 1 ? set_constant_predicate : move_predicate;
        case 2: return move<uint16_t>;
        case 4: return move<uint32_t>;
        case 8: return move<uint64_t>;
        default: return nullptr;
      }
    case Op::PACK:
      if (bytes_of(key.type) == 4) return pack<uint32_t, uint16_t>;
      return key.from == Type::B32 ? pack<uint64_t, uint32_t> : pack<uint64_t, uint16_t>;
    case Op::UNPACK:
      if (bytes_of(key.type) == 4) return unpack<uint32_t, uint16_t>;
      return key.from == Type::B32 ? unpack<uint64_t, uint32_t> : unpack<uint64_t, uint16_t>;
    case Op::TO_SPACE: return between_spaces<true>;
    case Op::FROM_SPACE: return between_spaces<false>;
    case Op::IS_SPACE: return key.space == Space::CONST ? nullptr : is_space;
    default: return nullptr;
  }
}

}  // namespace PTX_ISA
}  // namespace ptx
