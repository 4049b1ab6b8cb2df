/* The types and state spaces of PTX, and the error that refuses a text. */
#ifndef PTX_TYPES_H
#define PTX_TYPES_H

#include <cstdint>
#include <stdexcept>
#include <string>

namespace ptx {

enum class Type : uint8_t {
  NONE, PRED, B8, B16, B32, B64, U8, U16, U32, U64, S8, S16, S32, S64, F16, BF16, F32, F64,
};

enum class Space : uint8_t { GENERIC, PARAM, GLOBAL, SHARED, LOCAL, CONST };

/* 0 for predicates and none. */
inline unsigned bytes_of(Type type) {
  switch (type) {
    case Type::B8: case Type::U8: case Type::S8: return 1;
    case Type::B16: case Type::U16: case Type::S16: case Type::F16: case Type::BF16: return 2;
    case Type::B32: case Type::U32: case Type::S32: case Type::F32: return 4;
    case Type::B64: case Type::U64: case Type::S64: case Type::F64: return 8;
    default: return 0;
  }
}

inline bool is_float(Type type) { return type >= Type::F16; }
inline bool is_signed(Type type) { return type >= Type::S8 && type <= Type::S64; }
inline bool is_untyped(Type type) { return type >= Type::B8 && type <= Type::B64; }
inline bool is_integer(Type type) { return type >= Type::B8 && type <= Type::S64; }

/* The type that a suffix such as f32 names, or NONE. */
Type type_named(const std::string &name);
const char *name_of(Type type);

/* A text that is not understood; what() begins with its line. */
struct Error : std::runtime_error {
  Error(int line, const std::string &what)
      : std::runtime_error("line " + std::to_string(line) + ": " + what) {}
};

/* Where generic addresses of the block's own memory lie: no host address has these bits. */
const uint64_t SHARED_WINDOW = 1ull << 56;
const uint64_t LOCAL_WINDOW = 2ull << 56;
const uint64_t PARAM_WINDOW = 3ull << 56;
const uint64_t WINDOW_MASK = 0xffull << 56;

inline uint64_t window_of(Space space) {
  switch (space) {
    case Space::SHARED: return SHARED_WINDOW;
    case Space::LOCAL: return LOCAL_WINDOW;
    case Space::PARAM: return PARAM_WINDOW;
    default: return 0;
  }
}

}  // namespace ptx

#endif
