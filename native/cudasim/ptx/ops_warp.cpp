/* Atomics, and what the threads of a warp do together. */
#include "access.h"

namespace ptx {
namespace PTX_ISA {

namespace {
/* Other host threads run other blocks at the same time, so these are atomic on the host too. */
template <class T, class F> ALWAYS T exchange(uint8_t *at, F f) {
  Bits<T> *const memory = (Bits<T> *)at;
  Bits<T> before = __atomic_load_n(memory, __ATOMIC_RELAXED);
  for (;;) {
    const Bits<T> after = bits_as<Bits<T>>((T)f(bits_as<T>(before)));
    if (__atomic_compare_exchange_n(memory, &before, after, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_RELAXED)) {
      return bits_as<T>(before);
    }
  }
}

template <class T> ALWAYS T sum(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return canonical(a + b);
  } else {
    return (T)((std::make_unsigned_t<T>)a + (std::make_unsigned_t<T>)b);
  }
}

template <class T> T changed(Atomic kind, T a, T b, T c) {
  switch (kind) {
    case Atomic::ADD: return sum<T>(a, b);
    case Atomic::MIN: return a < b ? a : b;
    case Atomic::MAX: return a > b ? a : b;
    case Atomic::INC: return a >= b ? 0 : (T)(a + 1);
    case Atomic::DEC: return a == 0 || a > b ? b : (T)(a - 1);
    case Atomic::CAS: return a == b ? c : a;
    case Atomic::EXCH: return b;
    default: break;
  }
  if constexpr (std::is_integral_v<T>) {
    if (kind == Atomic::AND) return a & b;
    if (kind == Atomic::OR) return a | b;
    return a ^ b;
  } else {
    return a;
  }
}

template <class T> void atomic(Warp &w, const Instr &in) {
  const Atomic kind = (Atomic)in.kind;
  alignas(64) uint64_t at[LANES];
  addresses_of(w, in, at);
  const Stored<T> *b = row<T>(w, in.s[0]), *c = row<T>(w, in.s[1]);
  Stored<T> *d = row<T>(w, in.d[0]);
  uint32_t known = defined(w, in.s[0]);
  if (kind == Atomic::CAS) known &= defined(w, in.s[1]);
  if (w.mask & ~known) {
    w.block->fault(w, (unsigned)__builtin_ctz(w.mask & ~known), Fault::UNSET,
                   "has an operand that was never set");
  }
  known = 0;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const unsigned l = (unsigned)__builtin_ctz(left);
    const Place p = place(w, in, l, at[l], sizeof(T));
    if (p.region->constant) w.block->fault(w, l, Fault::READ_ONLY, "writes what is only read");
    note_atomic(w, *p.region, p.offset, sizeof(T), l);
    uint8_t *defined = p.region->defined ? p.region->defined + p.offset : nullptr;
    if (!defined || !std::memchr(defined, 0, sizeof(T))) known |= 1u << l;
    if (kind != Atomic::EXCH && !(known >> l & 1)) {
      w.block->fault(w, l, Fault::UNSET, "changes memory that was never written");
    }
    const T operand = b[l], other = c[l];
    d[l] = exchange<T>(p.data(), [=](T a) { return changed<T>(kind, a, operand, other); });
    if (defined) std::memset(defined, 1, sizeof(T));
  }
  define(w, in.d[0], known);
}

/* --- Votes and shuffles; the loop has seen to it that the threads named are there. */

uint32_t named_lanes(const Warp &w, const Instr &in) {
  return row<uint32_t>(w, in.s[0])[__builtin_ctz(w.mask)] & w.mask;
}

void vote(Warp &w, const Instr &in) {
  const uint32_t named = named_lanes(w, in);
  uint32_t p = w.predicates[in.s[2]];
  if (in.negated) p = ~p;
  const uint32_t known = (named & ~w.predicates_defined[in.s[2]]) == 0 ? ~0u : 0;
  const bool any = (p & named) != 0, all = (p & named) == named;
  switch ((Vote)in.kind) {
    case Vote::ANY: return set_predicate(w, in.d[0], any ? ~0u : 0, known);
    case Vote::ALL: return set_predicate(w, in.d[0], all ? ~0u : 0, known);
    case Vote::UNI: return set_predicate(w, in.d[0], all || !any ? ~0u : 0, known);
    default: break;
  }
  uint32_t *d = row<uint32_t>(w, in.d[0]);
  for (unsigned l = 0; l < LANES; l++) put<uint32_t>(w, d, l, p & named, w.full);
  define(w, in.d[0], known);
}

void shuffle(Warp &w, const Instr &in) {
  const uint32_t named = named_lanes(w, in);
  const uint32_t *a = row<uint32_t>(w, in.s[1]), *b = row<uint32_t>(w, in.s[2]),
                 *c = row<uint32_t>(w, in.s[3]);
  const uint32_t known = defined(w, in.s[1]);
  uint32_t result[LANES], valid = 0, result_known = 0;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const unsigned l = (unsigned)__builtin_ctz(left);
    const int by = (int)(b[l] & 0x1f), clamp = (int)(c[l] & 0x1f);
    const int segment = (int)(c[l] >> 8 & 0x1f), lane = (int)l;
    const int most = (lane & segment) | (clamp & ~segment & 0x1f), least = lane & segment;
    int from = 0;
    bool inside = false;
    switch ((Shuffle)in.kind) {
      case Shuffle::UP: from = lane - by; inside = from >= most; break;
      case Shuffle::DOWN: from = lane + by; inside = from <= most; break;
      case Shuffle::BUTTERFLY: from = lane ^ by; inside = from <= most; break;
      case Shuffle::INDEX: from = least | (by & ~segment & 0x1f); inside = from <= most; break;
    }
    if (!inside) from = lane;
    valid |= (uint32_t)inside << l;
    if (!(named >> from & 1)) {
      w.block->fault(w, l, Fault::BARRIER,
                     "shuffles from lane " + number((uint64_t)from) + ", which does not take part");
    }
    result[l] = a[from];
    result_known |= (known >> from & 1) << l;
  }
  uint32_t *d = row<uint32_t>(w, in.d[0]);
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const unsigned l = (unsigned)__builtin_ctz(left);
    d[l] = result[l];
  }
  define(w, in.d[0], result_known);
  set_predicate(w, in.d[1], valid, ~0u);
}

void active_mask(Warp &w, const Instr &in) {
  uint32_t *d = row<uint32_t>(w, in.d[0]);
  for (unsigned l = 0; l < LANES; l++) put<uint32_t>(w, d, l, w.mask, w.full);
  define(w, in.d[0], ~0u);
}

void trap(Warp &w, const Instr &) {
  w.block->fault(w, (unsigned)__builtin_ctz(w.mask), Fault::TRAP, "ends the kernel");
}
}  // namespace

Handler atomic_handler(const Key &key) {
  const Atomic kind = (Atomic)key.kind;
  const bool adds = kind == Atomic::ADD;
  const bool bitwise = kind == Atomic::AND || kind == Atomic::OR || kind == Atomic::XOR ||
                       kind == Atomic::EXCH || kind == Atomic::CAS;
  switch (key.type) {
    case Type::B32: return bitwise ? atomic<uint32_t> : nullptr;
    case Type::B64: return bitwise ? atomic<uint64_t> : nullptr;
    case Type::U32: return atomic<uint32_t>;
    case Type::S32: return atomic<int32_t>;
    case Type::U64: return atomic<uint64_t>;
    case Type::S64: return atomic<int64_t>;
    case Type::F32: return adds ? atomic<float> : nullptr;
    case Type::F64: return adds ? atomic<double> : nullptr;
    default: return nullptr;
  }
}

Handler warp_handler(const Key &key) {
  switch (key.op) {
    case Op::VOTE: return vote;
    case Op::SHFL: return shuffle;
    case Op::ACTIVEMASK: return active_mask;
    case Op::TRAP: return trap;
    default: return nullptr;
  }
}

}  // namespace PTX_ISA
}  // namespace ptx
