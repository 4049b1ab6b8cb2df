/* Integer arithmetic and operations on bits. */
#include "ops.h"

namespace ptx {
namespace PTX_ISA {

namespace {
template <class T> using Wrapping = std::make_unsigned_t<T>;
template <class T> using Wider = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

template <class T> ALWAYS T product(T a, T b) {
  /* 16-bit operands would be multiplied as int, which can overflow. */
  typedef std::conditional_t<sizeof(T) == 2, uint32_t, Wrapping<T>> U;
  return (T)((U)a * (U)b);
}
template <class T> ALWAYS T high(T a, T b) {
  return (T)(((Wider<T>)a * (Wider<T>)b) >> (8 * sizeof(T)));
}

/* Hardware divides by zero without a trap; what it gives is not documented: all bits set. */
template <class T> ALWAYS T quotient(T a, T b) {
  if (b == 0) return (T)-1;
  if (std::is_signed_v<T> && b == (T)-1) return (T)(0 - (Wrapping<T>)a);
  return (T)(a / b);
}
template <class T> ALWAYS T remainder(T a, T b) {
  if (b == 0) return a;
  if (std::is_signed_v<T> && b == (T)-1) return 0;
  return (T)(a % b);
}

#define BINARY(Name, expression)                              \
  template <class T> struct Name {                            \
    static void run(Warp &w, const Instr &in) {               \
      map<T, T, T>(w, in, [](T a, T b) { return (expression); }); \
    }                                                         \
  };
#define UNARY(Name, expression)                            \
  template <class T> struct Name {                         \
    static void run(Warp &w, const Instr &in) {            \
      map<T, T>(w, in, [](T a) { return (expression); });  \
    }                                                      \
  };
BINARY(Add, (T)((Wrapping<T>)a + (Wrapping<T>)b))
BINARY(Sub, (T)((Wrapping<T>)a - (Wrapping<T>)b))
BINARY(Mul, product(a, b))
BINARY(MulHigh, high(a, b))
BINARY(Div, quotient(a, b))
BINARY(Rem, remainder(a, b))
BINARY(Min, a < b ? a : b)
BINARY(Max, a > b ? a : b)
UNARY(Abs, (T)(a < 0 ? 0 - (Wrapping<T>)a : (Wrapping<T>)a))
UNARY(Neg, (T)(0 - (Wrapping<T>)a))

template <class T> struct MulWide {
  static void run(Warp &w, const Instr &in) {
    map<Wider<T>, T, T>(w, in, [](T a, T b) { return (Wider<T>)a * (Wider<T>)b; });
  }
};
template <class T> struct Mad {
  static void run(Warp &w, const Instr &in) {
    map<T, T, T, T>(w, in, [](T a, T b, T c) { return (T)(product(a, b) + (Wrapping<T>)c); });
  }
};
template <class T> struct MadHigh {
  static void run(Warp &w, const Instr &in) {
    map<T, T, T, T>(w, in, [](T a, T b, T c) { return (T)((Wrapping<T>)high(a, b) + (Wrapping<T>)c); });
  }
};
template <class T> struct MadWide {
  static void run(Warp &w, const Instr &in) {
    typedef Wider<T> W;
    map<W, T, T, W>(w, in, [](T a, T b, W c) {
      return (W)((Wrapping<W>)((W)a * (W)b) + (Wrapping<W>)c);
    });
  }
};

BINARY(And, (T)(a & b))
BINARY(Or, (T)(a | b))
BINARY(Xor, (T)(a ^ b))
UNARY(Not, (T)~a)
UNARY(Cnot, (T)(a == 0 ? 1 : 0))

/* Shifts by the width or more give what shifts by one bit after the other would. */
template <class T> struct Shl {
  static void run(Warp &w, const Instr &in) {
    const unsigned width = 8 * sizeof(T);
    map<T, T, uint32_t>(w, in, [](T a, uint32_t b) {
      return b >= width ? (T)0 : (T)((Wrapping<T>)a << (b & (width - 1)));
    });
  }
};
template <class T> struct Shr {
  static void run(Warp &w, const Instr &in) {
    const unsigned width = 8 * sizeof(T);
    map<T, T, uint32_t>(w, in, [](T a, uint32_t b) {
      const T all = std::is_signed_v<T> && a < 0 ? (T)-1 : (T)0;
      return b >= width ? all : (T)(a >> (b & (width - 1)));
    });
  }
};
template <bool RIGHT, bool CLAMP> void funnel(Warp &w, const Instr &in) {
  map<uint32_t, uint32_t, uint32_t, uint32_t>(w, in, [](uint32_t a, uint32_t b, uint32_t c) {
    const uint32_t n = CLAMP ? (c < 32 ? c : 32) : c & 31;
    const uint64_t both = (uint64_t)b << 32 | a;
    return (uint32_t)(RIGHT ? both >> n : both << n >> 32);
  });
}

template <class T> ALWAYS unsigned leading_zeros(T a) {
  if (a == 0) return 8 * sizeof(T);
  return sizeof(T) == 8 ? (unsigned)__builtin_clzll((uint64_t)a)
                        : (unsigned)__builtin_clz((uint32_t)a);
}
template <class T> struct Popc {
  static void run(Warp &w, const Instr &in) {
    map<uint32_t, T>(w, in, [](T a) { return (uint32_t)__builtin_popcountll(a); });
  }
};
template <class T> struct Clz {
  static void run(Warp &w, const Instr &in) {
    map<uint32_t, T>(w, in, [](T a) { return leading_zeros(a); });
  }
};
template <class T> struct Bfind {
  static void run(Warp &w, const Instr &in) {
    const bool shift = in.kind == 1;
    map<uint32_t, T>(w, in, [shift](T a) {
      const Wrapping<T> u = (Wrapping<T>)(std::is_signed_v<T> && a < 0 ? ~a : a);
      if (u == 0) return 0xffffffffu;
      const uint32_t zeros = leading_zeros(u);
      return shift ? zeros : (uint32_t)(8 * sizeof(T) - 1 - zeros);
    });
  }
};
template <class T> struct Brev {
  static void run(Warp &w, const Instr &in) {
    map<T, T>(w, in, [](T a) {
      T r = 0;
      for (unsigned i = 0; i < 8 * sizeof(T); i++) r |= (T)((a >> i & 1) << (8 * sizeof(T) - 1 - i));
      return r;
    });
  }
};
template <class T> struct Bfe {
  static void run(Warp &w, const Instr &in) {
    map<T, T, uint32_t, uint32_t>(w, in, [](T a, uint32_t b, uint32_t c) {
      const unsigned width = 8 * sizeof(T);
      const unsigned from = b & 0xff, n = c & 0xff;
      const unsigned last = from + n - 1 < width - 1 ? from + n - 1 : width - 1;
      const bool sign = std::is_signed_v<T> && n > 0 && ((Wrapping<T>)a >> last & 1);
      Wrapping<T> r = sign ? (Wrapping<T>)-1 : 0;
      for (unsigned i = 0; i < n && i < width; i++) {
        const Wrapping<T> bit = from + i < width ? (Wrapping<T>)a >> (from + i) & 1 : sign;
        r = (Wrapping<T>)((r & ~((Wrapping<T>)1 << i)) | bit << i);
      }
      return (T)r;
    });
  }
};
template <class T> void insert(Warp &w, const Instr &in) {
  const Stored<T> *a = row<T>(w, in.s[0]), *b = row<T>(w, in.s[1]);
  const uint32_t *from = row<uint32_t>(w, in.s[2]), *count = row<uint32_t>(w, in.s[3]);
  Stored<T> *d = row<T>(w, in.d[0]);
  for (unsigned l = 0; l < LANES; l++) {
    T r = b[l];
    for (unsigned i = 0, at = from[l] & 0xff; i < (count[l] & 0xff) && at < 8 * sizeof(T); i++, at++) {
      r = (r & ~((T)1 << at)) | (a[l] >> i & 1) << at;
    }
    put<T>(w, d, l, r, w.full);
  }
  define(w, in.d[0], defined(w, in.s[0]) & defined(w, in.s[1]) & defined(w, in.s[2]) &
                         defined(w, in.s[3]));
}
void lop3(Warp &w, const Instr &in) {
  const uint32_t table = (uint32_t)in.offset;
  map<uint32_t, uint32_t, uint32_t, uint32_t>(w, in, [table](uint32_t a, uint32_t b, uint32_t c) {
    uint32_t r = 0;
    for (unsigned i = 0; i < 8; i++) {
      const uint32_t term = (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
      r |= table >> i & 1 ? term : 0;
    }
    return r;
  });
}
void permute(Warp &w, const Instr &in) {
  map<uint32_t, uint32_t, uint32_t, uint32_t>(w, in, [](uint32_t a, uint32_t b, uint32_t c) {
    const uint64_t both = (uint64_t)b << 32 | a;
    uint32_t r = 0;
    for (unsigned i = 0; i < 4; i++) {
      const uint32_t select = c >> (4 * i) & 0xf;
      uint32_t byte = (uint32_t)(both >> (8 * (select & 7))) & 0xff;
      if (select & 8) byte = byte & 0x80 ? 0xff : 0;
      r |= byte << (8 * i);
    }
    return r;
  });
}
Handler words(Type type, Handler narrow, Handler wide) {
  switch (type) {
    case Type::B32: case Type::U32: case Type::S32: return narrow;
    case Type::B64: case Type::U64: case Type::S64: return wide;
    default: return nullptr;
  }
}

/* For predicates: masks at once. */
template <class F> ALWAYS void predicates(Warp &w, const Instr &in, F f) {
  const uint32_t *p = w.predicates, *known = w.predicates_defined;
  set_predicate(w, in.d[0], f(p[in.s[0]], p[in.s[1]]), known[in.s[0]] & known[in.s[1]]);
}
void predicate_and(Warp &w, const Instr &in) {
  predicates(w, in, [](uint32_t a, uint32_t b) { return a & b; });
}
void predicate_or(Warp &w, const Instr &in) {
  predicates(w, in, [](uint32_t a, uint32_t b) { return a | b; });
}
void predicate_xor(Warp &w, const Instr &in) {
  predicates(w, in, [](uint32_t a, uint32_t b) { return a ^ b; });
}
void predicate_not(Warp &w, const Instr &in) {
  set_predicate(w, in.d[0], ~w.predicates[in.s[0]], w.predicates_defined[in.s[0]]);
}
}  // namespace

Handler integer_handler(const Key &key) {
  if (is_float(key.type) || is_untyped(key.type)) return nullptr;
  switch (key.op) {
    case Op::ADD: return integers<Add>(key.type);
    case Op::SUB: return integers<Sub>(key.type);
    case Op::MUL: return integers<Mul>(key.type);
    case Op::MUL_HI: return integers<MulHigh>(key.type);
    case Op::MUL_WIDE:
      switch (key.type) {
        case Type::U16: return MulWide<uint16_t>::run;
        case Type::S16: return MulWide<int16_t>::run;
        case Type::U32: return MulWide<uint32_t>::run;
        case Type::S32: return MulWide<int32_t>::run;
        default: return nullptr;
      }
    case Op::MAD: return integers<Mad>(key.type);
    case Op::MAD_HI: return integers<MadHigh>(key.type);
    case Op::MAD_WIDE:
      switch (key.type) {
        case Type::U16: return MadWide<uint16_t>::run;
        case Type::S16: return MadWide<int16_t>::run;
        case Type::U32: return MadWide<uint32_t>::run;
        case Type::S32: return MadWide<int32_t>::run;
        default: return nullptr;
      }
    case Op::DIV: return integers<Div>(key.type);
    case Op::REM: return integers<Rem>(key.type);
    case Op::MIN: return integers<Min>(key.type);
    case Op::MAX: return integers<Max>(key.type);
    case Op::ABS: return is_signed(key.type) ? integers<Abs>(key.type) : nullptr;
    case Op::NEG: return is_signed(key.type) ? integers<Neg>(key.type) : nullptr;
    default: return nullptr;
  }
}

Handler bit_handler(const Key &key) {
  const bool untyped = is_untyped(key.type);
  if (key.type == Type::PRED) {
    switch (key.op) {
      case Op::AND: return predicate_and;
      case Op::OR: return predicate_or;
      case Op::XOR: return predicate_xor;
      case Op::NOT: return predicate_not;
      default: return nullptr;
    }
  }
  if (is_float(key.type)) return nullptr;
  switch (key.op) {
    case Op::AND: return untyped ? integers<And>(key.type) : nullptr;
    case Op::OR: return untyped ? integers<Or>(key.type) : nullptr;
    case Op::XOR: return untyped ? integers<Xor>(key.type) : nullptr;
    case Op::NOT: return untyped ? integers<Not>(key.type) : nullptr;
    case Op::CNOT: return untyped ? integers<Cnot>(key.type) : nullptr;
    case Op::SHL: return untyped ? integers<Shl>(key.type) : nullptr;
    case Op::SHR: return integers<Shr>(key.type);
    case Op::SHF:
      if (key.type != Type::B32) return nullptr;
      switch (key.kind) {
        case 0: return funnel<false, false>;
        case 1: return funnel<true, false>;
        case 2: return funnel<false, true>;
        default: return funnel<true, true>;
      }
    case Op::LOP3: return key.type == Type::B32 ? lop3 : nullptr;
    case Op::PRMT: return key.type == Type::B32 ? permute : nullptr;
    case Op::BFE:
      if (untyped) return nullptr;
      return words(key.type, key.type == Type::S32 ? Bfe<int32_t>::run : Bfe<uint32_t>::run,
                   key.type == Type::S64 ? Bfe<int64_t>::run : Bfe<uint64_t>::run);
    case Op::BFI:
      return untyped ? words(key.type, insert<uint32_t>, insert<uint64_t>) : nullptr;
    case Op::POPC:
      return untyped ? words(key.type, Popc<uint32_t>::run, Popc<uint64_t>::run) : nullptr;
    case Op::CLZ:
      return untyped ? words(key.type, Clz<uint32_t>::run, Clz<uint64_t>::run) : nullptr;
    case Op::BFIND:
      if (untyped) return nullptr;
      return words(key.type, key.type == Type::S32 ? Bfind<int32_t>::run : Bfind<uint32_t>::run,
                   key.type == Type::S64 ? Bfind<int64_t>::run : Bfind<uint64_t>::run);
    case Op::BREV:
      return untyped ? words(key.type, Brev<uint32_t>::run, Brev<uint64_t>::run) : nullptr;
    default: return nullptr;
  }
}

}  // namespace PTX_ISA
}  // namespace ptx
