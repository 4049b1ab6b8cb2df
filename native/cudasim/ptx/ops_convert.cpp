/* cvt. Half types lie in registers as their bits. */
#include "ops.h"

namespace ptx {
namespace PTX_ISA {

namespace {
struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

ALWAYS float to_float(Half h) {
  const uint32_t magnitude = (uint32_t)(h.bits & 0x7fff) << 13;
  const uint32_t sign = (uint32_t)(h.bits & 0x8000) << 16;
  /* 2^112 makes up for the other bias, and makes subnormal numbers normal. */
  const float scaled = bits_as<float>(magnitude) * bits_as<float>(0x77800000u);
  const bool infinite = magnitude >= 0x0f800000u, nan = magnitude > 0x0f800000u;
  const uint32_t bits = infinite ? 0x7f800000u : bits_as<uint32_t>(scaled);
  return bits_as<float>(nan ? 0x7fffffffu : bits | sign);
}
ALWAYS float to_float(Brain b) { return canonical(bits_as<float>((uint32_t)b.bits << 16)); }

/* To nearest, ties to even. */
ALWAYS uint16_t half_of(float x) {
  const uint32_t bits = bits_as<uint32_t>(x), sign = bits & 0x80000000u, u = bits ^ sign;
  /* Below the normal halves: adding 0.5 leaves the result in the lowest bits, rounded. */
  const uint32_t small = bits_as<uint32_t>(bits_as<float>(u) + 0.5f) - 0x3f000000u;
  const uint32_t usual = (u + 0xc8000fffu + (u >> 13 & 1)) >> 13;
  const uint32_t finite = u < 0x38800000u ? small : usual;
  const uint32_t result = u >= 0x47800000u ? 0x7c00u : finite;
  return (uint16_t)(u > 0x7f800000u ? 0x7fffu : result | sign >> 16);
}
ALWAYS uint16_t brain_of(float x) {
  const uint32_t bits = bits_as<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  return (uint16_t)(x != x ? 0x7fffu : rounded);
}

template <class D, class S> struct Integers {
  static void run(Warp &w, const Instr &in) {
    map<D, S>(w, in, [](S a) { return (D)a; });
  }
};

template <class T> ALWAYS T integral(T a, Round round) {
  T r;
  switch (round) {
    case Round::NEAREST: r = sizeof(T) == 4 ? (T)__builtin_rintf((float)a) : (T)__builtin_rint(a); break;
    case Round::ZERO: r = sizeof(T) == 4 ? (T)__builtin_truncf((float)a) : (T)__builtin_trunc(a); break;
    case Round::DOWN: r = sizeof(T) == 4 ? (T)__builtin_floorf((float)a) : (T)__builtin_floor(a); break;
    default: r = sizeof(T) == 4 ? (T)__builtin_ceilf((float)a) : (T)__builtin_ceil(a); break;
  }
  return canonical(r);
}

/* Out of range gives the nearest, NaN what the PTX manual's table for cvt says. */
template <class D, class S> ALWAYS D saturated(S whole) {
  const bool wide = sizeof(S) == 8 || sizeof(D) == 8;
  const D nan = wide ? (D)((std::make_unsigned_t<D>)1 << (8 * sizeof(D) - 1)) : (D)0;
  const int bits = 8 * (int)sizeof(D) - (std::is_signed_v<D> ? 1 : 0);
  const S above = (S)__builtin_ldexp(1.0, bits);
  const D most = (D)(std::is_signed_v<D> ? (std::make_unsigned_t<D>)-1 >> 1
                                         : (std::make_unsigned_t<D>)-1);
  const D least = (D)(std::is_signed_v<D> ? ~most : 0);
  if (whole != whole) return nan;
  if (whole >= above) return most;
  if (whole <= (std::is_signed_v<D> ? -above : (S)0)) return least;
  return (D)whole;
}

template <class D, class S> struct RealToInteger {
  template <Round ROUND> static void rounds(Warp &w, const Instr &in) {
    const Stored<S> *a = row<S>(w, in.s[0]);
    Stored<D> *d = row<D>(w, in.d[0]);
    for (unsigned l = 0; l < LANES; l++) {
      put<D>(w, d, l, saturated<D, S>(integral<S>(a[l], ROUND)), w.full);
    }
    define(w, in.d[0], defined(w, in.s[0]));
  }
  static Handler handler(const Key &key) {
    if (!key.to_integral) return nullptr;
    switch (key.round) {
      case Round::NEAREST: return rounds<Round::NEAREST>;
      case Round::ZERO: return rounds<Round::ZERO>;
      case Round::DOWN: return rounds<Round::DOWN>;
      default: return rounds<Round::UP>;
    }
  }
};

/* From integers, and from float64 to float32: rounded once. */
template <class D, class S> struct ToReal {
  template <Round ROUND> static void rounds(Warp &w, const Instr &in) {
    if (ROUND != Round::NEAREST) {
      std::fesetround(ROUND == Round::ZERO ? FE_TOWARDZERO
                      : ROUND == Round::UP ? FE_UPWARD
                                           : FE_DOWNWARD);
    }
    map<D, S>(w, in, [](S a) { return canonical<D>((D)a); });
    if (ROUND != Round::NEAREST) std::fesetround(FE_TONEAREST);
  }
  static Handler handler(const Key &key) {
    if (key.to_integral) return nullptr;
    switch (key.round) {
      case Round::NEAREST: return rounds<Round::NEAREST>;
      case Round::ZERO: return rounds<Round::ZERO>;
      case Round::DOWN: return rounds<Round::DOWN>;
      case Round::UP: return rounds<Round::UP>;
      default: return nullptr;
    }
  }
};

template <class T> Handler same_real(const Key &key) {
  if (!key.to_integral) return nullptr;
  switch (key.round) {
    case Round::NEAREST:
      return [](Warp &w, const Instr &in) {
        map<T, T>(w, in, [](T a) { return integral<T>(a, Round::NEAREST); });
      };
    case Round::ZERO:
      return [](Warp &w, const Instr &in) {
        map<T, T>(w, in, [](T a) { return integral<T>(a, Round::ZERO); });
      };
    case Round::DOWN:
      return [](Warp &w, const Instr &in) {
        map<T, T>(w, in, [](T a) { return integral<T>(a, Round::DOWN); });
      };
    default:
      return [](Warp &w, const Instr &in) {
        map<T, T>(w, in, [](T a) { return integral<T>(a, Round::UP); });
      };
  }
}

void widen(Warp &w, const Instr &in) {
  map<double, float>(w, in, [](float a) { return canonical((double)a); });
}
template <class H> void from_half(Warp &w, const Instr &in) {
  map<float, uint16_t>(w, in, [](uint16_t a) { return to_float(H{a}); });
}
void to_half(Warp &w, const Instr &in) {
  map<uint16_t, float>(w, in, [](float a) { return half_of(a); });
}
void to_brain(Warp &w, const Instr &in) {
  map<uint16_t, float>(w, in, [](float a) { return brain_of(a); });
}

/* F<D, S> for the integers that two types name. */
template <template <class, class> class F, class D> Handler from_integer(Type from) {
  switch (from) {
    case Type::U8: return F<D, uint8_t>::run;
    case Type::S8: return F<D, int8_t>::run;
    case Type::U16: return F<D, uint16_t>::run;
    case Type::S16: return F<D, int16_t>::run;
    case Type::U32: return F<D, uint32_t>::run;
    case Type::S32: return F<D, int32_t>::run;
    case Type::U64: return F<D, uint64_t>::run;
    case Type::S64: return F<D, int64_t>::run;
    default: return nullptr;
  }
}
Handler between_integers(const Key &key) {
  switch (key.type) {
    case Type::U8: return from_integer<Integers, uint8_t>(key.from);
    case Type::S8: return from_integer<Integers, int8_t>(key.from);
    case Type::U16: return from_integer<Integers, uint16_t>(key.from);
    case Type::S16: return from_integer<Integers, int16_t>(key.from);
    case Type::U32: return from_integer<Integers, uint32_t>(key.from);
    case Type::S32: return from_integer<Integers, int32_t>(key.from);
    case Type::U64: return from_integer<Integers, uint64_t>(key.from);
    case Type::S64: return from_integer<Integers, int64_t>(key.from);
    default: return nullptr;
  }
}
template <class D> Handler real_from_integer(const Key &key) {
  switch (key.from) {
    case Type::U16: return ToReal<D, uint16_t>::handler(key);
    case Type::S16: return ToReal<D, int16_t>::handler(key);
    case Type::U32: return ToReal<D, uint32_t>::handler(key);
    case Type::S32: return ToReal<D, int32_t>::handler(key);
    case Type::U64: return ToReal<D, uint64_t>::handler(key);
    case Type::S64: return ToReal<D, int64_t>::handler(key);
    default: return nullptr;
  }
}
template <class S> Handler integer_from_real(const Key &key) {
  switch (key.type) {
    case Type::U16: return RealToInteger<uint16_t, S>::handler(key);
    case Type::S16: return RealToInteger<int16_t, S>::handler(key);
    case Type::U32: return RealToInteger<uint32_t, S>::handler(key);
    case Type::S32: return RealToInteger<int32_t, S>::handler(key);
    case Type::U64: return RealToInteger<uint64_t, S>::handler(key);
    case Type::S64: return RealToInteger<int64_t, S>::handler(key);
    default: return nullptr;
  }
}
}  // namespace

Handler convert_handler(const Key &key) {
  if (key.op != Op::CVT) return nullptr;
  const bool unrounded = key.round == Round::NONE;
  const bool to_real = is_float(key.type), from_real = is_float(key.from);
  if (!to_real && !from_real) return unrounded ? between_integers(key) : nullptr;
  if (key.from == Type::F16) {
    return key.type == Type::F32 && unrounded ? from_half<Half> : nullptr;
  }
  if (key.from == Type::BF16) {
    return key.type == Type::F32 && unrounded ? from_half<Brain> : nullptr;
  }
  const bool nearest = key.round == Round::NEAREST && !key.to_integral;
  if (key.type == Type::F16) return key.from == Type::F32 && nearest ? to_half : nullptr;
  if (key.type == Type::BF16) return key.from == Type::F32 && nearest ? to_brain : nullptr;
  if (!from_real) {
    return key.type == Type::F32 ? real_from_integer<float>(key) : real_from_integer<double>(key);
  }
  if (!to_real) {
    return key.from == Type::F32 ? integer_from_real<float>(key) : integer_from_real<double>(key);
  }
  if (key.type == key.from) {
    return key.type == Type::F32 ? same_real<float>(key) : same_real<double>(key);
  }
  if (key.type == Type::F64) return unrounded ? widen : nullptr;
  return ToReal<float, double>::handler(key);
}

}  // namespace PTX_ISA
}  // namespace ptx
