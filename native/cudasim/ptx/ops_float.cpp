/*
 * Floating-point arithmetic, each operation rounded once as IEEE 754 says. Where another rounding
 * than to nearest is asked for, the processor is set to it around the loop.
 */
#include "ops.h"

#include "../approximate.h"

namespace ptx {
namespace PTX_ISA {

namespace {
/*
 * The loop's operands come from memory and its results go there, so the calls around it, of which
 * the compiler knows nothing, stay around it.
 */
template <Round ROUND> struct Rounding {
  Rounding() {
    if (ROUND != Round::NEAREST) {
      std::fesetround(ROUND == Round::ZERO ? FE_TOWARDZERO
                      : ROUND == Round::UP ? FE_UPWARD
                                           : FE_DOWNWARD);
    }
  }
  ~Rounding() {
    if (ROUND != Round::NEAREST) std::fesetround(FE_TONEAREST);
  }
};

#define REAL_BINARY(Name, expression)                                                     \
  template <class T, Round ROUND> struct Name {                                           \
    static void run(Warp &w, const Instr &in) {                                           \
      const Rounding<ROUND> rounding;                                                     \
      map<T, T, T>(w, in, [](T a, T b) { return canonical<T>(expression); });             \
    }                                                                                     \
  };
REAL_BINARY(Add, a + b)
REAL_BINARY(Sub, a - b)
REAL_BINARY(Mul, a * b)
REAL_BINARY(Div, a / b)

template <class T, Round ROUND> struct Fma {
  static void run(Warp &w, const Instr &in) {
    const Rounding<ROUND> rounding;
    map<T, T, T, T>(w, in, [](T a, T b, T c) { return canonical<T>(multiply_add(a, b, c)); });
  }
};
template <class T, Round ROUND> struct Sqrt {
  static void run(Warp &w, const Instr &in) {
    const Rounding<ROUND> rounding;
    map<T, T>(w, in, [](T a) { return canonical<T>(sizeof(T) == 4 ? (T)__builtin_sqrtf((float)a)
                                                                  : (T)__builtin_sqrt((double)a)); });
  }
};
template <class T, Round ROUND> struct Rcp {
  static void run(Warp &w, const Instr &in) {
    const Rounding<ROUND> rounding;
    map<T, T>(w, in, [](T a) { return canonical<T>((T)1 / a); });
  }
};

template <float (*ABOUT)(float)> void about(Warp &w, const Instr &in) {
  map<float, float>(w, in, [](float a) { return canonical<float>(ABOUT(a)); });
}

template <template <class, Round> class F, class T> Handler rounded(Round round) {
  switch (round) {
    case Round::NEAREST: return F<T, Round::NEAREST>::run;
    case Round::ZERO: return F<T, Round::ZERO>::run;
    case Round::DOWN: return F<T, Round::DOWN>::run;
    case Round::UP: return F<T, Round::UP>::run;
    default: return nullptr;
  }
}
template <template <class, Round> class F> Handler rounded(const Key &key) {
  return key.type == Type::F32 ? rounded<F, float>(key.round) : rounded<F, double>(key.round);
}

/* -0 is below +0; a NaN loses against a number unless it must win. */
template <class T, bool MAX, bool NAN_WINS> ALWAYS T extreme(T a, T b) {
  const Bits<T> x = bits_as<Bits<T>>(a), y = bits_as<Bits<T>>(b);
  const T equal = bits_as<T>(MAX ? x & y : x | y); /* differ in the sign of a zero at most */
  const T ordered = a == b ? equal : ((a < b) == MAX ? b : a);
  const T other = a != a ? b : a;
  const bool unordered = a != a || b != b;
  return canonical<T>(unordered ? (NAN_WINS ? not_a_number<T>() : other) : ordered);
}
template <class T, bool MAX, bool NAN_WINS> void extremes(Warp &w, const Instr &in) {
  map<T, T, T>(w, in, [](T a, T b) { return extreme<T, MAX, NAN_WINS>(a, b); });
}

/* Operations on the sign's bit. */
template <class U> struct Sign {
  static const U BIT = (U)1 << (8 * sizeof(U) - 1);
  static void abs(Warp &w, const Instr &in) {
    map<U, U>(w, in, [](U a) { return a & ~BIT; });
  }
  static void neg(Warp &w, const Instr &in) {
    map<U, U>(w, in, [](U a) { return a ^ BIT; });
  }
  static void copy(Warp &w, const Instr &in) {
    map<U, U, U>(w, in, [](U a, U b) { return (a & BIT) | (b & ~BIT); });
  }
};
#define BY_TYPE(narrow, wide) (key.type == Type::F32 ? narrow : wide)
}  // namespace

Handler float_handler(const Key &key) {
  if (key.type != Type::F32 && key.type != Type::F64) return nullptr;
  switch (key.op) {
    case Op::ADD: return rounded<Add>(key);
    case Op::SUB: return rounded<Sub>(key);
    case Op::MUL: return rounded<Mul>(key);
    case Op::FMA: return rounded<Fma>(key);
    case Op::DIV: return rounded<Div>(key);
    case Op::SQRT: return rounded<Sqrt>(key);
    case Op::RCP: return rounded<Rcp>(key);
    case Op::SQRT_ABOUT: return about<approximate::root>;
    case Op::SQRT_NORMAL_ABOUT: return about<approximate::normal_root>;
    case Op::RCP_ABOUT: return about<approximate::reciprocal>;
    case Op::MIN: return BY_TYPE((extremes<float, false, false>), (extremes<double, false, false>));
    case Op::MAX: return BY_TYPE((extremes<float, true, false>), (extremes<double, true, false>));
    case Op::MIN_NAN:
      return key.type == Type::F32 ? extremes<float, false, true> : nullptr;
    case Op::MAX_NAN:
      return key.type == Type::F32 ? extremes<float, true, true> : nullptr;
    case Op::ABS: return BY_TYPE(Sign<uint32_t>::abs, Sign<uint64_t>::abs);
    case Op::NEG: return BY_TYPE(Sign<uint32_t>::neg, Sign<uint64_t>::neg);
    case Op::COPYSIGN: return BY_TYPE(Sign<uint32_t>::copy, Sign<uint64_t>::copy);
    default: return nullptr;
  }
}

}  // namespace PTX_ISA
}  // namespace ptx
