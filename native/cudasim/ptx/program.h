/*
 * An entry as it is run: one instruction is applied to the 32 threads of a warp at once. Registers
 * are rows of a warp's file, 32 lanes of 4 or 8 bytes, and so are constants and special registers;
 * predicates are masks of 32 bits.
 */
#ifndef PTX_PROGRAM_H
#define PTX_PROGRAM_H

#include <memory>
#include <string>
#include <vector>

#include "module.h"
#include "types.h"

namespace ptx {

const unsigned LANES = 32;
const unsigned ROW = 4 * LANES; /* bytes of a row of 32-bit lanes; of a 64-bit one two of them */
const uint32_t NO_PREDICATE = ~0u;

struct Warp;
struct Instr;
typedef void (*Handler)(Warp &, const Instr &);

enum class Op : uint8_t {
  MOV, ADD, SUB, MUL, MUL_HI, MUL_WIDE, MAD, MAD_HI, MAD_WIDE, FMA, DIV, REM, ABS, NEG, MIN, MAX,
  MIN_NAN, MAX_NAN, SQRT, SQRT_ABOUT, SQRT_NORMAL_ABOUT, RCP, RCP_ABOUT, AND, OR, XOR, NOT, CNOT, SHL, SHR, SHF, LOP3,
  PRMT, BFE, BFI, POPC, CLZ, BFIND, BREV, COPYSIGN, TESTP, SETP, SELP, CVT, PACK, UNPACK, TO_SPACE, FROM_SPACE, IS_SPACE,
  LD, ST, ATOM, BAR, BAR_WARP, VOTE, SHFL, ACTIVEMASK, BRA, RET, TRAP, NOTHING,
};

enum class Round : uint8_t { NEAREST, ZERO, DOWN, UP, NONE };
enum class Compare : uint8_t {
  EQ, NE, LT, LE, GT, GE, EQU, NEU, LTU, LEU, GTU, GEU, NUM, NOT_A_NUMBER
};
enum class Combine : uint8_t { NONE, AND, OR, XOR };
enum class Atomic : uint8_t { ADD, MIN, MAX, AND, OR, XOR, EXCH, CAS, INC, DEC };
enum class Vote : uint8_t { ANY, ALL, UNI, BALLOT };
enum class Shuffle : uint8_t { UP, DOWN, BUTTERFLY, INDEX };
enum class Test : uint8_t { FINITE, INFINITE, NUMBER, NOT_A_NUMBER, NORMAL, SUBNORMAL };

/* What decides which code runs an instruction. */
struct Key {
  Op op = Op::NOTHING;
  Type type = Type::NONE;
  Type from = Type::NONE;        /* of cvt, shfl, shf: see decode */
  Round round = Round::NEAREST;  /* of cvt: NONE if none is said */
  bool to_integral = false;      /* cvt.rni and the like */
  bool saturate = false;
  uint8_t kind = 0;              /* Compare, Atomic, Vote, Shuffle, Test, ... */
  Combine combine = Combine::NONE;
  Space space = Space::GENERIC;
};

/* What the loop itself has to do with an instruction. */
enum class Flow : uint8_t { PLAIN, GUARDED, BRANCH, EXIT, BARRIER, TOGETHER };

struct Instr {
  Handler run = nullptr;
  uint32_t d[4] = {0, 0, 0, 0}; /* offsets of rows, or numbers of predicates */
  uint32_t s[4] = {0, 0, 0, 0};
  uint32_t base = 0;            /* the row of an address */
  int64_t offset = 0;           /* of an address; of others a constant of theirs */
  uint32_t target = 0;
  uint32_t guard = NO_PREDICATE;
  bool guard_negated = false;
  Flow flow = Flow::PLAIN;
  uint8_t count = 1;  /* elements of a vector, or of a pack */
  uint8_t bytes = 0;  /* of one in memory */
  bool extends = false;     /* a load of a signed type */
  bool wide = false;        /* the register has 64-bit lanes */
  bool narrow_base = false; /* the address has 32-bit lanes */
  bool strong = false;      /* volatile, relaxed and the like: no data race */
  bool negated = false;     /* the last predicate among the sources */
  Space space = Space::GENERIC;
  uint32_t access = 0;      /* number among those that access memory */
  uint8_t kind = 0;
  Combine combine = Combine::NONE;
};

struct Constant {
  uint32_t row;
  uint64_t bits;
  bool wide;
};

enum class Special : uint8_t {
  TID_X, TID_Y, TID_Z, NTID_X, NTID_Y, NTID_Z, CTAID_X, CTAID_Y, CTAID_Z, NCTAID_X, NCTAID_Y,
  NCTAID_Z, LANEID, WARPID, NWARPID, LANEMASK_EQ, LANEMASK_LT, LANEMASK_LE, LANEMASK_GT,
  LANEMASK_GE, DYNAMIC_SMEM, TOTAL_SMEM,
};

struct SpecialRow {
  Special what;
  uint32_t row;
};

struct Program {
  const Entry *entry = nullptr;
  std::vector<Instr> code;
  std::vector<int> lines;          /* of the text, by instruction */
  std::vector<std::string> names;  /* likewise the opcode */
  std::vector<Constant> constants;
  std::vector<SpecialRow> specials;
  /* Rows and predicates that a path from the start may read before it writes them. */
  std::vector<uint32_t> unset_rows, unset_predicates;
  uint32_t file_bytes = 0;          /* of a warp's rows */
  uint32_t predicates = 0;
  uint32_t accesses = 0;
  uint64_t shared_bytes = 0;      /* without dynamic */
  uint64_t dynamic_shared_at = 0;
};

/* Throws Error for what is not known. The module's variables must have their addresses. */
std::unique_ptr<Program> decode(const Entry &entry);

/* The code for a key, or null. By what the processor can; CUDASIM_PTX_ISA=baseline forbids that. */
Handler handler_of(const Key &key);

}  // namespace ptx

#endif
