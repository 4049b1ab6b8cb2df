/* Comparisons, which make predicates, and choices by them. */
#include "ops.h"

namespace ptx {
namespace PTX_ISA {

namespace {
/* The predicate with which the result is combined is the third source. */
ALWAYS void compared(Warp &w, const Instr &in, uint32_t result, uint32_t known) {
  uint32_t other = ~result;
  if (in.combine != Combine::NONE) {
    uint32_t c = w.predicates[in.s[2]];
    known &= w.predicates_defined[in.s[2]];
    if (in.negated) c = ~c;
    switch (in.combine) {
      case Combine::AND: result &= c, other &= c; break;
      case Combine::OR: result |= c, other |= c; break;
      default: result ^= c, other ^= c; break;
    }
  }
  set_predicate(w, in.d[0], result, known);
  set_predicate(w, in.d[1], other, known);
}

template <Compare C, class T> ALWAYS bool holds(T a, T b) {
  const bool unordered = a != a || b != b;
  switch (C) {
    case Compare::EQ: return a == b;
    case Compare::NE: return !unordered && a != b;
    case Compare::LT: return a < b;
    case Compare::LE: return a <= b;
    case Compare::GT: return a > b;
    case Compare::GE: return a >= b;
    case Compare::EQU: return unordered || a == b;
    case Compare::NEU: return a != b;
    case Compare::LTU: return !(a >= b);
    case Compare::LEU: return !(a > b);
    case Compare::GTU: return !(a <= b);
    case Compare::GEU: return !(a < b);
    case Compare::NUM: return !unordered;
    default: return unordered;
  }
}

template <class T, Compare C> struct Setp {
  static void run(Warp &w, const Instr &in) {
    alignas(64) int32_t lanes[LANES];
    const Stored<T> *a = row<T>(w, in.s[0]), *b = row<T>(w, in.s[1]);
    EACH_LANE(l) lanes[l] = holds<C, T>((T)a[l], (T)b[l]) ? -1 : 0;
    compared(w, in, mask_of(lanes), defined(w, in.s[0]) & defined(w, in.s[1]));
  }
};

template <class T> Handler of_integers(const Key &key) {
  switch ((Compare)key.kind) {
    case Compare::EQ: return Setp<T, Compare::EQ>::run;
    case Compare::NE: return Setp<T, Compare::NE>::run;
    case Compare::LT: return Setp<T, Compare::LT>::run;
    case Compare::LE: return Setp<T, Compare::LE>::run;
    case Compare::GT: return Setp<T, Compare::GT>::run;
    case Compare::GE: return Setp<T, Compare::GE>::run;
    default: return nullptr;
  }
}

template <class T> Handler of_reals(const Key &key) {
  switch ((Compare)key.kind) {
    case Compare::EQU: return Setp<T, Compare::EQU>::run;
    case Compare::NEU: return Setp<T, Compare::NEU>::run;
    case Compare::LTU: return Setp<T, Compare::LTU>::run;
    case Compare::LEU: return Setp<T, Compare::LEU>::run;
    case Compare::GTU: return Setp<T, Compare::GTU>::run;
    case Compare::GEU: return Setp<T, Compare::GEU>::run;
    case Compare::NUM: return Setp<T, Compare::NUM>::run;
    case Compare::NOT_A_NUMBER: return Setp<T, Compare::NOT_A_NUMBER>::run;
    default: return of_integers<T>(key);
  }
}

template <class T> ALWAYS bool passes(Test test, T a) {
  const T magnitude = a < 0 ? -a : a;
  const T infinity = (T)__builtin_inf();
  const T least = sizeof(T) == 4 ? (T)1.1754943508222875e-38 : (T)2.2250738585072014e-308;
  switch (test) {
    case Test::FINITE: return magnitude < infinity;
    case Test::INFINITE: return magnitude == infinity;
    case Test::NUMBER: return a == a;
    case Test::NOT_A_NUMBER: return a != a;
    case Test::NORMAL: return magnitude >= least && magnitude < infinity;
    default: return magnitude > 0 && magnitude < least;
  }
}
template <class T> struct Testp {
  static void run(Warp &w, const Instr &in) {
    alignas(64) int32_t lanes[LANES];
    const Stored<T> *a = row<T>(w, in.s[0]);
    for (unsigned l = 0; l < LANES; l++) lanes[l] = passes<T>((Test)in.kind, a[l]) ? -1 : 0;
    set_predicate(w, in.d[0], mask_of(lanes), defined(w, in.s[0]));
  }
};

template <class T> struct Selp {
  static void run(Warp &w, const Instr &in) {
    alignas(64) int32_t chosen[LANES];
    const uint32_t p = w.predicates[in.s[2]];
    EACH_LANE(l) chosen[l] = (int32_t)(p >> l & 1);
    const Stored<T> *a = row<T>(w, in.s[0]), *b = row<T>(w, in.s[1]);
    Stored<T> *d = row<T>(w, in.d[0]);
    if (w.full) {
      EACH_LANE(l) put<T>(w, d, l, (T)(chosen[l] ? a[l] : b[l]), true);
    } else {
      EACH_LANE(l) put<T>(w, d, l, (T)(chosen[l] ? a[l] : b[l]), false);
    }
    define(w, in.d[0], w.predicates_defined[in.s[2]] &
                           ((p & defined(w, in.s[0])) | (~p & defined(w, in.s[1]))));
  }
};
}  // namespace

Handler compare_handler(const Key &key) {
  if (key.op == Op::SELP) {
    switch (bytes_of(key.type)) {
      case 2: return Selp<uint16_t>::run;
      case 4: return Selp<uint32_t>::run;
      case 8: return Selp<uint64_t>::run;
      default: return nullptr;
    }
  }
  if (key.op == Op::TESTP) {
    return key.type == Type::F32   ? Testp<float>::run
           : key.type == Type::F64 ? Testp<double>::run
                                   : nullptr;
  }
  if (key.op != Op::SETP) return nullptr;
  switch (key.type) {
    case Type::B16: case Type::U16: return of_integers<uint16_t>(key);
    case Type::B32: case Type::U32: return of_integers<uint32_t>(key);
    case Type::B64: case Type::U64: return of_integers<uint64_t>(key);
    case Type::S16: return of_integers<int16_t>(key);
    case Type::S32: return of_integers<int32_t>(key);
    case Type::S64: return of_integers<int64_t>(key);
    case Type::F32: return of_reals<float>(key);
    case Type::F64: return of_reals<double>(key);
    default: return nullptr;
  }
}

}  // namespace PTX_ISA
}  // namespace ptx
