/*
 * What the code of instructions shares. It is compiled once for any processor and once for AVX2, so
 * all of it is local to its source file.
 */
#ifndef PTX_OPS_H
#define PTX_OPS_H

#include <cfenv>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "warp.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define ALWAYS static inline __attribute__((always_inline))
#define EACH_LANE(l) _Pragma("GCC ivdep") for (unsigned l = 0; l < LANES; l++)

namespace ptx {
namespace PTX_ISA {

/* What lanes of a row are stored as; narrower types lie in 32 bits and are cut when read. */
template <class T> using Stored = std::conditional_t<
    sizeof(T) == 8, T, std::conditional_t<sizeof(T) == 4, T, uint32_t>>;
template <class T> using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class To, class From> ALWAYS To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "sizes");
  return __builtin_bit_cast(To, from);
}

template <class T> ALWAYS const Stored<T> *row(const Warp &w, uint32_t at) {
  return (const Stored<T> *)__builtin_assume_aligned(w.rows + at, 64);
}
template <class T> ALWAYS Stored<T> *row(Warp &w, uint32_t at) {
  return (Stored<T> *)__builtin_assume_aligned(w.rows + at, 64);
}

template <class T> ALWAYS void put(const Warp &w, Stored<T> *to, unsigned l, T value, bool full) {
  Bits<T> bits;
  if constexpr (sizeof(T) >= 4) {
    bits = bits_as<Bits<T>>(value);
  } else {
    bits = (uint32_t)value; /* signed ones with their sign */
  }
  Bits<T> *const stored = (Bits<T> *)to;
  if (full) {
    stored[l] = bits;
  } else if constexpr (sizeof(T) == 8) {
    stored[l] = w.lanes64[l] ? bits : stored[l];
  } else {
    stored[l] = w.lanes[l] ? bits : stored[l];
  }
}

/* Rows' and predicates' lanes that hold values. */
ALWAYS uint32_t defined(const Warp &w, uint32_t at) { return w.defined[at / ROW]; }
ALWAYS void define(Warp &w, uint32_t at, uint32_t lanes) {
  uint32_t &known = w.defined[at / ROW];
  known = (known & ~w.mask) | (lanes & w.mask);
}
ALWAYS void set_predicate(Warp &w, uint32_t p, uint32_t lanes, uint32_t defined) {
  if (p == NO_PREDICATE) return;
  w.predicates[p] = (w.predicates[p] & ~w.mask) | (lanes & w.mask);
  w.predicates_defined[p] = (w.predicates_defined[p] & ~w.mask) | (defined & w.mask);
}

/* Bit l of the result is whether lane l, 0 or -1, is set. */
ALWAYS uint32_t mask_of(const int32_t *lanes) {
#ifdef __AVX2__
  uint32_t mask = 0;
  for (unsigned i = 0; i < 4; i++) {
    const __m256i eight = _mm256_load_si256((const __m256i *)(lanes + 8 * i));
    mask |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(eight)) << (8 * i);
  }
  return mask;
#else
  uint32_t mask = 0;
  for (unsigned l = 0; l < LANES; l++) mask |= (uint32_t)(lanes[l] & 1) << l;
  return mask;
#endif
}

template <class D, class A, class F> ALWAYS void map(Warp &w, const Instr &in, F f) {
  Stored<D> *d = row<D>(w, in.d[0]);
  const Stored<A> *a = row<A>(w, in.s[0]);
  if (w.full) {
    EACH_LANE(l) put<D>(w, d, l, (D)f((A)a[l]), true);
  } else {
    EACH_LANE(l) put<D>(w, d, l, (D)f((A)a[l]), false);
  }
  define(w, in.d[0], defined(w, in.s[0]));
}

template <class D, class A, class B, class F> ALWAYS void map(Warp &w, const Instr &in, F f) {
  Stored<D> *d = row<D>(w, in.d[0]);
  const Stored<A> *a = row<A>(w, in.s[0]);
  const Stored<B> *b = row<B>(w, in.s[1]);
  if (w.full) {
    EACH_LANE(l) put<D>(w, d, l, (D)f((A)a[l], (B)b[l]), true);
  } else {
    EACH_LANE(l) put<D>(w, d, l, (D)f((A)a[l], (B)b[l]), false);
  }
  define(w, in.d[0], defined(w, in.s[0]) & defined(w, in.s[1]));
}

template <class D, class A, class B, class C, class F> ALWAYS void map(
    Warp &w, const Instr &in, F f) {
  Stored<D> *d = row<D>(w, in.d[0]);
  const Stored<A> *a = row<A>(w, in.s[0]);
  const Stored<B> *b = row<B>(w, in.s[1]);
  const Stored<C> *c = row<C>(w, in.s[2]);
  if (w.full) {
    EACH_LANE(l) put<D>(w, d, l, (D)f((A)a[l], (B)b[l], (C)c[l]), true);
  } else {
    EACH_LANE(l) put<D>(w, d, l, (D)f((A)a[l], (B)b[l], (C)c[l]), false);
  }
  define(w, in.d[0], defined(w, in.s[0]) & defined(w, in.s[1]) & defined(w, in.s[2]));
}

/* f of a type's value for the type that a key names: F is a template of handlers. */
template <template <class> class F> ALWAYS Handler integers(Type type) {
  switch (type) {
    case Type::B16: case Type::U16: return F<uint16_t>::run;
    case Type::B32: case Type::U32: return F<uint32_t>::run;
    case Type::B64: case Type::U64: return F<uint64_t>::run;
    case Type::S16: return F<int16_t>::run;
    case Type::S32: return F<int32_t>::run;
    case Type::S64: return F<int64_t>::run;
    default: return nullptr;
  }
}

template <class T> ALWAYS T not_a_number() {
  /* As NVIDIA's hardware gives it: CUDART_NAN_F and CUDART_NAN of its headers. */
  if constexpr (sizeof(T) == 4) {
    return bits_as<float>(0x7fffffffu);
  } else {
    return bits_as<double>(0xfff8000000000000ull);
  }
}
template <class T> ALWAYS T canonical(T x) { return x != x ? not_a_number<T>() : x; }

template <class T> ALWAYS T multiply_add(T a, T b, T c) {
  if constexpr (sizeof(T) == 4) {
    return __builtin_fmaf(a, b, c);
  } else {
    return __builtin_fma(a, b, c);
  }
}

Handler integer_handler(const Key &key);
Handler bit_handler(const Key &key);
Handler float_handler(const Key &key);
Handler compare_handler(const Key &key);
Handler convert_handler(const Key &key);
Handler move_handler(const Key &key);
Handler memory_handler(const Key &key);
Handler warp_handler(const Key &key);
Handler find_handler(const Key &key);

}  // namespace PTX_ISA
}  // namespace ptx

#endif
