/* Instructions between text and code: operands are virtual registers, which then get rows. */
#ifndef PTX_DRAFT_H
#define PTX_DRAFT_H

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "program.h"

namespace ptx {

/* An operand: a virtual register, predicates included, or a row of constants. */
struct Ref {
  enum Kind : uint8_t { NONE, REGISTER, CONSTANT, SPECIAL } kind = NONE;
  uint32_t index = 0; /* of the register, the constant or the special row */
};

struct Draft {
  Instr instr;
  Key key;
  Ref d[4], s[4], base;
  int guard = -1;
  std::string label;
  bool falls_through = true;
};

/* Whether a register may be wider than its type: within 32 bits, or whatever it is. */
enum Loose { EXACT, WITHIN_ROW, ANY_WIDTH };

/* The statements of an entry as drafts. */
class Decoder {
 public:
  Decoder(const Entry &entry, Program &program) : entry_(entry), program_(program) {}
  void run();
  std::vector<Draft> drafts;
  std::vector<std::pair<uint64_t, bool>> constants; /* bits, and whether lanes are 64-bit */
  std::vector<Special> specials;

 private:
  friend class Suffixes;
  void one(const Statement &statement);
  bool arithmetic(const Statement &s, class Suffixes &x, Draft &d);
  bool bits(const Statement &s, class Suffixes &x, Draft &d);
  bool with_constant(const Statement &s, unsigned constant, Draft &d);
  bool moves(const Statement &s, class Suffixes &x, Draft &d);
  bool memory(const Statement &s, class Suffixes &x, Draft &d);
  bool threads(const Statement &s, class Suffixes &x, Draft &d);
  bool compares(const Statement &s, class Suffixes &x, Draft &d);
  void conversion(const Statement &s, class Suffixes &x, Draft &d);
  void move(const Statement &s, Type type, Draft &d);

  void count(const Statement &s, size_t least, size_t most = 0) const;
  Type type_of(int reg) const { return entry_.registers[(size_t)reg]; }
  Ref source(const Statement &s, size_t i, Type type);
  Ref source(const Statement &s, const Operand &operand, Type type, Loose loose = EXACT);
  Ref predicate(const Statement &s, const Operand &operand);
  Ref target(const Statement &s, const Operand &operand, Type type, Loose loose = EXACT);
  Ref target(const Statement &s, size_t i, Type type);
  Ref constant(uint64_t bits, bool wide);
  Ref special(const Statement &s, const std::string &name);
  uint64_t address_of(const Symbol &symbol) const;
  uint64_t immediate(const Statement &s, const Operand &operand, Type type) const;
  void address(const Statement &s, const Operand &operand, Space space, Draft &d);

  const Entry &entry_;
  Program &program_;
  std::map<std::pair<uint64_t, bool>, uint32_t> constant_numbers_;
};

/* The suffixes of one statement; what nobody took is not known. */
class Suffixes {
 public:
  explicit Suffixes(const Statement &s) : s_(s), taken_(s.suffixes.size(), false) {}
  bool take(const std::string &name);
  /* The first type that nobody took, or NONE. */
  Type type();
  Round round();
  bool rest(const char *prefix); /* takes one that begins so */
  std::string unknown() const;

 private:
  const Statement &s_;
  std::vector<bool> taken_;
};

/* Gives the drafts' registers their rows and makes the code of them. */
void assign_rows(const Entry &entry, Decoder &decoder, Program &program);

}  // namespace ptx

#endif
